// The page Benchmark: reads its figures anew each second, and draws the charts over time from the history.
import { at } from "./base.js";
import { ChartGroup } from "./charts.js";
import { clock, parse } from "./dom.js";
import { localTimes, serverNow } from "./frame.js";
import { gaps, measured } from "./math.js";

const HISTORY = at("/api/v1/monitoring/metrics/history");

const rows = (series) => series.mean.map((mean, i) => (mean === null ? null : { min: series.min[i], mean, max: series.max[i] }));

// Where either was measured: a second without refusals is no gap.
function sum(one, other) {
  return one.map((a, i) => {
    const b = other[i];
    if (!a || !b) return a ?? b;
    return { min: a.min + b.min, mean: a.mean + b.mean, max: a.max + b.max };
  });
}

const LATE_MS = 3000; // The history is this late at most while the data is not stale.

/** What the charts show, from the history as the API gives it. */
export function viewOf(history, now) {
  const read = (name) => rows(history.series[name]);
  const data = {
    answers: sum(read("acceptedPerSecond"), read("rejectedPerSecond")),
    p99: read("responseP99"),
    p95: read("responseP95"),
    p50: read("responseP50"),
    connections: read("connections"),
  };
  const step = history.stepSeconds * 1000;
  const missing = gaps([data.answers, data.connections], history.points);
  const [known, points] = measured(missing, history.points, Math.ceil(LATE_MS / step));
  const from = Date.parse(history.from);
  return {
    from,
    to: points < history.points ? from + (points - 1) * step : Date.parse(history.to),
    step,
    now,
    data,
    gaps: known,
    events: history.events.map((e) => ({ at: Date.parse(e.at), label: e.message })),
  };
}

function charts() {
  const section = document.getElementById("over-time");
  const figure = (name) => section.querySelector(`[data-chart="${name}"]`);
  const range = (view) => `${clock(view.from)} to ${clock(view.to)}`;
  const group = new ChartGroup(section.querySelector(".readout"), { now: range });
  const rest = "max";
  group.add(figure("answers"), {
    title: "Responses per second", fmt: "n", unit: "/s", rest, labels: true,
    series: [{ name: "answers", label: "all", c: "s1", area: true }],
  });
  const goal = Number(figure("latency").dataset.limit);
  group.add(figure("latency"), {
    limit: { value: goal, label: `goal: p99 below ${goal} ms` },
    title: "Latency", fmt: "ms", vu: "ms", unit: "ms", rest,
    series: ["p99", "p95", "p50"].map((name) => ({ name, label: name, c: name })),
  });
  group.add(figure("connections"), {
    title: "Open connections", fmt: "n", rest,
    series: [{ name: "connections", label: "connections", c: "s1", area: true }],
  });
  return { section, group };
}

let drawn = null;

async function draw() {
  const section = document.getElementById("over-time");
  if (!section) return;
  if (drawn?.section !== section) drawn = charts();
  const from = new Date(Math.min(Number(section.dataset.from), serverNow() - 10_000)).toISOString();
  const response = await fetch(`${HISTORY}?from=${encodeURIComponent(from)}`);
  if (response.ok) drawn.group.show(viewOf(await response.json(), serverNow()));
  else section.querySelector(".readout").textContent = `The history is not there: the server responded with ${response.status}.`;
}

// Parts of the page that are read anew. What is marked, or under a pointer that is pressed, stays.
async function refresh() {
  const response = await fetch(at("/benchmark"));
  if (!response.ok || new URL(response.url).pathname !== at("/benchmark")) return;
  const page = parse(await response.text());
  for (const fresh of page.querySelectorAll("[data-live]")) {
    const old = document.querySelector(`[data-live="${fresh.dataset.live}"]`);
    if (!old || old.innerHTML === fresh.innerHTML || !document.getSelection().isCollapsed) continue;
    old.replaceChildren(...document.adoptNode(fresh).childNodes);
    localTimes(old);
  }
}

async function live() {
  if (!document.hidden) await Promise.allSettled([refresh(), draw()]);
  setTimeout(live, 1000);
}

live();
