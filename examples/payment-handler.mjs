// Receives the events of the payment provider, and confirms or cancels the held order that each payment was for. The
// provider may repeat an event and send events in any order: each payment buys its order or goes back, never both.
// Settings: ADMIN_TOKEN, PAYMENT_SECRET (whsec_…), FLASHSALE_URL, REFUNDS_FILE, HOST, PORT.
import { List, serve } from './webhooks.mjs';

const { ADMIN_TOKEN, PAYMENT_SECRET, FLASHSALE_URL = 'http://127.0.0.1:3000' } = process.env;
const { REFUNDS_FILE = 'refunds.log', HOST, PORT = 4002 } = process.env;
if (!ADMIN_TOKEN || !PAYMENT_SECRET) throw new Error('set ADMIN_TOKEN and PAYMENT_SECRET');

/** The payments that go back. */
const refunds = new List(REFUNDS_FILE);

/** Gives the money back. A shop calls its provider here, with the payment's id as the idempotency key. */
async function refund(payment) {
    console.log(`refund ${payment.id}`);
}

/** One request to flashsale about an order; anything but success and 409 is thrown, and so the event comes again. */
async function ask(method, path) {
    const response = await fetch(`${FLASHSALE_URL}/api/v1/orders/${path}`, {
        method,
        headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
        signal: AbortSignal.timeout(10_000),
    });
    const body = await response.json();
    if (response.ok || response.status === 409) return body;
    throw new Error(`order ${path}: ${response.status} ${body.code}`);
}

async function succeeded(payment, orderId) {
    if (!refunds.has(payment.id)) {
        const { code } = await ask('POST', `${orderId}/confirm`);
        if (!code) return console.log(`confirmed ${orderId}`);
        // `hold_expired` or another 409: it is too late. That is written down first, so that this event, when it comes
        // again, does not confirm an order for which units have come back.
        refunds.add({ id: payment.id, orderId, code });
    }
    return refund(payment);
}

async function failed(orderId) {
    // Another payment may have bought the order since: cancelling it would take the units from its buyer.
    if ((await ask('GET', orderId)).status !== 'pending') return;
    await ask('POST', `${orderId}/cancel`);
    console.log(`cancelled ${orderId}`);
}

/** For each order the last of its events that are being handled: they are handled one after the other. */
const last = new Map();

async function inTurn(orderId, act) {
    const done = Promise.resolve(last.get(orderId)).catch(() => {}).then(act);
    last.set(orderId, done);
    try {
        await done;
    } finally {
        if (last.get(orderId) === done) last.delete(orderId);
    }
}

serve(PAYMENT_SECRET, { host: HOST, port: PORT }, async ({ type, data: payment }) => {
    const orderId = payment?.metadata?.orderId;
    if (!/^\d{1,16}$/.test(orderId)) return 204; // a payment for something else
    if (type === 'payment.succeeded') await inTurn(orderId, () => succeeded(payment, orderId));
    if (type === 'payment.failed') await inTurn(orderId, () => failed(orderId));
    return 204;
});
