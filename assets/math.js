// Numbers as the dashboard writes them, and what the charts compute. Nothing here touches a page.

export const NNBSP = "\u202f";
export const NONE = "–";
const MINUS = "−";

/** Puts a narrow space between thousands; takes a decimal number as text. */
export function group(text) {
  const [whole, part] = String(text).split(".");
  const spaced = whole.replace(/\B(?=(\d{3})+(?!\d))/g, NNBSP).replace("-", MINUS);
  return part === undefined ? spaced : `${spaced}.${part}`;
}

const whole = (v) => group(String(Math.round(v)));

/** Milliseconds: two digits below 1, one below 10, else none. */
function ms(v) {
  if (v < 0.995) return v.toFixed(2);
  return v < 9.95 ? v.toFixed(1) : whole(v);
}

/** Percent. Never 0 or 100 unless exactly so: rounded down above 99, "<0.01" below. */
function pct(v) {
  if (v === 0) return "0";
  if (v < 0.01) return "<0.01";
  if (v < 0.995) return v.toFixed(2);
  if (v < 9.95) return v.toFixed(1);
  if (v >= 99 && v < 100) return (Math.floor(v * 100 + 1e-9) / 100).toFixed(2);
  return v > 98.5 && v < 99 ? "98" : String(Math.round(v));
}

/** A tick: thousands and millions are short. */
function tick(v) {
  if (v >= 1e9) return short(v / 1e9, "G");
  if (v >= 1e6) return short(v / 1e6, "M");
  if (v >= 1e4 || (v >= 1000 && v % 1000 === 0)) return short(v / 1000, "k");
  return group(String(+v.toFixed(3)));
}
const short = (v, unit) => `${+v.toFixed(2)}${NNBSP}${unit}`;

export const fmt = {
  n: whole,
  ms,
  pct,
  tick,
  s: (v) => (v < 9.95 ? v.toFixed(1) : whole(v)),
  mb: (v) => whole(v / 1e6),
};

/** The value as text, or a dash where nothing was measured. */
export const show = (kind, v) => (v === null || v === undefined ? NONE : fmt[kind](v));

/** Money as a figure: `[text, unit]`; millions and more are short. Takes the API's decimal text. */
export function money(text) {
  const v = Number(text);
  if (v >= 1e12) return [group((Math.floor(v / 1e11) / 10).toFixed(1)), "T"];
  if (v >= 1e9) return [(Math.floor(v / 1e8) / 10).toFixed(1), "G"];
  if (v >= 1e6) return [(Math.floor(v / 1e5) / 10).toFixed(1), "M"];
  return [group(String(text).split(".")[0]), ""];
}

const iso = (at) => new Date(at).toISOString();
/** The time of day, UTC: `12:00:38`. */
export const hms = (at) => iso(at).slice(11, 19);
/** The same without seconds. */
export const hm = (at) => iso(at).slice(11, 16);

/** At least two digits. */
export const two = (n) => String(n).padStart(2, "0");
/** A span as a stop watch shows it: `00:38`, `1:02:03`, from 48 hours on `2 days`. Milliseconds. */
export function stopwatch(span) {
  const s = Math.max(0, Math.floor(span / 1000));
  const h = Math.floor(s / 3600);
  const rest = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  if (h >= 48) return `${group(Math.floor(h / 24))} days`;
  return h > 0 ? `${h}:${rest}` : rest;
}

/** What is left until `span` milliseconds have passed: a countdown shows the second that has begun. */
export const countdown = (span) => stopwatch(Math.ceil(span / 1000) * 1000);

/** Age in the header: tenths below 3 s, else whole seconds, then minutes. Seconds. */
export function age(s) {
  if (s < 3) return `${Math.max(0, s).toFixed(1)}${NNBSP}s`;
  return s < 600 ? `${Math.floor(s)}${NNBSP}s` : `${Math.floor(s / 60)}${NNBSP}min`;
}

// ---- stock

/** Units a second that left over the last `seconds`, from samples `[{at, left}]`, oldest first. Units that come
 * back (a restock, a cancelled order) do not count against it. */
export function pace(samples, seconds = 5) {
  const last = samples.at(-1);
  if (!last) return null;
  const from = last.at - seconds * 1000 - 250;
  const seen = samples.filter((s) => s.at >= from);
  const span = last.at - seen[0].at;
  if (span < 500) return null;
  let gone = 0;
  for (let i = 1; i < seen.length; i++) gone += Math.max(0, seen[i - 1].left - seen[i].left);
  return (gone * 1000) / span;
}

