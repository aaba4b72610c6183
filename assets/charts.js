// Charts of the dashboard: SVG, one cursor over all, gaps, events. Colours come from classes; nothing slides.
//
//   const group = new ChartGroup(document.querySelector(".readout"));
//   group.add(figure, {title, fmt, unit, vu, series: [{name, label, c, dash, area}], labels, limit, max});
//   group.show(view);   // {from, to, step, now, data: {name: [{min, mean, max} | null]}, gaps, events}
//
// A figure has a figcaption with one <output> for each series (the legend is the read-out), and a .plot.

import { put } from "./dom.js";
import {
  NNBSP, NONE, YScale, downSample, fmt, group as thousands, hm, hms, placeLabels, runs, show, stopwatch, timeStep, timeTicks,
} from "./math.js";

const NS = "http://www.w3.org/2000/svg";
function el(name, attributes = {}, ...children) {
  const e = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}
const crisp = (v) => Math.round(v) + 0.5;

/** Charts that share a cursor, a time axis and a line that says what is read. */
export class ChartGroup {
  constructor(readout, words = {}) {
    this.readout = readout;
    this.words = words; // now(view) for the line when nothing is pointed at, at(time, view) when something is
    this.charts = [];
    this.cursor = null;
    this.view = null;
  }

  add(figure, spec) {
    const chart = new Chart(figure, spec, this);
    this.charts.push(chart);
    return chart;
  }

  show(view) {
    this.view = view;
    if (this.cursor !== null && (this.cursor < view.from || this.cursor > view.to)) this.cursor = null;
    for (const chart of this.charts) chart.draw();
    this.read();
  }

  point(at, spoken) {
    if (!this.view) return;
    this.cursor = at === null ? null : Math.min(this.view.to, Math.max(this.view.from, at));
    for (const chart of this.charts) chart.mark(spoken);
    this.read();
  }

  read() {
    const { view, cursor } = this;
    put(this.readout, cursor === null ? this.rest(view) : this.said(cursor));
  }

  rest(view) {
    return this.words.now?.(view) ?? `Now ${hms(view.now)}`;
  }

  said(at) {
    if (this.words.at) return this.words.at(at, this.view);
    const ago = Math.max(0, Math.round((this.view.now - at) / 1000));
    return `At ${hms(at)}, ${ago < 600 ? thousands(ago) + " s" : stopwatch(ago * 1000)} ago`;
  }
}

const KEYS = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageUp: 10, PageDown: -10 };

