// Runs the programs of `examples` as a shop would: the payment handler, the fulfilment service, the storefront and the
// consumer of the stream in Redis, around a real server and a real Redis. Usage: node tests/examples.mjs BINARY. Their packages must be installed (npm ci in `examples`).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fitsItsWidth, isAccessible, isClean } from './browser/harness/checks.mjs';
import { Chromium, PHONE, WIDE } from './browser/harness/chromium.mjs';
import { Server } from './browser/harness/server.mjs';
import { Redis, freePort } from './browser/harness/targets.mjs';
import { until } from './browser/harness/wait.mjs';

const examples = fileURLToPath(new URL('../examples/', import.meta.url));
const { Webhook } = createRequire(examples)('standardwebhooks');
const [binary = 'target/debug/flashsale'] = process.argv.slice(2);

const ADMIN_TOKEN = 'correct-horse-battery-staple';
const FULFILLMENT_SECRET = `whsec_${Buffer.from('the key of the fulfilment service').toString('base64')}`;
const PAYMENT_SECRET = `whsec_${Buffer.from('the key of the payment provider').toString('base64')}`;
const WRONG_SECRET = `whsec_${Buffer.from('the key of a stranger, who tries').toString('base64')}`;
const MARKUP = '<img src=x onerror=alert(1)>';
const LONG = 20_000;
const folder = mkdtempSync(path.join(tmpdir(), 'flashsale-examples-'));

/** One program of `examples`, with these settings alone; it can be killed and started again on its port. */
class Program {
    static async start(name, settings) {
        const program = new Program();
        Object.assign(program, { name, settings, output: '' });
        await program.again(settings.PORT ?? 0);
        return program;
    }

    async again(port = this.port) {
        const env = { PATH: process.env.PATH, ...this.settings, PORT: `${port}` };
        const child = spawn(process.execPath, [path.join(examples, this.name)], { env, cwd: folder });
        let ready = '';
        for (const stream of [child.stdout, child.stderr]) {
            stream.on('data', (text) => { this.output += text; ready += text; });
        }
        this.child = child;
        this.port = await until(`${this.name} listens`, () => {
            if (child.exitCode !== null) throw new Error(`${this.name} ended at once:\n${ready}`);
            return Number(/listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(ready)?.[1] ?? 0);
        }, LONG);
        this.origin = `http://127.0.0.1:${this.port}`;
    }

    /** As the harness of the browser wants it. */
    url(pathname) {
        return this.origin + pathname;
    }

    /** Posts a signed event; gives the status of the response. */
    async post(secret, id, event, at = new Date()) {
        const body = JSON.stringify(event);
        const headers = {
            'content-type': 'application/json',
            'webhook-id': id,
            'webhook-timestamp': `${Math.floor(at.getTime() / 1_000)}`,
            'webhook-signature': new Webhook(secret).sign(id, at, body),
        };
        return (await fetch(this.origin, { method: 'POST', headers, body })).status;
    }

    async kill(signal = 'SIGKILL') {
        if (this.child.exitCode !== null || this.child.signalCode !== null) return;
        const ended = once(this.child, 'exit');
        this.child.kill(signal);
        await ended;
    }
}

let chromium;
let redis;
let server;
let receiver;
let payments;
let storefront;
let events = 0;

before(async () => {
    const PORT = await freePort();
    redis = await Redis.start();
    receiver = await Program.start('webhook-receiver.mjs', { FULFILLMENT_SECRET });
    server = await Server.start(binary, {
        settings: {
            ADMIN_TOKEN,
            CORS_ORIGINS: `http://127.0.0.1:${PORT}`,
            FULFILLMENT_URL: `${receiver.origin}/`,
            FULFILLMENT_SECRET,
            FULFILLMENT_ALLOW_PRIVATE: 'true',
            FULFILLMENT_ATTEMPTS: '20',
            FULFILLMENT_RETRY_DELAY_MS: '50',
            FULFILLMENT_MAX_RETRY_DELAY_MS: '1000',
            REDIS_URL: redis.url,
        },
        args: [],
    });
    const FLASHSALE_URL = server.origin;
    payments = await Program.start('payment-handler.mjs', { ADMIN_TOKEN, PAYMENT_SECRET, FLASHSALE_URL });
    storefront = await Program.start('storefront.mjs', { PORT: `${PORT}`, FLASHSALE_URL });
    chromium = await Chromium.start();
});

