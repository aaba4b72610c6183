// The Live page: takes the feed, and draws once a second.

import { icon } from "./alerts.js";
import { at } from "./base.js";
import { ChartGroup } from "./charts.js";
import { clock, moment, parse, put, set, thisPage } from "./dom.js";
import { feed } from "./feed.js";
import { sayState } from "./frame.js";
import { AlertList, Stock, Stream, drawReadiness, drawRefused, keepSlot, number } from "./live_rows.js";
import { drawMirrors } from "./mirrors.js";
import { NNBSP, Series, fmt, group, money } from "./math.js";
import { alerts } from "./strip.js";

const API = at("/api/v1/monitoring");
const SECONDS = { "2m": 120, "15m": 900, "1h": 3600, "24h": 86400 };
const LEAD = 80; // The time of the sale is shown from so many seconds before its start.
const MOST = 1500; // points of a chart

const NAMES = [
  "acceptedPerSecond", "rejectedPerSecond", "earlyPerSecond", "failedPercent", "responseP50", "responseP95",
  "responseP99", "queueLength", "oldestJobAge", "cpuPercent", "memoryBytes", "visitors",
];

const one = (name, label, c = "s1") => [{ name, label, c, area: true }];
const CHARTS = {
  orders: {
    title: "Orders per second", fmt: "n", unit: "/s", labels: true, least: 5,
    series: [
      { name: "acceptedPerSecond", label: "accepted", c: "s1", area: true },
      { name: "rejectedPerSecond", label: "refused", c: "s2", dash: 1 },
    ],
  },
  response: {
    title: "Response time of placing an order", fmt: "ms", vu: "ms", unit: "ms",
    series: [
      { name: "responseP99", label: "p99", c: "p99" },
      { name: "responseP95", label: "p95", c: "p95" },
      { name: "responseP50", label: "p50", c: "p50" },
    ],
  },
  failed: { title: "Orders that failed, percent of those settled", fmt: "pct", vu: "%", unit: "%", max: 2, series: one("failedPercent", "failed", "s2") },
  queue: { title: "Jobs in line", fmt: "n", least: 10, series: one("queueLength", "jobs") },
  oldest: { title: "Age of the oldest job", fmt: "s", vu: "s", unit: "s", least: 0.1, series: one("oldestJobAge", "oldest") },
  cpu: { title: "CPU", fmt: "pct", vu: "%", unit: "%", max: 100, series: one("cpuPercent", "process") },
  memory: { title: "Memory", fmt: "mb", vu: "MB", unit: "MB", per: 1e6, least: 50e6, series: one("memoryBytes", "resident") },
  visitors: { title: "Visitors in the last 5 min", fmt: "n", least: 10, series: one("visitors", "visitors") },
  early: { title: "Orders before the start", fmt: "n", unit: "/s", least: 5, series: one("earlyPerSecond", "refused: sale not started", "s2") },
};

/** The values of one second, as the history names them. */
const valuesOf = (m) => ({
  acceptedPerSecond: m.ordersPerSecond,
  rejectedPerSecond: m.rejectedPerSecond,
  earlyPerSecond: m.rejectedRates.sale_not_started ?? 0,
  failedPercent: m.failedPercent,
  responseP50: m.responseTime.p50,
  responseP95: m.responseTime.p95,
  responseP99: m.responseTime.p99,
  queueLength: m.queueLength,
  oldestJobAge: m.oldestJobAgeMs / 1000,
  cpuPercent: m.cpuPercent,
  memoryBytes: m.memoryBytes,
  visitors: m.visitors,
});

const TOOLS = { number, put, set, icon, moment: (ms) => moment(ms, feed.now()) };
const $ = (selector) => document.querySelector(selector);
const json = async (path) => {
  const response = await fetch(API + path, { headers: { accept: "application/json" } });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
};

class Live {
  constructor() {
    this.main = $("#main");
    this.page = this.main.querySelector("[data-live]");
    this.phase = this.page.dataset.phase;
    this.status = feed.status();
    this.metrics = null;
    this.held = null;
    this.spoken = new Set();
    this.bind();
    this.listen();
    setInterval(() => this.readiness(), 5000);
    setInterval(() => this.series.step > 1000 && this.load(), 5000);
  }

  /** Finds what is on the page; again after the phase has changed. */
  bind() {
    const range = new URLSearchParams(location.search).get("range");
    this.seconds = SECONDS[range] ?? null;
    const fresh = new Series(NAMES, this.seconds ?? 3600);
    this.series = fresh;
    this.stock = new Stock($("table.stock"));
    this.stream = new Stream($(".stream"), this.stock);
    this.alerts = new AlertList(alerts, $(".alerts[data-open]"), $("[data-v=alertCount]"));
    this.group = new ChartGroup($(".readout"), { now: (view) => this.readout(view) });
    for (const figure of document.querySelectorAll("figure[data-chart]")) {
      const spec = CHARTS[figure.dataset.chart];
      const limit = figure.dataset.limit && { value: Number(figure.dataset.limit), label: figure.dataset.limitLabel };
      const rest = this.page.dataset.kind === "after" ? "max" : undefined;
      this.group.add(figure, { ...spec, rest, ...(limit ? { limit } : {}) });
    }
    for (const e of document.querySelectorAll(".fig data")) keepSlot(e);
    $("#hold")?.addEventListener("click", () => this.hold());
    $("#hold")?.removeAttribute("hidden");
    $("#astable")?.addEventListener("toggle", () => this.table());
    this.load();
  }

