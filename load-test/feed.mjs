// Clients of the live feed: plain WebSockets and Socket.IO watch while orders flow, and say what they saw.
import { operator } from "./server.mjs";

export * from "./processor.mjs";

/** What a client is shown without asking, even if nobody buys. */
const SHOWN = ["metrics-update", "inventory-update"];

/** The address of the feed, and the token in a header, for Artillery's engine `ws`. */
export function connectFeed(settings, context, done) {
    settings.target = `${context.vars.target.replace(/^http/, "ws")}/monitoring`;
    settings.options.headers = operator();
    done();
}

/** Reads all frames of a plain WebSocket. */
export async function watchSocket(context, events) {
    const seen = begin(context, events);
    context.ws.on("message", (data) => {
        const { event, data: payload, sequence, history } = JSON.parse(data);
        see(seen, event, payload, { sequence, history });
    });
}

/** Reads all events of a Socket.IO client in the namespace that it has used. */
export async function watchEvents(context, events) {
    const seen = begin(context, events);
    // By name: the engine puts a wildcard of its own in place of the client's.
    for (const event of [...SHOWN, "order-update", "system-alert", "error"]) {
        context.sockets["/monitoring"].on(event, (payload, position) => see(seen, event, payload, position));
    }
}

/** Whether the client was shown everything, in order; fails it otherwise. */
export async function sawEverything(context) {
    const { frames, wrong, events } = context.seen;
    for (const name of SHOWN) if (!frames[name]) wrong.push(`no ${name}`);
    events.emit("counter", "flashsale.feed_frames", Object.values(frames).reduce((sum, count) => sum + count, 0));
    events.emit("counter", "flashsale.feed_orders", frames["order-update"] ?? 0);
    events.emit("counter", wrong.length > 0 ? "flashsale.feed_broken" : "flashsale.feed_held", 1);
    if (wrong.length === 0) return;
    // The engines keep errors to themselves.
    console.error(`a client of the feed: ${wrong[0]}`);
    throw new Error(wrong[0]);
}

function begin(context, events) {
    events.emit("counter", "flashsale.feed_broken", 0);
    context.seen = { frames: {}, wrong: [], events, history: undefined, sequence: 0 };
    return context.seen;
}

function see(seen, event, payload, position) {
    seen.frames[event] = (seen.frames[event] ?? 0) + 1;
    if (event === "error") seen.wrong.push(payload?.message ?? "an error");
    if (typeof payload !== "object" || payload === null) seen.wrong.push(`${event} without data`);
    if (!position?.history) return;
    if (position.history === seen.history && position.sequence < seen.sequence) seen.wrong.push(`${event} goes back`);
    Object.assign(seen, { history: position.history, sequence: position.sequence });
}
