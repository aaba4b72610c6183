// How smooth the page Live is while very many orders pass: frames a second, the longest pause between two, and how far
// the layout shifts. It measures, and asserts nothing. Usage: node smooth.mjs BINARY [ORDERS-A-SECOND] [SECONDS]
import { setTimeout as sleep } from 'node:timers/promises';
import { Chromium } from './harness/chromium.mjs';
import { Server } from './harness/server.mjs';

const PRODUCTS = 20;
const BATCH = 500;
const [binary, rate = '20000', seconds = '60'] = process.argv.slice(2);

const server = await Server.start(binary, { args: [] });
const chromium = await Chromium.start();
let stopped = false;

/** Batches at an even pace, which does not wait for their responses. */
async function orders(ids) {
    let user = 0;
    const began = performance.now();
    for (let sent = 0; !stopped; sent += 1) {
        await sleep(began + (1_000 * BATCH * sent) / Number(rate) - performance.now());
        const order = () => ({ productId: ids[user % ids.length], userId: `user-${user += 1}`, quantity: 1 });
        const placed = server.ask('/orders/batch', { orders: Array.from({ length: BATCH }, order) });
        placed.catch((error) => { if (!stopped) console.error(error.message); });
    }
}

/** In the page: the moments of its frames. */
function frames(ms) {
    window.shifted = [];
    return new Promise((resolve) => {
        const times = [];
        const next = (now) => {
            times.push(now);
            if (now - times[0] < ms) requestAnimationFrame(next);
            else resolve({ times, shifted: window.shifted });
        };
        requestAnimationFrame(next);
    });
}

try {
    const ids = [];
    for (let number = 1; number <= PRODUCTS; number += 1) {
        const made = await server.ask('/inventory', { name: `Product ${number}`, initialStock: 1e7, price: 10, flashSaleActive: true });
        ids.push(made.body.id);
    }
    const ordering = orders(ids);
    const tab = await chromium.open(server);
    await tab.go('/');
    await sleep(5_000);
    const before = (await server.ask('/orders/admin/metrics')).body.totalOrders;
    const started = performance.now();
    const { times, shifted } = await tab.run(frames, 1_000 * Number(seconds));
    const took = (performance.now() - started) / 1_000;
    const accepted = (await server.ask('/orders/admin/metrics')).body.totalOrders - before;
    stopped = true;
    await ordering;
    const gaps = times.slice(1).map((time, at) => time - times[at]).sort((a, b) => a - b);
    const at = (share) => gaps[Math.min(gaps.length - 1, Math.floor(share * gaps.length))].toFixed(1);
    console.log(`${Math.round(accepted / took)} orders/s over ${took.toFixed(0)} s, ${PRODUCTS} products`);
    console.log(`${((1_000 * gaps.length) / (times.at(-1) - times[0])).toFixed(1)} frames/s; a frame ${at(0.5)} ms after the one before at the median, ${at(0.99)} at p99, ${at(1)} at most`);
    console.log(`layout shift ${shifted.reduce((sum, { value }) => sum + value, 0).toFixed(4)} ${JSON.stringify(shifted)}`);
} finally {
    stopped = true;
    await chromium.stop();
    await server.stop();
}
