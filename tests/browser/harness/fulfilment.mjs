// A fulfilment service that is told how to answer: by the order's user id, so that failing and confirmed orders can
// be mixed and the service as a whole never counts as away.
import { createServer } from 'node:http';
import { once } from 'node:events';

export const MARKUP = '<img src=x onerror="alert(1)"><script>alert(2)</script>';

export class Fulfilment {
    /** Users whose id starts so get a 500 with markup in the body, all others a 200. */
    failing = 'broken';

    /** What it says to those: status and body, by the user's id. */
    answer = () => [500, MARKUP];

    static async start() {
        const service = new Fulfilment();
        service.server = createServer((request, response) => {
            let text = '';
            request.on('data', (part) => { text += part; });
            request.on('end', () => {
                const { userId } = JSON.parse(text).data;
                const fails = service.failing && userId.startsWith(service.failing);
                const [status, body] = fails ? service.answer(userId) : [200, 'done'];
                response.writeHead(status, { 'content-type': 'text/plain' }).end(body);
            });
        });
        service.server.listen(0, '127.0.0.1');
        await once(service.server, 'listening');
        return service;
    }

    /** Settings of a server that posts its orders here, once. */
    get settings() {
        return {
            FULFILLMENT_URL: `http://127.0.0.1:${this.server.address().port}/`,
            FULFILLMENT_ALLOW_PRIVATE: 'true',
            FULFILLMENT_ATTEMPTS: '1',
            FULFILLMENT_RETRY_DELAY_MS: '20',
        };
    }

    async stop() {
        this.server.closeAllConnections();
        this.server.close();
        await once(this.server, 'close');
    }
}
