// SPDX-License-Identifier: Apache-2.0
// Every page in both colour schemes, on a desk and on a phone: nothing serious for axe, nothing wider
// than the screen, no complaint of the browser; and a picture of each.
import { equal, facts, finish, person, start, step, story, yes } from './lib.mjs';

const browser = await start();

async function pagesOf(ana) {
    await ana.go('/requests');
    const rows = await ana.page.locator('tbody tr').evaluateAll(all => all.map(r => [r.querySelector('.badge').textContent, r.querySelector('a').getAttribute('href')]));
    const request = label => rows.find(r => r[0] === label)[1];
    return [['dashboard', '/'], ['requests', '/requests'], ['requests-none', '/requests?status=Denied'], ['submit', '/requests/new'],
        ['request-completed', request('Completed')], ['request-failed', request('Failed')], ['request-canceled', request('Canceled')],
        ['projects', '/projects'], ['project', '/projects/acme-app'], ['project-empty', '/projects/empty'],
        ['configuration', '/projects/acme-app/configurations/initial'], ['certificates', '/certificates'], ['certificate', '/certificates/test'],
        ['users', '/users'], ['audit', '/audit'], ['me', '/me'], ['not-found', '/nothing', 404]];
}

async function look(who, name, suffix, careful) {
    const other = careful ? await who.accessible(name) : [];
    const { inner, outer } = await who.page.evaluate(() => ({ inner: document.documentElement.scrollWidth, outer: innerWidth }));
    yes(inner <= outer, `${name} is ${inner} pixels wide on a screen of ${outer}`);
    equal(await who.page.locator('h1').count(), 1, 'headings of ' + name);
    yes((await who.page.title()).endsWith('· Chancery'), 'title of ' + name);
    if (careful) await who.picture(`${name}-${suffix}`);
    if (other.length) console.log(`        ${name}: axe also mentions ${other.join(', ')}`);
}

// [scheme, width, height, device, axe and a picture]: colours do not depend on the width.
const screens = [['light', 1280, 900, 'desk', true], ['dark', 1280, 900, 'desk', true], ['light', 390, 844, 'phone', true],
    ['dark', 320, 640, 'narrow', false]];
for (const [scheme, width, height, device, careful] of screens)
    await story(scheme + ' ' + device, async () => {
        const who = await person(browser, { scheme, width, height });
        await step(`signed out, ${scheme}, ${device}`, async () => {
            for (const [name, address] of [['signin', '/signin'], ['setup', '/setup?code=x']]) {
                await who.go(address);
                await look(who, name, `${scheme}-${device}`, careful);
            }
            who.trouble();
        });
        await who.signIn(facts.email);
        for (const [name, address, status] of await pagesOf(who))
            await step(`${name}, ${scheme}, ${device}`, async () => {
                await who.go(address, status ?? 200);
                await look(who, name, `${scheme}-${device}`, careful);
                who.trouble(/status of 404/);
            });
        await who.close();
    });
await browser.close();
finish();
