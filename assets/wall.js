// The wall: phase, orders, stock, the worst alert, one chart. Nothing to click, no cursor.

import { AlertBook, TONES, icon } from "./alerts.js";
import { at } from "./base.js";
import { ChartGroup } from "./charts.js";
import { put, set } from "./dom.js";
import { feed } from "./feed.js";
import { Stock, number } from "./live_rows.js";
import { NNBSP, Series, age, countdown, group, hms, stopwatch } from "./math.js";

const $ = (selector) => document.querySelector(selector);
const main = $("#main");
const SPAN = 119_000;

const PHASES = {
  none: "No sale", before: "Before the sale", running: "Sale running", stopped: "Sale stopped", sold_out: "Sold out",
  ended: "Sale ended",
};

const series = new Series(["acceptedPerSecond", "rejectedPerSecond"], 120);
const stock = new Stock($(".stock-wall"), false);
const alerts = new AlertBook();
const charts = new ChartGroup(null);
charts.add($("figure[data-chart=orders]"), {
  title: "Orders per second", fmt: "n", labels: true, still: true, fontSize: 24, gutter: 96, least: 5, rows: 3,
  series: [
    { name: "acceptedPerSecond", label: "accepted", c: "s1", area: true },
    { name: "rejectedPerSecond", label: "refused", c: "s2", dash: 1 },
  ],
});
let metrics = null;
let status = { state: "live", age: 0 };
let reload = null;

function draw() {
  if (metrics) figures(metrics);
  stock.draw();
  time();
  const last = series.last * series.step;
  const to = status.state === "live" && last ? last : feed.now();
  const view = series.view(to - SPAN, to, feed.now());
  charts.show({ ...view, events: view.events.map((e) => ({ ...e, label: label(e) })) });
}

function figures(m) {
  for (const e of document.querySelectorAll("data[data-m]")) number(e, m[e.dataset.m]);
}

function label(e) {
  const name = stock.products.get(String(e.productId))?.name;
  if (name && e.kind === "sold_out") return `${name} sold out`;
  return e.kind === "start" ? "server started" : e.kind.replaceAll("_", " ");
}

function time() {
  const now = feed.now();
  put($("[data-v=clock]"), hms(now));
  const live = status.state === "live";
  const words = { live: `data ${age(status.age)} old`, stale: `stale ${age(status.age)}`, down: `no response ${age(status.age)}` };
  const e = $("[data-v=feed]");
  set(e, "data-state", status.state);
  set(e.querySelector("use"), "href", live ? "#i-dot" : status.state === "stale" ? "#i-half" : "#i-cross");
  put(e.querySelector("span"), words[status.state]);
  main.classList.toggle("stale", !live);
  if (status.state === "down") {
    put($("[data-v=phase]"), "Not known");
    put($("[data-v=time]"), "");
    return;
  }
  if (!metrics) return;
  const { phase, startsAt, since } = metrics.sale;
  put($("[data-v=phase]"), PHASES[phase] ?? phase);
  const at = Date.parse(phase === "before" ? startsAt : (phase === "running" ? startsAt ?? since : ""));
  const text = phase === "before" ? `−${countdown(Math.max(0, at - now))}` : stopwatch(now - at);
  put($("[data-v=time]"), Number.isNaN(at) ? "" : text);
}

/** The worst alert, or that the data is old. */
function alert() {
  const e = $("[data-v=alert]");
  const worst = alerts.sorted().find((a) => a.severity !== "info");
  let [severity, head, more] = ["", "No alert", alerts.counts()];
  if (status.state !== "live") {
    severity = status.state === "down" ? "critical" : "warning";
    const old = `${group(Math.floor(status.age))}${NNBSP}s`;
    head = status.state === "down" ? `The server has not responded for ${old}` : `Data is ${old} old`;
    more = `Numbers in grey are those of ${hms(status.lastAt ?? feed.now() - status.age * 1000)}. Orders that were acknowledged are on disk.`;
  } else if (worst) {
    severity = worst.severity;
    head = worst.message;
    more = `Since ${hms(Date.parse(worst.since))}. ${alerts.counts()}.`;
  }
  set(e, "data-sev", severity);
  put(e.querySelector("b"), head);
  put(e.querySelector("span"), more);
  const shown = severity ? [severity, TONES[severity]] : ["check", "dim"];
  if (e.dataset.icon !== shown[0]) e.querySelector("svg").replaceWith(icon(...shown));
  e.dataset.icon = shown[0];
}

async function load(seconds) {
  const to = feed.now();
  const query = `from=${new Date(to - seconds * 1000).toISOString()}&to=${new Date(to + 1000).toISOString()}&step=1`;
  const response = await fetch(at(`/api/v1/monitoring/metrics/history?${query}`)).catch(() => null);
  if (response?.ok) series.load(await response.json());
  stock.learn(series.events);
  await alerts.load();
  alert();
  draw();
}

feed
  .on("metrics-update", (m) => {
    const phase = main.dataset.phase;
    metrics = m;
    series.push(m.timestamp, { acceptedPerSecond: m.ordersPerSecond, rejectedPerSecond: m.rejectedPerSecond });
    stock.sample(m.timestamp, m.inventoryLevels);
    // Other products may be in the sale now: their rows come with the page.
    if (m.sale.phase !== phase && ["none", "before", "stopped"].includes(phase)) location.reload();
    main.dataset.phase = m.sale.phase;
    requestAnimationFrame(draw);
  })
  .on("inventory-update", ({ products }) => {
    stock.now = feed.now();
    stock.take(products);
  })
  .on("system-alert", (a) => {
    alerts.take(a);
    alert();
    clearTimeout(reload);
    reload = setTimeout(() => load(120), 1500);
  })
  .on("back", ({ from, to }) => {
    stock.forget();
    load((to - from) / 1000 + 10);
  })
  .on("restart", () => location.reload())
  .on("tick", (s) => {
    status = s;
    alert();
    time();
    // While data comes, each second is drawn with it.
    if (s.state !== "live") requestAnimationFrame(draw);
  });
load(125);
