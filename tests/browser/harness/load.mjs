// Load in the background: batches of orders at a steady rate, one after the other, so that it is bounded.
import { sleep } from './wait.mjs';

export class Load {
    placed = 0;
    #running = true;
    #ended;

    /** Orders a second, in batches of at most 1,000, over these products, by a new user each or by these in turn. */
    static start(server, { perSecond = 2_000, products = [1, 2, 3, 4, 5], user = 'load', users = null } = {}) {
        const load = new Load();
        load.#ended = load.#run(server, perSecond, products, (n) => users?.[n % users.length] ?? `${user}-${n}`);
        return load;
    }

    async #run(server, perSecond, products, user) {
        const size = Math.min(1_000, Math.max(1, Math.round(perSecond / 10)));
        const pause = (1_000 * size) / perSecond;
        for (let next = Date.now(), n = 0; this.#running; next += pause) {
            const orders = Array.from({ length: size }, () => {
                n += 1;
                return { productId: products[n % products.length], userId: user(n), quantity: 1 };
            });
            // One by one too, as only these are measured as requests for an order.
            for (const order of orders.splice(0, Math.min(5, size - 1))) await server.ask('/orders', order).catch(() => null);
            // A server that is being restarted does not answer; the load goes on when it does.
            await server.place(orders).then(() => { this.placed += size; }, () => sleep(100));
            await sleep(Math.max(0, next + pause - Date.now()));
        }
    }

    async stop() {
        this.#running = false;
        await this.#ended;
    }
}