after(async () => {
    await chromium?.stop();
    for (const program of [storefront, payments, receiver]) await program?.kill();
    await server?.stop();
    await redis?.stop();
    rmSync(folder, { recursive: true, force: true });
});

const product = (more = {}) => server.must('/inventory', {
    name: 'A lamp', price: '19.90', initialStock: 10, flashSaleActive: true, holdSeconds: 3_600, ...more,
});
const place = async ({ id }, more = {}) => {
    return (await server.must('/orders', { productId: id, userId: 'ada', quantity: 1, ...more })).orderId;
};
const order = (id) => server.must(`/orders/${id}`);
const stock = async ({ id }) => {
    const { currentStock, heldStock, soldStock } = await server.must(`/inventory/${id}`);
    return [currentStock, heldStock, soldStock];
};
const becomes = (id, status) => until(`order ${id} is ${status}`, async () => {
    return (await order(id)).status === status;
}, LONG);
const delivered = (id) => until(`order ${id} was delivered`, async () => {
    const { jobId } = await order(id);
    return (await server.must(`/orders/queue/${jobId}`)).status === 'completed';
}, LONG);
const lines = (name) => {
    const text = readFileSync(path.join(folder, name), 'utf8');
    return text.split('\n').slice(0, -1).map((line) => JSON.parse(line));
};
const shipped = (id) => lines('shipments.log').filter(({ orderId }) => orderId === id).length;
const refunded = (id) => until(`the payment of order ${id} is given back`, () => {
    return payments.output.includes(`refund pay_${id}\n`);
}, LONG);
const payment = (orderId) => ({ id: `pay_${orderId}`, amount: '19.90', metadata: { orderId: `${orderId}` } });

/** The provider's event about the payment of an order. */
function paid(orderId, { type = 'payment.succeeded', secret = PAYMENT_SECRET, at, to = payments } = {}) {
    events += 1;
    return to.post(secret, `evt_${events}`, { type, timestamp: new Date().toISOString(), data: payment(orderId) }, at);
}

