// Takes a screenshot of each page: empty and full, before, during and after a sale, dark and light, wide and narrow.
// Usage: node screenshots.mjs BINARY FOLDER [SCENE…], or --readme as FOLDER: the pictures of docs/screens/.
// The full scenes need about two minutes of load before them, so that the charts have something to show.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Chromium, PHONE } from './harness/chromium.mjs';
import { Fulfilment } from './harness/fulfilment.mjs';
import { Load } from './harness/load.mjs';
import { reduced } from './harness/png.mjs';
import { Server } from './harness/server.mjs';
import { sleep } from './harness/wait.mjs';

const SIZES = { 1440: { width: 1440, height: 1000 }, 390: PHONE };
const WALL = { 1920: { width: 1920, height: 1080 } };
const USERS = ['mira.okafor', 'lukasz_w', 'user-88213', 'عبدالرحمن السيد', 'j.peeters', 'נועה לוי', 'tadashi', 'k4te', ...Array.from({ length: 40 }, (_, n) => `user-${10_447 + 313 * n}`), 'broken-7', 'broken-11', 'broken-2'];

/** What the fulfilment service says to the users whose orders fail. */
const ERRORS = {
    'broken-7': [503, 'upstream connect error, try again later'],
    'broken-11': [500, 'cannot reach warehouse 17 for order 88213'],
    'broken-2': [502, 'bad gateway'],
};

/** The pictures of the README: scene, theme, width and the name of the file. */
const README = [
    ['live-during', 'dark', 1440, 'live.png'],
    ['order', 'light', 1440, 'order.png'],
    ['queue', 'light', 1440, 'queue.png'],
];

/** A scene is a page in a store: `store` names it, `go` is its path, `then` does what a person would. */
const SCENES = {
    'live-before': { store: 'before', go: () => '/' },
    'live-during': { store: 'during', go: () => '/?range=2m' },
    'live-cursor': { store: 'during', go: () => '/', then: (tab) => tab.page.hover('figure[data-chart=orders] .plot') },
    'wall': { store: 'during', go: () => '/?wall', sizes: WALL },
    'products': { store: 'during', go: () => '/products' },
    'product': { store: 'during', go: () => '/products/1' },
    'product-new': { store: 'during', go: () => '/products/new' },
    'orders': { store: 'during', go: () => '/orders' },
    'order': { store: 'during', go: async (server) => `/orders/${await brokenOrder(server)}` },
    'queue': { store: 'during', go: () => '/queue', then: (tab) => tab.follow('#groups a.ex') },
    'benchmark': { store: 'during', go: () => '/benchmark' },
    'display': { store: 'during', go: () => '/display' },
    'live-after': { store: 'after', go: () => '/' },
    'live-empty': { store: 'empty', go: () => '/' },
    'products-empty': { store: 'empty', go: () => '/products' },
    'orders-empty': { store: 'empty', go: () => '/orders' },
    'queue-empty': { store: 'empty', go: () => '/queue' },
    'benchmark-empty': { store: 'empty', go: () => '/benchmark' },
    'login': { store: 'guarded', go: () => '/login' },
};

async function brokenOrder(server) {
    const [letter] = await server.must('/queue/dead-letter?limit=1');
    return letter ? letter.orderId : 1;
}

/** Starts a store and whatever fills it; gives the server and how to end it all. */
const STORES = {
    async empty(binary) {
        const server = await Server.start(binary, { args: [] });
        return { server, end: () => server.stop() };
    },
    async guarded(binary) {
        const server = await Server.start(binary, { settings: { ADMIN_TOKEN: 'a-token-of-the-screenshots' } });
        return { server, end: () => server.stop() };
    },
    async before(binary) {
        const server = await Server.start(binary);
        const saleStartsAt = new Date(Date.now() + 4 * 60_000).toISOString();
        for (const { id } of await server.must('/inventory')) {
            await server.must(`/inventory/${id}`, { saleStartsAt, flashSaleActive: true, perUserLimit: 2 }, { method: 'PUT' });
        }
        const load = Load.start(server, { perSecond: 300, user: 'early' });
        await sleep(45_000);
        return { server, end: () => load.stop().then(() => server.stop()) };
    },
    async after(binary) {
        const server = await Server.start(binary);
        const load = Load.start(server, { perSecond: 60 });
        await sleep(25_000);
        await load.stop();
        return { server, end: () => server.stop() };
    },
    async during(binary) {
        const fulfilment = await Fulfilment.start();
        fulfilment.answer = (userId) => ERRORS[userId];
        const server = await Server.start(binary, { settings: { ...fulfilment.settings, WORKERS: '32' } });
        for (const [id, quantity] of [[1, 40_000], [2, 25_000], [3, 300], [4, 60_000], [5, 9_000]]) {
            await server.must(`/inventory/${id}`, { flashSaleActive: true }, { method: 'PUT' });
            await server.must(`/inventory/${id}/restock`, { quantity });
        }
        await server.must('/inventory/5', { holdSeconds: 600 }, { method: 'PUT' });
        await sleep(20_000);
        const load = Load.start(server, { perSecond: 600, users: USERS });
        await sleep(105_000);
        return { server, end: async () => { await load.stop(); await server.stop(); await fulfilment.stop(); } };
    },
};

async function take(chromium, server, scene, theme, size) {
    const tab = await chromium.open(server, { size, theme });
    await tab.go(await scene.go(server));
    await sleep(2_500);
    await scene.then?.(tab);
    // A page that was just opened has no feed yet; some have none at all.
    await tab.page.waitForSelector('#feed[data-state=live]', { timeout: 2_000 }).catch(() => null);
    await sleep(300);
    const png = await tab.page.screenshot({ fullPage: false });
    for (const complaint of await tab.complaints()) console.log(`  complaint: ${complaint}`);
    await tab.close();
    return png;
}

const [binary, folder, ...chosen] = process.argv.slice(2);
if (!binary || !folder) {
    console.error('usage: node screenshots.mjs BINARY FOLDER|--readme [SCENE…]');
    process.exit(2);
}
const isReadme = folder === '--readme';
const into = isReadme ? path.join(path.dirname(fileURLToPath(import.meta.url)), '../../docs/screens') : folder;
mkdirSync(into, { recursive: true });
const wanted = isReadme ? README.map(([name]) => name) : chosen;
const scenes = Object.entries(SCENES).filter(([name]) => wanted.length === 0 || wanted.includes(name));
const chromium = await Chromium.start();
for (const store of new Set(scenes.map(([, scene]) => scene.store))) {
    const { server, end } = await STORES[store](binary);
    for (const [name, scene] of scenes.filter(([, { store: its }]) => its === store)) {
        for (const [width, size] of Object.entries(scene.sizes ?? SIZES)) {
            for (const theme of ['dark', 'light']) {
                const picture = README.find((line) => line[0] === name && line[1] === theme && line[2] === Number(width));
                if (isReadme && !picture) continue;
                const file = isReadme ? picture[3] : `${name}-${theme}-${width}.png`;
                writeFileSync(path.join(into, file), reduced(await take(chromium, server, scene, theme, size)));
                console.log(path.join(into, file));
            }
        }
    }
    await end();
}
await chromium.stop();
