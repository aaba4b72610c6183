// What the npm scripts name is there, and every load test is run by one of them.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../load-test/", import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), "utf8");
const { scripts } = JSON.parse(read("package.json"));
const files = readdirSync(folder).filter((name) => name.endsWith(".yml") && !name.startsWith("broken-"));
/** The commands that people know from other flash-sale projects. */
const KNOWN = `
    loadtest loadtest:setup loadtest:visual loadtest:extreme loadtest:extreme-visual
    flash-sale:test flash-sale:visual flash-sale:extreme-visual flash-sale:monitor
    contention:setup contention:single-unit-visual contention:limited-visual contention:hyper-visual
    contention:full-test monitoring:all grafana:dashboard analyze:results`.trim().split(/\s+/);
/** What each load test has: thresholds that fail without a request, an audit, a short variant, expectations. */
const PARTS = [
    "http.requests > 0", "flashsale.admitted > 0", "vusers.failed == 0", "function: audit", "short:", "statusCode:",
];

test("every known command is a script", () => KNOWN.forEach((name) => assert.ok(scripts[name], name)));

test("every script names scripts, files and scenarios that exist", () => {
    for (const [name, script] of Object.entries(scripts)) {
        for (const [, file] of script.matchAll(/([\w-]+\.(?:yml|sh))/g)) {
            assert.ok(existsSync(new URL(file, folder)), `${name}: ${file}`);
        }
        for (const [, next] of script.matchAll(/npm run -s ([\w:-]+)/g)) assert.ok(scripts[next], `${name}: ${next}`);
        for (const [, scenario] of script.matchAll(/ scenario (?:contention-)?([\w-]+)/g)) {
            assert.ok(existsSync(new URL(`scenarios/${scenario}.toml`, folder)), `${name}: ${scenario}`);
        }
    }
});

test("every load test is run by a script, and sells the products of a scenario", () => {
    for (const file of files) {
        assert.ok(Object.values(scripts).some((script) => script.includes(file)), file);
        const scenario = /^ {4}scenario: (.+)$/m.exec(read(file))?.[1];
        assert.ok(scenario && existsSync(new URL(`scenarios/${scenario}.toml`, folder)), `${file}: ${scenario}`);
        assert.match(read("README.md"), new RegExp(file.replace(".", "\\.")), `the README does not name ${file}`);
    }
});

test("every load test has thresholds that fail without a request, and is audited", () => {
    for (const file of files) {
        const text = read(file);
        for (const part of PARTS) assert.ok(text.includes(part), `${file}: ${part}`);
    }
});

test("the packages name no registry, so the one that is set is asked", () => {
    const { packages } = JSON.parse(read("package-lock.json"));
    for (const [name, { resolved }] of Object.entries(packages)) assert.equal(resolved, undefined, name);
});
