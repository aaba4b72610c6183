// The fulfilment service: flashsale posts each paid order here, and again after a time-out or a lost response. The list
// of the warehouse has each order once, as a repeated post has the same `webhook-id`.
// Settings: FULFILLMENT_SECRET (whsec_…, as the server has it), SHIPMENTS_FILE, HOST, PORT.
import { List, serve } from './webhooks.mjs';

const { FULFILLMENT_SECRET, SHIPMENTS_FILE = 'shipments.log', HOST, PORT = 4001 } = process.env;
if (!FULFILLMENT_SECRET) throw new Error('set FULFILLMENT_SECRET');
const MAX_UNITS = 10; // what fits a parcel

/** The list of the warehouse. */
const shipments = new List(SHIPMENTS_FILE);

serve(FULFILLMENT_SECRET, { host: HOST, port: PORT }, (event, id) => {
    // `order.placed` is an order without a hold, `order.confirmed` a held one that was paid. Both are to be shipped.
    if (!['order.placed', 'order.confirmed'].includes(event.type)) return 422;
    if (shipments.has(id)) return 200;
    const { id: orderId, productId, quantity, userId, reference, metadata } = event.data;
    if (quantity > MAX_UNITS) return 422; // for good: `order.placed` fails, and its units are sold to others
    shipments.add({ id, orderId, productId, quantity, userId, reference, metadata });
    console.log(`ship order ${orderId}: ${quantity} of product ${productId} to ${userId}`);
    return 200;
});
