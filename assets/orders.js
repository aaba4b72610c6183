// The page Orders: counts the orders that came after the list, as far as the frames of the feed show it. The list stays
// as it is until it is asked for again.
import { put } from "./dom.js";
import { feed } from "./feed.js";
import { fmt } from "./math.js";

const MOST = 10_000; // orders that are counted one by one
const LISTED = 100; // orders that a frame lists at most

/** Counts what the list of a link lacks. */
export class Newer {
  /** @param filter the link's `data-*`: `than` is the newest order of the list, the others are those of the search. */
  constructor({ than, user, product, status, from, to }) {
    this.than = Number(than);
    this.filter = { user, product, status, from: Number(from || 0), to: Number(to || Infinity) };
    this.found = new Set();
    this.newest = this.than;
    this.isMore = false; // whether some may have gone unseen
  }

  /** Without a filter, the numbers of orders say how many there are: they have no gaps. */
  get isByNumber() {
    const { user, product, status, from, to } = this.filter;
    return this.than > 0 && !user && !product && !status && from === 0 && to === Infinity;
  }

  take({ orders, changed }) {
    for (const order of orders) {
      if (order.orderId <= this.than) continue;
      this.newest = Math.max(this.newest, order.orderId);
      if (this.fits(order)) this.found.add(order.orderId);
      else this.found.delete(order.orderId);
    }
    // A shorter frame lists every order that changed, each once.
    if (orders.length >= LISTED && changed > orders.length) this.isMore = true;
    if (this.found.size > MOST) {
      this.isMore = true;
      this.found = new Set([...this.found].slice(-MOST));
    }
  }

  fits(order) {
    const { user, product, status, from, to } = this.filter;
    return (
      (!user || order.userId === user) &&
      (!product || String(order.productId) === product) &&
      (!status || order.status === status) &&
      order.updatedAt >= from &&
      order.updatedAt <= to
    );
  }

  /** Such as "14 newer, show"; empty if there are none. */
  words() {
    const count = this.isByNumber ? this.newest - this.than : this.found.size;
    if (count === 0) return "";
    return `${fmt.n(count)}${this.isMore && !this.isByNumber ? " or more" : ""} newer, show`;
  }
}

let newer = null;
let link = null;

function setUp() {
  link = document.getElementById("newer");
  newer = link && new Newer(link.dataset);
}

function draw() {
  const words = newer?.words();
  if (!words) return;
  put(link, words);
  link.hidden = false;
}

if (feed) {
  setUp();
  document.addEventListener("flashsale:page", setUp);
  feed
    .on("order-update", (frame) => {
      newer?.take(frame);
      draw();
    })
    .on("back", () => newer && (newer.isMore = true))
    .on("restart", () => link && (put(link, "Restored, show"), (link.hidden = false), (newer = null)));
}
