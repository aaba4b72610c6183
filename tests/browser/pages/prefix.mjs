// Behind a proxy that shows the server below a path: scripts, the feed and acts stay there. A tab complains about any
// request outside of the prefix.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isClean } from '../harness/checks.mjs';
import { Proxy } from '../harness/proxy.mjs';
import { until } from '../harness/wait.mjs';
import { World } from '../harness/world.mjs';
import { pagesOf } from './every.mjs';

const TOKEN = 'a-token-of-the-tests';
const PREFIX = '/flash';

export default function register(shared) {
    let world;
    let proxy;
    before(async () => {
        proxy = await Proxy.start(PREFIX);
        world = await World.start(shared.binary, { settings: { ADMIN_TOKEN: TOKEN, PUBLIC_URL: proxy.origin } });
        proxy.server = world.server;
    });
    after(async () => {
        await proxy?.stop();
        await world?.stop();
    });

    const loggedIn = async () => {
        const tab = await shared.chromium.open(proxy);
        await tab.go('/orders');
        assert.equal(new URL(tab.page.url()).pathname, `${PREFIX}/login`);
        await tab.page.type('input[name=token]', TOKEN);
        await tab.follow('main button');
        assert.equal(new URL(tab.page.url()).pathname, `${PREFIX}/orders`);
        return tab;
    };
    const live = (tab) => tab.page.waitForSelector('#feed[data-state=live]', { timeout: 5_000 });
    const here = (tab) => new URL(tab.page.url()).pathname;

    test('every page loads, with its scripts and the feed, and asks for nothing outside', async () => {
        for (const [name, pathname] of Object.entries(pagesOf(world))) {
            const tab = await loggedIn();
            assert.equal((await tab.go(pathname)).status(), 200, name);
            if (name !== 'the wall') await live(tab);
            const outside = await tab.run((prefix) => [...document.querySelectorAll('[href], [action], [src]')]
                .map((element) => element.href?.baseVal ?? element.href ?? element.action ?? element.src)
                .filter((url) => !url.startsWith('#') && !new URL(url).pathname.startsWith(`${prefix}/`)), PREFIX);
            assert.deepEqual(outside, [], name);
            await isClean(tab, name);
            await tab.close();
        }
    });

    test('acts in place, keys, dialogs and previews work', async () => {
        const tab = await loggedIn();
        await live(tab);
        await tab.page.click('#emergency form[action$="/acts/pause"] button');
        await tab.page.waitForSelector('#emergency form[action$="/acts/resume"] button');
        assert.equal((await world.server.must('/queue')).paused, true);
        await tab.page.click('#emergency form[action$="/acts/resume"] button');
        await tab.page.waitForSelector('#emergency form[action$="/acts/pause"] button');
        await tab.page.keyboard.press('?');
        await tab.page.waitForSelector('dialog [data-keep]');
        await tab.page.click('dialog [data-keep]');
        await tab.page.waitForFunction(() => !document.querySelector('dialog'));
        for (const [key, page] of [['p', '/products'], ['q', '/queue'], ['b', '/benchmark'], ['l', '/']]) {
            await tab.page.keyboard.press('g');
            await Promise.all([tab.page.waitForNavigation(), tab.page.keyboard.press(key)]);
            assert.equal(here(tab), PREFIX + page);
            await live(tab);
        }
        await isClean(tab, 'acts and keys');
        await tab.close();
    });

    test('a login that ended leads to the login', async () => {
        const tab = await loggedIn();
        await tab.context.deleteCookie(...await tab.context.cookies());
        await tab.page.click('#emergency form[action$="/acts/pause"] button');
        await tab.page.waitForFunction(() => document.querySelector('#slot').innerText.includes('You are logged out'));
        await tab.follow('#slot a');
        assert.equal(here(tab), `${PREFIX}/login`);
        await tab.close();
    });

    test('the page of the API calls the server', async () => {
        const tab = await shared.chromium.open(proxy);
        await tab.go('/docs');
        const server = await until('the description', () => tab.page.$eval('.servers select', (list) => list.value).catch(() => null), 20_000);
        assert.equal(server, proxy.origin);
        await isClean(tab, 'the page of the API');
        await tab.close();
    });
}
