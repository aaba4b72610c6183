// The alerts of the moment, and icons. For the strip of all pages, the Live page and the wall.
import { at } from "./base.js";

const RANK = { critical: 0, warning: 1, info: 2 };
const KEPT = 3; // ended alerts

/** A message with a full stop, as another sentence follows it. */
export const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

const key = (a) => `${a.code} ${a.productId ?? ""}`;

/** The alerts that are raised, and the last ones that ended. */
export class AlertBook extends EventTarget {
  constructor() {
    super();
    this.open = new Map();
    this.ended = [];
  }

  /** Reads them all. */
  async load() {
    const response = await fetch(at("/api/v1/monitoring/alerts")).catch(() => null);
    if (!response?.ok) return;
    const { alerts } = await response.json();
    this.open = new Map(alerts.map((a) => [key(a), a]));
    this.dispatchEvent(new Event("change"));
  }

  /** Takes one that started or ended. */
  take(alert) {
    this.ended = this.ended.filter((a) => key(a) !== key(alert));
    if (alert.resolved) {
      this.open.delete(key(alert));
      this.ended = [{ ...alert, endedAt: Date.now() }, ...this.ended].slice(0, KEPT);
    } else {
      this.open.set(key(alert), alert);
    }
    this.dispatchEvent(new Event("change"));
  }

  /** The worst first, then the latest. */
  sorted() {
    return [...this.open.values()].sort(
      (a, b) => RANK[a.severity] - RANK[b.severity] || Date.parse(b.since) - Date.parse(a.since),
    );
  }

  /** Such as `1 critical, 2 notes`. */
  counts() {
    const all = [...this.open.values()];
    const of = (severity) => all.filter((a) => a.severity === severity).length;
    const [critical, warnings, notes] = ["critical", "warning", "info"].map(of);
    const parts = [
      critical && `${critical} critical`,
      warnings && (warnings === 1 ? "1 warning" : `${warnings} warnings`),
      notes && (notes === 1 ? "1 note" : `${notes} notes`),
    ];
    return parts.filter(Boolean).join(", ");
  }
}

export const TONES = { critical: "bad", warning: "warn", info: "dim" };

const SVG = "http://www.w3.org/2000/svg";
/** An icon of the page's set: its shape says what its colour says. */
export function icon(name, tone = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `gl ${tone}`.trim());
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}
