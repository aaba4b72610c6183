// What all scripts of the pages do to a page.
import { fmt, shares } from "./math.js";

/** Writes a text only if it is another one, so that nothing is laid out for nothing. */
export const put = (e, text) => e && e.textContent !== text && (e.textContent = text);
/** The same for an attribute. */
export const set = (e, name, v) => e && e.getAttribute(name) !== String(v) && e.setAttribute(name, v);

/** A page from its text. */
export const parse = (text) => new DOMParser().parseFromString(text, "text/html");

let asked = null;
/** The text of this page as the server has it now, or null. Those who ask at once share one request. */
export function thisPage() {
  const read = () => fetch(location.href).then((response) => (response.ok ? response.text() : null)).catch(() => null);
  asked ??= read().finally(() => (asked = null));
  return asked;
}

/** A moment as a clock shows it, in the zone of the page: UTC or the viewer's. */
export function clock(ms, millis = false) {
  const at = new Date(ms);
  if (document.documentElement.dataset.zone !== "local") return at.toISOString().slice(11, millis ? 23 : 19);
  const text = at.toLocaleTimeString("en-GB");
  return millis ? `${text}.${String(at.getMilliseconds()).padStart(3, "0")}` : text;
}

/** A moment with its day, unless that is today. */
export function moment(ms, now) {
  const isLocal = document.documentElement.dataset.zone === "local";
  const day = (at) => (isLocal ? new Date(at).toLocaleDateString("sv-SE") : new Date(at).toISOString().slice(0, 10));
  return day(ms) === day(now) ? clock(ms) : `${day(ms)} ${clock(ms)}`;
}

/** The bar of a product: sold solid, held hatched, left outlined. */
export function drawBar(svg, p) {
  if (!svg) return;
  const [sold, held] = shares(p);
  set(svg.querySelector(".so"), "width", `${sold.toFixed(2)}%`);
  set(svg.querySelector(".he"), "x", `${sold.toFixed(2)}%`);
  set(svg.querySelector(".he"), "width", `${held.toFixed(2)}%`);
  const all = p.soldStock + p.heldStock + p.currentStock;
  const [s, h, l, a] = [p.soldStock, p.heldStock, p.currentStock, all].map(fmt.n);
  set(svg, "aria-label", `sold ${s}, held ${h}, left ${l} of ${a}`);
}
