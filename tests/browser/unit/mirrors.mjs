// What the section Mirrors says, in the words that the server draws it with (src/dashboard/live/mirrors.rs).
import assert from "node:assert/strict";
import { test } from "node:test";
import { NNBSP } from "../../../assets/math.js";
import { asideOf, drawMirrors, ownOf, reasonOf, signOf, stateOf } from "../../../assets/mirrors.js";

const n = (text) => text.replaceAll("_", NNBSP);
const moment = (ms) => new Date(ms).toISOString().slice(11, 19);
const THERE = {
  connected: true, awaySince: null, position: 7, lagEvents: 0, lagSeconds: 0, rebuilding: false, changes: 0,
  changesPerSecond: 0, putAside: 0, rebuilds: 0, connections: null, hits: null, misses: null, lastError: null,
};
const AWAY = { ...THERE, connected: false, awaySince: "2026-11-26T12:00:31.250Z", lagEvents: 12_403, lastError: "Redis: gone" };

test("a mirror that is away says since when, that orders go on, and what waits", () => {
  assert.equal(stateOf(AWAY, moment), n("Away since 12:00:31. Orders are not affected; 12_403 records wait."));
  assert.equal(stateOf({ ...AWAY, lagEvents: 1 }, moment), "Away since 12:00:31. Orders are not affected; 1 record waits.");
  assert.equal(stateOf({ ...AWAY, lagEvents: 0 }, moment), "Away since 12:00:31. Orders are not affected; nothing waits.");
  const unknown = stateOf({ ...AWAY, position: null }, moment);
  assert.equal(unknown, "Away since 12:00:31. Orders are not affected; what it lacks is copied once it is there.");
  assert.deepEqual(signOf(AWAY), ["warning", "warn"]);
});

test("a mirror that is there has no colour, and shows what its target counts", () => {
  assert.deepEqual([signOf(THERE), stateOf(THERE, moment), ownOf(THERE)], [["check", "dim"], "Connected.", ""]);
  const copying = { ...THERE, rebuilding: true };
  assert.deepEqual([signOf(copying), stateOf(copying, moment)], [["info", "dim"], "Connected; everything is copied."]);
  assert.equal(ownOf({ ...THERE, connections: 1 }), "1 connection.");
  assert.equal(ownOf({ ...THERE, hits: 1_999, misses: 1 }), n("99.95_% of 2_000 reads found their key."));
  assert.equal(ownOf({ ...THERE, hits: 0, misses: 0 }), "");
  assert.equal(ownOf({ ...AWAY, connections: 0 }), "");
});

test("what was rejected is counted with where it is", () => {
  const said = [asideOf("redis", 0), asideOf("postgres", 1), asideOf("events", 1_200)];
  assert.deepEqual(said, ["", "1 row rejected, listed by", n("1_200 events rejected, kept in")]);
});

test("why a mirror is away begins with what happened", () => {
  const reasons = [AWAY, { ...AWAY, lastError: "the receiver said 500" }, { ...AWAY, lastError: null }, { ...AWAY, connected: true }];
  assert.deepEqual(reasons.map((m) => reasonOf(m, "Redis")), ["gone", "the receiver said 500", "", ""]);
});

/** As much of a row as drawing it needs. */
class Row {
  dataset = { mirror: "redis", name: "Redis" };
  parts = {};
  sign = { href: "#i-check", querySelector: () => ({ getAttribute: () => this.sign.href }), replaceWith: (e) => { this.sign = e; } };

  querySelector(selector) {
    if (selector === "svg") return this.sign;
    const [, name] = /data-v="(.*)"/.exec(selector);
    return (this.parts[name] ??= { hidden: false });
  }
}

test("a row is drawn in place, and one without figures stays as it is", () => {
  const row = new Row();
  const tools = {
    number: (e, v) => { e.value = v; },
    put: (e, text) => { e.text = text; },
    set: (e, name, v) => { e[name] = v; },
    icon: (name, tone) => ({ name, tone }),
    moment,
  };
  drawMirrors({ tBodies: [row] }, {}, tools);
  assert.deepEqual(row.parts, {});
  drawMirrors({ tBodies: [row] }, { redis: { ...AWAY, position: null, putAside: 3, lagSeconds: 4.2 } }, tools);
  const { behind, seconds, rate, aside, rejected, error } = row.parts;
  assert.deepEqual([behind.value, seconds.value, rate.value], [null, 4.2, 0], "what it lacks is not known");
  assert.deepEqual([aside.text, rejected.hidden], ["3 rows rejected, listed by", false]);
  assert.deepEqual([error.text, error.title], ["gone", "gone"]);
  assert.deepEqual(row.sign, { name: "warning", tone: "warn" });
  drawMirrors(null, {}, tools);
});
