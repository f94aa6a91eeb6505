// SPDX-License-Identifier: Apache-2.0
// Shows how far an upload is. Without script the same form is sent as it stands.
const form = document.querySelector('form[data-upload]');

function fail(problem, text, field) {
    problem.hidden = false;
    problem.querySelector('p').textContent = text;
    for (const old of form.querySelectorAll('[aria-invalid]')) old.removeAttribute('aria-invalid');
    const input = field && [...form.elements].find(x => x.name.toLowerCase() === field.toLowerCase());
    if (input) input.setAttribute('aria-invalid', 'true');
    (input || problem).focus();
}

function send(event) {
    event.preventDefault();
    const bar = form.querySelector('progress');
    const button = form.querySelector('button[type=submit]');
    const problem = document.querySelector('#problem');
    const request = new XMLHttpRequest();
    problem.hidden = true;
    bar.hidden = false;
    button.disabled = true;
    request.open('POST', form.action);
    request.setRequestHeader('Accept', 'application/json');
    request.upload.addEventListener('progress', e => {
        if (e.lengthComputable) bar.value = e.loaded / e.total;
    });
    request.addEventListener('loadend', () => {
        let answer = {};
        try { answer = JSON.parse(request.responseText); } catch { /* said below */ }
        if (request.status === 201 && answer.location) {
            location.assign(answer.location);
            return;
        }
        bar.hidden = true;
        button.disabled = false;
        fail(problem, answer.error || 'The upload did not get through. Try again.', Object.keys(answer.errors || {})[0]);
    });
    request.send(new FormData(form));
}
if (form) form.addEventListener('submit', send);
