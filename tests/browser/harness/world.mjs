// A store with something of everything: names that try to be markup, long ones and right-to-left ones, orders in every
// status, a hold, a sold-out product, dead letters of two kinds.
import { setTimeout } from 'node:timers/promises';
import { Fulfilment, MARKUP } from './fulfilment.mjs';
import { Server } from './server.mjs';
import { until } from './wait.mjs';

export { MARKUP };

/** Waits of an order that its history shows are this long, in milliseconds. */
const SHOWN_WAIT_MS = 20;

/** Names of products that a page must show as they are. */
export const NAMES = {
    markup: `${MARKUP} & "quotes" 'and' more`,
    long: `A name of 255 letters ${'w'.repeat(233)}`,
    arabic: 'هاتف ذكي بشاشة قابلة للطي',
};

/** A user whose id tries to be markup, and a reference that does. */
export const EVIL_USER = '<b onmouseover=alert(3)>user</b>';

export class World {
    /** A server of these settings, filled; `settings` are added to those of the fulfilment service. */
    static async start(binary, { settings = {}, full = true } = {}) {
        const world = new World();
        world.fulfilment = await Fulfilment.start();
        world.server = await Server.start(binary, { settings: { ...world.fulfilment.settings, ...settings } });
        if (full) await world.#fill();
        return world;
    }

    async #fill() {
        const { server } = this;
        const create = (name, more = {}) => server.must('/inventory', {
            name, price: '12.50', initialStock: 1_000, flashSaleActive: true, ...more,
        });
        const later = new Date(Date.now() + 3 * 3_600_000).toISOString();
        this.markup = await create(NAMES.markup);
        this.long = await create(NAMES.long);
        this.arabic = await create(NAMES.arabic);
        this.held = await create('Held for a day', { holdSeconds: 86_400 });
        this.later = await create('Starts later', { saleStartsAt: later });
        this.gone = await create('Sold out', { initialStock: 3 });
        this.unsold = await create('Never sold');
        await this.#order();
    }

    async #order() {
        const { server } = this;
        const ids = async (orders) => (await server.place(orders)).map(({ orderId }) => orderId);
        const one = (productId, userId, quantity = 1) => ({ productId, userId, quantity });
        const plenty = Array.from({ length: 120 }, (_, n) => one(this.arabic.id, `buyer-${n}`));
        const broken = Array.from({ length: 12 }, (_, n) => one(this.long.id, `broken-${n}`));
        this.confirmed = await ids([one(this.markup.id, EVIL_USER, 2), one(this.gone.id, 'quick', 3), ...plenty]);
        this.pending = await ids(Array.from({ length: 4 }, (_, n) => one(this.held.id, `waiting-${n}`)));
        this.cancelled = await ids([one(this.markup.id, 'regrets')]);
        // Failing orders between good ones, so that the service never counts as away.
        // The first one waits in the queue for long enough that its history shows it.
        await this.#settled();
        await server.must('/queue/pause', {});
        this.failed = [];
        for (const order of broken) {
            this.failed.push((await ids([order, one(this.arabic.id, 'between')]))[0]);
            if (this.failed.length === 1) {
                await setTimeout(SHOWN_WAIT_MS);
                await server.must('/queue/resume', {});
            }
            await this.#settled();
        }
        await server.must(`/orders/${this.cancelled[0]}/cancel`, {}).catch(() => null);
        await this.#settled();
    }

    /** Waits until no job is left to do. */
    async #settled() {
        await until('the queue is empty', async () => {
            const { counts } = await this.server.must('/queue');
            return counts.waiting + counts.prioritized + counts.active === 0;
        }, 15_000);
    }

    async stop() {
        await this.server.stop();
        await this.fulfilment.stop();
    }
}
