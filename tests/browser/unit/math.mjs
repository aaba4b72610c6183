// The pure parts of the dashboard's scripts. Run: node --test tests/browser/unit/*.mjs
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  NNBSP, Series, YScale, age, countdown, downSample, fmt, gaps, group, measured, money, pace, placeLabels, runs, sample, shares,
  show, stopwatch, ticks, timeStep, timeTicks, untilSoldOut,
} from "../../../assets/math.js";

const n = (text) => text.replaceAll(" ", NNBSP);

test("thousands are spaced, digits after the point are not", () => {
  assert.equal(group("1234567.8912"), n("1 234 567.8912"));
  assert.equal(group("-1234"), n("−1 234"));
  assert.equal(fmt.n(999), "999");
});

test("a percentage is 0 or 100 only if it is exactly so", () => {
  const said = [0, 0.001, 0.5, 9.94, 9.97, 54.4, 98.97, 99, 99.999, 100].map(fmt.pct);
  assert.deepEqual(said, ["0", "<0.01", "0.50", "9.9", "10", "54", "98", "99.00", "99.99", "100"]);
});

test("milliseconds have the digits that matter", () => {
  assert.deepEqual([0.601, 0.999, 2.44, 9.97, 10.6, 1234].map(fmt.ms), ["0.60", "1.0", "2.4", "10", "11", n("1 234")]);
  assert.equal(show("ms", null), "–");
});

test("money as a figure is never rounded up", () => {
  assert.deepEqual(money("597386579.33"), ["597.3", "M"]);
  assert.deepEqual(money("999999.99"), [n("999 999"), ""]);
  assert.deepEqual(money("1999999999.00"), ["1.9", "G"]);
});

test("watches, countdowns and ages", () => {
  assert.deepEqual([0, 38_900, 3_723_000, 97_200_000, 180_000_000].map(stopwatch), ["00:00", "00:38", "1:02:03", "27:00:00", "2 days"]);
  assert.deepEqual([0, 1, 46_999].map(countdown), ["00:00", "00:01", "00:47"]);
  assert.deepEqual([0.44, 7.9, 650].map(age), [n("0.4 s"), n("7 s"), n("10 min")]);
});

test("the pace counts what left within five seconds, not what came back", () => {
  const at = (s, left) => ({ at: s * 1000, left });
  assert.equal(pace([]), null);
  assert.equal(pace([at(0, 10)]), null);
  assert.equal(pace([at(0, 900), at(1, 500), at(2, 490), at(7, 440)]), 10);
  assert.equal(pace([at(0, 100), at(1, 90), at(2, 190), at(3, 180)]), 20 / 3);
});

test("time to sold out in words", () => {
  const words = [[0, 5], [100, null], [130042, 8170], [1, 50], [50000, 60], [50000, 5], [50000, 0.1], [5, 0]];
  assert.deepEqual(
    words.map(([left, p]) => untilSoldOut(left, p)),
    ["sold out", "–", n("≈ 16 s"), n("≈ 1 s"), n("≈ 14 min"), n("≈ 3 h"), "not today", "not today"],
  );
});

test("shares of an empty product are nothing", () => {
  assert.deepEqual(shares({ soldStock: 0, heldStock: 0, currentStock: 0 }), [0, 0]);
  assert.deepEqual(shares({ soldStock: 2, heldStock: 1, currentStock: 1 }), [50, 25]);
});

test("a sample is spread over the list, newest first", () => {
  assert.deepEqual(sample([1, 2], 13), [1, 2]);
  assert.deepEqual(sample([9, 8, 7, 6, 5, 4], 3), [9, 7, 5]);
});

test("ticks are 1, 2, 2.5 or 5 times a power of ten and cover the greatest value", () => {
  assert.deepEqual(ticks(20143, 5), [0, 5000, 10000, 15000, 20000, 25000]);
  assert.deepEqual(ticks(0, 4), [0, 0.25, 0.5, 0.75, 1]);
  assert.deepEqual(ticks(0.57, 4), [0, 0.2, 0.4, 0.6]);
  for (let i = 1; i < 4000; i++) {
    const max = 1.01 ** i;
    const all = ticks(max, 4);
    assert.ok(all.at(-1) >= max * (1 - 1e-9) && all.length >= 2 && all.length <= 6, `${max}: ${all}`);
  }
});

