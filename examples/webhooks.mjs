// What both services need: a server for signed webhooks (Standard Webhooks), and a list that outlives the process.
import { appendFileSync, fsyncSync, ftruncateSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

const MAX_BODY_CHARS = 65_536;

/**
 * Listens, and calls `handle` with each event that is signed with this secret, and its id. `handle` gives the status of
 * the response. If it throws, that is 503, and the sender repeats the event.
 */
export function serve(secret, { host = '127.0.0.1', port }, handle) {
    const webhook = new Webhook(secret);
    const server = createServer(async (request, response) => {
        let status;
        try {
            // The signature is over the bytes that came, so they are read as they are and parsed once it is right.
            const event = webhook.verify(await read(request), request.headers);
            status = await handle(event, request.headers['webhook-id']);
        } catch (error) {
            console.error(error.message);
            // A wrong secret is a mistake of the operators: 401 has the event repeated until that is mended, and 400
            // would lose it.
            status = error instanceof WebhookVerificationError ? 401 : 503;
        }
        response.writeHead(status).end();
    });
    server.listen(port, host, () => console.log(`listening on http://${host}:${server.address().port}`));
}

async function read(request) {
    let body = '';
    for await (const part of request.setEncoding('utf8')) {
        body += part;
        if (body.length > MAX_BODY_CHARS) throw new Error('the body is too long');
    }
    return body;
}

/** Entries that have an `id`, as lines of JSON in a file that is only ever appended to. */
export class List {
    #file;
    #ids;

    constructor(path) {
        this.#file = openSync(path, 'a+');
        const bytes = readFileSync(this.#file);
        const end = bytes.lastIndexOf('\n') + 1; // beyond it is what a crash left unfinished
        ftruncateSync(this.#file, end);
        const lines = bytes.toString('utf8', 0, end).split('\n').filter(Boolean);
        this.#ids = new Set(lines.map((line) => JSON.parse(line).id));
    }

    has(id) {
        return this.#ids.has(id);
    }

    /** When this returns, the entry is on the disk. */
    add(entry) {
        try {
            appendFileSync(this.#file, `${JSON.stringify(entry)}\n`);
            fsyncSync(this.#file);
        } catch (error) {
            console.error(`the list cannot be written: ${error.message}`);
            process.exit(1); // nobody knows what is on the disk now; the next start does
        }
        this.#ids.add(entry.id);
    }
}
