// SPDX-License-Identifier: Apache-2.0
// An administrator's first day: set-up link, sign-in, a first signed file, everything that can go
// wrong on the way, and every other page. facts.js says whether scripts run.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { equal, facts, finish, has, person, start, step, story, yes } from './lib.mjs';

const SUBMIT = 'form[enctype] button[type=submit]';
const browser = await start();
const ana = await person(browser, { js: facts.js });
const page = ana.page;

// The page of a request, not the form at /requests/new?policy=...
const onRequest = u => /^\/requests\/[0-9a-f-]{36}$/.test(u.pathname);

async function choosePolicy(name) {
    await ana.go('/requests/new');
    await page.selectOption('#choose', { label: name });
    await page.click('form.filters button');
    has(await page.locator('#choose option:checked').innerText(), name);
}

async function submit(file, more = async () => {}) {
    if (file) await page.setInputFiles('#artifact', file);
    await more();
    await page.click(SUBMIT);
}

// What the browser itself would refuse must also be refused by the server.
const trustTheServer = () => page.evaluate(() => { document.querySelector('form[enctype]').noValidate = true; });

async function download(link) {
    const [got] = await Promise.all([page.waitForEvent('download'), page.click(link)]);
    return { name: got.suggestedFilename(), bytes: fs.readFileSync(await got.path()) };
}
const sha256 = bytes => createHash('sha256').update(bytes).digest('hex');

