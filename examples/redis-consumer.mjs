// Reads the changes that flashsale mirrors into Redis, in a group: each is handled by one of the programs that run under
// one GROUP, and again by another one if that program dies before it has acknowledged it. So what is done with a change
// must do no harm when it is done twice.
// Settings: REDIS_URL, REDIS_PREFIX (as the server has them), GROUP, CONSUMER (a name of each program's own).
import { createClient } from 'redis';

const { REDIS_URL, REDIS_PREFIX = 'flashsale:', GROUP = 'packing', CONSUMER = 'one' } = process.env;
const STREAM = `${REDIS_PREFIX}events`;
const MOST = 100; // entries at once
const BLOCK_MS = 1_000;
const ABANDONED_MS = Number(process.env.ABANDONED_MS ?? 60_000); // a program that acknowledges nothing for so long is dead

const redis = createClient({ url: REDIS_URL });
redis.on('error', (error) => console.error(`Redis: ${error.message}`)); // it connects again by itself
await redis.connect();

/** Makes the group. It begins with the oldest entry that there is; with `$` it would begin with what comes. */
async function join() {
    try {
        await redis.xGroupCreate(STREAM, GROUP, '0', { MKSTREAM: true });
    } catch (error) {
        if (!error.message.startsWith('BUSYGROUP')) throw error; // another program has made it
    }
}

/** What the shop does with a change. The row is as it is now, which can be later than the change. */
async function handle({ type, order_id: id }) {
    if (type === 'mirror_rebuilt') {
        console.log('changes before this one may be missing: compare what you keep with the rows');
    } else if (['order_fulfilled', 'order_confirmed', 'order_confirmed_late'].includes(type)) {
        const order = await redis.hGetAll(`${REDIS_PREFIX}order:${id}`);
        console.log(`pack order ${id}: ${order.quantity} of product ${order.product_id} for ${order.user_id}`);
    }
}

async function handleAll(entries) {
    for (const { id, message } of entries) {
        await handle(message);
        await redis.xAck(STREAM, GROUP, id);
    }
}

/** Entries after `from`: `0` are those that this program was given before and has not acknowledged, `>` new ones. */
async function read(from) {
    const options = { COUNT: MOST, BLOCK: BLOCK_MS };
    const streams = await redis.xReadGroup(GROUP, CONSUMER, { key: STREAM, id: from }, options);
    return streams?.[0]?.messages ?? [];
}

await join();
console.log(`reading ${STREAM} as ${CONSUMER} of ${GROUP}`);
for (let from = '0'; ;) {
    try {
        const entries = await read(from);
        await handleAll(entries);
        if (entries.length === 0) from = '>';
        const abandoned = await redis.xAutoClaim(STREAM, GROUP, CONSUMER, ABANDONED_MS, '0', { COUNT: MOST });
        await handleAll(abandoned.messages.filter(Boolean)); // an entry that was trimmed meanwhile is null
    } catch (error) {
        console.error(`${error.message}; once more`);
        from = '0';
        await new Promise((resolve) => { setTimeout(resolve, BLOCK_MS); });
        // A Redis that was emptied has no group any more.
        if (error.message?.includes('NOGROUP')) await join();
    }
}
