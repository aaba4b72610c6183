// The live feed: one WebSocket for the page, shared by all modules that import it.
//
// Frames are dispatched as events of their name ("metrics-update", …) whose `detail` is the data. "tick" comes once a
// second with the state; "back" when data comes again after a gap, with its ends; "restart" when the server shows
// another history (a restored store), so that everything must be read anew.
import { at } from "./base.js";

const STALE_MS = 3000; // Data older than this is stale,
const DOWN_MS = 30000; // and older than this is no response.
const SILENT_MS = 10000; // An open connection that is silent for so long is given up.
const WAITS = [1, 2, 4, 8, 10]; // Seconds between tries.

export class Feed extends EventTarget {
  constructor(url, makeSocket = (to) => new WebSocket(to)) {
    super();
    this.url = url;
    this.makeSocket = makeSocket;
    this.socket = null;
    this.lastAt = Date.now(); // when the last frame came, by this clock
    this.lastServerAt = null; // its time, by the server's
    this.skew = 0; // server's clock minus this one
    this.history = null;
    this.tries = 0;
    this.nextAt = 0;
    this.brokeAt = null;
  }

  start() {
    if (this.timer) return;
    this.timer = setInterval(() => this.tick(), 1000);
    this.connect();
    addEventListener("pagehide", () => this.socket?.close());
    addEventListener("pageshow", (e) => e.persisted && this.tryNow());
    addEventListener("online", () => this.tryNow());
  }

  on(event, listener) {
    this.addEventListener(event, (e) => listener(e.detail));
    return this;
  }

  /** Now, by the server's clock. */
  now() {
    return Date.now() + this.skew;
  }

  /** {state: "live" | "stale" | "down", age and nextIn in seconds, tries, brokeAt and lastAt by the server's clock}. */
  status() {
    const old = Date.now() - this.lastAt;
    const open = this.socket?.readyState === 1;
    const state = old < STALE_MS ? "live" : old < DOWN_MS ? "stale" : "down";
    const nextIn = open || !this.nextAt ? 0 : Math.max(0, Math.ceil((this.nextAt - Date.now()) / 1000));
    return { state, age: old / 1000, nextIn, tries: this.tries, brokeAt: this.brokeAt, lastAt: this.lastServerAt };
  }

  tryNow() {
    if (this.socket && this.socket.readyState <= 1) return;
    clearTimeout(this.retry);
    this.connect();
  }

  connect() {
    this.nextAt = 0;
    const socket = (this.socket = this.makeSocket(this.url));
    socket.onmessage = (e) => this.take(e.data);
    socket.onclose = () => socket === this.socket && this.closed();
  }

  closed() {
    this.brokeAt ??= this.now();
    const wait = WAITS[Math.min(this.tries, WAITS.length - 1)] * 1000;
    this.tries += 1;
    this.nextAt = Date.now() + wait;
    this.retry = setTimeout(() => this.connect(), wait);
    if (this.tries % 5 === 2) this.checkLogin();
  }

  // A login that ended looks like a server that is away; the login page says which it is.
  async checkLogin() {
    const response = await fetch(at("/api/v1/monitoring/alerts")).catch(() => null);
    if (response?.status === 401) location.reload();
  }

  take(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    const before = { state: this.status().state, at: this.lastServerAt };
    if (frame.time) {
      this.skew = frame.time - Date.now();
      this.lastServerAt = frame.time;
    }
    this.lastAt = Date.now();
    const anew = this.history !== null && frame.history !== undefined && frame.history !== this.history;
    if (frame.history !== undefined) this.history = frame.history;
    const broke = this.brokeAt;
    this.tries = 0;
    this.brokeAt = null;
    if (anew) this.tell("restart", {});
    else if (before.at && (broke || before.state !== "live")) this.tell("back", { from: before.at, to: this.now() });
    this.tell(frame.event, frame.data);
    if (before.state !== "live" || broke) this.tell("tick", this.status());
  }

  tick() {
    const silent = Date.now() - this.lastAt;
    if (silent > SILENT_MS && this.socket?.readyState === 1) {
      const dead = this.socket;
      this.socket = null; // Closing may take long; its end is not waited for.
      dead.onclose = dead.onmessage = null;
      dead.close();
      this.closed();
    }
    this.tell("tick", this.status());
  }

  tell(event, detail) {
    this.dispatchEvent(new CustomEvent(event, { detail }));
  }
}

const here = globalThis.location;
/** The feed of this page. */
export const feed = here ? new Feed(`${here.protocol === "https:" ? "wss" : "ws"}://${here.host}${at("/monitoring")}`) : null;
feed?.start();
