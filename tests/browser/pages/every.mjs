// What holds on every page: accessible, as wide as its window, light, still, nothing foreign, nothing inline, names as text.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fitsItsWidth, hasNothingInline, isAccessible, isClean, isLight, tabStops } from '../harness/checks.mjs';
import { PHONE, WIDE } from '../harness/chromium.mjs';
import { Load } from '../harness/load.mjs';
import { sleep } from '../harness/wait.mjs';
import { EVIL_USER, MARKUP, NAMES, World } from '../harness/world.mjs';

const WIDTHS = [320, 390, 1100, 1440, 1920];
const THEMES = ['light', 'dark'];

/** The pages, by name: all that a click leads to. */
export function pagesOf(world) {
    return {
        'Live': '/',
        'the wall': '/?wall',
        'Products': '/products',
        'one product': `/products/${world.markup.id}`,
        'a new product': '/products/new',
        'Orders': '/orders',
        'one order': `/orders/${world.failed[0]}`,
        'an order that waits': `/orders/${world.pending[0]}`,
        'Queue': '/queue',
        'Benchmark': '/benchmark',
        'Display': '/display',
        'Keys': '/help',
    };
}

export default function register(shared) {
    let world;
    let load;
    before(async () => {
        world = await World.start(shared.binary);
        load = Load.start(world.server, { perSecond: 500, products: [world.unsold.id], user: EVIL_USER });
    });
    after(async () => {
        await load?.stop();
        await world?.stop();
    });

    /** Looks at each page in a tab of its own, and says at the end what was wrong with which. */
    const onEachPage = async (options, look) => {
        const wrong = [];
        for (const [name, pathname] of Object.entries(pagesOf(world))) {
            const tab = await shared.chromium.open(world.server, options);
            try {
                const response = await tab.go(pathname);
                assert.equal(response.status(), 200, `${name}: ${pathname}`);
                await look(tab, name, response);
            } catch (error) {
                wrong.push(`${name}: ${error.message}`);
            } finally {
                await tab.close();
            }
        }
        assert.ok(wrong.length === 0, `\n${wrong.join('\n\n')}`);
    };

    test('a page loads nothing foreign and nothing inline, and less than 100 KB', async () => {
        await onEachPage({}, async (tab, name, response) => {
            assert.match(response.headers()['content-security-policy'] ?? '', /^default-src 'none';/, name);
            isLight(tab, name);
            await hasNothingInline(tab, name);
            await sleep(300);
            await isClean(tab, name);
        });
    });

    test('axe finds nothing, wide and narrow, light and dark', async () => {
        // Each size and each theme once: what a theme changes, its colours, does not depend on the width.
        for (const [size, theme] of [[WIDE, 'light'], [PHONE, 'dark']]) {
            await onEachPage({ size, theme }, async (tab, name) => {
                await isAccessible(tab, `${name}, ${size.width} px, ${theme}`);
            });
        }
    });

    test('no page scrolls sideways at any width', async () => {
        await onEachPage({}, async (tab, name) => {
            for (const theme of THEMES) {
                for (const width of WIDTHS) {
                    await tab.show({ width, height: 900 }, theme);
                    await sleep(60);
                    await fitsItsWidth(tab, `${name}, ${width} px, ${theme}`);
                }
            }
            await isClean(tab, name);
        });
    });

    test('Pause and Stop are within four stops of the Tab key, on every page', async () => {
        await onEachPage({}, async (tab, name) => {
            // The wall has nothing to click; a question has the focus on its safe button.
            if (['the wall', 'Display', 'Keys'].includes(name)) return;
            const stops = await tabStops(tab, 'a[href="#emergency"]');
            assert.ok(stops <= 2, `${name}: the skip link is stop ${stops}`);
            await tab.page.keyboard.press('Enter');
            for (const [label, act] of [['Pause', 'pause'], ['Stop', 'stop-sale']]) {
                await tab.page.keyboard.press('Tab');
                const action = await tab.run(() => document.activeElement.form?.action);
                assert.match(action ?? '', new RegExp(`/acts/${act}$`), `${name}: ${label}`);
            }
        });
    });

    test('markup in names, user ids and errors is text on every page', async () => {
        const seen = { names: 0, users: 0, errors: 0 };
        await onEachPage({}, async (tab, name) => {
            await sleep(200);
            const found = await tab.run(([markup, user, product]) => {
                const text = document.body.innerText;
                return {
                    made: document.querySelectorAll('img[src=x], main script:not([type]), b[onmouseover]').length,
                    names: text.includes(product) ? 1 : 0,
                    users: text.includes(user) ? 1 : 0,
                    errors: [...document.querySelectorAll('bdi')].some(({ textContent: all }) => all.includes(markup) && all !== product) ? 1 : 0,
                };
            }, [MARKUP, EVIL_USER, NAMES.markup]);
            assert.equal(found.made, 0, `${name}: markup became elements`);
            for (const kind of Object.keys(seen)) seen[kind] += found[kind];
            await isClean(tab, name);
        });
        for (const [kind, pages] of Object.entries(seen)) assert.ok(pages > 0, `${kind} were shown somewhere`);
    });

    test('a request id that is markup comes back as text on an error page', async () => {
        const response = await fetch(world.server.url('/no/such/page'), {
            headers: { accept: 'text/html', 'x-request-id': '<script>alert(1)</script>' },
        });
        assert.equal(response.status, 404);
        assert.doesNotMatch(await response.text(), /<script>alert/);
    });

    test('without JavaScript a page still says all its numbers', async () => {
        await onEachPage({ script: false }, async (tab, name) => {
            if (['Display', 'Keys', 'a new product'].includes(name)) return;
            const text = await tab.text('main');
            assert.match(text, /\d/, name);
            assert.doesNotMatch(text, /loading/i, name);
        });
    });
}