await story('first day', async () => {
    await step('set-up link: rules for the password, then it is set', async () => {
        await ana.go(facts.setup);
        await page.fill('#password', facts.password);
        await page.fill('#again', facts.password + 'x');
        await page.click('main button[type=submit]');
        has(await ana.text('#problem'), 'differ');
        await page.fill('#password', facts.password);
        await page.fill('#again', facts.password);
        await page.click('main button[type=submit]');
        has(ana.at(), '/signin');
        has(await ana.text('#announce'), 'password is set');
        ana.trouble(/status of 400/);
    });
    await step('set-up link: not twice', async () => {
        await ana.go(facts.setup);
        await page.fill('#password', facts.password);
        await page.fill('#again', facts.password);
        await page.click('main button[type=submit]');
        has(await ana.text('#problem'), 'does not work');
        ana.trouble(/status of 404/);
    });
    await step('wrong password: said, and the address is kept', async () => {
        await ana.go('/signin');
        await page.fill('#email', facts.email);
        await page.fill('#password', 'not the right one');
        await page.click('main button[type=submit]');
        has(await ana.text('#problem'), 'wrong');
        equal(await page.inputValue('#email'), facts.email);
        equal(await page.inputValue('#password'), '');
        ana.trouble(/status of 403/);
    });
    await step('sign-in leads to the page that was asked for', async () => {
        await page.goto(facts.url + '/projects');
        has(ana.at(), '/signin?return=');
        await page.fill('#email', facts.email);
        await page.fill('#password', facts.password);
        await page.keyboard.press('Enter');
        await page.waitForURL('**/projects');
        ana.trouble();
    });
    await step('dashboard and list of a new service', async () => {
        await ana.go('/');
        has(await ana.text(), 'First steps');
        has(await ana.text(), 'no signing request yet');
        await ana.picture('dashboard-empty');
        await ana.go('/requests');
        has(await ana.text(), 'no signing request yet');
        await page.selectOption('#status', 'Failed');
        await page.click('form.filters button');
        has(ana.at(), 'status=Failed');
        has(await ana.text(), 'No signing request matches');
        await page.click('form.filters >> text=Clear');
        equal(ana.at(), '/requests');
        ana.trouble();
    });
    await step('the form asks for a file', async () => {
        await choosePolicy('Acme App › test-signing');
        if (facts.js) await trustTheServer();
        await page.click(SUBMIT);
        if (facts.js) {
            await page.locator('#problem:not([hidden])').waitFor();
            has(await ana.text('#problem'), 'Artifact');
            equal(await page.getAttribute('#artifact', 'aria-invalid'), 'true');
        } else {
            equal(ana.at().split('?')[0], '/requests/new');
            yes(await page.locator('#artifact:invalid').count(), 'the browser sent a form without a file');
        }
        ana.trouble(/status of 400/);
    });
    await step('an empty file is refused with words', async () => {
        await submit(facts.empty);
        await page.locator('#problem:not([hidden])').waitFor();
        has(await ana.text('#problem'), 'empty');
        ana.trouble(/status of 400/);
    });
    await step('a file over the limit', async () => {
        await choosePolicy('Acme App › test-signing');
        await submit(facts.big);
        if (facts.js) {
            await page.locator('#problem:not([hidden])').waitFor();
            has(await ana.text('#problem'), 'larger than');
        } else {
            await page.waitForURL(u => u.search === '');
            has(await ana.text(), 'larger than');
            await page.click('text=Back to the form');
        }
        await ana.picture('too-large');
        ana.trouble(/status of 413/);
    });
    await step('a parameter that is needed', async () => {
        await choosePolicy('Acme App › test-signing');
        await page.selectOption('#configuration', { label: 'with-parameters (version 1)' });
        await page.click('form.filters button');
        await page.locator('[name="parameters.version"]').waitFor();
        if (facts.js) {
            await trustTheServer();
            await submit(facts.sample);
            await page.locator('#problem:not([hidden])').waitFor();
            has(await ana.text('#problem'), 'version');
            equal(await page.getAttribute('[name="parameters.version"]', 'aria-invalid'), 'true');
            await ana.picture('parameter-missing');
        } else {
            yes(await page.locator('[name="parameters.version"]:invalid').count(), 'the parameter is not required');
        }
        ana.trouble(/status of 400/);
    });
    await step('a file that does not fit fails with a reason, a place and somebody to ask', async () => {
        await choosePolicy('Acme App › test-signing');
        await submit(facts.wrong, () => page.fill('#description', 'A text file'));
        await page.waitForURL(onRequest);
        await ana.until('Failed');
        const text = await ana.text();
        for (const part of ['Who can fix it', 'Code', 'A text file', 'There is none: nothing was released.']) has(text, part);
        await ana.picture('failed');
        ana.trouble();
    });
    await step('a failed request once more, with what the configuration says now', async () => {
        const first = ana.at().split('?')[0];
        await page.click('text=Resubmit with current settings');
        await page.waitForURL(u => onRequest(u) && u.pathname !== first);
        await ana.until('Failed');
        equal(await page.getAttribute('dd a[href^="/requests/"]', 'href'), first);
        ana.trouble();
    });
    let signed, unsigned;
    await step('a real file becomes a signed file while one looks on', async () => {
        await choosePolicy('Acme App › test-signing');
        await submit(facts.sample, () => page.fill('#description', 'Release 2.4.1'));
        await page.waitForURL(onRequest);
        facts.request = ana.at().split('?')[0].split('/').pop();
        await ana.until('Completed');
        await ana.go('/requests/' + facts.request);
        has(await ana.text('#sentence'), 'can be downloaded');
        ana.trouble();
    });
    await step('the tree says what was signed, with which hash', async () => {
        const files = page.locator('.tree summary .badge');
        equal(await files.count(), 5);
        for (const badge of await files.allInnerTexts()) has(badge, 'signed');
        const tool = page.locator('.tree summary', { hasText: 'AcmeTool.exe' });
        await tool.click();
        const details = await tool.locator('xpath=following-sibling::dl').innerText();
        for (const part of ['tools.zip', 'authenticode-sign', 'configuration line']) has(details, part);
        await ana.picture('completed');
        ana.trouble();
    });
    await step('downloads are the files', async () => {
        signed = await download('.downloads a[href$="/signed"]');
        unsigned = await download('.downloads a[href$="/unsigned"]');
        equal(signed.name, 'bundle.zip');
        equal(sha256(unsigned.bytes), sha256(fs.readFileSync(facts.sample)), 'unsigned artifact');
        const shown = await page.locator('#hashes ~ p code').allInnerTexts();
        equal(shown[0], sha256(unsigned.bytes), 'shown hash');
        equal(shown[1], sha256(signed.bytes), 'shown hash');
        yes(!signed.bytes.equals(unsigned.bytes), 'the signed file is the unsigned one');
        fs.writeFileSync(facts.signed, signed.bytes);
        const receipt = await download('.downloads a[href$="/receipt"]');
        equal(receipt.name, 'receipt.json');
        const json = JSON.parse(receipt.bytes);
        equal(json.files.length, 5);
        has(JSON.stringify(json), sha256(signed.bytes));
        ana.trouble();
    });
    await step('the same file again under another policy', async () => {
        await page.selectOption('#policy', { label: 'second' });
        await page.click('button:text-is("Resubmit")');
        await page.waitForURL(u => u.pathname.startsWith('/requests/') && !u.pathname.includes(facts.request));
        await ana.until('Completed');
        const text = await ana.text();
        has(text, 'Resubmits');
        has(text, 'second');
        ana.trouble();
    });
    await step('a request that waits can be canceled', async () => {
        await choosePolicy('Acme App › slow');
        await submit(facts.sample);
        await page.waitForURL(onRequest);
        await ana.until('In progress');
        await ana.picture('in-progress');
        await ana.page.locator('#reason').fill('wrong file');
        await page.click('text=Cancel the request');
        await ana.until('Canceled', 90);
        has(await ana.text(), 'wrong file');
        ana.trouble();
    });
    await step('the list and its filters', async () => {
        await ana.go('/requests');
        equal(await page.locator('tbody tr').count(), 5);
        await page.selectOption('#status', 'Completed');
        await page.selectOption('#project', 'acme-app');
        await page.click('form.filters button');
        equal(await page.locator('tbody tr').count(), 2);
        equal(await page.locator('#status option:checked').innerText(), 'Completed');
        await page.selectOption('#project', 'empty');
        await page.click('form.filters button');
        has(await ana.text(), 'No signing request matches');
        ana.trouble();
    });
    await step('projects, policies, configurations', async () => {
        await page.click('nav.rail >> text=Projects');
        await page.click('main >> text=Acme App');
        for (const part of ['test-signing', 'slow', 'initial', 'Ana']) has(await ana.text(), part);
        await page.click('main >> text=initial');
        has(await ana.text('pre'), '<authenticode-sign');
        await ana.go('/projects/acme-app/configurations/initial?version=99', 404);
        ana.trouble(/status of 404/);
    });
    await step('certificates', async () => {
        await page.goto(facts.url + '/certificates');
        await page.click('main >> text=Acme test');
        for (const part of ['CN=Acme Test', 'test-signing', 'rsa-3072']) has(await ana.text(), part);
        const cer = await download('text=Download certificate');
        equal(cer.bytes[0], 0x30, 'first byte of the DER');
        has(await ana.text(), sha256(cer.bytes));
        ana.trouble();
    });
    await step('users, and a set-up link for one who was invited', async () => {
        await page.click('nav.rail >> text=Users');
        has(await ana.text(), 'Invited');
        await page.click('button[aria-label="Issue a set-up link for Bo"]');
        const link = await ana.text('code.secret');
        has(link, '/setup?code=');
        await ana.picture('setup-link');
        const bo = await person(browser, { js: facts.js });
        await bo.page.goto(facts.url + link.slice(link.indexOf('/setup')));
        await bo.page.fill('#password', facts.password);
        await bo.page.fill('#again', facts.password);
        await bo.page.click('main button[type=submit]');
        await bo.signIn('bo@example.org');
        has(await bo.text(), 'not a submitter of any signing policy');
        equal(await bo.page.locator('nav.rail >> text=Audit log').count(), 0);
        await bo.go('/audit', 403);
        await bo.go('/requests/' + facts.request);
        equal(await bo.page.locator('.downloads button:disabled').count(), 3);
        has(await bo.text(), 'You may not see the files of this request.');
        await bo.picture('without-rights');
        await bo.go(`/requests/${facts.request}/signed`, 403);
        bo.trouble(/status of 403/);
        await bo.close();
        ana.trouble();
    });
    await step('audit log, and what belongs to one request', async () => {
        await page.click('text=I have passed it on');
        await page.click('nav.rail >> text=Audit log');
        has(await ana.text(), 'User.SetupLinkIssued');
        await page.fill('#request', facts.request);
        await page.click('form.filters button');
        const kinds = await page.locator('tbody td[data-label=What]').allInnerTexts();
        equal(kinds.join(' '), 'OUTCOME INTENT SigningRequest.Planned SigningRequest.Submitted');
        ana.trouble();
    });
    await step('a token of one’s own: shown once, works, is revoked, works no more', async () => {
        await page.click('header >> text=Ana');
        await page.fill('#token', 'laptop');
        await page.selectOption('#days', '30');
        await page.click('text=Make token');
        const token = await ana.text('code.secret');
        yes(/^chy_[A-Za-z0-9_-]{43}$/.test(token), 'a token: ' + token);
        await ana.picture('token');
        const call = () => fetch(facts.url + `/API/v1/${facts.organization}/SigningRequests`, { headers: { Authorization: 'Bearer ' + token } });
        equal((await call()).status, 200);
        await page.click('text=I have stored it');
        yes(!(await page.content()).includes(token), 'the token is shown again');
        await page.click('button[aria-label="Revoke token laptop"]');
        has(await ana.text('#announce'), 'revoked');
        equal((await call()).status, 401);
        ana.trouble();
    });
    await step('pages that are not there', async () => {
        await ana.go('/requests/00000000-0000-4000-8000-000000000000', 404);
        has(await ana.text(), 'no signing request with this id');
        await ana.go('/nothing', 404);
        await ana.picture('not-found');
        ana.trouble(/status of 404/);
    });
    await step('sign-out', async () => {
        await ana.go('/');
        await page.click('text=Sign out');
        has(await ana.text('#announce'), 'signed out');
        await page.goto(facts.url + '/requests');
        has(ana.at(), '/signin');
        ana.trouble();
    });
    await step('whoever guesses passwords has to wait', async () => {
        const eve = await person(browser, { js: facts.js });
        let status;
        for (let i = 0; i < 12 && status !== 429; i++) {
            await eve.go('/signin');
            await eve.page.fill('#email', 'eve@example.org');
            await eve.page.fill('#password', 'guess number ' + i);
            const [answer] = await Promise.all([eve.page.waitForResponse(r => r.request().method() === 'POST'), eve.page.click('main button[type=submit]')]);
            status = answer.status();
        }
        equal(status, 429);
        has(await eve.text('#problem'), 'Wait a quarter of an hour');
        await eve.picture('throttled');
        eve.trouble(/status of (403|429)/);
        await eve.close();
    });
});
await browser.close();
finish();
