// Compares the responses that buyers got with what the server has. Everything is in the arguments, so a test can lie.

const UNITS = ["currentStock", "heldStock", "soldStock"];
/** Orders of these have units. */
const HAVING = ["pending", "confirmed"];
/** How many examples a finding names. */
const EXAMPLES = 3;

/**
 * The checks of a run: `{name, title, holds, evidence}` each. What `flashsale rehearse` compares as well has the same
 * title there, so that reports show both in one row.
 *
 * `notes` are of the responses: `{orderId, userId, productId, quantity, key}` for each 201, and
 * `{soldOut: quantity, productId}` for the smallest orders that were rejected as sold out. `counted` has the counters
 * of the run, by name without `flashsale.`. `products`, `orders`, `audit` and `verdict` are the server's, the first
 * two of the products of the scenario, after the last order has come to rest.
 */
export function judge({ notes, counted, products, orders, audit, verdict }) {
    const acknowledged = notes.filter((line) => line.orderId !== undefined);
    return [
        sent(counted, acknowledged),
        stock(products, orders, audit),
        limit(products, orders),
        kept(acknowledged, orders),
        once(acknowledged),
        unknown(acknowledged, orders, counted),
        soldOut(notes, products),
        own(verdict),
    ];
}

function check(name, title, wrong, evidence) {
    const more = wrong.length > EXAMPLES ? `; and ${wrong.length - EXAMPLES} more` : "";
    const found = wrong.length > 0 ? wrong.slice(0, EXAMPLES).join("; ") + more : evidence;
    return { name, title, holds: wrong.length === 0, evidence: found };
}

/** Nothing was proved by a run that sold nothing, or whose own notes are not whole. */
function sent(counted, acknowledged) {
    const { asked = 0, admitted = 0 } = counted;
    const wrong = [];
    if (asked === 0) wrong.push("no order was sent");
    else if (admitted === 0) wrong.push(`of ${asked} orders none was admitted`);
    if (admitted !== acknowledged.length) wrong.push(`${admitted} admissions, and notes of ${acknowledged.length}`);
    return check("sent", "Orders were sent", wrong, `${asked} orders sent, ${admitted} admitted`);
}

function stock(products, orders, audit) {
    const wrong = [];
    for (const product of products) {
        const units = UNITS.reduce((sum, name) => sum + product[name], 0);
        const put = product.initialStock + product.adjustedStock;
        if (units !== put) wrong.push(`product ${product.id} has ${units} of ${put} units`);
        const sums = audit.products.find((row) => row.productId === product.id);
        if (!sums?.ok) wrong.push(`the server's audit of product ${product.id} is not ok`);
        const having = orders.filter((order) => order.productId === product.id && HAVING.includes(order.status));
        const owned = having.reduce((sum, order) => sum + order.quantity, 0);
        if (owned > put) wrong.push(`product ${product.id} had ${put} units, and orders have ${owned}`);
        else if (owned !== product.heldStock + product.soldStock) {
            const taken = product.heldStock + product.soldStock;
            wrong.push(`orders of product ${product.id} have ${owned} units, its stock says ${taken}`);
        }
    }
    const [left, held, sold] = UNITS.map((name) => products.reduce((sum, product) => sum + product[name], 0));
    return check("stock", "Sold equals stock", wrong, `${sold} sold, ${held} held, ${left} left`);
}

function limit(products, orders) {
    const wrong = [];
    let limited = 0;
    for (const product of products.filter(({ perUserLimit }) => perUserLimit !== null)) {
        limited += 1;
        const owned = new Map();
        for (const { productId, status, userId, quantity } of orders) {
            if (productId !== product.id || !HAVING.includes(status)) continue;
            owned.set(userId, (owned.get(userId) ?? 0) + quantity);
        }
        for (const [user, units] of owned) {
            if (units <= product.perUserLimit) continue;
            wrong.push(`${user} has ${units} units of product ${product.id}, of ${product.perUserLimit} allowed`);
        }
    }
    const evidence = limited ? "every buyer is within the limit" : "no product has a limit";
    return check("limit", "Nobody above the limit", wrong, evidence);
}

/** Every order that was acknowledged is there, as it was sent. */
function kept(acknowledged, orders) {
    const byId = new Map(orders.map((order) => [order.id, order]));
    const wrong = [];
    for (const { orderId, ...sent } of acknowledged) {
        const order = byId.get(orderId);
        if (!order) wrong.push(`order ${orderId} of ${sent.userId} was acknowledged and is lost`);
        else {
            for (const name of ["userId", "productId", "quantity", "jobId"]) {
                if (sent[name] === order[name]) continue;
                wrong.push(`order ${orderId} was sent with ${name} ${sent[name]} and has ${order[name]}`);
            }
        }
    }
    const evidence = `${acknowledged.length} acknowledgements, all there`;
    return check("acknowledged", "No acknowledged order lost", wrong, evidence);
}

/** An order id belongs to one key, and a key to one order id. */
function once(acknowledged) {
    const wrong = [];
    for (const [one, other, words] of [
        ["orderId", "key", (id) => `order ${id} was given to two keys`],
        ["key", "orderId", (key) => `the key ${key} got two orders`],
    ]) {
        const seen = new Map();
        for (const line of acknowledged) {
            if (seen.has(line[one]) && seen.get(line[one]) !== line[other]) wrong.push(words(line[one]));
            seen.set(line[one], line[other]);
        }
    }
    const repeated = acknowledged.length - new Set(acknowledged.map((line) => line.orderId)).size;
    return check("once", "The same key, one order", wrong, `${repeated} repetitions, each the same order`);
}

/** The server has no order that nobody sent: only a request without a response can have left one. */
function unknown(acknowledged, orders, { no_response: lost = 0 }) {
    const ids = new Set(acknowledged.map((line) => line.orderId));
    const extra = orders.filter((order) => !ids.has(order.id));
    const isLost = (order) => `order ${order.id} of ${order.userId} was never acknowledged`;
    const wrong = extra.length > lost ? extra.map(isLost) : [];
    const evidence = `${orders.length} orders, ${extra.length} of them by ${lost} requests without a response`;
    return check("unknown", "Every order was asked for", wrong, evidence);
}

/** Where no unit can return, what is left in the end was there all the time. */
function soldOut(notes, products) {
    const wrong = [];
    for (const product of products.filter(({ holdSeconds }) => holdSeconds === null)) {
        const rejected = notes.filter((line) => line.soldOut !== undefined && line.productId === product.id);
        const least = Math.min(...rejected.map((line) => line.soldOut));
        if (least <= product.currentStock) {
            wrong.push(`product ${product.id} was sold out for ${least}, and has ${product.currentStock} left`);
        }
    }
    return check("sold_out", "Nobody sent away while units were left", wrong, "no order was rejected while its units were left");
}

/** What the server finds by itself, over all orders: also that `sold_out` was never said while units were left. */
function own({ checks }) {
    const wrong = checks.filter((check) => !check.holds).map((check) => `${check.title}: ${check.evidence}`);
    return check("own", "The server's own verdict", wrong, `${checks.length} checks hold`);
}
