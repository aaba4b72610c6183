// The frame of every page: the clock, counters, acts in place, questions as dialogs, keys, times in the viewer's zone.
// Pages work without it.
import { at } from "./base.js";
import { clock, parse, put } from "./dom.js";
import { countdown, stopwatch, two } from "./math.js";

const root = document.documentElement;
let offset = Number(root.dataset.now) - Date.now();

/** The server's time in milliseconds, as far as is known. */
export const serverNow = () => Date.now() + offset;

/** Takes the server's time from something that has just come from it. */
export function setServerTime(ms) {
  offset = ms - Date.now();
}

/** One region for each who speaks, so that nobody's sentence is written over by another before it is read out. */
const speak = (region) => (text) => put(document.getElementById(region), text);

/** Says to screen readers what an act did, politely. */
const say = speak("said");

/** Says to screen readers how the sale and the feed are, politely. */
export const sayState = speak("state-said");

/** Says a sentence to screen readers at once. */
export const alarm = speak("alarm");

/** Rewrites times that are in UTC into the viewer's zone, with UTC on hover. */
export function localTimes(within = document) {
  if (root.dataset.zone !== "local") return;
  for (const time of within.querySelectorAll("time[datetime]:not([data-local]):not(#clock)")) {
    const at = Date.parse(time.dateTime);
    if (Number.isNaN(at)) continue;
    const utc = time.textContent.trim();
    const day = /^\d{4}-\d\d-\d\d /.test(utc);
    const local = new Date(at);
    const date = `${local.getFullYear()}-${two(local.getMonth() + 1)}-${two(local.getDate())} `;
    time.title = `${time.dateTime.replace("T", " ").replace("Z", "")} UTC`;
    time.textContent = (day ? date : "") + clock(at, /\.\d{3}$/.test(utc));
    time.dataset.local = "";
  }
}

/** The time since a moment or, of the second that has begun, until it; one that is awaited is not passed. */
function counted(at, now, isAwaited) {
  if (at <= now && !isAwaited) return stopwatch(now - at);
  const left = countdown(Math.max(0, at - now + (now % 1000)));
  return isAwaited ? left : `−${left}`;
}

function tick() {
  const now = serverNow();
  const time = document.getElementById("clock");
  if (time) {
    time.textContent = clock(now);
    time.dateTime = new Date(now).toISOString();
  }
  for (const element of document.querySelectorAll("[data-counts]")) {
    put(element, counted(Number(element.dataset.counts), now, "awaited" in element.dataset));
  }
  setTimeout(tick, 1000 - (now % 1000) + 5);
}

/** Puts what another page has in these places into this one. What is the same stays, so that no press of it is lost. */
function replaceChanged(selector, page) {
  const fresh = [...page.querySelectorAll(selector)];
  for (const [at, old] of [...document.querySelectorAll(selector)].entries()) {
    if (!fresh[at] || old.isEqualNode(fresh[at])) continue;
    const hadFocus = old.contains(document.activeElement);
    old.replaceWith(document.adoptNode(fresh[at]));
    if (hadFocus) (fresh[at].querySelector("button") ?? fresh[at]).focus();
  }
}

/** Takes the phase and the two acts from another page of this server; after an act, what was done too. */
export function replaceStrip(page, isAct) {
  const places = ["#strip .phase", "#emergency > *", ".ph-act > *", ...(isAct ? ["#slot"] : [])];
  for (const place of places) replaceChanged(place, page);
  document.dispatchEvent(new CustomEvent("flashsale:strip", { detail: { isAct } }));
}

/** Shows a question or a panel of another page as a dialog. */
function ask(page, opener) {
  const section = page.querySelector("[data-ask]");
  if (!section) return false;
  // One that was just closed is removed by its event, which comes later: there is one at a time.
  for (const closed of document.querySelectorAll("dialog:not([open])")) closed.remove();
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.setAttribute("aria-labelledby", "ask-title");
  dialog.append(document.adoptNode(section));
  document.body.append(dialog);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (opener?.isConnected) opener.focus();
  });
  dialog.querySelector("[data-keep]")?.addEventListener("click", (event) => {
    event.preventDefault();
    dialog.close();
  });
  dialog.showModal();
  dialog.querySelector("[data-keep]")?.focus();
  return true;
}

