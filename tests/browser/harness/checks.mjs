// Checks that hold on every page.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { sleep } from './wait.mjs';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Nothing that a page must never do. */
export async function isClean(tab, where) {
    const complaints = await tab.complaints();
    assert.equal(complaints.length, 0, `${where}:\n${complaints.join('\n')}`);
}

/** axe-core with all its rules, best practice included, finds nothing. */
export async function isAccessible(tab, where) {
    await tab.run(axe);
    const found = await tab.run(async () => {
        const { violations } = await window.axe.run(document, {
            preload: false,
            resultTypes: ['violations'],
            runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
        });
        return violations.map((rule) => {
            const places = rule.nodes.slice(0, 5).map((node) => `${node.html.slice(0, 160)} (${node.failureSummary})`);
            return `${rule.id}: ${rule.help}\n  ${places.join('\n  ')}`;
        });
    });
    assert.equal(found.length, 0, `${where}: axe found\n${found.join('\n')}`);
}

/** Nothing is wider than the window, unless it scrolls within itself. */
export async function fitsItsWidth(tab, where) {
    const wide = await tab.run(() => {
        const room = document.documentElement.clientWidth;
        if (document.documentElement.scrollWidth <= room) return [];
        const beyond = [...document.querySelectorAll('body *')].filter((element) => {
            const box = element.getBoundingClientRect();
            return box.width > 0 && box.right > room + 0.5;
        });
        const names = beyond.slice(0, 6).map((element) => element.outerHTML.slice(0, 120));
        return [`${document.documentElement.scrollWidth} px wide in ${room}`, ...names];
    });
    assert.equal(wide.length, 0, `${where}: ${wide.join('\n')}`);
}

/** The layout stays where it is for this long: not even the digits of a growing number push anything aside. */
export async function staysStill(tab, ms, where) {
    await tab.run(() => { window.shifted = []; });
    await sleep(ms);
    const shifted = await tab.run(() => window.shifted);
    const sum = shifted.reduce((all, { value }) => all + value, 0);
    const list = shifted.map(({ value, moved }) => `${value} ${moved.join(', ')}`).join('\n');
    assert.equal(sum, 0, `${where}: the layout shifted by ${sum}\n${list}`);
}

/** All that a first visit loads, in bytes over the wire, is less than the bound. */
export function isLight(tab, where, bound = 100_000) {
    assert.ok(tab.loaded > 1_000, `${where}: the bytes were counted`);
    assert.ok(tab.loaded < bound, `${where}: the first paint takes ${tab.loaded} bytes`);
}

/** No element has an attribute that the policy would have to allow, and no script or style stands in the page. */
export async function hasNothingInline(tab, where) {
    const found = await tab.run(async () => {
        const text = await (await fetch(location.href)).text();
        const page = new DOMParser().parseFromString(text, 'text/html');
        return [...page.querySelectorAll('*')].filter((element) => {
            const names = element.getAttributeNames();
            const script = element.localName === 'script' && !element.src && element.type !== 'application/json';
            return element.localName === 'style' || script || names.some((name) => name === 'style' || name.startsWith('on'));
        }).map((element) => element.outerHTML.slice(0, 160));
    });
    assert.equal(found.length, 0, `${where}: in the page stands ${found.join('\n')}`);
}

/** Tab stops from the start of the page until the element is reached: the skip links count. */
export async function tabStops(tab, matches, most = 12) {
    await tab.page.evaluate(() => { document.activeElement?.blur(); });
    for (let stops = 1; stops <= most; stops += 1) {
        await tab.page.keyboard.press('Tab');
        if (await tab.run((selector) => document.activeElement?.matches(selector), matches)) return stops;
    }
    return Infinity;
}

/** The numbers in `data` elements that name the field of the API they show. */
export function numbers(tab, attribute) {
    return tab.run((name) => Object.fromEntries([...document.querySelectorAll(`data[${name}]`)].map((data) => {
        return [data.getAttribute(name), data.getAttribute('value')];
    })), attribute);
}
