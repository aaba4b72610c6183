// Tests of the live feed with the clients from npm: ws and socket.io-client. Usage: node feed.mjs BINARY
// Starts its own server, prints a line for each check, and exits with 1 and a sentence where one fails.
import { io } from 'socket.io-client';
import WebSocket from 'ws';
import { Server } from './harness/server.mjs';
import { until } from './harness/wait.mjs';

const TOKEN = 'correct-horse-battery-staple';
const DEADLINE_MS = 20_000;
const [binary] = process.argv.slice(2);
if (!binary) {
    console.error('usage: node feed.mjs BINARY');
    process.exit(2);
}

/** Places an order and gives its id. */
async function order(server, userId) {
    const [placed] = await server.place([{ productId: 1, userId, quantity: 1 }]);
    expect(placed.status === 201, `an order got ${placed.status}`);
    return placed.orderId;
}

function expect(holds, sentence) {
    if (!holds) throw new Error(sentence);
}

function within(what, promise) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`waited ${DEADLINE_MS / 1000} s for ${what}`)), DEADLINE_MS);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The arguments of the next event that `wanted` accepts. */
function next(socket, event, wanted = () => true) {
    return within(event, new Promise((resolve) => {
        const listen = (...args) => {
            if (!wanted(...args)) return;
            socket.off(event, listen);
            resolve(args);
        };
        socket.on(event, listen);
    }));
}

const has = (orderId) => (data) => data.orders.some((order) => order.orderId === orderId);

/** Everything that a connected Socket.IO client can do. */
async function converse(server, socket) {
    const [metrics, meta] = await next(socket, 'metrics-update');
    expect(Number.isInteger(metrics.timestamp) && metrics.queueStats, 'metrics-update is not the metrics');
    expect(Number.isInteger(meta.sequence) && meta.history && meta.time, 'a frame has no sequence, history or time');
    const update = next(socket, 'order-update', (data) => data.changed > 0);
    const stock = next(socket, 'inventory-update', (data) => !data.snapshot);
    const orderId = await order(server, 'ada');
    await update;
    expect((await stock)[0].products[0].id === 1, 'inventory-update has another product than was sold');
    expect(Number.isInteger(orderId), 'an order has no id');
    const answered = next(socket, 'total-orders');
    const acknowledged = await within('an ack', socket.emitWithAck('fetch-total-orders'));
    expect(acknowledged.totalOrders >= 1, `fetch-total-orders was acknowledged with ${JSON.stringify(acknowledged)}`);
    expect((await answered)[0].totalOrders >= 1, 'total-orders has no count');
    const levels = next(socket, 'inventory-updates');
    socket.emit('fetch-inventory-updates');
    expect((await levels)[0].products.some((it) => it.productId === '1'), 'inventory-updates lacks a product');
    const report = next(socket, 'benchmark-report');
    socket.emit('get-benchmark-report');
    expect('totalRequests' in (await report)[0], 'benchmark-report lacks totalRequests');
    const { events } = await within('an ack', socket.emitWithAck('unsubscribe-metrics'));
    expect(!events.includes('metrics-update'), 'unsubscribe-metrics leaves the metrics');
    const subscribed = next(socket, 'metrics-update');
    socket.emit('subscribe-metrics');
    await subscribed;
    const wrong = next(socket, 'error');
    socket.emit('dance');
    expect((await wrong)[0].message.includes('no such request'), 'an unknown request gets no sentence');
}

const options = { forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 200 };

async function withSocket(url, more, use) {
    const socket = io(url, { ...options, ...more });
    try {
        return await use(socket);
    } finally {
        socket.disconnect();
    }
}

/** Each transport on each namespace. */
function transports(server) {
    const ways = {
        'polling first, then upgraded': {},
        'WebSocket first': { transports: ['websocket', 'polling'] },
        'polling only': { transports: ['polling'] },
    };
    return Object.entries(ways).flatMap(([name, way]) => ['/', '/monitoring'].map((namespace) => [
        `socket.io-client, ${name}, namespace ${namespace}`,
        () => withSocket(server.origin + namespace, way, async (socket) => {
            await next(socket, 'connect');
            await converse(server, socket);
            if (!way.transports) {
                const upgraded = () => socket.io.engine.transport.name === 'websocket';
                if (!upgraded()) await next(socket.io.engine, 'upgrade');
                expect(upgraded(), 'polling was not upgraded');
            }
            expect(socket.connected, 'the connection was lost');
        }),
    ]));
}

