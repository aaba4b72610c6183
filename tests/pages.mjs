// Runs the commands of the pages in `docs`, line by line and in order, each page against a real server of its own in a
// temporary folder: the one that the page starts, or one with the sample products. Runs the clients of
// `examples/clients`, too, and follows the links of all pages.
// Usage: node tests/pages.mjs BINARY. The packages of `examples` and `tests/clients` must be installed.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
    existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, renameSync, rmSync, symlinkSync,
    writeFileSync,
} from 'node:fs';
import { createServer, request } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Server } from './browser/harness/server.mjs';
import { until } from './browser/harness/wait.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const [given = 'target/debug/flashsale'] = process.argv.slice(2);
const binary = realpathSync(given);

/** The pages of `docs` whose commands are run. */
const PAGES = [
    'QUICK-START', 'CONCEPTS', 'PAYMENTS', 'STOREFRONT', 'FULFILMENT', 'CLIENTS', 'COMING-FROM-NESTJS', 'COMPARED',
    'TROUBLESHOOTING', 'VERSIONS', 'LOAD-TESTING',
];
/** What other checks run, or needs more than a test's machine has: commands that begin with these words are not run. */
const NOT_RUN = ['cargo', 'docker', 'git', 'go', 'journalctl', 'npm', 'php', 'sudo', 'systemctl'];
/** Ports in the pages; each page gets free ones instead. */
const PORTS = ['3000', '4001'];
const LONG = 20_000;
/** For a load test, which is shortened here. */
const LOAD_TEST = 100_000;
/** A time as the API or as a table shows it, as part of a regular expression. */
const TIME = '\\d{4}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d:\\d\\d(\\.\\d{3})?Z';
const folder = mkdtempSync(path.join(tmpdir(), 'flashsale-pages-'));

after(() => rmSync(folder, { recursive: true, force: true }));

function read(name) {
    return readFileSync(path.join(root, name), 'utf8');
}

/** A port on which nobody listens, below those that the system gives to clients and to port 0. */
async function freePort() {
    for (;;) {
        const port = 20_000 + Math.floor(Math.random() * 12_000);
        const server = createServer();
        const free = await new Promise((resolve) => {
            server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
        });
        if (!free) continue;
        server.close();
        await once(server, 'close');
        return `${port}`;
    }
}

/** The commands in the `console` blocks of a text, each with the output that is shown. */
function commandsOf(text) {
    const commands = [];
    for (const [, indent, block] of text.matchAll(/^( *)```console\n([\s\S]*?)^ *```/gm)) {
        let open = false; // whether the command continues on the next line
        for (const line of block.trimEnd().split('\n').map((text) => text.slice(indent.length))) {
            if (open) commands.at(-1).command += `\n${line}`;
            else if (line.startsWith('$ ')) commands.push({ command: line.slice(2), output: [] });
            else commands.at(-1).output.push(line);
            open = (open || line.startsWith('$ ')) && line.endsWith('\\');
        }
    }
    return commands;
}

/** Whether the output is as shown: `…` is any text; times, and ids of jobs and histories, may differ. */
function fits(shown, output) {
    const pattern = shown.map((line) => line.trimEnd()).join('\n')
        .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
        .replace(/…/g, '[^]*?')
        .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\\\.\d{3})?Z/g, TIME)
        .replace(/\b(1-)?[0-9a-f]{32}\b/g, '(1-)?[0-9a-f]{32}');
    return new RegExp(`^${pattern}$`).test(output.split('\n').map((line) => line.trimEnd()).join('\n').trimEnd());
}

/** Whether the command only reads, so that it can be repeated until what it shows has happened. */
function reads(command) {
    if (/^curl /.test(command)) return !/ (-d|-X|--data) /.test(command);
    return /^flashsale (status|analyze|(products|orders) (list|show)|queue (show|dead-letters groups))\b/.test(command);
}

/** One Bash in which a page's commands run one after the other, with what they start. */
class Shell {
    #child;
    #output = '';
    #commands = 0;

