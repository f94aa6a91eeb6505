// SPDX-License-Identifier: Apache-2.0
// A browser that notices: script errors, broken content security policy, dialogs, requests to other
// hosts, and rules of accessibility that are broken.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const axeSource = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export const facts = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];
const tally = { passed: 0, failed: 0, folder: path.join(facts.out, path.basename(process.argv[1], '.mjs')) };

export async function start() {
    fs.mkdirSync(tally.folder, { recursive: true });
    const home = fs.mkdtempSync(path.join(os.tmpdir(), 'chb'));
    const browser = await chromium.launch({ executablePath: facts.chromium, headless: true, args: FLAGS,
        env: { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home } });
    browser.on('disconnected', () => fs.rmSync(home, { recursive: true, force: true }));
    return browser;
}

// One step of a story. The first that fails ends the story: the rest would only repeat it.
export async function step(name, run) {
    const begun = Date.now();
    try {
        await run();
        tally.passed++;
        console.log(`ok      ${name} (${Date.now() - begun} ms)`);
    } catch (e) {
        tally.failed++;
        console.log(`FAILED  ${name}: ${e.stack ?? e}`);
        throw new Ended();
    }
}
class Ended extends Error {}

export async function story(name, run) {
    try {
        await run();
    } catch (e) {
        if (!(e instanceof Ended)) {
            tally.failed++;
            console.log(`FAILED  ${name}: ${e.stack ?? e}`);
        }
    }
}

export function finish() {
    console.log(`${tally.passed} passed, ${tally.failed} failed, 0 skipped`);
    process.exit(tally.failed ? 1 : 0);
}

export function equal(seen, wanted, what = 'value') {
    if (seen !== wanted) throw new Error(`${what}: ${JSON.stringify(seen)} instead of ${JSON.stringify(wanted)}`);
}
export function has(text, part, what = 'text') {
    if (!text.includes(part)) throw new Error(`${what} does not contain ${JSON.stringify(part)}: ${text.slice(0, 600)}`);
}
export function yes(value, what) {
    if (!value) throw new Error(what);
}

// A person with a browser of their own. trouble() throws what the browser complained about since the
// last call; `expected` are patterns of complaints that the test provoked.
export class Person {
    constructor(page, context, js) {
        Object.assign(this, { page, context, js, complaints: [] });
        const own = new URL(facts.url).host;
        page.setDefaultTimeout(15000);
        page.on('console', m => { if (m.type() === 'error' || /violat|Refused to/i.test(m.text())) this.complaints.push('console: ' + m.text()); });
        page.on('pageerror', e => this.complaints.push('script: ' + e.message));
        page.on('dialog', d => { this.complaints.push('dialog: ' + d.message()); d.dismiss(); });
        page.on('request', r => {
            const url = new URL(r.url());
            if (url.protocol.startsWith('http') && url.host !== own) this.complaints.push('request to ' + r.url());
        });
    }

    trouble(...expected) {
        const left = this.complaints.filter(c => !expected.some(e => e.test(c)));
        this.complaints = [];
        if (left.length) throw new Error('the browser complains: ' + left.join(' | '));
    }

    async go(address, status = 200) {
        const answer = await this.page.goto(facts.url + address);
        equal(answer.status(), status, 'status of ' + address);
        return answer;
    }

    text(selector = 'main') { return this.page.locator(selector).first().innerText(); }
    at() { const u = new URL(this.page.url()); return u.pathname + u.search; }
    heading() { return this.page.locator('h1').innerText(); }

    async signIn(email, password = facts.password) {
        await this.go('/signin');
        await this.page.fill('#email', email);
        await this.page.fill('#password', password);
        await this.page.click('main button[type=submit]');
        await this.page.waitForURL(u => !u.pathname.startsWith('/signin'));
    }

    // Without script a person presses Refresh; with script the page must follow by itself.
    async until(label, seconds = 60) {
        const end = Date.now() + seconds * 1000;
        for (;;) {
            let seen = '';
            try { seen = await this.text('#state'); } catch { /* the page is being loaded */ }
            if (seen.includes(label)) break;
            if (Date.now() > end) throw new Error(`"${label}" did not come; the page says "${seen}"`);
            await new Promise(r => setTimeout(r, 250));
            if (!this.js) await this.page.reload();
        }
        // The script loads the page once more when the state is final.
        if (this.js && label !== 'In progress') await this.page.locator('#sentence:not([data-live])').waitFor();
    }

    // WCAG 2.2 A and AA and axe's good practice: nothing serious or critical.
    async accessible(where) {
        await this.page.evaluate(axeSource);
        const found = await this.page.evaluate(async () => {
            const r = await globalThis.axe.run(document, { resultTypes: ['violations'] });
            return r.violations.map(v => ({ id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map(n => n.target.join(' ') + ': ' + n.failureSummary) }));
        });
        const bad = found.filter(v => v.impact === 'serious' || v.impact === 'critical');
        if (bad.length) throw new Error(`${where}: ` + JSON.stringify(bad, null, 1).slice(0, 3000));
        return found.map(v => v.id);
    }

    async picture(name) {
        await this.page.screenshot({ path: path.join(tally.folder, name + '.png'), fullPage: true });
    }

    close() { return this.context.close(); }
}

export async function person(browser, { js = true, scheme = 'light', width = 1280, height = 900 } = {}) {
    const context = await browser.newContext({ javaScriptEnabled: js, colorScheme: scheme, viewport: { width, height }, locale: 'en-GB', reducedMotion: 'reduce' });
    return new Person(await context.newPage(), context, js);
}