async function plainWebSocket(server) {
    const socket = new WebSocket(server.url('/monitoring').replace('http', 'ws'));
    const frames = [];
    socket.on('message', (text) => frames.push(JSON.parse(text)));
    const seen = (what, wanted) => until(what, () => frames.find(wanted), DEADLINE_MS);
    await seen('the snapshot', (frame) => frame.event === 'inventory-update' && frame.data.snapshot);
    expect(frames[0].event === 'metrics-update', `the first frame is ${frames[0].event}`);
    const orderId = await order(server, 'ada');
    await seen('the order', (frame) => frame.event === 'order-update' && has(orderId)(frame.data));
    socket.send(JSON.stringify({ event: 'unsubscribe', data: { events: ['order-update'] } }));
    socket.send('nonsense');
    await seen('an error', (frame) => frame.event === 'error');
    expect(frames.every((frame, at) => at === 0 || frame.sequence >= frames[at - 1].sequence), 'sequence goes back');
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.close(1000);
    expect(await within('the close', closed) === 1000, 'the close was not returned');
}

/** Two restarts: the same clients come back by themselves, and see the same history. */
async function reconnects(server) {
    await withSocket(server.origin, {}, async (socket) => {
        const [, before] = await next(socket, 'metrics-update');
        for (let round = 0; round < 2; round++) {
            // A client whose upgrade is cut while it pauses polling never polls again: it notices after two pings.
            await until('the client has upgraded', () => socket.io.engine.transport.name === 'websocket');
            const gone = next(socket, 'disconnect');
            const plain = new WebSocket(server.url('/monitoring').replace('http', 'ws'));
            await within('a WebSocket', new Promise((resolve) => plain.on('open', resolve)));
            const closed = new Promise((resolve) => plain.on('close', (code) => resolve(code)));
            await server.end();
            expect(await within('the close', closed) === 1012, 'no close frame says that the server stops');
            await gone;
            await server.again();
            const [, after] = await next(socket, 'metrics-update');
            expect(after.history === before.history && after.sequence >= before.sequence, 'the history has changed');
        }
    });
}

async function oldProtocol(server) {
    const response = await fetch(server.url('/socket.io/?EIO=3&transport=polling'));
    const { code, message } = await response.json();
    expect(response.status === 400 && code === 5 && message.includes('EIO=4'), 'EIO=3 gets no clear answer');
}

async function credentials(server) {
    const auth = { token: TOKEN };
    await withSocket(`${server.origin}/monitoring`, { auth }, (socket) => next(socket, 'metrics-update'));
    const extraHeaders = { authorization: `Bearer ${TOKEN}` };
    await withSocket(server.origin, { extraHeaders }, (socket) => next(socket, 'metrics-update'));
    for (const wrong of [{}, { auth: { token: 'wrong-horse' } }]) {
        const [error] = await withSocket(server.origin, wrong, (socket) => next(socket, 'connect_error'));
        expect(error.message.includes('admin token'), `without the token: ${error.message}`);
    }
    const inAddress = { query: { token: TOKEN }, transports: ['polling'], reconnection: false };
    await withSocket(server.origin, inAddress, (socket) => next(socket, 'connect_error'));
    const [nowhere] = await withSocket(`${server.origin}/nowhere`, { auth }, (socket) => next(socket, 'connect_error'));
    expect(nowhere.message === 'Invalid namespace', `an unknown namespace: ${nowhere.message}`);
}

const open = await Server.start(binary);
const guarded = await Server.start(binary, { settings: { ADMIN_TOKEN: TOKEN } });
const checks = [
    ['ws', () => plainWebSocket(open)],
    ...transports(open),
    ['an old protocol', () => oldProtocol(open)],
    ['credentials', () => credentials(guarded)],
    ['two restarts', () => reconnects(open)],
];
let failed = 0;
for (const [name, run] of checks) {
    try {
        await run();
        console.log(`ok      ${name}`);
    } catch (error) {
        failed += 1;
        console.error(`FAILED  ${name}: ${error.message}`);
    }
}
await Promise.all([open.stop(), guarded.stop()]);
process.exit(failed > 0 ? 1 : 0);