describe('the payment handler and the fulfilment service', { timeout: 300_000 }, () => {
    test('a held order that is paid is confirmed and delivered once, however often the event comes', async () => {
        const lamp = await product();
        const id = await place(lamp, { quantity: 2, reference: 'cart-1' });
        assert.equal((await order(id)).status, 'pending');
        assert.deepEqual(await Promise.all([paid(id), paid(id)]), [204, 204]);
        assert.equal(await paid(id), 204);
        await delivered(id);
        assert.equal(shipped(id), 1);
        assert.equal(lines('shipments.log').at(-1).reference, 'cart-1');
        assert.deepEqual(await stock(lamp), [8, 0, 2]);
    });

    test('a post that is repeated is not shipped again, also by a receiver that was killed', async () => {
        const id = await place(await product());
        await paid(id);
        await delivered(id);
        const again = async () => {
            const data = await order(id);
            return receiver.post(FULFILLMENT_SECRET, data.jobId, { type: 'order.confirmed', data });
        };
        assert.equal(await again(), 200);
        await receiver.kill();
        // As a crash in the middle of a line would leave it.
        writeFileSync(path.join(folder, 'shipments.log'), '{"id":"half a li', { flag: 'a' });
        await receiver.again();
        assert.equal(await again(), 200);
        assert.equal(shipped(id), 1);
        const next = await place(await product());
        await paid(next);
        await delivered(next);
        assert.equal(shipped(next), 1);
    });

    test('an order that is paid while the receiver is away is delivered once it is back', async () => {
        const id = await place(await product());
        await receiver.kill();
        assert.equal(await paid(id), 204);
        assert.equal((await order(id)).status, 'confirmed');
        await receiver.again();
        await delivered(id);
        assert.equal(shipped(id), 1);
    });

    test('an order without a hold is shipped when it is placed, and fails if the receiver rejects it', async () => {
        const direct = await product({ holdSeconds: null, initialStock: 20 });
        const small = await place(direct);
        await becomes(small, 'confirmed');
        assert.equal(shipped(small), 1);
        const large = await place(direct, { quantity: 11 });
        await becomes(large, 'failed');
        assert.equal(shipped(large), 0);
        assert.deepEqual(await stock(direct), [19, 0, 1]);
    });

    test('a failed payment cancels its order, but not one that was paid', async () => {
        const lamp = await product();
        const [unpaid, bought] = [await place(lamp), await place(lamp)];
        for (let n = 0; n < 2; n += 1) assert.equal(await paid(unpaid, { type: 'payment.failed' }), 204);
        assert.equal((await order(unpaid)).status, 'cancelled');
        await paid(bought);
        assert.equal(await paid(bought, { type: 'payment.failed' }), 204);
        assert.equal((await order(bought)).status, 'confirmed');
        assert.deepEqual(await stock(lamp), [9, 0, 1]);
    });

    test('of two events at once that contradict each other one is first: the buyer has order or money', async () => {
        const lamp = await product({ initialStock: 100 });
        const ids = await Promise.all(Array.from({ length: 30 }, () => place(lamp)));
        await Promise.all(ids.flatMap((id) => [paid(id, { type: 'payment.failed' }), paid(id)]));
        for (const id of ids) {
            if ((await order(id)).status !== 'confirmed') await refunded(id);
            else assert.ok(!lines('refunds.log').some((entry) => entry.orderId === `${id}`));
        }
    });

    test('a payment that comes too late is given back for good, and one that finds units left is not', async () => {
        const last = await product({ initialStock: 1, holdSeconds: 1 });
        const late = await place(last);
        await becomes(late, 'cancelled');
        const winner = await place(last, { userId: 'grace' });
        await paid(winner);
        assert.equal(await paid(late), 204);
        await refunded(late);
        await server.must(`/inventory/${last.id}/restock`, { quantity: 5 });
        await payments.kill();
        await payments.again();
        assert.equal(await paid(late), 204);
        assert.equal((await order(late)).status, 'cancelled');
        assert.equal(lines('refunds.log').filter(({ id }) => id === `pay_${late}`).length, 1);
        const lucky = await place(last, { userId: 'edsger' });
        await becomes(lucky, 'cancelled');
        await paid(lucky);
        assert.equal((await order(lucky)).status, 'confirmed');
        assert.ok(!payments.output.includes(`refund pay_${lucky}\n`));
    });

    test('a late payment of a buyer who has bought all that one person can is given back', async () => {
        const single = await product({ perUserLimit: 1, holdSeconds: 1 });
        const late = await place(single);
        await becomes(late, 'cancelled');
        await paid(await place(single));
        assert.equal(await paid(late), 204);
        await refunded(late);
        assert.deepEqual(await stock(single), [9, 0, 1]);
    });

    test('a wrong or an old signature changes nothing', async () => {
        const id = await place(await product());
        const old = new Date(Date.now() - 3_600_000);
        assert.equal(await paid(id, { secret: WRONG_SECRET }), 401);
        assert.equal(await paid(id, { at: old }), 401);
        assert.equal((await fetch(payments.origin, { method: 'POST', body: '{}' })).status, 401);
        assert.equal((await order(id)).status, 'pending');
        const event = { type: 'order.confirmed', data: await order(id) };
        assert.equal(await receiver.post(WRONG_SECRET, event.data.jobId, event), 401);
        assert.equal(await receiver.post(FULFILLMENT_SECRET, event.data.jobId, event, old), 401);
        assert.equal(shipped(id), 0);
    });

    test('what is about something else is taken and ignored by the one, and rejected by the other', async () => {
        const ticket = { type: 'payment.succeeded', data: { id: 'pay_ticket', metadata: {} } };
        assert.equal(await payments.post(PAYMENT_SECRET, 'evt_ticket', ticket), 204);
        assert.equal(await receiver.post(FULFILLMENT_SECRET, 'other', { type: 'order.cancelled', data: {} }), 422);
    });

    test('while flashsale is away or does not know the handler, the provider has to repeat the event', async () => {
        const id = await place(await product());
        const stranger = await Program.start('payment-handler.mjs', {
            ADMIN_TOKEN: 'wrong-horse', PAYMENT_SECRET, FLASHSALE_URL: server.origin, REFUNDS_FILE: 'none.log',
        });
        assert.equal(await paid(id, { to: stranger }), 503);
        await stranger.kill();
        await server.end();
        assert.equal(await paid(id), 503);
        await server.again();
        assert.equal((await order(id)).status, 'pending');
        assert.equal(await paid(id), 204);
        await delivered(id);
        assert.equal(shipped(id), 1);
    });
});

