// Places one order and follows it. Asks again with the same key while the server is busy or away, for a minute.
// For browsers and for Node 18 or newer; Node 22.18 or newer runs it as it is.
// Usage: node order.ts URL PRODUCT USER QUANTITY KEY. STOREFRONT_TOKEN, if the server has one, and never in a browser.
// Exit code: 0 when the units are bought or reserved, 1 when the order was rejected, 2 when nobody knows yet.

export interface Order { productId: number; userId: string; quantity: number }
export interface Outcome { state: 'confirmed' | 'reserved' | 'rejected' | 'unknown'; orderId?: number; detail: string }
interface Reply { status: number; body: any }

const PATIENCE_MS = 60_000;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** One request, repeated while that helps; status 0 if there was no response to the end. */
async function ask(url: string, init: RequestInit, deadline: number): Promise<Reply> {
    for (let pause = 1; ; pause = Math.min(pause * 2, 30)) {
        let after = pause;
        try {
            const response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) });
            const { status } = response;
            if (status !== 429 && status < 500) return { status, body: await response.json() };
            after = Number(response.headers.get('retry-after')) || pause;
        } catch {
            // No connection, no response in time, or half of one: the same key makes it safe to ask again.
        }
        if (Date.now() + after * 1_000 > deadline) return { status: 0, body: {} };
        await sleep((after + Math.random()) * 1_000); // not all buyers at the same moment
    }
}

export async function buy(server: string, order: Order, key: string, token?: string): Promise<Outcome> {
    const deadline = Date.now() + PATIENCE_MS;
    const headers = {
        'content-type': 'application/json',
        'idempotency-key': key,
        ...(token && { authorization: `Bearer ${token}` }),
    };
    const init = { method: 'POST', headers, body: JSON.stringify(order) };
    const placed = await ask(`${server}/api/v1/orders`, init, deadline);
    if (placed.status === 0) return { state: 'unknown', detail: 'ask again with the same key' };
    if (placed.status !== 201) return { state: 'rejected', detail: placed.body.code };
    const { orderId, jobId } = placed.body;
    while (Date.now() < deadline) {
        const { status, body } = await ask(`${server}/api/v1/orders/queue/${jobId}`, {}, deadline);
        if (status !== 200) break;
        if (body.orderStatus === 'confirmed') return { state: 'confirmed', orderId, detail: '' };
        if (body.orderStatus !== 'pending') return { state: 'rejected', orderId, detail: body.orderStatus };
        if (body.expiresAt) return { state: 'reserved', orderId, detail: body.expiresAt };
        await sleep(1_000);
    }
    return { state: 'unknown', orderId, detail: 'pending' };
}

// As a command; leave it out of a page.
declare const process: { argv: string[]; env: Record<string, string | undefined>; exitCode: number };
const [url, product, userId, quantity, key] = process.argv.slice(2);
if (url && product && userId && quantity && key) {
    const order = { productId: Number(product), userId, quantity: Number(quantity) };
    const { state, orderId, detail } = await buy(url, order, key, process.env.STOREFRONT_TOKEN);
    const said = { confirmed: 'confirmed', reserved: `reserved until ${detail}`, rejected: detail, unknown: detail };
    console.log(`${orderId ? `order ${orderId}` : 'not ordered'}: ${said[state]}`);
    process.exitCode = { confirmed: 0, reserved: 0, rejected: 1, unknown: 2 }[state];
}