    constructor(cwd, env) {
        this.cwd = cwd;
        this.#child = spawn('bash', ['--noprofile', '--norc'], { cwd, env, detached: true });
        for (const stream of [this.#child.stdout, this.#child.stderr]) {
            stream.setEncoding('utf8').on('data', (text) => { this.#output += text; });
        }
    }

    /** Runs a command; gives its exit code and output. One that stays in the background must say that it listens. */
    async run(command) {
        const number = ++this.#commands;
        const log = path.join(this.cwd, `.output-${number}`);
        const end = new RegExp(`^end of ${number}: (\\d+)$`, 'm');
        this.#child.stdin.write(`{ ${command}\n} </dev/null >.output-${number} 2>&1\necho "end of ${number}: $?"\n`);
        const longest = command.includes('flashsale rehearse') ? LOAD_TEST : LONG;
        const code = await until(`the end of ${command}`, () => end.exec(this.#output)?.[1], longest);
        const output = () => readFileSync(log, 'utf8');
        const listens = () => /listening .*\d\n/.test(output());
        if (/&( +#.*)?$/.test(command)) await until(`${command} listens`, listens, LONG);
        return { code: Number(code), output: output() };
    }

    async end() {
        const ended = once(this.#child, 'exit');
        process.kill(-this.#child.pid, 'SIGKILL');
        await ended;
    }
}

/** The command with each phase of a load test a tenth as long. */
function shortened(command) {
    return command.includes('--short') ? command : command.replace(/^flashsale rehearse \S+/, '$& --short');
}

/** A folder as that of a clone in which the program was built, with this program in the path. */
async function workshop(name) {
    const cwd = path.join(folder, name);
    for (const part of ['bin', 'tmp']) mkdirSync(path.join(cwd, part), { recursive: true });
    symlinkSync(binary, `${cwd}/bin/flashsale`);
    for (const part of ['examples', 'load-test', 'deploy']) symlinkSync(path.join(root, part), path.join(cwd, part));
    const ports = new Map();
    for (const port of PORTS) ports.set(port, await freePort());
    writeFileSync(`${cwd}/.env`, `PORT=${ports.get('3000')}\n`);
    const env = { PATH: `${cwd}/bin:${process.env.PATH}`, HOME: process.env.HOME, TMPDIR: `${cwd}/tmp` };
    return { cwd, ports, env };
}

async function runs(name) {
    const { cwd, ports, env } = await workshop(name);
    const local = (text) => PORTS.reduce((so, port) => so.replaceAll(port, ports.get(port)), text);
    const page = read(`docs/${name}.md`);
    // The file of a page that has one, under the name that its commands give it.
    const [, file] = /^```toml\n([\s\S]*?)^```/m.exec(page) ?? [];
    // No test asserts on time.
    if (file) writeFileSync(path.join(cwd, 'mine.toml'), file.replace(/^p99_ms.*\n/m, ''));
    const commands = commandsOf(page).filter(({ command }) => {
        return !NOT_RUN.includes(/^(?:\w+=\S* )*(\S+)/.exec(command)[1]);
    });
    const shell = new Shell(cwd, env);
    try {
        const started = commands.some(({ command }) => command.includes('flashsale serve'));
        if (commands.length > 0 && !started) await shell.run('flashsale serve --sample-data &');
        for (const { command, output: shown } of commands) {
            const line = shortened(local(command));
            const expected = shown.map(local);
            let result;
            const right = async () => {
                result = await shell.run(line);
                return result.code === 0 && (shown.length === 0 || fits(expected, result.output));
            };
            const done = reads(line) ? await until(line, right, LONG).catch(() => false) : await right();
            const { code, output } = result;
            assert.ok(done, `$ ${line}\nexit code ${code}\n${output}\nthe page shows:\n${expected.join('\n')}`);
        }
    } finally {
        await shell.end();
    }
}

function pages() {
    for (const name of PAGES) test(`docs/${name}.md`, () => runs(name));
}

/** Like a server in a rush: for each key the first order gets 503, the second 429, and the third its response. */
class Rush {
    keys = [];

    async start(server) {
        this.proxy = createServer((from, to) => {
            const key = from.headers['idempotency-key'];
            if (key) this.keys.push(key);
            const busy = key && [[503, 'overloaded'], [429, 'rate_limited']][this.times(key) - 1];
            if (busy) {
                const [status, code] = busy;
                from.resume();
                to.writeHead(status, { 'retry-after': '1', 'content-type': 'application/problem+json' });
                return to.end(JSON.stringify({ code }));
            }
            const { method, url, headers } = from;
            const passed = request(server.url(url), { method, headers }, (response) => {
                to.writeHead(response.statusCode, response.headers);
                response.pipe(to);
            });
            return from.pipe(passed);
        }).listen(0, '127.0.0.1');
        await once(this.proxy, 'listening');
        this.origin = `http://127.0.0.1:${this.proxy.address().port}`;
    }

    /** How often an order came with this key. */
    times(key) {
        return this.keys.filter((other) => other === key).length;
    }

    stop() {
        this.proxy.closeAllConnections();
        this.proxy.close();
    }
}

/** Runs a program to its end, which must be a good one. */
async function tool(command, args, env = {}) {
    const child = spawn(command, args, { cwd: folder, env: { ...process.env, ...env } });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => { output += text; });
    const [code] = await once(child, 'close');
    assert.equal(code, 0, `${command} ${args.join(' ')}:\n${output}`);
}

function atHand(...commands) {
    const folders = process.env.PATH.split(path.delimiter);
    return commands.every((command) => folders.some((at) => existsSync(path.join(at, command))));
}

/** How to run a client, or null where its language is not at hand. */
async function runner(name) {
    const file = path.join(root, 'examples/clients', name);
    switch (path.extname(name)) {
    case '.sh': return atHand('curl', 'jq') ? [file] : null;
    case '.py': return atHand('python3') ? ['python3', file] : null;
    case '.php': return atHand('php') ? ['php', file] : null;
    case '.go': {
        if (!atHand('go')) return null;
        const program = path.join(folder, 'order-go');
        await tool('go', ['build', '-o', program, file], { GOCACHE: path.join(root, 'target/go'), GO111MODULE: 'off' });
        return [program];
    }
    case '.ts': {
        // Compiled with all checks: not every Node here takes types away, and none checks them.
        const tsc = createRequire(path.join(root, 'tests/clients/package.json')).resolve('typescript/bin/tsc');
        const lib = ['--lib', 'es2022,dom', '--skipLibCheck'];
        const options = ['--strict', '--target', 'es2022', '--module', 'es2022', ...lib, '--outDir', folder];
        await tool(process.execPath, [tsc, file, ...options]);
        renameSync(path.join(folder, 'order.js'), path.join(folder, 'order.mjs'));
        return [process.execPath, path.join(folder, 'order.mjs')];
    }
    default: throw new Error(`${name} is in no language that this test knows`);
    }
}

function clients() {
    const token = 'token-of-the-storefront';
    let server;
    let rush;
    before(async () => {
        const settings = { ADMIN_TOKEN: 'token-of-the-operator', STOREFRONT_TOKEN: token };
        server = await Server.start(binary, { settings });
        await server.must('/inventory/2', { holdSeconds: 600 }, { method: 'PUT' });
        rush = new Rush();
        await rush.start(server);
    });
    after(async () => {
        rush?.stop();
        await server?.stop();
    });

    /** Runs a client; gives its exit code and what it prints. */
    async function order([command, ...args], product, user, key) {
        const env = { ...process.env, STOREFRONT_TOKEN: token };
        const child = spawn(command, [...args, rush.origin, `${product}`, user, '1', key], { env });
        let output = '';
        for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => { output += text; });
        const [code] = await once(child, 'close');
        return `${code} ${output.trim()}`;
    }

    for (const name of readdirSync(path.join(root, 'examples/clients')).sort()) {
        test(`${name} waits as it is asked to, orders once, and knows what came of it`, async (context) => {
            const client = await runner(name);
            if (!client) {
                context.skip('its language is not here');
                return;
            }
            const [bought, held, gone] = await Promise.all([
                order(client, 1, name, `${name}-bought`),
                order(client, 2, name, `${name}-held`),
                order(client, 4, name, `${name}-gone`),
            ]);
            assert.match(bought, /^0 order \d+: confirmed$/);
            assert.match(held, /^0 order \d+: reserved until \d{4}-\d\d-\d\dT[\d:.]+Z$/);
            assert.equal(gone, '1 not ordered: sale_not_active');
            for (const which of ['bought', 'held', 'gone']) {
                assert.equal(rush.times(`${name}-${which}`), 3);
            }
            assert.equal(await order(client, 1, name, `${name}-bought`), bought, 'the same order for the same key');
            assert.equal((await server.must(`/orders/user/${name}`)).length, 2);
        });
    }
}

// Side by side, as they wait more than they work.
describe('what is run', { concurrency: true, timeout: 240_000 }, () => {
    describe('the commands of the pages', { concurrency: 4 }, pages);
    describe('the clients', { concurrency: true }, clients);
});

/** The anchor of a heading, as GitHub makes it. */
function anchor(heading) {
    return heading.toLowerCase().replace(/[^\p{L}\p{N}\p{M}\s_-]/gu, '').replaceAll(' ', '-');
}

const documents = ['docs', '.', 'deploy', 'examples', 'load-test'].flatMap((at) => {
    return readdirSync(path.join(root, at)).filter((name) => name.endsWith('.md')).map((name) => path.join(at, name));
});

test('links between pages lead to a page and a heading', () => {
    for (const from of documents) {
        const text = read(from).replace(/```[^]*?```|`[^`\n]*`/g, '');
        for (const [, to] of text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
            const [file, heading] = to.split('#');
            const page = file ? path.join(path.dirname(from), file) : from;
            assert.ok(existsSync(path.join(root, page)), `${from}: ${to} is not there`);
            if (!heading) continue;
            const headings = [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, text]) => anchor(text));
            assert.ok(headings.includes(heading), `${from}: ${to} is not there`);
        }
    }
});

test('the README leads to every page', () => {
    const readme = read('README.md');
    for (const page of documents.filter((name) => name !== 'README.md')) {
        assert.ok(readme.includes(`](${page})`), `the README does not lead to ${page}`);
    }
});

test('pages name no setting and no metric that there is not', () => {
    const settings = execFileSync(binary, ['serve', '--help'], { encoding: 'utf8' });
    const metrics = read('docs/METRICS.md');
    for (const page of PAGES) {
        const text = read(`docs/${page}.md`).replace(/(\[[\w-]+\.md)?\]\([^)]*\)/g, '');
        for (const [, name] of text.matchAll(/(?<![\w$])([A-Z]+_[A-Z_]*[A-Z])\b/g)) {
            assert.ok(settings.includes(`[env: ${name}`), `${page}: ${name} is not a setting`);
        }
        for (const [name] of text.matchAll(/\bflash_sale_\w+/g)) {
            assert.ok(metrics.includes(`\`${name}`), `${page}: ${name} is not a metric`);
        }
    }
});

test('Versions names the format of the store', () => {
    const [, format] = /pub const FORMAT: u32 = (\d+);/.exec(read('src/store/format.rs'));
    assert.ok(read('docs/VERSIONS.md').includes(`| store | ${format} |`));
});

test('Troubleshooting has every code of a problem', () => {
    const description = JSON.parse(execFileSync(binary, ['openapi'], { maxBuffer: 1 << 26 }));
    const codes = description.components.schemas.Problem.properties.code.enum;
    assert.ok(codes.length > 30);
    const page = read('docs/TROUBLESHOOTING.md');
    const rows = [...page.matchAll(/^\| `([a-z_]+)`/gm)].map(([, code]) => code);
    assert.deepEqual([...new Set(rows)].sort(), [...codes].sort());
});
