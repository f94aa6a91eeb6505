// SPDX-License-Identifier: Apache-2.0
// HTML, scripts and addresses in every name and text that people can set: each must be read as the
// text it is, on every page, and nothing of it may run.
import { equal, facts, finish, person, start, step, story, yes } from './lib.mjs';

const browser = await start();
const ana = await person(browser);
const page = ana.page;
const seen = new Set();

// What the page is made of, as the browser understood it.
const inspect = () => page.evaluate(() => {
    const bad = [];
    for (const e of document.querySelectorAll('*')) {
        for (const a of e.attributes) {
            if (a.name.startsWith('on') || a.name === 'style' || a.name === 'srcdoc') bad.push(`<${e.localName} ${a.name}>`);
            if (['href', 'src', 'action', 'formaction', 'data'].includes(a.name) && !/^(\/(?!\/)|#|\?|https?:|mailto:)/i.test(a.value))
                bad.push(`<${e.localName} ${a.name}="${a.value}">`);
        }
        if (e.localName === 'script' && !(e.getAttribute('src') ?? '').startsWith('/static/')) bad.push('<script> of its own');
        if (e.localName === 'img' && !e.getAttribute('src').startsWith('/static/')) bad.push('<img> of its own');
        if (['svg', 'iframe', 'object', 'embed', 'base', 'math', 'template', 'b'].includes(e.localName)) bad.push(`<${e.localName}>`);
    }
    const values = [...document.querySelectorAll('input, textarea')].map(e => e.value);
    const labels = [...document.querySelectorAll('option, [aria-label]')].map(e => e.getAttribute('aria-label') ?? e.textContent);
    return { bad, text: [document.body.innerText, document.body.textContent, ...values, ...labels].join('\n'), ran: globalThis.pwned };
});

async function look(address, status = 200) {
    await ana.go(address, status);
    await page.evaluate(() => { for (const d of document.querySelectorAll('details')) d.open = true; });
    const { bad, text, ran } = await inspect();
    equal(bad.join(' '), '', 'markup on ' + address);
    equal(ran, undefined, 'a script ran on ' + address);
    for (const [name, payload] of Object.entries(facts.payloads)) if (text.includes(payload)) seen.add(name);
    ana.trouble(/status of (400|403|404)/);
}

await story('hostile texts', async () => {
    await ana.signIn(facts.email);
    await step('a name for a token', async () => {
        await ana.go('/me');
        await page.fill('#token', facts.payloads.token);
        await page.click('text=Make token');
        await page.locator('code.secret').waitFor();
        ana.trouble();
    });
    await step('a description and a file name by the form', async () => {
        await ana.go('/requests/new');
        await page.setInputFiles('#artifact', facts.nasty);
        await page.fill('#description', facts.payloads.description);
        for (const name of ['one', 'two']) if (await page.locator(`[name="parameters.${name}"]`).count()) await page.fill(`[name="parameters.${name}"]`, facts.payloads.parameter);
        await page.click('form[enctype] button[type=submit]');
        await page.waitForURL(u => /^\/requests\/[0-9a-f-]{36}$/.test(u.pathname));
        await ana.until('Failed');
        facts.pages.push(new URL(page.url()).pathname);
        ana.trouble();
    });
    for (const address of facts.pages) await step('page ' + address, () => look(address));
    await step('texts in addresses', async () => {
        const x = encodeURIComponent(facts.payloads.description);
        for (const address of ['/requests?status=' + x, '/requests?project=acme&status=' + x, '/audit?request=' + x, '/requests/new?policy=' + x + '&configuration=' + x, '/?notice=' + x,
            '/signin?return=' + x, '/setup?code=' + x])
            await look(address);
        for (const address of ['/requests?project=' + x, '/requests/' + x, '/projects/' + x, '/certificates/' + x, '/' + x])
            await look(address, 404);
        await look('/requests?after=' + x, 400);
    });
    await step('an address to return to leads nowhere else', async () => {
        for (const evil of ['//evil.example/', 'https://evil.example/', '/\\evil.example', 'javascript:alert(1)', '/%09/evil.example']) {
            const eve = await person(browser);
            await eve.go('/signin?return=' + encodeURIComponent(evil));
            await eve.page.fill('#email', facts.email);
            await eve.page.fill('#password', facts.password);
            await eve.page.click('main button[type=submit]');
            await eve.page.waitForURL(u => u.pathname !== '/signin');
            equal(new URL(eve.page.url()).origin, facts.url, 'after ' + evil);
            eve.trouble(/status of 40[04]/);
            await eve.close();
        }
    });
    await step('wrong forms are shown again with what was typed', async () => {
        await page.context().clearCookies();
        await ana.go('/signin');
        await page.locator('#email').evaluate(e => { e.type = 'text'; });
        await page.fill('#email', facts.payloads.description);
        await page.fill('#password', 'wrong password');
        await page.click('main button[type=submit]');
        await page.locator('#problem:not([hidden])').waitFor();
        equal((await inspect()).bad.join(' '), '');
        ana.trouble(/status of 403/);
    });
    await step('every text was seen somewhere', async () => {
        const missing = Object.keys(facts.payloads).filter(name => !seen.has(name));
        yes(missing.length === 0, 'never shown as text: ' + missing.join(', '));
    });
});
await browser.close();
finish();
