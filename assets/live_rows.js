// The lists of the Live page: stock, refused, latest orders, alerts, readiness. Rows stay where they are while the
// pointer or the focus is on them.

import { TONES, icon, sentence } from "./alerts.js";
import { at } from "./base.js";
import { clock, drawBar, put, set } from "./dom.js";
import { fmt, group, pace, sample, show, untilSoldOut } from "./math.js";

/** Writes a number into a `<data>`: the API's number as its value, the text as people read it. */
export function number(e, v, kind = e?.dataset.f ?? "n") {
  if (!e) return;
  set(e, "value", v ?? "");
  const text = show(kind, v === null || v === undefined ? null : Number(v));
  if (e.textContent === text) return;
  e.textContent = text;
  keepSlot(e);
}

/** In a figure, a number keeps the widest slot it has needed, so that what follows it does not move. */
export function keepSlot(e) {
  if (!e.closest(".fig .v")) return;
  const width = Math.ceil(e.scrollWidth);
  if (width <= (slots.get(e) ?? 0)) return;
  slots.set(e, width);
  e.style.minWidth = `${width}px`;
}
let slots = new WeakMap();
addEventListener("resize", () => {
  slots = new WeakMap();
  for (const e of document.querySelectorAll(".fig .v data")) e.style.minWidth = "";
});

const busy = (e) => e.matches(":hover") || e.contains(document.activeElement);

function node(name, className, ...children) {
  const e = document.createElement(name);
  if (className) e.className = className;
  e.append(...children);
  return e;
}

/** The stock table. Its rows are those of the page, in their order, until it is loaded again. */
export class Stock {
  /** Where there is little room, `hasTimes` is false: it is left out when a product was sold out. */
  constructor(table, hasTimes = true) {
    this.hasTimes = hasTimes;
    this.products = new Map(); // by id: {name, currentStock, heldStock, soldStock}
    this.samples = new Map();
    this.rows = new Map();
    for (const row of table?.querySelectorAll("[data-id]") ?? []) {
      const units = (name) => Number(row.querySelector(`[data-v=${name}]`).value);
      const [currentStock, heldStock, soldStock] = ["left", "held", "sold"].map(units);
      this.rows.set(row.dataset.id, row);
      this.products.set(row.dataset.id, { name: row.dataset.name, currentStock, heldStock, soldStock });
    }
  }

  /** Once a second: the units left of all products, at a time of the server. */
  sample(at, levels) {
    for (const [id, left] of Object.entries(levels)) {
      if (!this.rows.has(id)) continue;
      const known = this.samples.get(id) ?? [];
      known.push({ at, left });
      while (known.length > 8) known.shift();
      this.samples.set(id, known);
    }
  }

  /** Forgets the pace: data was missing. */
  forget() {
    this.samples.clear();
  }

  take(products) {
    for (const p of products) {
      const known = this.products.get(String(p.id));
      const isGone = p.currentStock === 0;
      const soldOutAt = isGone ? (known?.soldOutAt ?? (known?.currentStock > 0 ? this.now : undefined)) : undefined;
      this.products.set(String(p.id), { ...known, ...p, soldOutAt });
    }
  }

  /** Learns from the history when products were sold out. */
  learn(events) {
    for (const e of events) {
      const known = e.kind === "sold_out" && this.products.get(String(e.productId));
      if (known && known.currentStock === 0) known.soldOutAt = e.at;
    }
  }

  draw() {
    for (const [id, row] of this.rows) {
      const product = this.products.get(id);
      if (product) this.drawRow(row, product, pace(this.samples.get(id) ?? []));
    }
  }

  drawRow(row, p, perSecond) {
    const cell = (name) => row.querySelector(`[data-v="${name}"]`);
    number(cell("left"), p.currentStock);
    number(cell("held"), p.heldStock);
    number(cell("sold"), p.soldStock);
    if (perSecond !== null) number(cell("pace"), +perSecond.toFixed(1));
    drawBar(row.querySelector("svg.bar"), p);
    const eta = cell("eta");
    const words = untilSoldOut(p.currentStock, perSecond);
    if (!eta || row.dataset.state !== "open") return;
    const at = p.soldOutAt && this.hasTimes ? `${words} ${clock(p.soldOutAt)}` : words;
    if (p.currentStock > 0 || p.soldOutAt || !eta.textContent.startsWith("sold out")) put(eta, at);
    eta.classList.toggle("gone", p.currentStock === 0);
  }
}

/** Why requests were refused: all reasons, always, in the order of the page. */
export function drawRefused(part, metrics) {
  if (!part) return;
  const rates = metrics.rejectedRates;
  const most = Math.max(1, ...Object.values(rates));
  const others = { rate: 0, sum: 0 };
  for (const row of part.querySelectorAll("[data-code]")) {
    const rate = rates[row.dataset.code] ?? 0;
    const sum = metrics.rejected[row.dataset.code] ?? 0;
    number(row.querySelector("[data-v=rate]"), rate);
    number(row.querySelector("[data-v=sum]"), sum);
    set(row.querySelector(".so"), "width", `${((100 * rate) / most).toFixed(2)}%`);
    if (!row.closest(".others")) continue;
    others.rate += rate;
    others.sum += sum;
  }
  number(part.querySelector("[data-v=othersRate]"), others.rate);
  number(part.querySelector("[data-v=othersSum]"), others.sum);
}

const SHOWN = 13;

