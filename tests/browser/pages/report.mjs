// The report of a load test: it opens from the disk, asks nobody for anything, and its charts are read by keyboard.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { PHONE, WIDE } from '../harness/chromium.mjs';
import { fitsItsWidth, isAccessible, isClean } from '../harness/checks.mjs';

const RESULTS = new URL('../../it/life/report/', import.meta.url).pathname;
const result = (name) => path.join(RESULTS, `${name}.json`);
const WIDTHS = [320, 390, 768, 1100, 1440, 1920].map((width) => ({ width, height: 900 }));

export default function register(shared) {
    let folder;
    const pages = {};
    before(async () => {
        folder = await mkdtemp(path.join(tmpdir(), 'flashsale-load-test-'));
        // A run in which nothing was sent, and names that are long or markup.
        const artillery = JSON.parse(await readFile(result('artillery'), 'utf8'));
        artillery.aggregate.counters[`vusers.created_by_name.${'W'.repeat(255)}`] = 1;
        artillery.aggregate.counters['errors.<script>alert(1)</script>'] = 1;
        await writeFile(path.join(folder, 'nasty.json'), JSON.stringify(artillery));
        // What the load tests' own audit adds, with evidence that is long.
        const audit = JSON.parse(await readFile(result('audit'), 'utf8'));
        audit.checks[2].evidence = `order 7 of ${'W'.repeat(255)} was acknowledged and is lost`;
        await writeFile(path.join(folder, 'audited.json'), JSON.stringify({ ...artillery, flashsale: audit }));
        const empty = { aggregate: { counters: {}, period: 1_700_000_000_000 }, intermediate: [] };
        await writeFile(path.join(folder, 'empty.json'), JSON.stringify(empty));
        const made = (name) => path.join(folder, `${name}.json`);
        Object.assign(pages, {
            rehearsal: [result('rehearsal')],
            artillery: [made('nasty')],
            empty: [made('empty')],
            audited: [made('audited')],
            pair: [result('rehearsal'), made('audited')],
        });
        for (const [name, inputs] of Object.entries(pages)) {
            await promisify(execFile)(shared.binary, ['report', ...inputs, '-o', path.join(folder, `${name}.html`)]);
        }
    });
    after(() => rm(folder, { recursive: true }));

    /** Opens a report from the disk, and checks in the end that it was clean. */
    async function open(name, options, work) {
        const file = pathToFileURL(path.join(folder, `${name}.html`)).href;
        const tab = await shared.chromium.open({ origin: file, url: () => file }, options);
        const asked = [];
        tab.page.on('request', (request) => asked.push(request.url()));
        tab.expect(/^a request to file:/);
        await tab.go(name);
        await work(tab);
        assert.deepEqual(asked, [file]);
        await isClean(tab, name);
        await tab.close();
    }

    for (const name of ['rehearsal', 'artillery', 'empty', 'audited', 'pair']) {
        test(`${name}: nothing is loaded, nothing is too wide, and it can be read by everybody`, async () => {
            await open(name, {}, async (tab) => {
                for (const theme of ['light', 'dark']) {
                    for (const size of [WIDE, PHONE]) {
                        await tab.page.setViewport(size);
                        await tab.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
                        await isAccessible(tab, `${name} ${theme} ${size.width}`);
                    }
                }
                for (const size of WIDTHS) {
                    await tab.page.setViewport(size);
                    await fitsItsWidth(tab, `${name} at ${size.width}`);
                }
            });
        });
    }

    test('the charts are whole without script', async () => {
        await open('rehearsal', { script: false }, async (tab) => {
            const html = await tab.page.content();
            assert.match(html, /goal: p99 below 3 ms/);
            assert.match(html, /no data 2 s/);
            assert.match(html, /<output>max 17/);
            assert.match(html, /aria-label="Units left over time: left 0 in the end"/);
        });
    });

    describe('the cursor', () => {
        const seen = (tab) => tab.run(() => ({
            readout: document.querySelector('.readout').textContent,
            values: [...document.querySelectorAll('.chart output')].map((output) => output.textContent),
            lines: document.querySelectorAll('.cur').length,
            spoken: document.activeElement.getAttribute('aria-valuetext'),
        }));
        const row = (tab, at) => tab.run((n) => {
            return [...document.querySelectorAll('#points tbody tr')].at(n).innerText.split('\t').map((text) => text.trim());
        }, at);

        test('is one over all charts and says what the table says, by keyboard', async () => {
            await open('rehearsal', {}, async (tab) => {
                await tab.run(() => { document.querySelector('details').open = true; });
                const rest = await seen(tab);
                assert.equal(rest.readout, '0:00 to 3:00');
                await tab.page.focus('.plot');
                for (const [key, at] of [['Home', 0], ['ArrowRight', 1], ['PageUp', 11], ['End', -1], ['ArrowLeft', -2]]) {
                    await tab.page.keyboard.press(key);
                    const [time, ...cells] = await row(tab, at);
                    const now = await seen(tab);
                    assert.deepEqual([now.readout, now.values], [`At ${time} into the run`, cells], key);
                    assert.equal(now.lines, 3);
                    assert.ok(now.spoken.startsWith(`${time}: admitted ${cells[0]}, `), now.spoken);
                }
                await tab.page.keyboard.press('Escape');
                assert.deepEqual(await seen(tab), { ...rest, spoken: rest.readout });
            });
        });

        test('follows the pointer', async () => {
            await open('rehearsal', {}, async (tab) => {
                const box = await tab.page.$eval('.plot', (plot) => {
                    plot.scrollIntoView({ block: 'center' });
                    return plot.getBoundingClientRect().toJSON();
                });
                await tab.page.mouse.move(box.x + box.width / 2, box.y + 60);
                assert.match((await seen(tab)).readout, /^At 1:(29|30) into the run$/);
                await tab.page.mouse.move(box.x + box.width / 2, 5);
                assert.equal((await seen(tab)).lines, 0);
            });
        });
    });

    test('labels of moments never overlap, on wide and on narrow charts', async () => {
        await open('rehearsal', {}, async (tab) => {
            for (const size of WIDTHS) {
                await tab.page.setViewport(size);
                const boxes = await tab.run(() => [...document.querySelector('.tc').querySelectorAll('text.lbl')]
                    .map((text) => ({ text: text.textContent, ...text.getBoundingClientRect().toJSON() }))
                    .filter(({ width }) => width > 0));
                assert.ok(boxes.length >= 3, `${size.width}: ${boxes.map(({ text }) => text)}`);
                for (const [n, a] of boxes.entries()) {
                    for (const b of boxes.slice(n + 1)) {
                        const apart = a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
                        assert.ok(apart, `${a.text} and ${b.text} at ${size.width}`);
                    }
                }
            }
        });
    });

    test('the time is also that of the reader, and the print is light where the screen is dark', async () => {
        await open('rehearsal', { theme: 'dark', zone: 'America/New_York' }, async (tab) => {
            assert.match(await tab.text('.when'), /2026-11-27 14:02:11 UTC \(09:02:11 in America\/New York\), 3 min 0 s/);
            await tab.page.emulateMediaType('print');
            assert.equal(await tab.run(() => getComputedStyle(document.body).backgroundColor), 'rgb(255, 255, 255)');
            assert.equal(await tab.run(() => getComputedStyle(document.body).color), 'rgb(21, 24, 27)');
        });
    });
}
