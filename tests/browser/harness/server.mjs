// A server of its own: started on a free port in a temporary folder, asked through its API, restarted on the same
// port, killed, and stopped. It never sees the settings of the shell that started the tests.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { until } from './wait.mjs';

const OPEN = { RATE_LIMIT_PER_USER: '0', RATE_LIMIT_PER_IP: '0' };

export class Server {
    #binary;
    #folder;
    #settings;
    #arguments;
    #process;
    #log = '';

    /** Starts `binary` with these environment variables, and with more arguments of `serve`. */
    static async start(binary, { settings = {}, args = ['--sample-data'] } = {}) {
        const server = new Server();
        server.#binary = path.resolve(binary);
        server.#folder = await mkdtemp(path.join(tmpdir(), 'flashsale-browser-'));
        server.#settings = { PATH: process.env.PATH, HOME: server.#folder, ...OPEN, ...settings };
        server.#arguments = args;
        server.token = settings.ADMIN_TOKEN;
        await server.#run(0);
        return server;
    }

    async #run(port) {
        const args = ['serve', ...this.#arguments, '--port', `${port}`, '--data-dir', `${this.#folder}/data`];
        const child = spawn(this.#binary, args, { env: this.#settings, cwd: this.#folder });
        this.#process = child;
        this.#log = '';
        for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => { this.#log += text; });
        await until('the server listens', () => {
            if (child.exitCode !== null) throw new Error(`the server ended at once:\n${this.#log}`);
            this.port = Number(/listening   http:\/\/127\.0\.0\.1:(\d+)/.exec(this.#log)?.[1] ?? 0);
            return this.port > 0;
        }, 20_000);
        this.origin = `http://127.0.0.1:${this.port}`;
    }

    /** What the server has logged since its last start. */
    get log() {
        return this.#log;
    }

    /** Path on this server as a URL. */
    url(pathname) {
        return `${this.origin}${pathname}`;
    }

    /** One request to the API as the operator: path under the base path, and a body that makes it a POST. */
    async ask(pathname, body, { method = body === undefined ? 'GET' : 'POST', headers = {} } = {}) {
        const response = await fetch(this.url(`/api/v1${pathname}`), {
            method,
            headers: {
                ...(this.token && { authorization: `Bearer ${this.token}` }),
                ...(body !== undefined && { 'content-type': 'application/json' }),
                ...headers,
            },
            body: body === undefined ? undefined : JSON.stringify(body),
        });
        const text = await response.text();
        const answer = text && /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : text;
        return { status: response.status, headers: response.headers, body: answer };
    }

    /** The body of a request that must succeed. */
    async must(pathname, body, options) {
        const answer = await this.ask(pathname, body, options);
        if (answer.status >= 300) throw new Error(`${pathname}: ${answer.status} ${JSON.stringify(answer.body)}`);
        return answer.body;
    }

    /** Places orders, at most 1,000 at once; gives one result for each. */
    async place(orders) {
        return (await this.must('/orders/batch', { orders })).results;
    }

    /** Ends the process with this signal and waits for it. */
    async end(signal = 'SIGTERM') {
        if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
        const ended = once(this.#process, 'exit');
        this.#process.kill(signal);
        await ended;
    }

    /** Starts it again over the same data, on the same port. */
    async again() {
        await this.#run(this.port);
    }

    /** Ends it and removes its data. */
    async stop() {
        await this.end();
        await rm(this.#folder, { recursive: true, force: true });
    }
}
