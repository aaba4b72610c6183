// What all of the load tests share: finding the products, checking each order before it is sent, noting the
// responses, and the audit in the end.
//
// Artillery runs the hooks `before` and `after` in its main thread and everything else in worker threads. Notes of
// the responses go from there into a file named after the run, each line written before the buyer does anything else.
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { judge } from "./audit.mjs";
import { all, get, operator, storefront } from "./server.mjs";

/** Rejections that the rules of a sale ask for. */
const RULES = ["sold_out", "purchase_limit_exceeded"];
/** Counters that each run has, as a threshold on one that is missing fails. */
const COUNTERS = ["admitted", ...RULES, "rate_limited", "overloaded", "server_errors", "unexpected"];
/** How long the last orders may take to come to rest, beyond the longest hold. */
const REST_SECONDS = 20;

const notesFile = (testId) => join(tmpdir(), `flashsale-${testId}.jsonl`);

// Main thread: what the hook before the run leaves for the one after it.
const run = { counters: {}, products: [] };

/** Finds the products of the scenario; ends the run with a sentence if it cannot be one. */
export async function findProducts(context) {
    const { target, scenario } = context.vars;
    try {
        run.products = (await get(target, "/inventory"))
            .filter((product) => product.sku?.startsWith(`scenario-${scenario}-`))
            .sort((a, b) => a.id - b.id);
        const advice = `prepare it with \`flashsale scenario ${scenario} --server ${target}\``;
        if (run.products.length === 0) {
            throw new Error(`the server at ${target} has no products of the scenario; ${advice}`);
        }
        for (const { id } of run.products) {
            if ((await get(target, `/orders?limit=1&productId=${id}`)).length > 0) {
                throw new Error(`product ${id} has orders of an earlier run; ${advice}`);
            }
        }
    } catch (error) {
        console.error(`error: ${error.message}`);
        process.exit(1);
    }
    context.vars.products = run.products.map(({ id, perUserLimit }) => ({ id, perUserLimit }));
    // Emitted before the hook after the run.
    global.artillery.globalEvents.on("done", (report) => Object.assign(run.counters, report.counters));
}

let begun = false;

/** A buyer comes: who it is, and what it wants. */
export async function arrive(context, events) {
    if (!begun) for (const name of COUNTERS) events.emit("counter", `flashsale.${name}`, 0);
    begun = true;
    const { vars } = context;
    const product = vars.products[Math.floor(Math.random() * vars.products.length)];
    const most = Math.min(vars.mostUnits ?? 1, product.perUserLimit ?? Infinity);
    vars.userId = `buyer-${context._uid}`;
    vars.productId = product.id;
    vars.quantity = 1 + Math.floor(Math.random() * most);
    await wantMore(context);
}

/** The buyer wants another order: a key of its own, and nothing known of it. */
export async function wantMore(context) {
    const { vars } = context;
    vars.orders = (vars.orders ?? 0) + 1;
    Object.assign(vars, { key: `${context._uid}-${vars.orders}`, jobId: undefined, orderId: undefined, held: false });
    Object.assign(vars, { open: false, again: false, pause: 0, tries: 0, looks: 0 });
}