/** Time to sold out in words, at a pace in units a second; null pace is not measured yet. */
export function untilSoldOut(left, perSecond) {
  if (left === 0) return "sold out";
  if (perSecond === null || perSecond === undefined) return NONE;
  const s = left / perSecond;
  if (!(s < 86400)) return "not today";
  if (s < 100) return `≈${NNBSP}${Math.max(1, Math.round(s))}${NNBSP}s`;
  if (s < 6000) return `≈${NNBSP}${Math.round(s / 60)}${NNBSP}min`;
  return `≈${NNBSP}${Math.round(s / 3600)}${NNBSP}h`;
}

/** `[sold, held]` as parts of 100; the books may have nothing yet. */
export function shares(product) {
  const all = product.soldStock + product.heldStock + product.currentStock;
  if (all === 0) return [0, 0];
  return [(100 * product.soldStock) / all, (100 * product.heldStock) / all];
}

/** At most `n` of a list, evenly spread, the first and the order kept. */
export function sample(list, n) {
  if (list.length <= n) return list;
  return Array.from({ length: n }, (_, i) => list[Math.floor((i * list.length) / n)]);
}

// ---- scales

/** Ticks of 1, 2, 2.5 or 5 times a power of ten, from 0 to at least `max`, about `n` of them. */
export function ticks(max, n) {
  const raw = (max > 0 ? max : 1) / n;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((m) => m * power >= raw * (1 - 1e-9)) * power;
  const count = Math.max(1, Math.ceil((max > 0 ? max : 1) / step - 1e-9));
  return Array.from({ length: count + 1 }, (_, i) => +(i * step).toPrecision(12));
}

/** A y scale: grows at once, shrinks when less was enough for 30 s. */
export class YScale {
  constructor(wait = 30_000) {
    this.wait = wait;
    this.peaks = []; // [at, max] within the wait
    this.kept = null;
  }

  /** The ticks for a greatest value, at a time in milliseconds. */
  ticks(max, now, n) {
    this.peaks = this.peaks.filter(([at]) => at > now - this.wait && at <= now);
    this.peaks.push([now, max]);
    const wanted = ticks(max, n);
    const top = wanted.at(-1);
    if (!this.kept || this.kept.n !== n || top >= this.kept.top) {
      this.kept = { n, top, all: wanted, since: now };
    } else if (now - this.kept.since >= this.wait) {
      const least = ticks(Math.max(...this.peaks.map(([, v]) => v)), n);
      if (least.at(-1) < this.kept.top) this.kept = { n, top: least.at(-1), all: least, since: now };
    }
    if (top === this.kept.top) this.kept.since = now;
    return this.kept.all;
  }
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
/** The step of a time axis in milliseconds: round in UTC, and labels of `room` pixels fit beside each other. */
export function timeStep(span, width, room) {
  const fits = STEPS.find((s) => (span / (s * 1000)) * room <= width);
  return (fits ?? 86400) * 1000;
}

/** The round times within a range. */
export function timeTicks(from, to, step) {
  const all = [];
  for (let t = Math.ceil(from / step) * step; t <= to; t += step) all.push(t);
  return all;
}

// ---- points

/** Takes points `{min, mean, max}` (or null) together so that at most `most` remain; keeps the least and the
 * greatest. Gives `[{i, min, mean, max} | null]`, `i` being the place among the points given. */
export function downSample(points, most) {
  const per = Math.max(1, Math.ceil(points.length / most));
  const out = [];
  for (let i = 0; i < points.length; i += per) {
    const some = points.slice(i, i + per).filter((p) => p !== null);
    if (some.length === 0) {
      out.push(null);
      continue;
    }
    out.push({
      i: i + (Math.min(per, points.length - i) - 1) / 2,
      min: Math.min(...some.map((p) => p.min)),
      mean: some.reduce((sum, p) => sum + p.mean, 0) / some.length,
      max: Math.max(...some.map((p) => p.max)),
    });
  }
  return out;
}

/** Runs of points without a gap. */
export function runs(points) {
  const all = [];
  let open = null;
  for (const p of points) {
    if (p === null) open = null;
    else if (open) open.push(p);
    else all.push((open = [p]));
  }
  return all;
}

/** Where nothing was measured at all: `[[first, past]]` of places at which every series is null. */
export function gaps(series, points) {
  const all = [];
  let from = null;
  for (let i = 0; i <= points; i++) {
    const missing = i < points && series.every((s) => s[i] === null || s[i] === undefined);
    if (missing && from === null) from = i;
    if (!missing && from !== null) {
      all.push([from, i]);
      from = null;
    }
  }
  return all;
}

/** Without a gap at the end of at most `late` points: the last moments are not measured yet, and not missing. Gives
 * `[gaps, points]`. */
export function measured(all, points, late) {
  const last = all.at(-1);
  const isLate = last && last[1] === points && last[0] > 0 && points - last[0] <= late;
  return isLate ? [all.slice(0, -1), last[0]] : [all, points];
}

/** Places the labels of events on two rows, right or left of their lines, so that none overlaps another nor is
 * crossed by another's line. `events` have `x` and `width`; gives `{row, side}` or null for each, in order. */
export function placeLabels(events, left, right) {
  const used = [];
  return events.map(({ x, width }) => {
    const places = [[0, 1], [1, 1], [0, -1], [1, -1]].map(([row, side]) => ({
      row,
      side,
      x,
      from: side > 0 ? x + 4 : x - 4 - width,
      to: side > 0 ? x + 4 + width : x - 4,
    }));
    const fit = places.find((p) => p.from >= left && p.to <= right && used.every((o) => apart(p, o)));
    if (!fit) return null;
    used.push(fit);
    return { row: fit.row, side: fit.side };
  });
}

function apart(a, b) {
  if (a.row === b.row) return a.to + 6 <= b.from || b.to + 6 <= a.from;
  // The line of the upper row's label begins above the lower row's text, and would cross it, and the reverse.
  const [upper, lower] = a.row < b.row ? [a, b] : [b, a];
  return !(upper.x > lower.from - 3 && upper.x < lower.to + 3);
}

// ---- series

/** The series of a history, in slots of `step` seconds; slots without a measurement are null. */
export class Series {
  constructor(names, span, step = 1) {
    this.names = names;
    this.span = span * 1000;
    this.clear(step);
  }

