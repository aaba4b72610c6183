// The feed client, with a socket that does what the test says.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Feed } from "../../../assets/feed.js";

globalThis.addEventListener ??= () => {};
globalThis.fetch = async () => ({ status: 200 });

function start() {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_000_000 });
  const sockets = [];
  const feed = new Feed("ws://here/monitoring", () => {
    const socket = { readyState: 1, close() {} };
    sockets.push(socket);
    return socket;
  });
  const seen = [];
  for (const event of ["metrics-update", "back", "restart"]) feed.on(event, () => seen.push(event));
  feed.start();
  const frame = (history, time) => {
    sockets.at(-1).onmessage({ data: JSON.stringify({ event: "metrics-update", data: {}, sequence: 1, history, time }) });
  };
  const lose = () => {
    sockets.at(-1).readyState = 3;
    sockets.at(-1).onclose();
  };
  return { feed, sockets, seen, frame, lose };
}

test("data is stale after three seconds and there is no response after thirty", (t) => {
  t.after(() => mock.timers.reset());
  const { feed, frame } = start();
  frame("h", 1_000_500);
  assert.equal(feed.status().state, "live");
  assert.equal(feed.now(), 1_000_500);
  mock.timers.tick(2_999);
  assert.equal(feed.status().state, "live");
  mock.timers.tick(1);
  assert.equal(feed.status().state, "stale");
  mock.timers.tick(27_000);
  assert.equal(feed.status().state, "down");
});

test("it tries again after 1, 2, 4, 8 and then each 10 seconds", (t) => {
  t.after(() => mock.timers.reset());
  const { sockets, lose } = start();
  for (const wait of [1, 2, 4, 8, 10, 10]) {
    const before = sockets.length;
    lose();
    mock.timers.tick(wait * 1000 - 1);
    assert.equal(sockets.length, before);
    mock.timers.tick(1);
    assert.equal(sockets.length, before + 1);
  }
});

test("it comes back by itself, says so, and starts over for another history", (t) => {
  t.after(() => mock.timers.reset());
  const { feed, seen, frame, lose } = start();
  frame("h", 1_000_000);
  lose();
  mock.timers.tick(1_000);
  frame("h", 1_001_000);
  assert.equal(feed.status().tries, 0);
  frame("other", 1_002_000);
  assert.deepEqual(seen, ["metrics-update", "back", "metrics-update", "restart", "metrics-update"]);
});

test("an open connection that is silent is given up", (t) => {
  t.after(() => mock.timers.reset());
  const { sockets, frame } = start();
  frame("h", 1_000_000);
  for (let s = 0; s < 13; s++) mock.timers.tick(1_000);
  assert.equal(sockets.length, 2);
});

test("what is no frame changes nothing", (t) => {
  t.after(() => mock.timers.reset());
  const { sockets, seen } = start();
  sockets[0].onmessage({ data: "<script>" });
  assert.deepEqual(seen, []);
});
