// The top and the strip of every page, kept up to date by the feed: age of the data, phase, worst alert, the two acts.

import { AlertBook, icon, sentence } from "./alerts.js";
import { at } from "./base.js";
import { clock, parse, put, thisPage } from "./dom.js";
import { feed } from "./feed.js";
import { alarm, replaceStrip, sayState, setServerTime } from "./frame.js";
import { NNBSP, age, group, stopwatch } from "./math.js";

/** The alerts of this page. */
export const alerts = new AlertBook();

const NOTICE_MS = 60_000; // What was done is said for so long; then the worst alert is.
const $ = (selector) => document.querySelector(selector);
const seconds = (s) => `${group(Math.floor(s))}${NNBSP}s`;

let status = feed.status();
let held = false;
let shown = null; // what the slot shows, so that it is written only when it changes
let noticeSince = Date.now();
let before = null; // the phase as it was when the server last responded
let sale = null;

const STATES = {
  live: ["dot", "Live"], stale: ["half", "Stale"], down: ["cross", "No response"], held: ["pause", "Held"],
};

function drawFeed() {
  const e = $("#feed");
  if (!e) return;
  const state = held && status.state === "live" ? "held" : status.state;
  const [name, word] = STATES[state];
  if (e.dataset.state !== state) {
    e.dataset.state = state;
    const old = document.createElement("data");
    const text = document.createElement("span");
    text.append(`${word} `, old);
    e.replaceChildren(icon(name), text);
    if (state !== "held" && sale) sayState(state === "live" ? "The feed is live." : `${word}: the data is old.`);
  }
  const data = e.querySelector("data");
  data.value = Math.round(status.age * 1000);
  put(data, age(status.age));
}

/** [severity, icon, bold words, more words, link, what stands at the right], or null for what the server said. */
function message() {
  const { state, brokeAt, lastAt, tries, nextIn } = status;
  const old = seconds(status.age);
  const next = nextIn > 0 ? `next try in ${nextIn}${NNBSP}s` : "trying now";
  const last = clock(lastAt ?? feed.now() - status.age * 1000);
  if (state === "down") {
    const more = `Every order it acknowledged is on disk. Tried ${tries} times, ${next}.`;
    return ["critical", "critical", `The server has not responded for ${old}.`, more, null, ""];
  }
  if (state === "stale") {
    const broke = brokeAt ? `The feed broke at ${clock(brokeAt)}; ${next}.` : "The feed is silent.";
    const more = `${broke} Numbers in grey are those of ${last}. Both buttons still reach the server.`;
    return ["warning", "warning", `Data is ${old} old.`, more, null, tries > 0 ? `try ${tries}` : ""];
  }
  const worst = alerts.sorted().find((a) => a.severity !== "info");
  if (!worst) return ["", "check", "", "No alert.", null, alerts.counts()];
  return [worst.severity, worst.severity, sentence(worst.message), worst.action ?? "", linkOf(worst), alerts.counts()];
}

/** Where an alert can be mended. */
function linkOf(alert) {
  if (/queue|job|dead|fulfil|error/.test(alert.code)) return [at("/queue"), "See the queue"];
  if (/stock|sold|sale/.test(alert.code)) return [at("/products"), "See the products"];
  return location.pathname === at("/") ? null : [at("/"), "See Live"];
}

function drawSlot() {
  const slot = $("#slot");
  if (!slot) return;
  const isNotice = "notice" in slot.dataset;
  if (isNotice && status.state !== "down" && Date.now() - noticeSince < NOTICE_MS) return;
  const parts = message();
  const key = JSON.stringify(parts);
  if (key === shown && slot.dataset.drawn) return;
  shown = key;
  const [severity, name, bold, more, link, right] = parts;
  delete slot.dataset.notice;
  slot.dataset.drawn = "yes";
  slot.dataset.sev = severity;
  slot.setAttribute("aria-label", "Worst alert");
  const p = document.createElement("p");
  const b = document.createElement("b");
  b.textContent = bold;
  p.append(...(bold ? [b, " "] : []));
  // Before the advice, as that may be cut where there is little room.
  if (link) {
    const a = document.createElement("a");
    [a.href, a.textContent] = link;
    p.append(a, ". ");
  }
  p.append(more);
  const side = document.createElement("span");
  side.className = "more sm";
  side.textContent = right;
  // The focus stays where it is: a link that goes on saying the same is not replaced.
  if (!slot.contains(document.activeElement)) slot.replaceChildren(icon(name, severity ? "" : "dim"), p, side);
}

function drawPhase() {
  const phase = $("#strip .phase");
  if (!phase) return;
  const down = status.state === "down";
  if (down && !before) {
    const seen = phase.querySelector("p > span")?.textContent ?? "";
    before = [...phase.childNodes];
    const p = document.createElement("p");
    p.append("Not known");
    const small = document.createElement("small");
    small.textContent = `last seen: ${seen.toLowerCase()}, at ${clock(status.lastAt ?? feed.now() - status.age * 1000)}`;
    phase.replaceChildren(p, small);
  } else if (!down && before) {
    phase.replaceChildren(...before);
    before = null;
    refresh();
  }
  for (const button of document.querySelectorAll("#emergency button, .ph-act button")) {
    if (down) {
      if (!button.disabled) button.dataset.off = "";
      button.disabled = true;
    } else if ("off" in button.dataset) {
      delete button.dataset.off;
      button.disabled = false;
    }
  }
}

let acts = 0; // how many acts this page has seen done
let refreshing = false;
/** Takes the strip anew from the server: its phase, its buttons. An act done meanwhile has brought newer ones. */
async function refresh() {
  if (refreshing) return;
  refreshing = true;
  const actsBefore = acts;
  const text = await thisPage();
  refreshing = false;
  if (text && acts === actsBefore) replaceStrip(parse(text), false);
}

function draw() {
  drawFeed();
  drawPhase();
  drawSlot();
}

feed
  .on("tick", (s) => {
    status = s;
    draw();
  })
  .on("metrics-update", (m) => {
    setServerTime(feed.now());
    const paused = Boolean($('#emergency form[action$="/acts/resume"]'));
    const is = `${m.sale.phase} ${m.sale.startsAt} ${m.sale.endsAt}`;
    if ((sale !== null && sale !== is) || paused !== m.paused) refresh();
    sale = is;
    const ends = Date.parse(m.sale.endsAt ?? "");
    const note = $("#strip .phase small");
    if (note && m.sale.phase === "running" && ends > feed.now()) {
      put(note, note.textContent.replace(/, in .*$/, `, in ${stopwatch(ends - feed.now())}`));
    }
  })
  .on("system-alert", (alert) => {
    alerts.take(alert);
    if (alert.severity !== "critical") return;
    alarm(alert.resolved ? `Over: ${alert.message}` : `${sentence(alert.message)} ${alert.action ?? ""}`);
  })
  .on("back", () => alerts.load())
  .on("restart", () => {
    alerts.load();
    refresh();
  });
alerts.addEventListener("change", drawSlot);
addEventListener("held", (e) => {
  held = e.detail !== null;
  drawFeed();
});
/** What was done, or not, is said from now on. */
function noticed() {
  noticeSince = Date.now();
  shown = null;
}
document.addEventListener("flashsale:notice", noticed);
document.addEventListener("flashsale:strip", ({ detail }) => {
  if (detail.isAct) {
    acts += 1;
    noticed();
  }
  before = null;
  draw();
});
alerts.load();
