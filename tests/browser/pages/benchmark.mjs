// Benchmark: the figures are the report's, the downloads open on their own, a reset asks first and keeps the counters.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isClean } from '../harness/checks.mjs';
import { until } from '../harness/wait.mjs';
import { World } from '../harness/world.mjs';

const FIGURES = ['totalRequests', 'successfulRequests', 'failedRequests', 'throughput', 'p99Latency', 'maxLatency'];

export default function register(shared) {
    let world;
    let tab;
    before(async () => {
        world = await World.start(shared.binary, { full: false });
        // Single orders, as only these are requests that are measured one by one.
        const order = (n) => ({ productId: 1 + (n % 3), userId: `user-${n}`, quantity: 1 });
        for (let n = 0; n < 40; n += 1) await world.server.ask('/orders', order(n));
        await world.server.ask('/orders', { productId: 999, userId: 'nobody', quantity: 1 });
        await world.server.ask('/orders', { productId: 1, userId: 'greedy', quantity: 100_000 });
        await until('they are measured', async () => (await report()).totalRequests >= 42);
    });
    after(() => world?.stop());
    beforeEach(async () => {
        tab = await shared.chromium.open(world.server);
        await tab.go('/benchmark');
    });
    afterEach(async () => {
        await isClean(tab, 'Benchmark');
        await tab.close();
    });

    const report = () => world.server.must('/monitoring/benchmark');
    const values = (selector) => tab.run((css) => [...document.querySelectorAll(css)].map(({ value }) => Number(value)), selector);

    test('the figures are those of the report', async () => {
        const earlier = await report();
        await tab.go('/benchmark');
        const shown = Object.fromEntries((await values('.figs data')).map((value, n) => [FIGURES[n], value]));
        const asked = await report();
        // The throughput falls with the time that passes without a request.
        const span = `${earlier.throughput}, ${shown.throughput}, ${asked.throughput}`;
        assert.ok(shown.throughput <= earlier.throughput + 0.01 && shown.throughput >= asked.throughput - 0.01, span);
        for (const name of FIGURES.filter((each) => each !== 'throughput')) {
            assert.ok(Math.abs(shown[name] - asked[name]) < 0.001, `${name}: ${shown[name]}, ${asked[name]}`);
        }
    });

    test('each code has its number of answers', async () => {
        const { codes } = await report();
        const shown = await values('table.codes data');
        assert.equal(shown.reduce((sum, count) => sum + count, 0), Object.values(codes).reduce((sum, count) => sum + count, 0));
        assert.ok(shown.includes(40), `${shown}`);
    });

    test('the JSON is the report, and the HTML opens from the disk and asks nobody for anything', async () => {
        await world.server.must('/queue/pause', {});
        await until('the history has it', async () => {
            const { events } = await world.server.must('/monitoring/metrics/history');
            return events.some(({ kind }) => kind === 'paused');
        });
        await world.server.must('/queue/resume', {});
        const json = await (await fetch(world.server.url('/benchmark/report.json'))).json();
        assert.equal(json.totalRequests, (await report()).totalRequests);
        const html = await (await fetch(world.server.url('/benchmark/report.html'))).text();
        const folder = await mkdtemp(path.join(tmpdir(), 'flashsale-report-'));
        const file = path.join(folder, 'report.html');
        await writeFile(file, html);
        const context = await shared.chromium.browser.createBrowserContext();
        const page = await context.newPage();
        const asked = [];
        const said = [];
        page.on('request', (request) => asked.push(request.url()));
        page.on('console', (message) => said.push(message.text()));
        await page.goto(`file://${file}`);
        assert.deepEqual(asked, [`file://${file}`]);
        assert.deepEqual(said, []);
        assert.equal(await page.$eval('.figs data', ({ value }) => Number(value)), json.totalRequests);
        const charts = await page.$$eval('.tc', (all) => all.map((svg) => ({
            // Behind the name is what its lines reach.
            name: svg.getAttribute('aria-label').split(':')[0],
            drawn: [...svg.querySelectorAll('path.ln')].filter((line) => line.getAttribute('d')).length,
            colour: getComputedStyle(svg.querySelector('path.ln')).stroke,
            texts: svg.querySelectorAll('text').length,
        })));
        assert.deepEqual(charts.map(({ name }) => name), [
            'Orders per second over time', 'Latency over time', 'Jobs in line over time', 'Open connections over time', 'CPU over time', 'Memory over time',
        ]);
        for (const { name, drawn, colour, texts } of charts) {
            assert.ok(drawn > 0 && texts >= 4 && colour.startsWith('rgb'), `${name}: ${drawn} lines in ${colour}, ${texts} texts`);
        }
        assert.match(await page.$eval('.tcs', (all) => all.textContent), /goal: p99 below 3 ms/);
        assert.match(await page.$eval('.moments', (all) => all.textContent), /The queue was paused/);
        for (const width of [320, 390, 768, 1440]) {
            await page.setViewport({ width, height: 900 });
            const { scrollWidth, clientWidth } = await page.evaluate(() => {
                const { scrollWidth: wide, clientWidth: room } = document.documentElement;
                return { scrollWidth: wide, clientWidth: room };
            });
            assert.equal(scrollWidth, clientWidth, `at ${width}`);
        }
        await context.close();
        await rm(folder, { recursive: true });
    });

    test('a reset asks first, starts a new measurement, and leaves the counters of Prometheus alone', async () => {
        const counted = async () => /orders_total\{status="confirmed"\} \d+/.exec(await world.server.must('/metrics'))?.[0];
        const before = await counted();
        assert.ok(before);
        const total = (await report()).totalRequests;
        await tab.page.click('form[action="/benchmark/reset"] button');
        await tab.page.waitForSelector('dialog[open] footer button');
        assert.ok(await tab.run(() => document.activeElement.matches('[data-keep]')), 'the safe button has the focus');
        assert.equal((await report()).totalRequests, total);
        await tab.page.click('dialog[open] footer button');
        await until('it is reset', async () => (await report()).totalRequests === 0);
        await until('the page says so', async () => (await values('.figs data'))[0] === 0);
        assert.equal(await counted(), before);
    });
}