/** One chart. */
class Chart {
  constructor(figure, spec, shared) {
    this.spec = spec;
    this.shared = shared;
    this.plot = figure.querySelector(".plot");
    this.outs = [...figure.querySelectorAll("output")];
    this.scale = new YScale();
    this.size = null;
    this.takePointer();
    if (!spec.still) this.takeKeys();
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  takePointer() {
    const move = (e) => {
      if (!this.shared.view || this.spec.still) return;
      const box = this.plot.getBoundingClientRect();
      this.shared.point(this.timeAt(e.clientX - box.left), false);
    };
    this.plot.addEventListener("pointermove", move);
    this.plot.addEventListener("pointerdown", move);
    this.plot.addEventListener("pointerleave", () => this.shared.point(null, false));
  }

  // A slider, as what the arrow keys do is to move along the time and to read the values.
  takeKeys() {
    const { plot, spec } = this;
    plot.tabIndex = 0;
    plot.setAttribute("role", "slider");
    plot.setAttribute("aria-label", `${spec.title}. Arrow keys read it.`);
    for (const [name, v] of [["valuemin", 0], ["valuemax", 100], ["valuenow", 100], ["valuetext", "now"]]) {
      plot.setAttribute(`aria-${name}`, v);
    }
    plot.addEventListener("keydown", (e) => {
      const { view, cursor } = this.shared;
      if (!view || e.ctrlKey || e.altKey || e.metaKey) return;
      const step = KEYS[e.key];
      if (step) this.shared.point((cursor ?? view.to) + step * view.step, true);
      else if (e.key === "Home") this.shared.point(view.from, true);
      else if (e.key === "End") this.shared.point(view.to, true);
      else if (e.key === "Escape" && cursor !== null) this.shared.point(null, true);
      else return;
      e.preventDefault();
    });
    plot.addEventListener("blur", () => this.shared.point(null, false));
  }

  timeAt(x) {
    const { from, to, step } = this.shared.view;
    const t = from + ((x - this.left) / this.width) * (to - from);
    return Math.min(to, Math.max(from, from + Math.round((t - from) / step) * step));
  }

  x(t) {
    const { from, to } = this.shared.view;
    return this.left + ((t - from) / Math.max(1, to - from)) * this.width;
  }

  y(v) {
    return this.top + this.height - (v / this.max) * this.height;
  }

  draw() {
    const { plot, spec } = this;
    const W = plot.clientWidth;
    const H = plot.clientHeight;
    if (!W || !H || !this.shared.view) return;
    const fs = (this.fs = spec.fontSize ?? 11);
    this.left = spec.gutter ?? 46;
    this.top = spec.labels ? Math.round(fs * 2.3 + 8) : Math.round(fs * 0.6 + 2);
    this.height = H - this.top - Math.round(fs * 1.8);
    this.width = W - this.left - (spec.right ?? 6);
    const svg = el("svg", { "aria-hidden": "true", viewBox: `0 0 ${W} ${H}` });
    this.rows = spec.series.map((s) => downSample(this.shared.view.data[s.name] ?? [], Math.max(60, this.width / 2)));
    this.drawValueAxis(svg);
    this.drawTimeAxis(svg, W, H);
    this.drawGaps(svg);
    spec.series.forEach((s, i) => this.drawSeries(svg, s, this.rows[i]));
    if (spec.limit) this.drawLimit(svg);
    this.drawEvents(svg);
    this.cursorLayer = el("g");
    svg.append(this.cursorLayer);
    plot.replaceChildren(svg);
    this.mark(false);
  }

  drawValueAxis(svg) {
    const { spec, fs } = this;
    let most = spec.max ?? 0;
    for (const row of this.rows) for (const p of row) if (p && p.max > most) most = p.max;
    if (spec.limit && spec.limit.value > most * 0.55) most = Math.max(most, spec.limit.value * 1.1);
    if (most < (spec.least ?? 0)) most = spec.least;
    const per = spec.per ?? 1; // of the API's units in one of the axis
    const count = spec.rows ?? (this.height < 80 ? 2 : this.height > 110 ? 5 : 4);
    const ticks = this.scale.ticks(most / per, this.shared.view.now, count);
    this.max = ticks.at(-1) * per;
    for (const v of ticks) {
      const y = crisp(this.y(v * per));
      const unit = v === ticks.at(-1) && spec.unit ? NNBSP + spec.unit : "";
      svg.append(
        el("line", { class: v ? "grid" : "base", x1: this.left, x2: this.left + this.width, y1: y, y2: y }),
        el("text", { x: this.left - 8, y: y + fs * 0.33, "text-anchor": "end" }, fmt.tick(v) + unit),
      );
    }
  }

  drawTimeAxis(svg, W, H) {
    const { from, to } = this.shared.view;
    const { fs } = this;
    const step = timeStep(to - from, this.width, fs * 7.6);
    const foot = this.top + this.height;
    for (const t of timeTicks(from, to, step)) {
      const x = crisp(this.x(t));
      svg.append(el("line", { class: "base", x1: x, x2: x, y1: foot, y2: foot + 4 }));
      const text = step < 60_000 ? hms(t) : hm(t);
      const half = text.length * fs * 0.3;
      if (x - half >= this.left - 8 && x + half <= W + 1) {
        svg.append(el("text", { x, y: H - 3, "text-anchor": "middle" }, text));
      }
    }
  }

  drawGaps(svg) {
    const { from, to, step, gaps } = this.shared.view;
    for (const [first, past] of gaps) {
      const a = this.x(Math.max(from, from + (first - (first > 0 ? 1 : 0)) * step));
      const b = this.x(Math.min(to, from + past * step));
      if (b - a < 1) continue;
      svg.append(el("rect", { class: "gap", x: a, y: this.top, width: b - a, height: this.height }));
      const words = `no data ${spanText((past - first) * step)}`;
      const wide = words.length * this.fs * 0.56;
      const inside = b - a > wide + 8;
      if (this.spec.labels && (inside || a - wide - 8 > this.left) && b - a > 6) {
        const x = inside ? (a + b) / 2 : a - 4;
        const anchor = inside ? "middle" : "end";
        svg.append(el("text", { class: "lbl missing", x, y: this.top + this.fs + 2, "text-anchor": anchor }, words));
      }
    }
  }

  drawLimit(svg) {
    const { value, label } = this.spec.limit;
    const y = crisp(this.y(value));
    const row = this.rows[0];
    const third = Math.floor(row.length / 3);
    const near = (some) => some.some((p) => p && p.max > value * 0.72);
    const atLeft = near(row.slice(-third)) && !near(row.slice(0, third));
    const x = atLeft ? this.left + 3 : this.left + this.width - 2;
    svg.append(
      el("line", { class: "limit", x1: this.left, x2: this.left + this.width, y1: y, y2: y }),
      el("text", { class: "lim lbl", x, y: y - 5, "text-anchor": atLeft ? "start" : "end" }, label),
    );
  }

  drawSeries(svg, series, row) {
    const { from, step } = this.shared.view;
    const foot = this.top + this.height;
    const at = (p, v) => `${this.x(from + p.i * step).toFixed(1)} ${this.y(v).toFixed(1)}`;
    let line = "";
    for (const run of runs(row)) {
      const path = "M" + run.map((p) => at(p, p.mean)).join("L");
      line += run.length > 1 ? path : `${path}m-1 0h2`;
      if (series.area && run.length > 1) {
        const [a, b] = [run[0], run.at(-1)].map((p) => this.x(from + p.i * step).toFixed(1));
        svg.append(el("path", { class: `ar c-${series.c}`, d: `${path}L${b} ${foot}L${a} ${foot}Z` }));
      }
      if (run.some((p) => p.max > p.min)) {
        const band = [...run.map((p) => at(p, p.max)), ...run.toReversed().map((p) => at(p, p.min))];
        svg.append(el("path", { class: `ar band c-${series.c}`, d: `M${band.join("L")}Z` }));
      }
    }
    svg.append(el("path", { class: `ln c-${series.c}${series.dash ? ` d${series.dash}` : ""}`, d: line }));
  }

  drawEvents(svg) {
    const { from, to, events } = this.shared.view;
    const { fs, spec } = this;
    const seen = events.filter((e) => e.at >= from && e.at <= to).map((e) => ({ e, x: crisp(this.x(e.at)) }));
    const wide = (e) => (e.label ?? "").length * fs * 0.58;
    const asked = seen.map(({ e, x }) => ({ x, width: wide(e) }));
    const places = spec.labels ? placeLabels(asked, this.left, this.left + this.width + 4) : [];
    seen.forEach(({ e, x }, i) => {
      const place = places[i];
      let y1 = this.top;
      if (place) {
        y1 = place.row ? fs * 1.3 + 2 : 3;
        const anchor = place.side > 0 ? "start" : "end";
        const y = fs * (place.row ? 2.25 : 1.05) + 2;
        svg.append(el("text", { class: "evl lbl", x: x + 4 * place.side, y, "text-anchor": anchor }, e.label));
      }
      svg.append(el("line", { class: "ev", x1: x, x2: x, y1, y2: this.top + this.height }));
    });
  }

  mark(spoken) {
    if (!this.cursorLayer) return;
    const { view, cursor } = this.shared;
    const { spec } = this;
    const place = Math.round(((cursor ?? view.to) - view.from) / view.step);
    const values = spec.series.map((s) => {
      const row = view.data[s.name] ?? [];
      if (cursor === null && spec.rest === "max") return greatest(row);
      return (cursor === null ? lastKnown(row) : row[place])?.mean ?? null;
    });
    values.forEach((v, i) => put(this.outs[i], this.text(v, cursor)));
    this.cursorLayer.replaceChildren();
    if (spoken) this.speak(values);
    if (cursor === null) return;
    const x = crisp(this.x(cursor));
    this.cursorLayer.append(el("line", { class: "cur", x1: x, x2: x, y1: this.top, y2: this.top + this.height }));
    spec.series.forEach((s, i) => {
      if (values[i] === null) return;
      const dot = { class: `dot c-${s.c}`, cx: this.x(cursor), cy: this.y(values[i]), r: 3.5 };
      this.cursorLayer.append(el("circle", dot));
    });
  }

  text(v, cursor) {
    const { spec, shared } = this;
    if (v === null) {
      const place = Math.round(((cursor ?? shared.view.to) - shared.view.from) / shared.view.step);
      return shared.view.gaps.some(([a, b]) => place >= a && place < b) ? "no data" : NONE;
    }
    const most = cursor === null && spec.rest === "max" ? "max " : "";
    return most + show(spec.fmt, v) + (spec.vu ? NNBSP + spec.vu : "");
  }

  speak(values) {
    const { view, cursor } = this.shared;
    const said = values.map((v, i) => `${this.spec.series[i].label} ${this.text(v, cursor)}`).join(", ");
    const at = cursor ?? view.to;
    this.plot.setAttribute("aria-valuenow", Math.round((100 * (at - view.from)) / Math.max(1, view.to - view.from)));
    this.plot.setAttribute("aria-valuetext", `${hms(at)}: ${said}`);
  }
}

const greatest = (row) => row.reduce((most, p) => (p && (most === null || p.max > most) ? p.max : most), null);

// While data is missing, the legend goes on saying the last value that is known.
const lastKnown = (row) => row.findLast((p) => p !== null);

function spanText(span) {
  const s = Math.round(span / 1000);
  if (s < 600) return `${s}${NNBSP}s`;
  return s < 36_000 ? `${Math.round(s / 60)}${NNBSP}min` : `${Math.round(s / 3600)}${NNBSP}h`;
}