test("the scale grows at once and shrinks after 30 seconds", () => {
  const scale = new YScale();
  const top = (max, s) => scale.ticks(max, s * 1000, 4).at(-1);
  assert.equal(top(90, 0), 100);
  assert.equal(top(110, 1), 150);
  assert.equal(top(20, 2), 150);
  assert.equal(top(20, 30), 150);
  assert.equal(top(20, 32), 20);
});

test("a value that comes back within the wait keeps the scale", () => {
  const scale = new YScale();
  for (let s = 0; s < 100; s++) assert.equal(scale.ticks(s % 20 === 0 ? 100 : 10, s * 1000, 4).at(-1), 100);
});

test("time ticks are round and have room", () => {
  assert.equal(timeStep(120_000, 720, 84), 15_000);
  assert.equal(timeStep(86_400_000, 720, 84), 3 * 3600_000);
  assert.deepEqual(timeTicks(7_000, 31_000, 10_000), [10_000, 20_000, 30_000]);
});

test("down-sampling keeps the least, the greatest and the gaps", () => {
  const points = Array.from({ length: 1000 }, (_, i) => ({ min: i, mean: i, max: i }));
  points[500] = { min: -7, mean: 500, max: 9000 };
  for (let i = 200; i < 300; i++) points[i] = null;
  const out = downSample(points, 100);
  assert.equal(out.length, 100);
  const some = out.filter(Boolean);
  assert.equal(Math.max(...some.map((p) => p.max)), 9000);
  assert.equal(Math.min(...some.map((p) => p.min)), -7);
  assert.equal(out.filter((p) => p === null).length, 10);
  assert.equal(runs(out).length, 2);
});

test("a gap is where no series has a value", () => {
  assert.deepEqual(gaps([[1, null, null, null], [null, null, 2, null]], 4), [[1, 2], [3, 4]]);
});

test("labels never overlap each other or a line", () => {
  let seed = 7;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (let round = 0; round < 300; round++) {
    const events = Array.from({ length: 8 }, () => ({ x: 46 + random() * 700, width: 30 + random() * 120 }));
    const places = placeLabels(events, 46, 750);
    const boxes = places.flatMap((p, i) => {
      if (!p) return [];
      const { x, width } = events[i];
      return [{ row: p.row, x, from: p.side > 0 ? x + 4 : x - 4 - width, to: p.side > 0 ? x + 4 + width : x - 4 }];
    });
    for (const a of boxes) {
      assert.ok(a.from >= 46 && a.to <= 750);
      for (const b of boxes) {
        if (a === b) continue;
        if (a.row === b.row) assert.ok(a.to < b.from || b.to < a.from);
        else if (a.row === 0) assert.ok(a.x < b.from || a.x > b.to);
      }
    }
  }
});

test("a series has gaps where seconds are missing, and is filled from the history", () => {
  const series = new Series(["a", "b"], 120);
  series.push(10_000, { a: 1, b: null });
  series.push(13_400, { a: 4, b: 2 });
  let view = series.view(10_000, 13_999);
  assert.deepEqual(view.gaps, [[1, 3]]);
  assert.equal(view.data.a[3].mean, 4);
  assert.equal(view.data.b[0], null);
  const known = [null, 2, 3];
  const history = {
    from: "1970-01-01T00:00:10.000Z", stepSeconds: 1, points: 3,
    series: { a: { min: known, mean: known, max: known }, b: { min: known, mean: known, max: known } },
    events: [{ at: "1970-01-01T00:00:11.000Z", kind: "paused", productId: null, message: "m" }],
  };
  series.load(history);
  series.load(history);
  view = series.view(10_000, 13_999);
  assert.deepEqual(view.gaps, []);
  assert.equal(view.data.a[0].mean, 1, "what is unknown to the history stays");
  assert.equal(view.events.length, 1);
});

test("a series is bounded", () => {
  const series = new Series(["a"], 120);
  for (let i = 0; i < 5000; i++) series.push(i * 1000, { a: i });
  assert.ok(series.slots.size <= 361);
  assert.equal(series.view(4880_000, 4999_000).gaps.length, 0);
});

test("the last moments that are not measured yet are no gap, a longer silence is", () => {
  assert.deepEqual(measured([[2, 4], [8, 10]], 10, 3), [[[2, 4]], 8]);
  assert.deepEqual(measured([[6, 10]], 10, 3), [[[6, 10]], 10], "a silence");
  assert.deepEqual(measured([[2, 4]], 10, 3), [[[2, 4]], 10], "not at the end");
  assert.deepEqual(measured([[0, 2]], 2, 3), [[[0, 2]], 2], "nothing was measured at all");
});