/** The latest orders: 13 a second, evenly taken from all that changed in it. */
export class Stream {
  constructor(list, stock) {
    this.list = list;
    this.stock = stock;
    this.fresh = new Map();
    this.shown = [];
      }

  take({ orders }) {
    for (const o of orders) this.fresh.set(o.orderId, o);
    if (this.fresh.size > 2000) this.fresh = new Map([...this.fresh].slice(-1000));
  }

  /** Once a second, with the orders that were accepted in it. */
  draw(accepted = 0) {
    if (!this.list || this.fresh.size === 0 || busy(this.list)) return;
    const fresh = [...this.fresh.values()].sort((a, b) => b.orderId - a.orderId);
    this.fresh.clear();
    const taken = sample(fresh, SHOWN);
    const ids = new Set(taken.map((o) => o.orderId));
    this.shown = [...taken, ...this.shown.filter((o) => !ids.has(o.orderId))].slice(0, SHOWN);
    while (this.list.children.length < this.shown.length) this.list.append(newOrderRow());
    this.shown.forEach((o, i) => this.drawRow(this.list.children[i], o));
    put(document.querySelector("[data-v=streamed]"), `${taken.length} of ${fmt.n(Math.max(accepted, taken.length))}`);
  }

  drawRow(row, o) {
    const [id, user, product, quantity, status] = row.children;
    set(id, "href", at(`/orders/${o.orderId}`));
    put(id, fmt.n(o.orderId));
    put(user, o.userId);
    put(product, this.stock.products.get(String(o.productId))?.name ?? `product ${o.productId}`);
    put(quantity, `${fmt.n(o.quantity)}×`);
    put(status, o.status);
    status.className = o.status === "failed" ? "bad" : "";
  }
}

function newOrderRow() {
  const user = node("bdi");
  user.dir = "auto";
  return node("li", "", node("a"), user, node("bdi", "mid"), node("span", "num"), node("span"));
}

const SLOTS = 3;

/** The alerts: open ones first, the worst first, then those that ended, in three slots. */
export class AlertList {
  constructor(book, list, count) {
    this.book = book;
    this.list = list;
    this.count = count;
    this.later = () => this.draw(); // one listener, however often it is put off
  }

  draw() {
    const { list, book } = this;
    if (!list) return;
    if (busy(list)) {
      list.addEventListener("pointerleave", this.later, { once: true });
      return;
    }
    const open = book.sorted();
    const rows = [...open.slice(0, SLOTS), ...book.ended].slice(0, SLOTS);
    const more = open.length > SLOTS ? `, the ${SLOTS} worst are shown` : "";
    put(this.count, `${group(open.length)} open${more}`);
    list.replaceChildren(...Array.from({ length: SLOTS }, (_, i) => alertRow(rows[i], i === 0)));
  }
}

function alertRow(a, first) {
  if (!a) return node("li", "dim", node("span"), node("p", "", first ? "No alert." : ""), node("small"));
  const said = node("p", "", node("b", "", sentence(a.message)), a.action && !a.resolved ? ` ${a.action}` : "");
  const when = a.resolved ? `ended ${clock(a.endedAt)}` : clock(Date.parse(a.since));
  return node("li", a.resolved ? "dim" : "", icon(a.severity, TONES[a.severity]), said, node("small", "", when));
}

const STATUS = { ready: ["check", "dim", "Ready"], look: ["warning", "warn", "Look"], not_ready: ["critical", "bad", "Not ready"] };

/** The readiness list: read again every five seconds. */
export function drawReadiness(body, seen) {
  const known = new Map([...body.children].map((row) => [row.dataset.name, row]));
  const rows = seen.checks.map((check) => drawCheck(known.get(check.name) ?? newCheckRow(check.name), check));
  const same = rows.length === body.children.length && rows.every((row, i) => row === body.children[i]);
  if (!same && !busy(body)) body.replaceChildren(...rows);
  const ready = seen.checks.length - seen.blocking - seen.looking;
  put(document.querySelector("[data-v=blocks]"), blocks(seen.blocking));
  const looking = document.querySelector("[data-v=looking]");
  if (looking) looking.hidden = seen.looking === 0;
  put(document.querySelector("[data-v=lookingText]"), `${seen.looking} to look at,`);
  put(document.querySelector("[data-v=readyText]"), `${ready} ready`);
}

const blocks = (n) => (n === 0 ? "Nothing blocks." : n === 1 ? "1 thing blocks." : `${n} things block.`);

function newCheckRow(name) {
  const title = node("th", "nw");
  title.scope = "row";
  const row = node("tr", "", node("td", "st"), title, node("td", "mid"), node("td", "num"));
  row.dataset.name = name;
  return row;
}

function drawCheck(row, check) {
  const [status, title, evidence, link] = row.children;
  const [shape, tone, word] = STATUS[check.status];
  if (status.textContent.trim() !== word) {
    status.replaceChildren(icon(shape, tone), node("span", tone === "dim" ? "" : tone, word));
  }
  put(title, check.title);
  // A short action is the words of the link, a longer one follows what was found.
  const short = check.link && check.action && check.action.length <= 24;
  const words = short ? check.action.replace(/\.$/, "") : "Open";
  put(evidence, check.action && !short ? `${check.evidence} ${check.action}` : check.evidence);
  if (link.textContent.trim() !== (check.link ? words : "")) {
    const a = node("a", "", words);
    a.href = check.link;
    a.setAttribute("aria-label", `${words}: ${check.title}`);
    link.replaceChildren(...(check.link ? [a] : []));
  }
  return row;
}
