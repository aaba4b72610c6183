// The login where a token is set: what is behind it, its cookie, wrong tokens, logging out.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isAccessible, isClean } from '../harness/checks.mjs';
import { PHONE, WIDE } from '../harness/chromium.mjs';
import { World } from '../harness/world.mjs';

const TOKEN = 'a-token-of-the-tests';
const PAGES = ['/', '/?wall', '/products', '/orders', '/queue', '/benchmark'];

export default function register(shared) {
    let world;
    before(async () => {
        world = await World.start(shared.binary, { settings: { ADMIN_TOKEN: TOKEN } });
    });
    after(() => world?.stop());

    const logIn = async (tab, token = TOKEN) => {
        await tab.page.type('input[name=token]', token);
        await tab.follow('main button');
    };

    test('every page leads to the login, which shows nothing of the store', async () => {
        const tab = await shared.chromium.open(world.server);
        for (const pathname of PAGES) {
            await tab.go(pathname);
            assert.equal(new URL(tab.page.url()).pathname, '/login', pathname);
            assert.doesNotMatch(await tab.run(() => document.body.innerText), /buyer-|iPhone/);
        }
        await isClean(tab, 'the login');
        await tab.close();
    });

    test('the login is accessible, wide and narrow, light and dark, also with an error', async () => {
        for (const size of [WIDE, PHONE]) {
            for (const theme of ['light', 'dark']) {
                const tab = await shared.chromium.open(world.server, { size, theme });
                await tab.go('/login');
                await isAccessible(tab, `login, ${size.width} px, ${theme}`);
                await tab.close();
            }
        }
    });

    test('the token opens the page that was asked for, by a cookie that no script can read', async () => {
        const tab = await shared.chromium.open(world.server);
        await tab.go('/orders?status=failed');
        await logIn(tab);
        assert.match(tab.page.url(), /\/orders\?status=failed$/);
        const [cookie] = (await tab.context.cookies()).filter(({ httpOnly }) => httpOnly);
        assert.equal(cookie.sameSite, 'Strict');
        assert.doesNotMatch(cookie.value, new RegExp(TOKEN));
        assert.equal(await tab.run(() => document.cookie), '');
        for (const pathname of PAGES) {
            assert.equal((await tab.go(pathname)).status(), 200);
            assert.notEqual(new URL(tab.page.url()).pathname, '/login', pathname);
        }
        await isClean(tab, 'logged in');
        await tab.close();
    });

    test('the feed is live behind the login, and acts are done', async () => {
        const tab = await shared.chromium.open(world.server);
        await tab.go('/');
        await logIn(tab);
        await tab.page.waitForSelector('#feed[data-state=live]', { timeout: 5_000 });
        await tab.page.click('#emergency form[action="/acts/pause"] button');
        await tab.page.waitForSelector('#emergency form[action="/acts/resume"] button');
        assert.equal((await world.server.must('/queue')).paused, true);
        await tab.page.click('#emergency form[action="/acts/resume"] button');
        await tab.page.waitForSelector('#emergency form[action="/acts/pause"] button');
        await isClean(tab, 'acts');
        await tab.close();
    });

    test('the cookie survives a restart, and logging out ends it', async () => {
        const tab = await shared.chromium.open(world.server);
        await tab.go('/orders');
        await logIn(tab);
        await world.server.end();
        await world.server.again();
        await tab.go('/orders');
        assert.equal(new URL(tab.page.url()).pathname, '/orders');
        await tab.follow('form[action="/logout"] button');
        assert.equal(new URL(tab.page.url()).pathname, '/login');
        await tab.go('/orders');
        assert.equal(new URL(tab.page.url()).pathname, '/login');
        await tab.close();
    });

    test('an act after the login has ended says that nothing was done, and leads back after the login', async () => {
        const tab = await shared.chromium.open(world.server);
        await tab.go('/orders?status=failed');
        await logIn(tab);
        await tab.page.waitForSelector('#feed[data-state=live]', { timeout: 5_000 });
        await tab.context.deleteCookie(...await tab.context.cookies());
        await tab.page.click('#emergency form[action="/acts/pause"] button');
        await tab.page.waitForFunction(() => document.querySelector('#slot').innerText.includes('You are logged out, so nothing was done.'));
        assert.match(await tab.text('#said'), /nothing was done/);
        assert.equal((await world.server.must('/queue')).paused, false);
        await isAccessible(tab, 'logged out');
        await tab.follow('#slot a');
        await logIn(tab);
        assert.match(tab.page.url(), /\/orders\?status=failed$/);
        await isClean(tab, 'logged out');
        await tab.close();
        const plain = await shared.chromium.open(world.server, { script: false });
        await plain.go('/orders');
        await logIn(plain);
        await plain.context.deleteCookie(...await plain.context.cookies());
        await plain.follow('#emergency form[action="/acts/pause"] button');
        assert.match(await plain.text('main'), /nothing was done/);
        await plain.close();
    });

    // The last test, as it uses up the attempts of this minute.
    test('a wrong token says how many tries are left, and then that it must wait', async () => {
        const tab = await shared.chromium.open(world.server);
        tab.expect(/40[13]|429/);
        await tab.go('/login');
        await logIn(tab, 'not-the-token');
        assert.match(await tab.text('main'), /That is not the token\. \d+ tr(ies|y) left in this minute\./);
        await isAccessible(tab, 'a wrong token');
        for (let tries = 0; tries < 12; tries += 1) await logIn(tab, 'not-the-token');
        assert.doesNotMatch(await tab.text('main'), /left in this minute/);
        await isClean(tab, 'a wrong token');
        await tab.close();
    });
}
