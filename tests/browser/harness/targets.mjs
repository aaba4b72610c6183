// What a server mirrors into: a Redis, and a receiver of events. Each can be away for a while, on the same port.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A port that nobody listens at. */
export async function freePort() {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    server.close();
    await once(server, 'close');
    return port;
}

/** A Redis of a test's own, which keeps nothing. */
export class Redis {
    #child;
    #folder;

    static async start() {
        const redis = new Redis();
        redis.port = await freePort();
        redis.url = `redis://127.0.0.1:${redis.port}`;
        redis.#folder = await mkdtemp(path.join(tmpdir(), 'flashsale-redis-'));
        redis.again();
        return redis;
    }

    /** Starts it; those who connect try again until it listens. */
    again() {
        this.#child = spawn('redis-server', ['--port', `${this.port}`, '--bind', '127.0.0.1', '--save', '', '--dir', this.#folder]);
    }

    /** Ends it at once. */
    async kill() {
        const ended = once(this.#child, 'exit');
        this.#child.kill('SIGKILL');
        await ended;
    }

    async stop() {
        if (this.#child.exitCode === null && this.#child.signalCode === null) await this.kill();
        await rm(this.#folder, { recursive: true, force: true });
    }
}

/** A receiver of events. */
export class Receiver {
    /** The status of its responses. */
    status = 204;
    #server;

    static async start() {
        const receiver = new Receiver();
        receiver.#server = createHttpServer((request, response) => {
            request.resume().on('end', () => response.writeHead(receiver.status).end());
        });
        receiver.#server.listen(0, '127.0.0.1');
        await once(receiver.#server, 'listening');
        return receiver;
    }

    /** Settings of a server that posts its events here. */
    get settings() {
        return { EVENTS_URL: `http://127.0.0.1:${this.#server.address().port}/`, EVENTS_ALLOW_PRIVATE: 'true' };
    }

    async stop() {
        this.#server.closeAllConnections();
        this.#server.close();
        await once(this.#server, 'close');
    }
}
