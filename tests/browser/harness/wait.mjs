// Waiting: for a condition, and no longer than a bound.

export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** Asks `ask` until it gives something true, and gives that; what `ask` throws ends the wait. */
export async function until(what, ask, within = 5_000) {
    const end = Date.now() + within;
    for (;;) {
        const answer = await ask();
        if (answer) return answer;
        if (Date.now() > end) throw new Error(`not within ${within} ms: ${what}`);
        await sleep(25);
    }
}
