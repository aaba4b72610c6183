// Live in all its phases: its numbers are the API's, it lives on the feed, it survives a restart, it stays still.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isClean, numbers, staysStill } from '../harness/checks.mjs';
import { PHONE } from '../harness/chromium.mjs';
import { Load } from '../harness/load.mjs';
import { Server } from '../harness/server.mjs';
import { sleep, until } from '../harness/wait.mjs';

/** The value of a path such as `responseTime.p99`, and of the one figure that the page adds up itself. */
function figure(metrics, name) {
    const { waiting, prioritized, delayed, active } = metrics.queueStats;
    const all = { ...metrics, unfinished: waiting + prioritized + delayed + active };
    return name.split('.').reduce((value, key) => value?.[key], all);
}

/** The names whose value on the page is not the API's. */
function differing(shown, metrics) {
    return Object.entries(shown).filter(([name, value]) => {
        const asked = figure(metrics, name);
        return asked === null || asked === undefined ? value !== '' : Number(value) !== Number(asked);
    }).map(([name, value]) => `${name}: ${value} on the page, ${figure(metrics, name)} from the API`);
}

/** Waits until all numbers of the page are those of one sample of the API. */
async function showsTheApi(server, read) {
    let last = [];
    await until('the page shows one sample of the API', async () => {
        const before = await server.must('/monitoring/metrics');
        const shown = await read();
        const metrics = await server.must('/monitoring/metrics');
        if (metrics.timestamp !== before.timestamp) return false;
        assert.ok(Object.keys(shown).length >= 8, `numbers with a name: ${Object.keys(shown)}`);
        last = differing(shown, metrics);
        return last.length === 0;
    }, 12_000).catch((error) => { throw new Error(`${error.message}\n${last.join('\n')}`); });
}