  listen() {
    feed
      .on("metrics-update", (m) => this.take(m))
      .on("inventory-update", ({ products }) => {
        this.stock.now = feed.now();
        this.stock.take(products);
      })
      .on("order-update", (orders) => this.stream.take(orders))
      .on("system-alert", () => {
        clearTimeout(this.reload);
        this.reload = setTimeout(() => this.load(120), 1500); // The moment is in the history by then.
      })
      .on("back", ({ from, to }) => {
        this.stock.forget();
        this.load((to - from) / 1000 + 10);
      })
      .on("restart", () => this.swap())
      .on("tick", (status) => this.tick(status));
    alerts.addEventListener("change", () => this.alerts.draw());
    document.addEventListener("flashsale:page", () => this.rebind());
  }

  take(m) {
    this.metrics = m;
    this.series.push(m.timestamp, valuesOf(m));
    this.stock.sample(m.timestamp, m.inventoryLevels);
    // A display that is held changes when it is let go.
    if (m.sale.phase !== this.phase && !this.held) {
      this.phase = m.sale.phase;
      this.swap();
    }
    this.ask();
  }

  /** Draws at most once a frame. */
  ask() {
    if (this.asked || document.hidden) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.draw();
    });
  }

  tick(status) {
    this.status = status;
    this.main.classList.toggle("stale", status.state !== "live");
    for (const button of this.main.querySelectorAll("form[data-act] button")) button.disabled = status.state === "down";
    this.count();
    if (status.state !== "live") this.ask();
  }

  draw() {
    this.count();
    if (this.held) return this.group.cursor === null && put($(".readout"), this.heldWords());
    if (this.metrics) this.figures(this.metrics);
    this.stock.draw();
    if (this.metrics) {
      drawRefused($(".whys"), this.metrics);
      drawMirrors($("table.mirrors"), this.metrics.mirrors, TOOLS);
    }
    this.stream.draw(this.metrics?.ordersPerSecond);
    this.charts();
  }

  figures(m) {
    const q = m.queueStats;
    const all = { ...m, unfinished: q.waiting + q.prioritized + q.delayed + q.active };
    for (const e of document.querySelectorAll("data[data-m]")) {
      const v = e.dataset.m.split(".").reduce((o, k) => o?.[k], all);
      if (e.dataset.f !== "money") number(e, v);
      else {
        const [text, unit] = money(v);
        e.value = v;
        put(e, text);
        keepSlot(e);
        put(e.nextElementSibling, unit);
      }
    }
    const exact = $("[data-v=revenueExact]");
    if (exact) put(exact, group(m.revenue));
    put($("[data-v=refusedRate]"), fmt.n(m.rejectedPerSecond));
    this.noOrders(m);
  }

  noOrders(m) {
    const e = $("[data-v=noOrders]");
    if (!e) return;
    const since = Date.parse(m.sale.since ?? "");
    const quiet = m.sale.phase === "running" && m.totalOrders === 0 && feed.now() - since > 5000;
    e.hidden = !quiet;
    $(".stream").hidden = quiet;
    put($("[data-v=noOrdersFor]"), `${group(Math.floor((feed.now() - since) / 1000))}${NNBSP}s`);
  }

  // ---- time

  count() {
    const starts = Date.parse(this.page.dataset.starts);
    const big = $(".count .big");
    if (!big || Number.isNaN(starts)) return;
    const left = starts - feed.now();
    big.classList.toggle("long", big.textContent.length > 5);
    put($("[data-v=here]"), new Date(starts).toLocaleTimeString([], { hourCycle: "h23" }));
    for (const [at, words] of COUNTED) {
      if (Math.ceil(left / 1000) !== at || this.spoken.has(at)) continue;
      this.spoken.add(at);
      sayState(words);
    }
  }

  // ---- charts

  range() {
    const live = this.status?.state !== "down" && this.status?.state !== "stale";
    const last = this.series.last * this.series.step;
    const to = live && last > 0 ? last : feed.now();
    const { from, until } = this.page.dataset;
    if (from) return [Date.parse(from), until ? Math.min(Date.parse(until), feed.now()) : to];
    if (this.seconds) return [to - (this.seconds - 1) * 1000, to];
    const began = Date.parse(this.metrics?.sale.startsAt ?? this.page.dataset.starts ?? "");
    const lead = Number.isNaN(began) || began > to ? 0 : to - began + LEAD * 1000;
    return [to - Math.min(86_400_000, Math.max(119_000, lead)), to];
  }

  charts() {
    const [from, to] = this.range();
    if ((to - from) / this.series.step > MOST + 60) return this.load();
    const view = this.series.view(from, to, feed.now());
    const named = view.events.map((e) => ({ ...e, label: this.label(e) }));
    this.group.show({ ...view, events: named });
    const texts = named.map((e) => `${clock(e.at)} ${e.label}.`);
    put($("[data-v=inView]"), texts.length ? `In view: ${texts.slice(-6).join(" ")}` : "");
    if ($("#astable")?.open) this.table();
  }

  label(e) {
    const name = this.stock.products.get(String(e.productId))?.name ?? $(`tr[data-id="${e.productId}"] .name`)?.textContent;
    const words = LABELS[e.kind] ?? e.kind.replaceAll("_", " ");
    return name && e.kind === "sold_out" ? `${name} sold out` : words;
  }

  readout(view) {
    if (this.held) return this.heldWords();
    if (this.page.dataset.kind === "after" && this.page.dataset.from) return `${clock(view.from)} to ${clock(view.to)}`;
    return this.status && this.status.state !== "live" ? `Last data ${clock(this.status.lastAt ?? view.to)}` : `Now ${clock(feed.now())}`;
  }

  async load(seconds) {
    let [from, to] = this.range();
    if (seconds) from = Math.max(from, to - seconds * 1000);
    const step = Math.max(1, Math.ceil((to - from) / 1000 / MOST));
    if (seconds && this.series.step > 1000) return;
    const query = `from=${new Date(from).toISOString()}&to=${new Date(to + 1000).toISOString()}&step=${step}`;
    const series = this.series;
    const history = await json(`/metrics/history?${query}`).catch(() => null);
    if (!history || series !== this.series) return;
    series.load(history);
    this.stock.learn(series.events);
    this.ask();
  }

  table() {
    const { view } = this.group;
    if (!$("#astable")?.open || !view) return;
    const every = Math.max(1, Math.ceil((view.to - view.from) / view.step / 12));
    const rows = [];
    for (let t = view.to; t >= view.from; t -= every * view.step) rows.push(t);
    const body = $("#astable tbody");
    const columns = [...document.querySelectorAll("#astable th[data-name]")];
    body.replaceChildren(
      ...rows.map((t) => {
        const row = document.createElement("tr");
        const head = document.createElement("th");
        head.scope = "row";
        head.textContent = clock(t);
        const i = Math.round((t - view.from) / view.step);
        row.append(head, ...columns.map((c) => tableCell(view.data[c.dataset.name]?.[i], c.dataset.f)));
        return row;
      }),
    );
  }

  // ---- holding the display

  hold() {
    this.setHeld(this.held ? null : feed.now());
    put($("#hold"), this.held ? "Show now" : "Hold display");
    this.draw();
  }

  /** The strip shows it too. */
  setHeld(at) {
    if (this.held === at) return;
    this.held = at;
    dispatchEvent(new CustomEvent("held", { detail: at }));
  }

  heldWords() {
    const behind = Math.round((feed.now() - this.held) / 1000);
    return `Held at ${clock(this.held)} by you, ${group(behind)}${NNBSP}s behind.`;
  }

  // ---- the rest

  async readiness() {
    const body = $(".check[data-readiness] tbody");
    if (!body || document.hidden) return;
    const seen = await json("/readiness").catch(() => null);
    if (seen) drawReadiness(body, seen);
  }

  /** The page of the new phase takes the place of this one; the feed and the scroll position stay. */
  async swap() {
    if (this.swapping) return;
    this.swapping = true;
    const text = await thisPage();
    this.swapping = false;
    const fresh = text && parse(text).querySelector("#main [data-live]");
    if (!fresh) return;
    this.page.replaceWith(fresh);
    this.rebind();
  }

  rebind() {
    this.main = $("#main");
    this.page = this.main.querySelector("[data-live]");
    this.phase = this.page.dataset.phase;
    this.setHeld(null);
    this.spoken.clear();
    this.bind();
    this.alerts.draw();
  }
}

const LABELS = {
  start: "server started", stop: "server stopped", restart: "restarted after a kill", sale_started: "sale started",
  sale_ended: "sale ended", sale_stopped: "sale stopped", sold_out: "sold out", paused: "queue paused",
  resumed: "queue resumed", restored: "store restored", fulfilment_suspended: "fulfilment suspended", reset: "measurement reset",
};

const COUNTED = [
  [600, "The sale starts in 10 minutes."], [300, "The sale starts in 5 minutes."], [60, "The sale starts in 1 minute."],
  [30, "The sale starts in 30 seconds."], [0, "The sale starts now."],
];

function tableCell(point, kind) {
  const cell = document.createElement("td");
  cell.className = "num";
  cell.textContent = point ? fmt[kind](point.mean) : "–";
  return cell;
}

new Live();
