// What the storefront asks of flashsale: the products, to place an order, and what has become of it.
import settings from './settings.js';

const BUSY = { rate_limited: 'That was a little fast.', overloaded: 'Many people are buying right now.' };
const REJECTED = {
    sold_out: 'Sold out: somebody was a moment faster.',
    purchase_limit_exceeded: 'You have all that one person can buy of this.',
    sale_not_active: 'This is not on sale.',
    sale_not_started: 'This sale has not started yet.',
    sale_ended: 'This sale has ended.',
};
const ENDED = { cancelled: 'The time to pay is up.', failed: 'The order could not be carried out.' };

export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** One request, repeated for as long as flashsale is busy or away; `say` gets what the buyer is waiting for. */
async function ask(path, say, options) {
    for (let tries = 0; ; tries += 1) {
        const request = { ...options, signal: AbortSignal.timeout(15_000) };
        const response = await fetch(settings.flashsale + path, request).catch(() => null);
        const body = await response?.json().catch(() => null);
        if (body && response.status !== 429 && response.status < 500) return { ok: response.ok, body };
        const seconds = Number(response?.headers.get('retry-after')) || Math.min(2 ** tries, 30);
        say(`${BUSY[body?.code] ?? 'The shop cannot be reached.'} Trying again in ${seconds} s.`);
        await sleep(seconds * 1_000 * (1 + Math.random() / 4)); // so that not all buyers come back at once
    }
}

/** All products, the oldest first. */
export async function products(say) {
    const { ok, body } = await ask('/inventory', say);
    if (!ok) say(body.message);
    return ok ? body.reverse() : [];
}

/** Places an order: the same key never buys twice. Gives the id of its job, or the reason why there is none. */
export async function place({ key, order }, say) {
    const headers = { 'content-type': 'application/json', 'idempotency-key': key };
    const { ok, body } = await ask('/orders', say, { method: 'POST', headers, body: JSON.stringify(order) });
    return ok ? { jobId: body.jobId } : { reason: REJECTED[body.code] ?? body.message };
}

/** The order of a job: still pending, until when and where in the line; bought; or the reason why it is not. */
export async function follow(jobId, say) {
    const { body } = await ask(`/orders/queue/${jobId}`, say);
    const { orderStatus: status, orderId, expiresAt, queuePosition } = body;
    if (status === 'pending') return { pending: true, expiresAt, queuePosition };
    return status === 'confirmed' ? { orderId } : { reason: ENDED[status] ?? body.message };
}