describe('the consumer of the stream in Redis', { timeout: 300_000 }, () => {
    /** A consumer, and what it has written. */
    function consume(CONSUMER) {
        const env = { PATH: process.env.PATH, REDIS_URL: redis.url, CONSUMER, ABANDONED_MS: '100' };
        const child = spawn(process.execPath, [path.join(examples, 'redis-consumer.mjs')], { env, cwd: folder });
        const consumer = { child, output: '' };
        for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => { consumer.output += text; });
        return consumer;
    }
    const packs = (consumers, id) => until(`order ${id} is packed`, () => {
        return consumers.some(({ output }) => output.includes(`pack order ${id}: 1 of product`));
    }, LONG);

    test('each order that is paid is packed, also when a program dies and another one takes its place', async () => {
        const lamp = await product();
        const [first, second, unpaid] = [await place(lamp), await place(lamp), await place(lamp)];
        const consumers = [consume('one')];
        await paid(first);
        await packs(consumers, first);
        consumers[0].child.kill('SIGKILL');
        await paid(second);
        consumers.push(consume('two'));
        await packs(consumers, second);
        assert.ok(!consumers.some(({ output }) => output.includes(`pack order ${unpaid}:`)));
        consumers[1].child.kill('SIGKILL');
    });
});

describe('the storefront', { timeout: 300_000 }, () => {
    /** A tab on a storefront; requests to flashsale, on its other origin, are what it is for. */
    async function visit(page = storefront, { at = server, size = WIDE, theme = 'light' } = {}) {
        const tab = await chromium.open(page, { size, theme });
        tab.expect(new RegExp(`^a request to ${at.origin}/api/v1/`));
        await tab.go('/');
        return tab;
    }
    const card = (of) => `li:has([aria-label="Buy ${of.name}"])`;
    const said = (tab, of, pattern) => until(`${pattern}`, async () => {
        const text = await tab.run((selector) => document.querySelector(selector)?.innerText ?? '', card(of));
        return pattern.test(text) && text;
    }, LONG);
    const listed = (tab, of) => said(tab, of, /left|Sold out/);
    const buy = async (tab, of, options) => {
        await listed(tab, of);
        await tab.page.click(`${card(of)} button`, options);
    };
    const ordersOf = ({ id }) => server.must(`/orders?productId=${id}`);

    test('a page of an allowed origin buys: it shows the countdown, and then the order', async () => {
        const lamp = await product({ name: 'A held lamp' });
        const tab = await visit();
        await buy(tab, lamp);
        await said(tab, lamp, /Reserved.*\b(60:00|59:\d\d)\b/s);
        const [{ id }] = await ordersOf(lamp);
        await paid(id);
        await said(tab, lamp, new RegExp(`It is yours: order ${id}`));
        await delivered(id);
        assert.equal(shipped(id), 1);
        await isClean(tab, 'the storefront');
        await tab.close();
    });

    test('a double click and a page that is loaded again buy once', async () => {
        const lamp = await product({ name: 'A lamp to click twice' });
        const quick = await product({ name: 'A lamp without a hold', holdSeconds: null });
        const tab = await visit();
        await buy(tab, lamp, { count: 2 });
        await said(tab, lamp, /Reserved/);
        await buy(tab, quick, { count: 2 });
        await said(tab, quick, /It is yours/);
        await tab.go('/');
        await said(tab, lamp, /Reserved/);
        await said(tab, quick, /It is yours/);
        // As if the page had been left before the response came: it asks again, with the same key.
        await tab.run((key) => {
            const { jobId, ...asked } = JSON.parse(sessionStorage[key]);
            sessionStorage[key] = JSON.stringify(asked);
        }, `attempt-${lamp.id}`);
        await tab.go('/');
        await said(tab, lamp, /Reserved/);
        assert.equal((await ordersOf(lamp)).length, 1);
        assert.equal((await ordersOf(quick)).length, 1);
        await isClean(tab, 'the storefront');
        await tab.close();
    });

    test('a busy server is asked again when it says, with one key, and sold out is said as such', async () => {
        const lamp = await product({ name: 'A lamp in demand' });
        const gone = await product({ name: 'A lamp that is gone', initialStock: 1 });
        const tab = await visit();
        await listed(tab, gone);
        tab.expect(/429|503|409/);
        const keys = [];
        const busy = [[503, 'overloaded'], [429, 'rate_limited']];
        await tab.page.setRequestInterception(true);
        tab.page.on('request', (request) => {
            if (request.method() !== 'POST') return request.continue();
            keys.push(request.headers()['idempotency-key']);
            const [status, code] = busy.shift() ?? [];
            const headers = {
                'access-control-allow-origin': storefront.origin,
                'access-control-expose-headers': 'retry-after',
                'retry-after': '1',
            };
            if (!status) return request.continue();
            return request.respond({
                status, headers, contentType: 'application/problem+json', body: JSON.stringify({ code }),
            });
        });
        await tab.run((selector) => {
            window.seen = [];
            const status = document.querySelector(`${selector} [role=status]`);
            new MutationObserver(() => window.seen.push(status.textContent)).observe(status, { childList: true });
        }, card(lamp));
        await buy(tab, lamp);
        await said(tab, lamp, /Reserved/);
        const seen = await tab.run(() => window.seen);
        assert.match(seen[0], /Many people are buying right now. Trying again in 1 s/);
        assert.match(seen[1], /a little fast. Trying again in 1 s/);
        assert.equal(keys.length, 3);
        assert.equal(new Set(keys).size, 1);
        assert.equal((await ordersOf(lamp)).length, 1);
        // The last unit goes to somebody else between the list and the click, if the list does not come in between.
        await place(gone, { userId: 'grace' });
        await tab.run((selector) => document.querySelector(selector).click(), `${card(gone)} button`);
        await said(tab, gone, /Sold out/);
        assert.equal((await ordersOf(gone)).length, 1);
        await isClean(tab, 'the storefront');
        await tab.close();
    });

    test('a page of an origin that is not allowed can neither list nor order', async () => {
        const closed = await Server.start(binary, { settings: { ADMIN_TOKEN } });
        const elsewhere = await Program.start('storefront.mjs', { FLASHSALE_URL: closed.origin });
        /** An order by the page's own script, in this content type: 201, or the browser's error. */
        const ordered = (tab, at, type) => tab.run(async (url, kind) => {
            const body = JSON.stringify({ productId: 1, userId: 'mallory', quantity: 1 });
            const headers = kind ? { 'content-type': kind } : {};
            return fetch(url, { method: 'POST', headers, body }).then(({ status }) => status, ({ name }) => name);
        }, at.url('/api/v1/orders'), type);
        const tab = await visit(elsewhere, { at: closed });
        tab.expect(/^console: /, /^4\d\d for /);
        await until('the page says so', async () => /cannot be reached/.test(await tab.text('#notice')), LONG);
        assert.equal(await ordered(tab, closed, 'application/json'), 'TypeError');
        assert.equal(await ordered(tab, closed), 'TypeError');
        assert.equal((await closed.must('/orders/admin/metrics')).totalOrders, 0);
        await tab.close();
        const allowed = await visit();
        allowed.expect(/40[04] for|status of 40[04]/);
        assert.notEqual(await ordered(allowed, server, 'application/json'), 'TypeError');
        await allowed.close();
        await elsewhere.kill();
        await closed.stop();
    });

    test('the page is plain, accessible and fits its window, and a name is text', async () => {
        const evil = await product({ name: MARKUP });
        for (const [size, theme] of [[WIDE, 'light'], [WIDE, 'dark'], [PHONE, 'light']]) {
            const where = `the storefront, ${size.width} px, ${theme}`;
            const tab = await visit(storefront, { size, theme });
            await until('the name is shown', () => tab.run((name) => {
                return [...document.querySelectorAll('h2')].some(({ textContent }) => textContent === name);
            }, evil.name), LONG);
            await fitsItsWidth(tab, where);
            await isAccessible(tab, where);
            await isClean(tab, where); // nothing that its policy forbids: no script and no style in the page
            await tab.close();
        }
    });
});

test('each example has fewer than 80 lines, and needs Node, standardwebhooks and redis alone', () => {
    const names = readdirSync(examples).filter((name) => /\.(mjs|js|html|css)$/.test(name));
    assert.ok(names.length >= 5);
    for (const name of names) {
        const text = readFileSync(path.join(examples, name), 'utf8');
        assert.ok(text.split('\n').length <= 80, `${name} is too long`);
        for (const [, from] of text.matchAll(/\bfrom '([^']+)'/g)) {
            assert.match(from, /^(node:|\.\/|standardwebhooks$|redis$)/, `${name} imports ${from}`);
        }
    }
});
