// Queue: its numbers, dead letters by error, previews that hold although letters come, acts that are done once.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { isAccessible, isClean } from '../harness/checks.mjs';
import { PHONE } from '../harness/chromium.mjs';
import { until } from '../harness/wait.mjs';
import { MARKUP, World } from '../harness/world.mjs';

const ACT = 'dialog[open] [data-preview] footer button';

export default function register(shared) {
    let world;
    let tab;
    let broken = 0;
    before(async () => { world = await World.start(shared.binary); });
    after(() => world?.stop());

    const letters = async () => (await world.server.must('/queue')).deadLetters;
    const isSettled = async () => {
        const { waiting, prioritized, active } = (await world.server.must('/queue')).counts;
        return waiting + prioritized + active === 0;
    };

    /** Adds so many dead letters of one product, good orders between them. */
    const addLetters = async (count) => {
        const before = await letters();
        const was = world.fulfilment.failing;
        world.fulfilment.failing = 'broken';
        for (let n = 0; n < count; n += 1) {
            broken += 1;
            const orders = [`broken-again-${broken}`, `good-${broken}`];
            await world.server.place(orders.map((userId) => ({ productId: world.long.id, userId, quantity: 1 })));
            await until('the queue is empty', isSettled);
        }
        world.fulfilment.failing = was;
        await until('the letters are there', async () => (await letters()) === before + count);
    };

    beforeEach(async () => {
        world.fulfilment.failing = 'broken';
        const missing = 6 - (await letters());
        if (missing > 0) await addLetters(missing);
        tab = await shared.chromium.open(world.server);
        await tab.go('/queue');
    });
    afterEach(async () => {
        await isClean(tab, 'Queue');
        await tab.close();
    });

    test('states and groups show the numbers of the API', async () => {
        const { counts } = await world.server.must('/queue');
        const states = await tab.run(() => Object.fromEntries([...document.querySelectorAll('#states [data-state]')].map((figure) => {
            return [figure.dataset.state, Number(figure.querySelector('data').value)];
        })));
        assert.deepEqual(states, counts);
        const groups = await world.server.must('/queue/dead-letter/groups');
        const shown = await tab.run(() => [...document.querySelectorAll('#groups tr[data-error]')].map((row) => {
            return { error: row.dataset.error, count: Number(row.querySelector('data').value) };
        }));
        assert.deepEqual(shown, groups.map(({ error, count }) => ({ error, count })));
    });

    test('the figures move by themselves', async () => {
        const before = await letters();
        await addLetters(2);
        await until('the figure has moved', async () => {
            return Number(await tab.run(() => document.querySelector('#states [data-state=failed] data').value)) === before + 2;
        }, 8_000);
    });

    test('a group opens to its letters with every attempt, and one letter is retried in one click', async () => {
        await tab.follow('#groups a.ex');
        const row = 'tr.sub button[name=retry-letter]';
        await tab.page.click('tr.sub details summary');
        assert.ok((await tab.text('tr.sub details ol')).includes(`500 Internal Server Error: ${MARKUP}`), 'the error is text');
        const before = await letters();
        world.fulfilment.failing = '';
        await tab.page.click(row);
        await until('one letter less', async () => (await letters()) === before - 1);
    });

    test('a preview holds: letters that come meanwhile are not touched, and it says how many they are', async () => {
        const before = await letters();
        await tab.page.click('button[name=ask][value=retry-all]');
        await tab.page.waitForSelector(ACT);
        await isAccessible(tab, 'the preview');
        assert.equal(await tab.text(ACT), `Retry ${before}`);
        assert.ok(await tab.run(() => document.activeElement.matches('[data-keep]')), 'the safe button has the focus');
        await addLetters(3);
        await until('the preview says what came', async () => /3 more came/.test(await tab.text('#came-since')), 8_000);
        world.fulfilment.failing = '';
        await tab.page.click(ACT);
        await until('the counted ones are gone', async () => (await letters()) === 3);
        await until('it says what was done', async () => new RegExp(`\\b${before}\\b`).test(await tab.text('#slot')));
    });

    test('Escape, the safe button, does nothing', async () => {
        const before = await letters();
        await tab.page.click('button[name=ask][value=discard-all]');
        await tab.page.waitForSelector(ACT);
        await tab.page.keyboard.press('Escape');
        await tab.page.waitForSelector('dialog', { hidden: true });
        assert.equal(await letters(), before);
    });

    test('a selection says its number and is discarded', async () => {
        await tab.follow('#groups a.ex');
        const before = await letters();
        assert.equal(await tab.text('#selected'), 'Nothing selected');
        const boxes = await tab.page.$$('input[name=letter]');
        await boxes[0].click();
        await boxes[1].click();
        assert.equal(await tab.text('#selected'), '2 selected');
        await tab.page.click('button[value=discard-picked]');
        await tab.page.waitForSelector(ACT);
        assert.equal(await tab.text(ACT), 'Discard 2');
        await tab.page.click(ACT);
        await until('two less', async () => (await letters()) === before - 2);
    });

    test('the filter is in the URL, and says when nothing matches', async () => {
        await tab.fill('#reason', 'nothing like this');
        await tab.follow('form.dlf button:not([name])');
        assert.equal(new URL(tab.page.url()).searchParams.get('reason'), 'nothing like this');
        assert.match(await tab.text('main'), /No dead letter matches/);
    });

    test('over 100 letters are discarded only after their number was typed', async () => {
        await addLetters(101 - (await letters()));
        await tab.go('/queue');
        await tab.page.click('button[name=ask][value=discard-all]');
        await tab.page.waitForSelector('#ask-typed');
        await tab.page.type('#ask-typed', '7');
        await tab.page.click(ACT);
        await tab.page.waitForSelector('#ask-wrong');
        assert.equal(await letters(), 101);
        await tab.fill('#ask-typed', '101');
        await tab.page.click(ACT);
        await until('all are discarded', async () => (await letters()) === 0);
        await until('the page says so', async () => /No dead letters/.test(await tab.text('main')));
    });

    test('without JavaScript all is discarded after a page that asks; pressed twice it acts once', async () => {
        const plain = await shared.chromium.open(world.server, { script: false, size: PHONE });
        await plain.go('/queue');
        const before = await letters();
        await plain.follow('button[name=ask][value=discard-all]');
        assert.match(await plain.text('main'), new RegExp(`\\b${before}\\b`));
        const again = await shared.chromium.open(world.server, { script: false });
        await again.go('/queue');
        await again.follow('button[name=ask][value=discard-all]');
        await plain.follow('[data-preview] footer button');
        assert.equal(await letters(), 0);
        await addLetters(1);
        await again.follow('[data-preview] footer button');
        assert.equal(await letters(), 1);
        for (const each of [plain, again]) {
            await isClean(each, 'without JavaScript');
            await each.close();
        }
    });
}
