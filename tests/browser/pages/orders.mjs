// Orders: the list and its search, one order with its whole history, confirming and cancelling.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { isClean, staysStill } from '../harness/checks.mjs';
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

    /** The lines of the file behind a link, and its headers. */
    const exported = (on = tab) => on.run(async () => {
        const response = await fetch(document.querySelector('a[download]').href);
        const name = response.headers.get('content-disposition');
        return { name, kind: response.headers.get('content-type'), lines: (await response.text()).trim().split('\n') };
    });

    test('what the search finds is exported as CSV, newest first, on as many pages as it takes', async () => {
        // More than are read from the store at once, between others.
        const one = (userId) => ({ productId: world.arabic.id, userId, quantity: 1 });
        const many = Array.from({ length: 200 }, () => [one('many'), one('many'), one('many'), one('other')]).flat();
        await world.server.must(`/inventory/${world.arabic.id}/restock`, { quantity: 2_000 });
        const placed = (await world.server.place(many)).map(({ orderId }) => orderId);
        const wanted = placed.filter((_, n) => n % 4 !== 3).reverse();
        await tab.go('/orders?user=many');
        const { name, kind, lines } = await exported();
        assert.match(name, /^attachment; filename="flashsale-orders-\d{8}T\d{6}Z\.csv"$/);
        assert.match(kind, /^text\/csv/);
        assert.equal(lines[0].split(',')[0], 'id');
        assert.deepEqual(lines.slice(1).map((line) => Number(line.split(',')[0])), wanted);
        const fields = Object.keys(await order(placed[0])).filter((field) => field !== 'product');
        assert.deepEqual(lines[0].split(','), fields);
    });

    test('an exported text is no formula for a spreadsheet, and stays in its cell', async () => {
        const user = '=HYPERLINK("http://evil",1)';
        await world.server.place([{ productId: world.arabic.id, userId: user, quantity: 1 }]);
        await tab.go(`/orders?user=${encodeURIComponent(user)}`);
        const { lines } = await exported();
        assert.equal(lines.length, 2);
        assert.ok(lines[1].includes(`"'=HYPERLINK(""http://evil"",1)"`), lines[1]);
        await tab.go('/orders?user=nobody-like-this');
        assert.equal(await tab.page.$('a[download]'), null);
    });

    test('newer orders wait until they are asked for, and only those of the search are counted', async () => {
        const place = (userId, count) => world.server.place(Array.from({ length: count }, () => ({
            productId: world.arabic.id, userId, quantity: 1,
        })));
        const other = await shared.chromium.open(world.server);
        await place('waits', 1);
        await tab.go('/orders');
        await other.go('/orders?user=waits');
        for (const on of [tab, other]) await on.page.waitForSelector('#feed[data-state=live]');
        const before = await listed();
        await Promise.all([staysStill(tab, 2_000, 'Orders'), place('waits', 3).then(() => place('does-not', 5))]);
        const shown = (on, words) => until(words, async () => (await on.text('#newer')) === words);
        await shown(tab, '8 newer, show');
        await shown(other, '3 newer, show');
        assert.deepEqual((await listed()).map(({ id }) => id), before.map(({ id }) => id));
        await tab.follow('#newer');
        assert.deepEqual((await listed()).slice(0, 8).map(({ userId }) => userId).sort(), [...Array(5).fill('does-not'), ...Array(3).fill('waits')]);
        assert.equal(await tab.run(() => document.querySelector('#newer').checkVisibility({ visibilityProperty: true })), false);
        await tab.follow('.pager a');
        assert.equal(await tab.page.$('#newer'), null, 'a later page does not begin with the newest');
        // The feed does not say which reference an order has, so none can be counted.
        await other.go('/orders?reference=of-a-shop');
        assert.equal(await other.page.$('#newer'), null, 'a search for a reference');
        await isClean(other, 'a search');
        await other.close();
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
