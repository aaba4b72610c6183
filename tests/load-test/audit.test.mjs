// The audit of a load test catches a server that lies, each lie by its name.
import assert from "node:assert/strict";
import { test } from "node:test";

import { judge } from "../../load-test/audit.mjs";

/** A sale of two units, one for each buyer, to ada and bob; eve came too late. Everything adds up. */
function honest() {
    const product = { id: 7, initialStock: 2, adjustedStock: 0, currentStock: 0, heldStock: 0, soldStock: 2 };
    const order = { productId: 7, quantity: 1 };
    const kept = (id, userId) => ({ id, userId, jobId: `job ${id}`, status: "confirmed", ...order });
    const line = (orderId, userId) => ({ orderId, jobId: `job ${orderId}`, userId, key: `key of ${userId}`, ...order });
    return {
        notes: [line(1, "ada"), line(2, "bob"), { soldOut: 1, productId: 7 }],
        counted: { asked: 3, admitted: 2, sold_out: 1, no_response: 0 },
        products: [{ ...product, perUserLimit: 1, holdSeconds: null }],
        orders: [kept(1, "ada"), kept(2, "bob")],
        audit: { products: [{ productId: 7, ok: true }] },
        verdict: { checks: [{ title: "Sold out", holds: true, evidence: "no product was sold out too early" }] },
    };
}

/** The checks that a changed world does not pass. */
function broken(change) {
    const world = honest();
    change(world);
    return judge(world).filter((check) => !check.holds).map((check) => check.name);
}

test("an honest server holds", () => assert.deepEqual(broken(() => {}), []));

const LIES = {
    "oversells by one": [["stock"], (it) => {
        it.orders.push({ ...it.orders[1], id: 3, userId: "eve" });
        it.notes[2] = { ...it.notes[1], orderId: 3, jobId: "job 2", userId: "eve", key: "key of eve" };
        it.counted.admitted = 3;
    }],
    "has units that nobody bought": [["stock"], (it) => it.orders[0].quantity = it.notes[0].quantity = 0],
    "loses a unit": [["stock"], (it) => (it.products[0].initialStock = 3)],
    "says itself that it does not add up": [["stock"], (it) => (it.audit.products[0].ok = false)],
    "loses an acknowledged order": [["stock", "acknowledged"], (it) => it.orders.pop()],
    "keeps an order of somebody else": [["acknowledged"], (it) => (it.orders[1].userId = "mallory")],
    "keeps other units than were ordered": [["acknowledged"], (it) => {
        it.notes[1].quantity = 2;
    }],
    "gives two buyers one order": [["acknowledged", "once", "unknown"], (it) => {
        Object.assign(it.notes[1], { orderId: 1, jobId: "job 1" });
    }],
    "gives one key two orders": [["once"], (it) => (it.notes[1].key = it.notes[0].key)],
    "has an order that nobody sent": [["unknown"], (it) => {
        it.orders.push({ ...it.orders[0], id: 9, status: "cancelled" });
    }],
    "gives a buyer more than the limit": [["limit", "acknowledged"], (it) => (it.orders[1].userId = "ada")],
    "finds by itself that it lied": [["own"], (it) => (it.verdict.checks[0].holds = false)],
    "says sold out too early": [["sold_out"], (it) => {
        Object.assign(it.products[0], { initialStock: 3, currentStock: 1 });
    }],
};
for (const [lie, [names, change]] of Object.entries(LIES)) {
    test(`a server that ${lie} is caught`, () => assert.deepEqual(broken(change), names));
}

test("an order whose response was lost may be there", () => {
    const world = honest();
    world.notes.pop();
    world.orders.push({ ...world.orders[0], id: 3, userId: "eve", status: "cancelled" });
    world.counted.no_response = 1;
    assert.ok(judge(world).every((check) => check.holds));
});

test("a run that sent nothing, or sold nothing, proves nothing", () => {
    const nothing = (counted) => broken((it) => {
        Object.assign(it, { notes: [], orders: [], counted });
        Object.assign(it.products[0], { currentStock: 2, soldStock: 0 });
    });
    assert.deepEqual(nothing({}), ["sent"]);
    assert.deepEqual(nothing({ asked: 9, admitted: 0 }), ["sent"]);
});
