// Products: the list and its numbers, search and tabs, one product beside it, a form that overwrites nothing.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { isAccessible, isClean } from '../harness/checks.mjs';
import { until } from '../harness/wait.mjs';
import { NAMES, World } from '../harness/world.mjs';

const SAVE = 'form[data-edit] [data-save]';

export default function register(shared) {
    let world;
    let tab;
    before(async () => { world = await World.start(shared.binary); });
    after(() => world?.stop());
    beforeEach(async () => { tab = await shared.chromium.open(world.server); });
    afterEach(async () => {
        await isClean(tab, 'Products');
        await tab.close();
    });

    const product = (id) => world.server.must(`/inventory/${id}`);
    const edit = async (id, on = tab) => {
        await on.go(`/products/${id}`);
        await on.page.waitForSelector(SAVE);
    };
    /** The answer of a question, if one is asked. */
    const agree = async (on = tab) => {
        const button = await on.page.waitForSelector('dialog[open] footer button', { timeout: 2_000 }).catch(() => null);
        await button?.click();
    };

    test('the list shows the numbers and names of the API', async () => {
        await tab.go('/products?show=all');
        const shown = await tab.run(() => [...document.querySelectorAll('#products tr[data-product]')].map((row) => ({
            id: Number(row.dataset.product),
            name: row.querySelector('th').textContent.trim(),
            currentStock: Number(row.querySelector('[data-left]').value),
            heldStock: Number(row.querySelector('[data-held]').value),
            soldStock: Number(row.querySelector('[data-sold]').value),
        })).sort((a, b) => a.id - b.id));
        const asked = (await world.server.must('/inventory')).map(({ id, name, currentStock, heldStock, soldStock }) => {
            return { id, name, currentStock, heldStock, soldStock };
        }).sort((a, b) => a.id - b.id);
        assert.deepEqual(shown, asked);
        await tab.page.waitForSelector('#feed[data-state=live]');
    });

    test('the numbers of the list move with the feed', async () => {
        await tab.go('/products?show=all');
        const left = () => tab.run((id) => Number(document.querySelector(`tr[data-product="${id}"] [data-left]`).value), world.unsold.id);
        await until('the number is there', async () => (await left()) === (await product(world.unsold.id)).currentStock);
        await new Promise((resolve) => { setTimeout(resolve, 600); });
        await world.server.must(`/inventory/${world.unsold.id}/restock`, { quantity: 7 });
        await until('it has moved', async () => (await left()) === (await product(world.unsold.id)).currentStock);
    });

    test('a click on a heading sorts by it, the URL says so, and the pages follow each other', async () => {
        const column = (name) => tab.run((cell) => [...document.querySelectorAll(`#products [data-${cell}]`)].map((data) => Number(data.value)), name);
        await tab.go('/products');
        assert.equal(await tab.text('#products th[aria-sort=ascending]'), 'Id ↑');
        await tab.follow('#products thead a[href*="sort=left"]');
        assert.equal(new URL(tab.page.url()).searchParams.get('sort'), 'left');
        const rising = await column('left');
        assert.deepEqual(rising, [...rising].sort((a, b) => a - b));
        assert.equal(await tab.text('#products th[aria-sort=ascending]'), 'Left ↑');
        await tab.follow('#products thead a[href*="sort=-left"]');
        assert.deepEqual(await column('left'), [...rising].reverse());
        await tab.follow('#products thead a[href*="sort=-sold"]');
        const sold = await column('sold');
        assert.deepEqual(sold, [...sold].sort((a, b) => b - a));
        // The search keeps the order.
        await tab.fill('#q', 'a');
        await tab.follow('form.find button');
        assert.equal(new URL(tab.page.url()).searchParams.get('sort'), '-sold');
    });

    test('a sold-out product says when, in its row and beside the list', async () => {
        const row = `tr[data-product="${world.gone.id}"]`;
        await tab.go('/products');
        await until('the row says when', async () => {
            await tab.go('/products');
            return /^sold out \d\d:\d\d:\d\d$/.test(await tab.text(`${row} .state`));
        });
        const at = (await tab.text(`${row} .state`)).slice(-8);
        await tab.go(`/products/${world.gone.id}`);
        assert.ok((await tab.text('.drawer .dh')).includes(`sold out at ${at}`), await tab.text('.drawer .dh'));
        const plain = await shared.chromium.open(world.server, { script: false });
        await plain.go('/');
        assert.equal(await plain.text(`tr[data-id="${world.gone.id}"] [data-v=eta]`), `sold out ${at}`);
        await plain.close();
        // Without a new page, as units come and go.
        await tab.go('/products');
        await tab.page.waitForSelector('#feed[data-state=live]');
        await world.server.must(`/inventory/${world.gone.id}/restock`, { quantity: 5 });
        await until('it can be bought', async () => (await tab.text(`${row} .state`)) === 'on sale');
        await world.server.must(`/inventory/${world.gone.id}/restock`, { quantity: -5 });
        await until('it is gone again', async () => /^sold out \d\d:\d\d:\d\d$/.test(await tab.text(`${row} .state`)));
    });

    test('an act that is kept back leaves the changes unsaved, and leaving still asks', async () => {
        tab.expect(/a dialog: beforeunload/);
        await edit(world.markup.id);
        await tab.fill('form[data-edit] [name=price]', '13.00');
        await tab.page.click(SAVE);
        await tab.page.waitForSelector('dialog[open] [data-keep]');
        await tab.page.click('dialog[open] [data-keep]');
        await tab.page.waitForFunction(() => !document.querySelector('dialog'));
        let asked = null;
        tab.page.once('dialog', (dialog) => { asked = dialog.type(); });
        await tab.run(() => { location.href = '/orders'; });
        await until('the browser asks', () => asked === 'beforeunload');
        assert.equal((await product(world.markup.id)).price, '12.50');
    });

    test('the search finds names and ids, is in the URL, and says when there is none', async () => {
        await tab.go('/products');
        await tab.fill('#q', 'هاتف');
        await tab.follow('form.find button');
        assert.equal(await tab.text('#products th[scope=row]'), NAMES.arabic);
        assert.equal(new URL(tab.page.url()).searchParams.get('q'), 'هاتف');
        await tab.go('/products?q=nothing-like-this');
        assert.match(await tab.text('main'), /No product found/);
    });

    test('a hidden product is marked, and found by its SKU', async () => {
        const { id } = await world.server.must('/inventory', { name: 'Toy', price: '5', initialStock: 5, sku: 'TOY-Z' });
        await world.server.must(`/inventory/${id}`, { hidden: true }, { method: 'PUT' });
        await tab.go('/products?q=toy-z');
        const found = await tab.run(() => [...document.querySelectorAll('#products th[scope=row]')].map((cell) => cell.innerText.split(/\s+/)));
        assert.deepEqual(found, [['Toy', 'hidden', 'TOY-Z']]);
        await tab.go(`/products/${id}`);
        assert.match(await tab.text('.drawer .dh'), /hidden from buyers/);
        await tab.fill('#f-sku', 'TOY-Y');
        await tab.page.click(SAVE);
        await until('the change is listed as it is', async () => (await tab.text('.drawer')).includes('SKU TOY-Z → TOY-Y'));
        await isAccessible(tab, 'a hidden product');
    });

    test('a SKU of another product marks its field', async () => {
        await world.server.must(`/inventory/${world.arabic.id}`, { sku: 'TAKEN-1' }, { method: 'PUT' });
        await edit(world.unsold.id);
        await tab.fill('#f-sku', 'TAKEN-1');
        await tab.page.click(SAVE);
        await agree();
        await until('it says so', async () => (await tab.text('#e-sku').catch(() => '')) === 'Another product has this SKU.');
        assert.equal((await product(world.unsold.id)).sku, null);
    });

    test('below 1180 px one product is a page of its own', async () => {
        await tab.show({ width: 1024, height: 900 }, 'light');
        await tab.go(`/products/${world.unsold.id}`);
        const top = await tab.run(() => document.querySelector('.drawer').getBoundingClientRect().top);
        assert.ok(top < 200, `it begins at ${top}`);
        await tab.follow('a.back');
        assert.equal(new URL(tab.page.url()).pathname, '/products');
    });

    test('a name that is markup is text, a long one is cut but whole in its title', async () => {
        await tab.go('/products?show=all');
        const names = await tab.run(() => [...document.querySelectorAll('#products a.name')].map(({ title, textContent }) => [title, textContent.trim()]));
        assert.ok(names.some(([title, text]) => title === NAMES.markup && text === NAMES.markup));
        assert.ok(names.some(([title]) => title === NAMES.long));
    });

    test('units are added, and the terms are changed, in one save', async () => {
        const before = await product(world.unsold.id);
        await edit(world.unsold.id);
        await tab.fill('#f-units', '+50');
        await tab.fill('#f-price', '13.75');
        assert.equal(await tab.text(SAVE), 'Save 2 changes');
        await tab.page.click(SAVE);
        await agree();
        await until('it is saved', async () => (await product(world.unsold.id)).price === '13.75');
        assert.equal((await product(world.unsold.id)).currentStock, before.currentStock + 50);
    });

    test('a form that has become stale is told, not applied, and then keeps or puts back', async () => {
        await edit(world.unsold.id);
        await world.server.must(`/inventory/${world.unsold.id}`, { price: '20.00' }, { method: 'PUT' });
        await tab.fill('#f-price', '21.00');
        await tab.page.click(SAVE);
        await agree();
        await until('it says so', async () => /was changed elsewhere/.test(await tab.text('.drawer')));
        assert.equal((await product(world.unsold.id)).price, '20.00');
        await isAccessible(tab, 'a stale form');
    });

    test('too many units taken away: nothing is changed, and it says what can be', async () => {
        const { currentStock } = await product(world.unsold.id);
        await edit(world.unsold.id);
        await tab.fill('#f-units', '-999999');
        await tab.page.click(SAVE);
        await agree();
        await until('it says so', async () => /Not saved/.test(await tab.text('.drawer')));
        assert.equal((await product(world.unsold.id)).currentStock, currentStock);
        await isAccessible(tab, 'a form with an error');
    });

    test('one product is stopped in one click, and started again', async () => {
        const active = async () => (await product(world.arabic.id)).flashSaleActive;
        await edit(world.arabic.id);
        await tab.page.click('button[form=stop-one]');
        await until('it is stopped', async () => !(await active()));
        await tab.page.waitForSelector('button[form=start-one]');
        await tab.page.click('button[form=start-one]');
        await agree();
        await until('it is started', active);
    });

    test('a product is created and deleted again', async () => {
        await tab.go('/products/new');
        await tab.page.type('#f-initial', '12');
        await tab.page.type('#f-name', 'Made <i>here</i>');
        await tab.page.type('#f-price', '9.99');
        await tab.page.click(SAVE);
        const made = await until('it is there', async () => {
            return (await world.server.must('/inventory')).find(({ name }) => name === 'Made <i>here</i>');
        });
        assert.equal(made.currentStock, 12);
        // The page of the new product comes by itself.
        await tab.page.waitForFunction(() => /^\/products\/\d+/.test(location.pathname));
        await edit(made.id);
        await tab.page.click('button[form=delete-one]');
        await tab.page.waitForSelector('dialog[open] footer button');
        await tab.page.click('dialog[open] footer button');
        await until('it is gone', async () => (await world.server.ask(`/inventory/${made.id}`)).status === 404);
    });

    test('a form that nobody has touched is left without a question, a new one too', async () => {
        for (const path of ['/products/new', `/products/${world.markup.id}`]) {
            // A browser asks only about pages that somebody has clicked on; the afterEach fails on a dialog.
            await tab.go(path);
            await tab.page.waitForSelector(SAVE);
            await tab.page.click('#drawer-title');
            await tab.follow('.drawer [data-close]');
            await tab.go(path);
            await tab.page.click('#f-name');
            await tab.run(() => { location.href = '/orders'; });
            await tab.page.waitForFunction(() => location.pathname === '/orders');
        }
    });

    test('without JavaScript a product is created, edited and found', async () => {
        const plain = await shared.chromium.open(world.server, { script: false });
        await plain.go('/products/new');
        await plain.page.type('#f-initial', '5');
        await plain.page.type('#f-name', 'Plain');
        await plain.page.type('#f-price', '1');
        await plain.follow(SAVE);
        const made = (await world.server.must('/inventory')).find(({ name }) => name === 'Plain');
        await plain.go(`/products/${made.id}`);
        await plain.page.type('#f-units', '+3');
        await plain.follow(SAVE);
        assert.equal((await product(made.id)).currentStock, 8);
        await isClean(plain, 'without JavaScript');
        await plain.close();
    });
}
