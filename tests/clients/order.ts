// Places orders with the client that openapi-fetch makes of the description's types. What is not in them does not compile.
import createClient from 'openapi-fetch';
import type { components, paths } from './out/api.js';

/** Ends the test when something is not as it should be. */
function check(condition: boolean, what: string): asserts condition {
    if (!condition) throw new Error(what);
}

export async function run(baseUrl: string): Promise<void> {
    const client = createClient<paths>({ baseUrl });

    // No field with a default has to be sent.
    const body: components['schemas']['NewOrder'] = { productId: 1, userId: 'typescript', quantity: 1 };
    const placed = await client.POST('/api/v1/orders', { body, headers: { 'Idempotency-Key': 'typescript-1' } });
    check(placed.response.status === 201 && placed.data !== undefined, `placed: ${placed.response.status}`);
    const { jobId, orderId } = placed.data;

    const job = await client.GET('/api/v1/orders/queue/{jobId}', { params: { path: { jobId } } });
    check(job.data?.orderId === orderId, 'the job is that of the order');

    // One of the two results of a batch is known by its status alone.
    const orders = [body, { ...body, productId: 999 }];
    const batch = await client.POST('/api/v1/orders/batch', { body: { orders } });
    check(batch.data !== undefined, 'a batch');
    const [first, second] = batch.data.results;
    check(first?.status === 201, 'the first is accepted');
    const expires: string | null = first.expiresAt;
    check(expires === null, 'it is not held');
    check(second !== undefined && second.status !== 201, 'the second is rejected');
    const code: components['schemas']['Problem']['code'] = second.code;
    check(code === 'product_not_found', 'it says why');

    // Every refusal has one type.
    const wrong = await client.POST('/api/v1/orders', { body: { ...body, quantity: 0 } });
    const problem: components['schemas']['Problem'] | undefined = wrong.error;
    check(problem?.errors?.[0]?.field === 'quantity', 'the field is named');
    console.log(`TypeScript: order ${orderId}`);
}
