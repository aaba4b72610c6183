// The mirrors on the Live page: whether their targets are there, how far they are behind, and what they do. The server
// draws the same rows (src/dashboard/live/mirrors.rs).

import { NNBSP, fmt, group } from "./math.js";

const counted = (n, one, many) => `${group(n)} ${n === 1 ? one : many}`;

/** Icon and tone: what is normal has no colour. */
export function signOf(m) {
  if (!m.connected) return ["warning", "warn"];
  return [m.rebuilding ? "info" : "check", "dim"];
}

/** What a mirror does, and what its absence means for orders: nothing. `moment` writes a time. */
export function stateOf(m, moment) {
  if (m.connected) return m.rebuilding ? "Connected; everything is copied." : "Connected.";
  return `Away since ${moment(Date.parse(m.awaySince))}. Orders are not affected; ${waiting(m)}.`;
}

function waiting({ position, lagEvents }) {
  if (position === null) return "what it lacks is copied once it is there";
  if (lagEvents === 0) return "nothing waits";
  return lagEvents === 1 ? "1 record waits" : `${group(lagEvents)} records wait`;
}

/** What the target counts itself. */
export function ownOf(m) {
  if (!m.connected) return "";
  if (m.connections !== null) return `${counted(m.connections, "connection", "connections")}.`;
  const reads = (m.hits ?? 0) + (m.misses ?? 0);
  if (reads === 0) return "";
  return `${fmt.pct((100 * m.hits) / reads)}${NNBSP}% of ${counted(reads, "read", "reads")} found their key.`;
}

/** What the target rejected; what lists that follows. */
export function asideOf(name, n) {
  if (n === 0) return "";
  return name === "events" ? `${counted(n, "event", "events")} rejected, kept in` : `${counted(n, "row", "rows")} rejected, listed by`;
}

/** Why it is away, without its name, which is above. */
export function reasonOf(m, name) {
  if (m.connected || !m.lastError) return "";
  return m.lastError.startsWith(`${name}: `) ? m.lastError.slice(name.length + 2) : m.lastError;
}

/**
 * Draws the rows of `table` with what the metrics say. `tools` writes to a page: `number`, `put`, `set` and `icon` as
 * the other lists use them, and `moment`.
 */
export function drawMirrors(table, mirrors, { number, put, set, icon, moment }) {
  for (const part of table?.tBodies ?? []) {
    const name = part.dataset.mirror;
    const m = mirrors[name];
    if (!m) continue;
    const cell = (v) => part.querySelector(`[data-v="${v}"]`);
    number(cell("behind"), m.position === null ? null : m.lagEvents);
    number(cell("seconds"), m.lagSeconds);
    number(cell("rate"), m.changesPerSecond);
    const [shape, tone] = signOf(m);
    const sign = part.querySelector("svg");
    if (sign.querySelector("use").getAttribute("href") !== `#i-${shape}`) sign.replaceWith(icon(shape, tone));
    put(cell("state"), stateOf(m, moment));
    put(cell("own"), ownOf(m));
    const aside = asideOf(name, m.putAside);
    put(cell("aside"), aside);
    cell("rejected").hidden = aside === "";
    const error = reasonOf(m, part.dataset.name);
    put(cell("error"), error);
    set(cell("error"), "title", error);
  }
}
