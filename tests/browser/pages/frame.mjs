// The frame of every page: the strip with its two buttons, the questions, the keys, what Display sets.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { isClean } from '../harness/checks.mjs';
import { PHONE } from '../harness/chromium.mjs';
import { Load } from '../harness/load.mjs';
import { until } from '../harness/wait.mjs';
import { World } from '../harness/world.mjs';

const button = (act, where = '#emergency') => `${where} form[action="/acts/${act}"] button`;

export default function register(shared) {
    let world;
    let load;
    before(async () => {
        world = await World.start(shared.binary);
        load = Load.start(world.server, { perSecond: 200, products: [world.unsold.id] });
    });
    after(async () => {
        await load?.stop();
        await world?.stop();
    });

    // A test that failed half-way leaves nothing to the next one.
    beforeEach(async () => {
        await world.server.must('/inventory/start', {});
        await world.server.must('/queue/resume', {});
    });

    const isPaused = async () => (await world.server.must('/queue')).paused;
    const onSale = async () => {
        const products = await world.server.must('/inventory');
        return products.filter((product) => product.flashSaleActive).map(({ id }) => id).sort((a, b) => a - b);
    };

    /** Presses Pause, Resume, Stop and Start again with `press`, on the page that is open. */
    async function pauseAndStop(tab, where, press) {
        const before = await onSale();
        await press(button('pause', where));
        await until('the queue is paused', isPaused);
        await press(button('resume', where));
        await until('the queue runs', async () => !(await isPaused()));
        await press(button('stop-sale', where));
        await until('nothing is on sale', async () => (await onSale()).length === 0);
        await press(button('start-sale', where));
        await until('the same products are on sale', async () => `${await onSale()}` === `${before}`);
    }

    test('Pause and Stop act in one click, and their way back is in the same place', async () => {
        const tab = await shared.chromium.open(world.server);
        await tab.go('/orders');
        await pauseAndStop(tab, '#emergency', async (selector) => {
            await tab.page.waitForSelector(`${selector}:not(:disabled)`, { timeout: 5_000 });
            await tab.page.click(selector);
        });
        await isClean(tab, 'the strip');
        await tab.close();
    });

    test('what was done is said in the slot, and to a screen reader', async () => {
        const tab = await shared.chromium.open(world.server);
        await tab.go('/orders');
        await until('the feed has said that it is live', () => tab.run(() => /live/.test(document.querySelector('#state-said').textContent)));
        await tab.page.click(button('stop-sale'));
        await tab.page.waitForSelector(button('start-sale'));
        assert.match(await tab.text('#slot'), /^Stopped at \d\d:\d\d:\d\d\.\d{3}\./);
        assert.match(await tab.run(() => document.querySelector('#said').textContent), /Stopped at/);
        await tab.page.click(button('start-sale'));
        await tab.page.waitForSelector(button('stop-sale'));
        await isClean(tab, 'the slot');
        await tab.close();
    });

    test('a press that has begun is not lost when the strip changes under it', async () => {
        const tab = await shared.chromium.open(world.server);
        await tab.go('/orders');
        await until('the feed has said that it is live', () => tab.run(() => /live/.test(document.querySelector('#state-said').textContent)));
        const { x, y } = await (await tab.page.$(button('stop-sale'))).clickablePoint();
        await tab.page.mouse.move(x, y);
        await tab.page.mouse.down();
        await world.server.must('/queue/pause', {});
        await tab.page.waitForSelector(button('resume'));
        await tab.page.mouse.up();
        await tab.page.waitForSelector(button('start-sale'));
        assert.equal((await onSale()).length, 0);
        await isClean(tab, 'the press');
        await tab.close();
    });

    test('Pause and Stop work without JavaScript', async () => {
        const tab = await shared.chromium.open(world.server, { script: false });
        await tab.go('/orders');
        await pauseAndStop(tab, '#emergency', (selector) => tab.follow(selector));
        assert.equal(new URL(tab.page.url()).pathname, '/orders');
        await tab.close();
    });

    test('on a phone they stand above the bar of the pages', async () => {
        const tab = await shared.chromium.open(world.server, { size: PHONE });
        await tab.go('/orders');
        const boxes = await tab.run(() => ['.ph-act', '.bottomnav'].map((selector) => {
            const { top, bottom, height } = document.querySelector(selector).getBoundingClientRect();
            return { top, bottom, height };
        }));
        assert.ok(boxes[0].bottom <= boxes[1].top + 0.5, 'above the bar');
        assert.ok(boxes[1].bottom <= PHONE.height + 0.5, 'in the window');
        await pauseAndStop(tab, '.ph-act', async (selector) => {
            // The strip can be replaced while it is tapped.
            await until('it is tapped', () => tab.page.tap(`${selector}:not(:disabled)`).then(() => true, () => false));
        });
        await isClean(tab, 'the phone');
        await tab.close();
    });

    test('a form from another origin does nothing', async () => {
        const response = await fetch(world.server.url('/acts/pause'), {
            method: 'POST',
            headers: { origin: 'http://evil.example', 'content-type': 'application/x-www-form-urlencoded' },
            body: 'back=/',
            redirect: 'manual',
        });
        assert.equal(response.status, 403);
        assert.equal(await isPaused(), false);
    });

    test('two keys lead to each page, unless they are switched off in Display', async () => {
        const tab = await shared.chromium.open(world.server);
        await tab.go('/orders');
        for (const [key, pathname] of [['p', '/products'], ['q', '/queue'], ['b', '/benchmark'], ['l', '/'], ['o', '/orders']]) {
            await tab.page.keyboard.press('g');
            await Promise.all([tab.page.waitForNavigation(), tab.page.keyboard.press(key)]);
            assert.equal(new URL(tab.page.url()).pathname, pathname);
        }
        await tab.page.keyboard.press('/');
        assert.ok(await tab.run(() => document.activeElement.matches('main input')), 'the search has the focus');
        await tab.run(() => document.activeElement.blur());
        await tab.page.keyboard.press('?');
        await tab.page.waitForSelector('dialog[open]');
        await tab.page.keyboard.press('Escape');
        await tab.page.waitForSelector('dialog', { hidden: true });
        await isClean(tab, 'keys');
        await tab.close();
    });

    test('Display sets the colours for all pages, whatever the system says', async () => {
        const tab = await shared.chromium.open(world.server, { script: false, theme: 'light' });
        await tab.go('/display?back=%2Forders');
        await tab.page.click('input[name=theme][value=dark]');
        await tab.follow('main form button');
        assert.equal(new URL(tab.page.url()).pathname, '/orders');
        const paper = await tab.run(() => getComputedStyle(document.body).backgroundColor);
        assert.equal(paper, 'rgb(15, 17, 19)');
        await isClean(tab, 'Display');
        await tab.close();
    });

    test('a page that is not there says so within the frame', async () => {
        const tab = await shared.chromium.open(world.server);
        tab.expect(/404/);
        const response = await tab.go('/products/99999999');
        assert.equal(response.status(), 404);
        assert.ok(await tab.page.$('#emergency button'), 'the strip is there');
        await isClean(tab, 'not found');
        await tab.close();
    });
}
