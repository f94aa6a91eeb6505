// SPDX-License-Identifier: Apache-2.0
// A Copy button behind every <code data-copy>. Without script the text is selected by one click.
const say = document.querySelector('#announce');
for (const code of document.querySelectorAll('code[data-copy]')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'copy';
    button.textContent = 'Copy';
    button.setAttribute('aria-label', 'Copy ' + code.dataset.copy);
    button.addEventListener('click', async () => {
        try {
            await navigator.clipboard.writeText(code.textContent);
            button.textContent = 'Copied';
            if (say) say.textContent = code.dataset.copy + ' copied.';
        } catch {
            getSelection().selectAllChildren(code);
            if (say) say.textContent = code.dataset.copy + ' selected: copy it with the keyboard.';
        }
        setTimeout(() => { button.textContent = 'Copy'; }, 2000);
    });
    code.after(button);
}
