// Orders: the list and its search, one order with its whole history, confirming and cancelling.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { isClean } from '../harness/checks.mjs';
import { until } from '../harness/wait.mjs';
import { EVIL_USER, MARKUP, World } from '../harness/world.mjs';

export default function register(shared) {
    let world;
    let tab;
    before(async () => { world = await World.start(shared.binary); });
    after(() => world?.stop());
    beforeEach(async () => { tab = await shared.chromium.open(world.server); });
    afterEach(async () => {
        await isClean(tab, 'Orders');
        await tab.close();
    });

    const order = (id) => world.server.must(`/orders/${id}`);
    const status = async (id) => (await order(id)).status;
    const act = (id, what) => `form[action="/orders/${id}/${what}"] button`;
    const listed = (on = tab) => on.run(() => [...document.querySelectorAll('.otab tbody tr')].map((row) => ({
        id: Number(row.querySelector('th data').value),
        userId: row.cells[2].textContent.trim(),
        quantity: Number(row.cells[4].textContent.replace(/\D/g, '')),
        status: row.cells[5].textContent.trim(),
    })));
    const picked = (orders) => orders.map(({ id, userId, quantity, status: its }) => ({ id, userId, quantity, status: its }));

    test('the list shows the orders of the API, newest first', async () => {
        await tab.go('/orders');
        const shown = await listed();
        assert.ok(shown.length >= 20, `${shown.length} rows`);
        assert.deepEqual(shown, picked(await world.server.must(`/orders?limit=${shown.length}`)));
    });

    test('older orders follow without a gap', async () => {
        await tab.go('/orders');
        const first = await listed();
        await tab.follow('.pager a');
        const both = [...first, ...(await listed())];
        assert.deepEqual(both, picked(await world.server.must(`/orders?limit=${both.length}`)));
    });

    test('the search by user, status and product is in the URL', async () => {
        await tab.go('/orders');
        await tab.page.type('#user', EVIL_USER);
        await tab.follow('main form[role=search] button');
        assert.equal(new URL(tab.page.url()).searchParams.get('user'), EVIL_USER);
        assert.deepEqual((await listed()).map(({ userId }) => userId), [EVIL_USER]);
        await tab.go(`/orders?status=failed&product=${world.long.id}`);
        const asked = await world.server.must(`/orders?status=failed&productId=${world.long.id}&limit=50`);
        assert.deepEqual(await listed(), picked(asked));
        await tab.go('/orders?user=nobody-like-this');
        assert.match(await tab.text('main'), /No order has/);
    });

    test('an order is found by its number and by its job', async () => {
        const { id, jobId } = await order(world.failed[0]);
        for (const wanted of [`${id}`, jobId]) {
            await tab.go('/orders');
            await tab.page.type('#order', wanted);
            await tab.follow('main form[role=search] button');
            assert.equal(new URL(tab.page.url()).pathname, `/orders/${id}`);
        }
    });

    test('the history of a failed order tells its attempt and quotes the service as text', async () => {
        await tab.go(`/orders/${world.failed[0]}`);
        const history = await tab.text('ol.tl');
        for (const words of [/Order taken/, /waits .* in the queue/, /Failed, out of attempts/]) assert.match(history, words);
        assert.ok(history.includes(MARKUP), history);
        assert.equal(await tab.text('#order-status'), 'failed');
        assert.ok(await tab.page.$(`${act(world.failed[0], 'confirm')}:disabled`), 'a failed order cannot be confirmed');
    });

    test('a held order is confirmed in one click', async () => {
        const [id] = world.pending;
        await tab.go(`/orders/${id}`);
        await tab.page.click(act(id, 'confirm'));
        await until('it is confirmed', async () => (await status(id)) === 'confirmed');
        await until('the page says so', async () => (await tab.text('#order-status')) === 'confirmed');
    });

    test('a pending order is cancelled in one click, a confirmed one after a question', async () => {
        const [, pending] = world.pending;
        await tab.go(`/orders/${pending}`);
        await tab.page.click(act(pending, 'cancel'));
        await until('it is cancelled', async () => (await status(pending)) === 'cancelled');
        const id = world.confirmed[5];
        await tab.go(`/orders/${id}`);
        await tab.page.click(act(id, 'cancel'));
        await tab.page.waitForSelector('dialog[open] footer button');
        assert.equal(await status(id), 'confirmed');
        await tab.page.click('dialog[open] footer button');
        await until('it is cancelled', async () => (await status(id)) === 'cancelled');
    });

    test('without JavaScript an order is confirmed, and a confirmed one cancelled', async () => {
        const plain = await shared.chromium.open(world.server, { script: false });
        const [, , id] = world.pending;
        await plain.go(`/orders/${id}`);
        await plain.follow(act(id, 'confirm'));
        assert.equal(await status(id), 'confirmed');
        await plain.go(`/orders/${id}`);
        await plain.follow(act(id, 'cancel'));
        await plain.follow('[data-ask] footer button');
        assert.equal(await status(id), 'cancelled');
        await isClean(plain, 'without JavaScript');
        await plain.close();
    });
}