/** The page inside the frame, with what is beside it. */
const whole = (page) => page.querySelector(".split") ?? page.getElementById("main");

/** Goes to another page; what is not saved on this one is dealt with. */
function leave(url) {
  document.dispatchEvent(new CustomEvent("flashsale:leave"));
  location.assign(url);
}

async function act(form, button) {
  const fields = new URLSearchParams(new FormData(form, button));
  if (button) button.disabled = true;
  const mainBefore = form.closest("#strip, .ph-act") ? null : whole(document);
  try {
    const response = await fetch(form.action, { method: "POST", body: fields, credentials: "same-origin" });
    const page = parse(await response.text());
    form.closest("dialog")?.close();
    if (new URL(response.url).pathname === at("/login")) return loggedOut();
    if (response.ok && page.querySelector("[data-ask]")) return ask(page, button);
    if (!response.ok) {
      const text = page.querySelector("#main .note")?.textContent.trim() ?? `The server responded with ${response.status}.`;
      return failed(text);
    }
    const main = whole(page);
    if (mainBefore && main && new URL(response.url).pathname === location.pathname) {
      mainBefore.replaceWith(document.adoptNode(main));
      localTimes(main);
      document.dispatchEvent(new CustomEvent("flashsale:page"));
    } else if (mainBefore) {
      return leave(response.url);
    }
    replaceStrip(page, true);
    say(page.getElementById("said")?.textContent ?? "");
  } catch {
    failed("No response. It is not known whether that was done; look again when the server is back.");
  } finally {
    if (button?.isConnected) button.disabled = false;
  }
}

/** Puts a sentence about an act that failed into the slot. */
export function failed(text) {
  const slot = document.getElementById("slot");
  if (slot) {
    slot.dataset.sev = "critical";
    slot.dataset.notice = "";
    slot.querySelector("svg")?.setAttribute("class", "gl");
    slot.querySelector("use")?.setAttribute("href", "#i-cross");
    slot.querySelector("p").textContent = text;
    document.dispatchEvent(new CustomEvent("flashsale:notice"));
  }
  say(text);
}

/** Says that an act was not done as the login has ended. The page stays, with what is typed into it. */
function loggedOut() {
  failed("You are logged out, so nothing was done.");
  const link = document.createElement("a");
  // The server asks for the login and leads back here.
  [link.href, link.textContent] = [location.href.split("#")[0], "Log in with the token to act"];
  document.querySelector("#slot p")?.append(" ", link, ".");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.matches("form[data-act]") || event.defaultPrevented) return;
  event.preventDefault();
  act(form, event.submitter);
});

document.addEventListener("click", async (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[data-dialog]") : null;
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  try {
    const response = await fetch(link.href, { credentials: "same-origin" });
    link.closest("dialog")?.close();
    if (!ask(parse(await response.text()), link)) location.assign(link.href);
  } catch {
    location.assign(link.href);
  }
});

const PAGES = { l: "/", p: "/products", o: "/orders", q: "/queue", b: "/benchmark" };
let lead = 0;
document.addEventListener("keydown", (event) => {
  if (root.dataset.keys === "off" || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const target = event.target;
  if (target instanceof Element && (target.closest("input, select, textarea, dialog") || target.isContentEditable)) return;
  const now = performance.now();
  if (now - lead < 1500 && Object.hasOwn(PAGES, event.key)) {
    lead = 0;
    event.preventDefault();
    return location.assign(at(PAGES[event.key]));
  }
  lead = event.key === "g" ? now : 0;
  if (event.key === "/") {
    const search = document.querySelector("main input[type=search], main [role=search] input");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  } else if (event.key === "?") {
    event.preventDefault();
    fetch(at("/help")).then((response) => response.text()).then((text) => ask(parse(text), document.activeElement));
  }
});

if (root.dataset.zone === "local") {
  const zone = document.getElementById("zone");
  if (zone) zone.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone.replaceAll("_", " ");
}
localTimes();
tick();
