// The mirrors on Live, during and after a sale: a Redis that goes away and comes back, a receiver that rejects events.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fitsItsWidth, isAccessible, isClean } from '../harness/checks.mjs';
import { PHONE, WIDE } from '../harness/chromium.mjs';
import { Load } from '../harness/load.mjs';
import { Server } from '../harness/server.mjs';
import { Receiver, Redis } from '../harness/targets.mjs';
import { sleep, until } from '../harness/wait.mjs';

export default function register(shared) {
    let redis;
    let receiver;
    let server;
    let load;
    before(async () => {
        redis = await Redis.start();
        receiver = await Receiver.start();
        server = await Server.start(shared.binary, { settings: { REDIS_URL: redis.url, ...receiver.settings } });
        await server.must('/inventory/4', { flashSaleActive: true }, { method: 'PUT' });
        await server.must('/inventory/4/restock', { quantity: 1_000_000 });
        load = Load.start(server, { perSecond: 500, products: [4] });
        await until('Redis is mirrored into', async () => (await mirrors()).redis?.connected, 15_000);
    });
    after(async () => {
        await load?.stop();
        await server?.stop();
        await redis?.stop();
        await receiver?.stop();
    });

    const mirrors = async () => (await server.must('/monitoring/metrics')).mirrors;
    const live = async (options) => {
        const tab = await shared.chromium.open(server, options);
        await tab.go('/');
        if (options?.script !== false) await tab.page.waitForSelector('#feed[data-state=live]', { timeout: 5_000 });
        return tab;
    };
    /** A row as a person reads it: its cells, and what is below them. */
    const row = (tab, name) => tab.run((mirror) => {
        const part = document.querySelector(`.mirrors [data-mirror=${mirror}]`);
        const text = (element) => element.innerText.replace(/\s+/g, ' ').trim();
        return {
            cells: [...part.rows[0].cells].map(text),
            icon: part.querySelector('use').getAttribute('href'),
            text: text(part.rows[1]),
            values: Object.fromEntries([...part.querySelectorAll('data')].map((e) => [e.dataset.v, e.value])),
            height: part.getBoundingClientRect().height,
        };
    }, name);
    const says = (tab, name, pattern, within = 15_000) => until(`${name} says ${pattern}`, async () => {
        const seen = await row(tab, name);
        return pattern.test(seen.text) && seen;
    }, within);

    test('during a sale each mirror has a row with the numbers of the API, also without JavaScript', async () => {
        for (const script of [true, false]) {
            const tab = await live({ script });
            assert.deepEqual(await tab.run(() => [...document.querySelectorAll('.mirrors [data-mirror]')].map((e) => e.dataset.mirror)), ['redis', 'events']);
            await until(`the row shows one sample, script: ${script}`, async () => {
                if (!script) await tab.go('/');
                const before = await mirrors();
                const { values, cells, icon, text } = await row(tab, 'redis');
                const { lagEvents, lagSeconds, changesPerSecond } = before.redis;
                const same = Number(values.behind) === lagEvents && Number(values.seconds) === lagSeconds
                    && Number(values.rate) === changesPerSecond;
                return same && changesPerSecond > 0 && cells[0] === 'Redis' && icon === '#i-check' && /^Connected\./.test(text);
            }, 20_000);
            await isClean(tab, 'during a sale');
            await tab.close();
        }
    });

    test('a Redis that goes away says since when and what waits, moves nothing, and comes back without a reload', async () => {
        const tab = await live();
        await says(tab, 'redis', /^Connected\./);
        await sleep(1_500);
        const before = await row(tab, 'redis');
        await tab.run(() => { window.shifted = []; window.same = true; });
        await redis.kill();
        const { icon, height } = await says(tab, 'redis', /^Away since \d\d:\d\d:\d\d\. Orders are not affected; [\d\u202f ]+ records? waits?\. .*refused/i);
        assert.deepEqual([icon, height], ['#i-warning', before.height]);
        const { awaySince } = (await mirrors()).redis;
        assert.match((await row(tab, 'redis')).text, new RegExp(awaySince.slice(11, 19)));
        assert.match((await row(tab, 'events')).text, /^Connected\./, 'the other one is as it was');
        for (const [size, theme] of [[WIDE, 'light'], [PHONE, 'dark']]) {
            const other = await live({ size, theme });
            await isAccessible(other, `a mirror is away, ${size.width} px, ${theme}`);
            for (const width of [320, 390, 1100, 1440, 1920]) {
                await other.show({ width, height: 900 }, theme);
                await fitsItsWidth(other, `${width} px`);
            }
            await other.close();
        }
        redis.again();
        await says(tab, 'redis', /^Connected\./, 20_000);
        await until('the lag is gone', async () => Number((await row(tab, 'redis')).values.seconds) < 2, 10_000);
        assert.equal(await tab.run(() => window.same), true);
        const shifted = await tab.run(() => window.shifted);
        assert.deepEqual(shifted, [], 'nothing moved');
        await isClean(tab, 'away and back');
        await tab.close();
    });

    test('events that the receiver rejects are counted with the file that keeps them', async () => {
        const tab = await live();
        receiver.status = 422;
        const seen = await says(tab, 'events', /events? rejected, kept in events-rejected\.jsonl/);
        receiver.status = 204;
        assert.equal(seen.icon, '#i-check');
        await isClean(tab, 'rejected');
        await tab.close();
    });

    test('a mirror that was never there says that what it lacks is not known', async (t) => {
        const lonely = await Server.start(shared.binary, { settings: { REDIS_URL: 'redis://127.0.0.1:1' } });
        t.after(() => lonely.stop());
        await lonely.place([{ productId: 1, userId: 'a', quantity: 1 }]);
        const tab = await shared.chromium.open(lonely);
        await tab.go('/');
        const seen = await says(tab, 'redis', /Orders are not affected; what it lacks is copied once it is there\./);
        assert.deepEqual([seen.cells[1], seen.values.behind], ['–', '']);
        await isClean(tab, 'never there');
        await tab.close();
    });

    test('after a sale the mirrors are there; without one the page has no such section', async (t) => {
        const over = await Server.start(shared.binary, { settings: { REDIS_URL: redis.url, REDIS_PREFIX: 'over:' } });
        const plain = await Server.start(shared.binary);
        t.after(() => Promise.all([over.stop(), plain.stop()]));
        for (const [which, sections] of [[over, 1], [plain, 0]]) {
            for (const { id, flashSaleActive } of await which.must('/inventory')) {
                const change = flashSaleActive && id !== 3 ? { flashSaleActive: false } : null;
                if (change) await which.must(`/inventory/${id}`, change, { method: 'PUT' });
            }
            const tab = await shared.chromium.open(which);
            await tab.go('/');
            assert.equal(await tab.run(() => document.querySelectorAll('[data-kind=during] .mirrors').length), sections);
            await which.place(Array.from({ length: 50 }, (_, n) => ({ productId: 3, userId: `u-${n}`, quantity: 1 })));
            await tab.page.waitForSelector('[data-kind=after]', { timeout: 10_000 });
            assert.equal(await tab.run(() => document.querySelectorAll('[data-kind=after] .mirrors').length), sections);
            if (sections) await says(tab, 'redis', /^Connected\./);
            await isClean(tab, 'after a sale');
            await tab.close();
        }
    });
}