export default function register(shared) {
    let server;
    let load;
    before(async () => {
        server = await Server.start(shared.binary);
        for (let n = 1; n <= 20; n += 1) {
            await server.must('/inventory', { name: `Product ${n}`, price: '5', initialStock: 10_000_000, flashSaleActive: true });
        }
        const products = (await server.must('/inventory')).filter(({ initialStock }) => initialStock > 1e6).map(({ id }) => id);
        load = Load.start(server, { perSecond: 10_000, products });
    });
    after(async () => {
        await load?.stop();
        await server?.stop();
    });

    const live = async (options) => {
        const tab = await shared.chromium.open(server, options);
        await tab.go('/');
        if (options?.script !== false) await tab.page.waitForSelector('#feed[data-state=live]', { timeout: 5_000 });
        return tab;
    };

    test('under load, the numbers are those of one second of the API', async () => {
        const tab = await live();
        await showsTheApi(server, () => numbers(tab, 'data-m'));
        await isClean(tab, 'numbers');
        await tab.close();
    });

    test('without JavaScript the page that the server draws has the same numbers', async () => {
        const tab = await live({ script: false });
        await showsTheApi(server, async () => {
            await tab.go('/');
            return numbers(tab, 'data-m');
        });
        await tab.close();
    });

    test('the numbers and charts move once a second', async () => {
        const tab = await live();
        const read = () => tab.run(() => ({
            orders: document.querySelector('data[data-m=totalOrders], data[data-m=ordersPerSecond]')?.value,
            path: document.querySelector('figure[data-chart=orders] .plot path.ar')?.getAttribute('d'),
        }));
        await tab.page.waitForSelector('figure[data-chart=orders] .plot path.ar');
        const first = await read();
        await until('the chart has moved', async () => (await read()).path !== first.path, 4_000);
        assert.equal(await tab.run(() => document.querySelectorAll('figure[data-chart] .plot svg').length), 7);
        await isClean(tab, 'charts');
        await tab.close();
    });

    test('under load nothing shifts, and the page leaves the processor alone', async () => {
        const tab = await live();
        await sleep(2_000);
        const before = await tab.page.metrics();
        await staysStill(tab, 10_000, 'Live');
        const { TaskDuration } = await tab.page.metrics();
        const share = (TaskDuration - before.TaskDuration) / 10;
        console.log(`Live with 20 products: ${(100 * share).toFixed(1)} % of one processor`);
        assert.ok(share < 0.5, `the main thread is busy for ${share} of the time`);
        await isClean(tab, 'still');
        await tab.close();
    });

    test('on a phone nothing shifts under load, not even when an alert comes', async () => {
        const tab = await live({ size: PHONE });
        await sleep(1_000);
        await tab.run(() => { window.shifted = []; });
        await tab.run(() => {
            const slot = document.querySelector('#slot');
            slot.dataset.sev = 'critical';
            slot.querySelector('p').textContent = 'A sentence of an alert that is as long as they come, with advice. '.repeat(3);
        });
        await sleep(500);
        const moved = await tab.run(() => window.shifted.filter(({ moved }) => moved.some((name) => name.startsWith('MAIN'))));
        assert.deepEqual(moved, [], 'the page below the strip stays');
        await tab.page.reload({ waitUntil: 'load' });
        await tab.page.waitForSelector('#feed[data-state=live]');
        await sleep(2_000);
        await staysStill(tab, 8_000, 'Live on a phone');
        await isClean(tab, 'a phone');
        await tab.close();
    });

    test('before a sale the large countdown and the strip show the same second', async (t) => {
        const early = await Server.start(shared.binary, { args: [] });
        t.after(() => early.stop());
        const saleStartsAt = new Date(Date.now() + 300_000).toISOString();
        await early.must('/inventory', { name: 'Later', price: 5, initialStock: 10, flashSaleActive: true, saleStartsAt });
        await until('the server knows of the sale', async () => (await early.must('/monitoring/metrics')).sale.phase === 'before');
        const tab = await shared.chromium.open(early);
        await tab.go('/');
        await tab.page.waitForSelector('.count .big');
        const seen = await tab.run(async () => {
            const pairs = new Set();
            for (let look = 0; look < 80; look += 1) {
                pairs.add(['.count .big', '#strip .ticks'].map((part) => document.querySelector(part).textContent).join(' '));
                await new Promise((resolve) => { setTimeout(resolve, 50); });
            }
            return [...pairs];
        });
        assert.ok(seen.length >= 3, seen);
        for (const pair of seen) assert.match(pair, /^(\d\d:\d\d) −\1$/);
        await isClean(tab, 'before a sale');
        await tab.close();
    });

    test('a row under the pointer is still that row', async () => {
        const tab = await live();
        const row = 'table.stock tbody tr:nth-child(3)';
        await tab.page.waitForSelector(row);
        const before = await tab.text(`${row} th`);
        await tab.page.hover(row);
        await sleep(2_500);
        assert.equal(await tab.text(`${row} th`), before);
        await tab.close();
    });

    test('one cursor reads all charts, by pointer and by key', async () => {
        const tab = await live();
        await tab.page.waitForSelector('figure[data-chart=cpu] .plot svg');
        await tab.page.hover('figure[data-chart=orders] .plot');
        await until('the read-out says when', async () => /^At \d\d:\d\d:\d\d/.test(await tab.text('.readout')));
        const cursors = await tab.run(() => [...document.querySelectorAll('figure[data-chart] output')].filter((output) => output.textContent).length);
        assert.ok(cursors >= 7, `${cursors} values are read out`);
        await isClean(tab, 'cursor');
        await tab.close();
    });

    test('one product is stopped and started in its row', async () => {
        const tab = await live();
        const id = await tab.run(() => {
            const rows = [...document.querySelectorAll('table.stock tr[data-state=open]')];
            // One that has sold keeps its row.
            return rows.find((row) => Number(row.querySelector('[data-v=sold]').value) > 0).dataset.id;
        });
        const active = async () => (await server.must(`/inventory/${id}`)).flashSaleActive;
        const press = (act) => tab.page.waitForSelector(`table.stock form[action="/products/${id}/${act}"] button:not(:disabled)`)
            .then((button) => button.click());
        await press('stop');
        await until('it is out of the sale', async () => !(await active()));
        await press('start');
        // Starting a sale asks first.
        const asked = await tab.page.waitForSelector('dialog[open] footer button.main', { timeout: 1_500 }).catch(() => null);
        await asked?.click();
        await until('it is back in the sale', active);
        await isClean(tab, 'one product');
        await tab.close();
    });

    test('Hold display freezes the figures and says how far behind they are', async () => {
        const tab = await live();
        await tab.page.waitForSelector('#hold:not([hidden])');
        await tab.page.click('#hold');
        await until('it says so', async () => /^Held at /.test(await tab.text('.readout')));
        const first = await numbers(tab, 'data-m');
        await sleep(1_500);
        assert.deepEqual(await numbers(tab, 'data-m'), first);
        await tab.page.click('#hold');
        await until('the figures go on', async () => JSON.stringify(await numbers(tab, 'data-m')) !== JSON.stringify(first));
        await isClean(tab, 'held');
        await tab.close();
    });

    test('an act while the display is held lets it go, everywhere', async () => {
        const tab = await live();
        await tab.page.waitForSelector('#hold:not([hidden])');
        await tab.page.click('#hold');
        await tab.page.waitForSelector('#feed[data-state=held]');
        const row = await tab.run(() => {
            const rows = [...document.querySelectorAll('table.stock tr[data-state=open]')];
            return rows.find((each) => Number(each.querySelector('[data-v=sold]').value) > 0).dataset.id;
        });
        await tab.page.click(`table.stock form[action="/products/${row}/stop"] button`);
        await tab.page.waitForSelector('#feed[data-state=live]');
        assert.equal(await tab.text('#hold'), 'Hold display');
        await server.must(`/inventory/${row}`, { flashSaleActive: true }, { method: 'PUT' });
        await isClean(tab, 'an act while held');
        await tab.close();
    });

    test('the wall shows the numbers of the API too', async () => {
        const tab = await shared.chromium.open(server, { size: { width: 1920, height: 1080 } });
        await tab.go('/?wall');
        await sleep(1_500);
        const shown = await numbers(tab, 'data-m');
        assert.ok('ordersPerSecond' in shown && 'unitsLeft' in shown, Object.keys(shown).join());
        await until('the wall shows one sample', async () => {
            const before = await server.must('/monitoring/metrics');
            const read = await numbers(tab, 'data-m');
            return differing(read, before).length === 0;
        }, 12_000);
        await isClean(tab, 'the wall');
        await tab.close();
    });

    test('a server that is killed is stale after 3 s, and comes back without a reload', async () => {
        const tab = await live();
        tab.expect(/WebSocket|ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|Failed to fetch|ERR_INCOMPLETE/);
        await tab.run(() => { window.same = true; });
        await server.end('SIGKILL');
        const killed = Date.now();
        await tab.page.waitForSelector('#feed[data-state=stale]', { timeout: 6_000 });
        const after = Date.now() - killed;
        assert.ok(after > 1_500 && after < 5_500, `stale after ${after} ms`);
        assert.match(await tab.text('#feed'), /^Stale/);
        assert.ok(await tab.page.$('#emergency form[action="/acts/stop-sale"] button:not(:disabled)'), 'Stop can be pressed');
        await sleep(2_000);
        await server.again();
        await tab.page.waitForSelector('#feed[data-state=live]', { timeout: 15_000 });
        assert.equal(await tab.run(() => window.same), true, 'the page was not loaded again');
        await showsTheApi(server, () => numbers(tab, 'data-m'));
        await isClean(tab, 'restart');
        await tab.close();
    });
}