/** Fills the body of an order and checks it: an order without a buyer is not sent, and fails its buyer. */
export async function checkOrder(request, context, events) {
    const body = context.funcs.$template(request.json);
    const { userId, productId, quantity } = body ?? {};
    const isUser = typeof userId === "string" && userId !== "" && !/undefined|{{/.test(userId);
    if (!isUser) throw new Error("an order without userId");
    if (!Number.isInteger(productId)) throw new Error("an order without productId");
    if (!Number.isInteger(quantity) || quantity < 1) throw new Error("an order without quantity");
    if (!request.headers?.["idempotency-key"]) throw new Error("an order without a key");
    request.json = body;
    request.headers = { ...request.headers, ...storefront() };
    events.emit("counter", "flashsale.asked", 1);
}

/** The smallest orders that were rejected as sold out, by product: fewer are written down. */
const leastSoldOut = new Map();

/** Notes the response to an order, and whether the buyer tries again. */
export async function noteOrder(request, response, context, events) {
    const { vars } = context;
    const count = (name) => events.emit("counter", `flashsale.${name}`, 1);
    const note = (line) => appendFileSync(notesFile(vars.$testId), `${JSON.stringify(line)}\n`);
    const { productId, quantity } = request.json;
    const body = parsed(response.body);
    vars.again = false;
    count("responses");
    if (response.statusCode === 201 && Number.isInteger(body?.orderId) && typeof body.jobId === "string") {
        const { orderId, jobId } = body;
        count("admitted");
        if (response.headers["idempotency-replayed"]) count("repeated");
        note({ orderId, jobId, ...request.json, key: request.headers["idempotency-key"] });
        Object.assign(vars, { orderId, jobId, held: body.expiresAt !== null, open: true });
    } else if (response.statusCode === 409 && RULES.includes(body?.code)) {
        count(body.code);
        if (body.code === "sold_out" && quantity < (leastSoldOut.get(productId) ?? Infinity)) {
            leastSoldOut.set(productId, quantity);
            note({ soldOut: quantity, productId });
        }
    } else if (response.statusCode === 429 || response.statusCode === 503) {
        count(response.statusCode === 429 ? "rate_limited" : "overloaded");
        vars.tries += 1;
        vars.again = vars.tries < 5;
        vars.pause = Math.min(Number(response.headers["retry-after"]) || 1, 5);
    } else {
        count(response.statusCode >= 500 ? "server_errors" : "unexpected");
        throw new Error(`unexpected: ${response.statusCode} ${body?.code ?? "without a code"}`);
    }
}

/** Notes what became of the order that the buyer follows. */
export async function noteJob(request, response, context, events) {
    const { vars } = context;
    const { orderId, orderStatus, productId, quantity } = parsed(response.body) ?? {};
    vars.looks += 1;
    vars.open = orderStatus === "pending" && vars.looks < 10;
    if (orderId !== vars.orderId || productId !== vars.productId || quantity !== vars.quantity) {
        events.emit("counter", "flashsale.unexpected", 1);
        throw new Error("unexpected: a job of another order");
    }
}

/** Sends the operator's token: the shop confirms what was paid. */
export async function asOperator(request) {
    request.headers = { ...request.headers, ...operator() };
}

// Conditions of steps (`ifTrue`), and of loops (`whileTrue`).
export const isAdmitted = (vars) => vars.jobId !== undefined;
export const isHeld = (vars) => vars.held;
export const isOpen = (vars) => vars.open;
export function stillOpen(context, next) {
    next(context.vars.open);
}
export function tryAgain(context, next) {
    next(context.vars.again);
}

/** Compares the responses with what the server has, prints the verdict, and fails the run unless it holds. */
export async function audit(context) {
    const { target, scenario, $testId } = context.vars;
    let checks;
    let products = [];
    let goal;
    const counted = {};
    for (const [name, count] of Object.entries(run.counters)) {
        if (name.startsWith("flashsale.")) counted[name.slice("flashsale.".length)] = count;
    }
    counted.no_response = (counted.asked ?? 0) - (counted.responses ?? 0);
    try {
        const rest = await atRest(target);
        products = rest.products;
        goal = rest.verdict.goal;
        checks = judge({ ...rest, notes: notesOf($testId), counted });
    } catch (error) {
        checks = [{ name: "audit", title: "The server can be audited", holds: false, evidence: error.message }];
    }
    const held = checks.every((check) => check.holds);
    console.log(`\nVerdict on ${scenario}: ${held ? "it held" : "IT DID NOT HOLD"}`);
    for (const { title, holds, evidence } of checks) console.log(`  ${holds ? "ok  " : "FAIL"}  ${title}: ${evidence}`);
    const got = [...COUNTERS, "no_response"].filter((name) => counted[name]).map((name) => `${counted[name]} ${name}`);
    console.log(`  got   ${got.join(", ") || "nothing"}`);
    if (goal) console.log(`  p99   ${goal.p99Ms} ms of ${goal.responses} responses, by the server's own histogram`);
    if (counted.rate_limited) console.log("  hint  the server limits an address: set RATE_LIMIT_PER_IP=0");
    if (!held) global.artillery.suggestedExitCode = 1;
    keep({ scenario, held, checks, counted, products });
    if (held) rmSync(notesFile($testId), { force: true });
    else console.log(`  notes ${notesFile($testId)}`);
}

/** What the server has once no order is open any more. */
async function atRest(target) {
    const holds = run.products.map((product) => product.holdSeconds ?? 0);
    const end = Date.now() + (REST_SECONDS + Math.max(0, ...holds)) * 1000;
    for (;;) {
        const products = await Promise.all(run.products.map(({ id }) => get(target, `/inventory/${id}`)));
        if (products.every((product) => product.heldStock === 0) || Date.now() > end) {
            const orders = [];
            for (const { id } of run.products) orders.push(...(await all(target, `/orders?limit=500&productId=${id}`)));
            const [audit, verdict] = [await get(target, "/inventory/audit"), await get(target, "/monitoring/verdict")];
            return { products, orders, audit, verdict };
        }
        await new Promise((resolve) => setTimeout(resolve, 200));
    }
}

function notesOf(testId) {
    if (!existsSync(notesFile(testId))) return [];
    return readFileSync(notesFile(testId), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** Adds the verdict to the results that Artillery has written by now, for the report. */
function keep({ scenario, held, checks, counted, products }) {
    const at = process.argv.findIndex((arg) => arg === "-o" || arg === "--output");
    const file = at < 0 ? undefined : process.argv[at + 1];
    if (!file?.endsWith(".json") || !existsSync(file)) return;
    const results = JSON.parse(readFileSync(file, "utf8"));
    results.flashsale = {
        scenario,
        held,
        checks,
        counted,
        products: products.map((product) => ({
            id: product.id,
            name: product.name,
            stock: product.initialStock + product.adjustedStock,
            sold: product.soldStock,
            held: product.heldStock,
            left: product.currentStock,
            perUserLimit: product.perUserLimit,
        })),
    };
    writeFileSync(file, JSON.stringify(results, null, 2));
}

function parsed(body) {
    try {
        return JSON.parse(body);
    } catch {
        return undefined;
    }
}