  /** Forgets everything, for another step. */
  clear(step = this.step / 1000) {
    this.step = step * 1000;
    this.slots = new Map();
    this.events = [];
    this.last = 0;
    this.lastAt = 0;
  }

  slot(at) {
    return Math.floor(at / this.step);
  }

  /** Takes what `GET /monitoring/metrics/history` responds with. */
  load(history) {
    if (history.stepSeconds * 1000 !== this.step) this.clear(history.stepSeconds);
    const from = Date.parse(history.from);
    for (let i = 0; i < history.points; i++) {
      const point = {};
      let any = false;
      for (const name of this.names) {
        const s = history.series[name];
        const known = s && s.mean[i] !== null && s.mean[i] !== undefined;
        point[name] = known ? { min: s.min[i], mean: s.mean[i], max: s.max[i] } : null;
        any ||= known;
      }
      if (any) this.put(from + i * this.step, point);
    }
    for (const e of history.events) this.event({ ...e, at: Date.parse(e.at) });
  }

  /** Adds a moment, once. */
  event(e) {
    if (this.events.some((o) => o.kind === e.kind && o.at === e.at && o.productId === e.productId)) return;
    this.events.push(e);
    this.events.sort((a, b) => a.at - b.at);
  }

  /** Adds the values of one second. */
  push(at, values) {
    // Samples are a second apart, not each in a second of its own: one that was late by a moment leaves no gap.
    const late = this.slot(at) === this.last + 2 && at - this.lastAt < 1900 && this.step === 1000;
    this.lastAt = at;
    const point = {};
    for (const name of this.names) {
      const v = values[name];
      point[name] = v === null || v === undefined ? null : { min: v, mean: v, max: v };
    }
    if (late) this.put(at - 1000, point);
    this.put(at, point);
  }

  put(at, point) {
    const slot = this.slot(at);
    this.slots.set(slot, point);
    this.last = Math.max(this.last, slot);
    const first = this.last - Math.ceil(this.span / this.step) - 60;
    if (this.slots.size > 2 * Math.ceil(this.span / this.step) + 120) {
      for (const key of this.slots.keys()) if (key < first) this.slots.delete(key);
    }
  }

  /** What a chart shows of the time from `from` to `to`. */
  view(from, to, now = to) {
    const first = this.slot(from);
    const past = Math.max(first + 1, this.slot(to) + 1);
    const data = {};
    for (const name of this.names) {
      data[name] = [];
      for (let i = first; i < past; i++) data[name].push(this.slots.get(i)?.[name] ?? null);
    }
    const known = [];
    for (let i = first; i < past; i++) known.push(this.slots.has(i) ? 1 : null);
    return {
      from: first * this.step,
      to: (past - 1) * this.step,
      step: this.step,
      now,
      data,
      gaps: gaps([known], known.length),
      events: this.events.filter((e) => e.at >= first * this.step && e.at <= past * this.step),
    };
  }
}
