// Tests of the dashboard in Chromium, against a server under load. Usage: node run.mjs BINARY [FILE…]
// Each file exports one function that registers tests; they share the binary and one Chromium.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Chromium } from './harness/chromium.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const [binary = path.join(here, '../../target/release/flashsale'), ...chosen] = process.argv.slice(2);
const all = readdirSync(path.join(here, 'pages')).filter((name) => name.endsWith('.mjs')).sort();
const unknown = chosen.filter((name) => !all.includes(`${name}.mjs`));
if (unknown.length > 0) {
    console.error(`no such tests: ${unknown.join(', ')}; there are ${all.map((name) => name.slice(0, -4)).join(', ')}`);
    process.exit(2);
}

/** What all tests share. */
const shared = { binary };
before(async () => { shared.chromium = await Chromium.start(); });
after(() => shared.chromium?.stop());

for (const name of all.filter((file) => chosen.length === 0 || chosen.includes(file.slice(0, -4)))) {
    const { default: register } = await import(`./pages/${name}`);
    describe(name.slice(0, -4), { timeout: 300_000 }, () => register(shared));
}
