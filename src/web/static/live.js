// SPDX-License-Identifier: Apache-2.0
// Asks for the state of a request that is not final, and shows what changed. Texts only.
const live = document.querySelector('[data-live]');
const badge = document.querySelector('#state');
const sentence = document.querySelector('#sentence');
const steps = document.querySelector('#steps');
const say = document.querySelector('#announce');
let last = badge ? badge.textContent : '';

function show(state) {
    badge.textContent = state.label;
    badge.className = 'badge ' + state.tone;
    sentence.textContent = state.sentence;
    for (let i = steps.children.length; i < state.steps.length; i++) {
        const item = document.createElement('li');
        const name = document.createElement('strong');
        const time = document.createElement('time');
        name.textContent = state.steps[i].name;
        time.dateTime = state.steps[i].iso;
        time.textContent = state.steps[i].time;
        item.append(name, ' ', time);
        steps.append(item);
    }
    if (state.label !== last || state.final) say.textContent = state.sentence;
    last = state.label;
}

async function ask() {
    if (!document.hidden) {
        try {
            const answer = await fetch(live.dataset.live, { headers: { Accept: 'application/json' } });
            if (answer.status === 401) return;
            if (answer.ok) {
                const state = await answer.json();
                show(state);
                if (state.final) {
                    // Without the notice of the form that led here.
                    setTimeout(() => location.replace(location.pathname), 300);
                    return;
                }
            }
        } catch { /* the next round asks again */ }
    }
    setTimeout(ask, 1500);
}
if (live) setTimeout(ask, 1000);
