// What the page Orders counts as newer than its list.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Newer } from "../../../assets/orders.js";

const ALL = { than: "10", user: "", product: "", status: "", from: "", to: "" };
const order = (orderId, more = {}) => ({ orderId, userId: "a", productId: 1, status: "pending", updatedAt: 500, ...more });
const frame = (...orders) => ({ orders, changed: orders.length });

test("without a filter the numbers count, also of orders that no frame lists", () => {
  const newer = new Newer(ALL);
  newer.take(frame(order(9), order(10)));
  assert.equal(newer.words(), "");
  newer.take({ orders: [order(2_010)], changed: 2_000 });
  assert.equal(newer.words(), "2\u202f000 newer, show");
});

test("with a filter only the orders that fit count, each once, as they are now", () => {
  const newer = new Newer({ ...ALL, user: "b", status: "pending" });
  newer.take(frame(order(11), order(12, { userId: "b" }), order(13, { userId: "b" }), order(12, { userId: "b" })));
  assert.equal(newer.words(), "2 newer, show");
  newer.take(frame(order(12, { userId: "b", status: "confirmed" })));
  assert.equal(newer.words(), "1 newer, show");
  const others = Array.from({ length: 99 }, (_, n) => order(20 + n));
  newer.take({ orders: [order(14, { userId: "b" }), ...others], changed: 100 });
  newer.take({ orders: others.slice(0, 9), changed: 18 });
  assert.equal(newer.words(), "2 newer, show");
  newer.take({ orders: [order(14, { userId: "b" }), ...others], changed: 300 });
  assert.equal(newer.words(), "2 or more newer, show");
});

test("times and products are part of the filter", () => {
  const newer = new Newer({ ...ALL, product: "2", from: "100", to: "600" });
  newer.take(frame(order(11), order(12, { productId: 2 }), order(13, { productId: 2, updatedAt: 601 })));
  newer.take(frame(order(14, { productId: 2, updatedAt: 99 })));
  assert.equal(newer.words(), "1 newer, show");
});

test("a list without an order counts what it sees", () => {
  const newer = new Newer({ ...ALL, than: "0" });
  newer.take(frame(order(5_000_000)));
  assert.equal(newer.words(), "1 newer, show");
});
