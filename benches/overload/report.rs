//! What the steps of the load gave, and whether that is good enough.

use hdrhistogram::Histogram;

use crate::crowd::Tally;

/// Of the best rate of accepted orders, what must be accepted at the greatest load.
const SUSTAINED: f64 = 0.90;
/// Below this, in milliseconds, must the ninety-ninth percentile of refusals be.
const REFUSED_WITHIN_MS: f64 = 5.0;
/// So many refusals make a percentile.
const ENOUGH_REFUSALS: u64 = 1_000;
/// So many times the memory at the end of the first step still counts as flat.
const FLAT: f64 = 1.10;
/// Seconds from the end of the greatest load within which everything must be as before.
const RECOVERED_WITHIN: f64 = 5.0;
/// How much longer than before the overload an accepted order may take afterwards.
const NORMAL_LATENCY: f64 = 2.0;
/// Milliseconds that it may take in any case: the least that the client's timer and the disk's noise amount to.
const NORMAL_MS: f64 = 10.0;
/// Of the orders due, what must have been sent for a step to be the load that it is called.
const OFFERED: f64 = 0.99;

/// One step of the load.
pub(crate) struct Step {
    /// Times the capacity.
    pub(crate) factor: f64,
    pub(crate) seconds: f64,
    pub(crate) tally: Tally,
    pub(crate) longest_queue: u64,
    /// Of the server, at the end of the step.
    pub(crate) resident_bytes: u64,
}

/// Part of the time after the greatest load.
pub(crate) struct Window {
    pub(crate) tally: Tally,
    pub(crate) longest_queue: u64,
}

/// A percentile in milliseconds.
fn ms(latency: &Histogram<u64>, quantile: f64) -> f64 {
    latency.value_at_quantile(quantile) as f64 / 1_000.0
}

impl Step {
    pub(crate) fn accepted_per_second(&self) -> f64 {
        self.tally.accepted as f64 / self.seconds
    }

    pub(crate) fn print_head() {
        println!(
            "{:>6} {:>9} {:>8} {:>8} {:>10} {:>12} {:>6} {:>17} {:>17} {:>9} {:>7} {:>9}",
            "times",
            "offered/s",
            "sent/s",
            "unsent",
            "accepted/s",
            "overloaded/s",
            "other",
            "accepted p50/p99",
            "refused p50/p99",
            "late p99",
            "queue",
            "server MB"
        );
    }

    pub(crate) fn print(&self) {
        let tally = &self.tally;
        let rate = |count: u64| count as f64 / self.seconds;
        let pair = |latency: &Histogram<u64>| match latency.is_empty() {
            true => "none".to_owned(),
            false => format!("{:.2} / {:.2}", ms(latency, 0.50), ms(latency, 0.99)),
        };
        println!(
            "{:>6} {:>9.0} {:>8.0} {:>8} {:>10.1} {:>12.1} {:>6} {:>17} {:>17} {:>9.2} {:>7} {:>9.1}",
            self.factor,
            rate(tally.due),
            rate(tally.due - tally.unsent),
            tally.unsent,
            rate(tally.accepted),
            rate(tally.overloaded),
            tally.other,
            pair(&tally.accepted_latency),
            pair(&tally.overloaded_latency),
            ms(&tally.lateness, 0.99),
            self.longest_queue,
            self.resident_bytes as f64 / 1e6
        );
        if tally.unsent > 0 {
            println!("        {} orders were not sent: every connection had one outstanding", tally.unsent);
        }
        if let Some(strange) = &tally.strange {
            println!("        another answer: {strange}");
        }
    }
}

/// Whether a figure is good enough, and a line that says so.
fn verdict(met: bool, line: &str) -> bool {
    println!("  {:<6} {line}", if met { "ok" } else { "MISSED" });
    met
}

/// The lines for the steps; whether all is well. `capacity` is the accepted orders a second of the closed loop.
pub(crate) fn judge(capacity: f64, steps: &[Step]) -> bool {
    let [first, .., last] = steps else { panic!("two steps at least") };
    let best = steps.iter().map(Step::accepted_per_second).fold(capacity, f64::max);
    let share = last.accepted_per_second() / best;
    let sustained = verdict(
        share >= SUSTAINED,
        &format!(
            "at {} times the capacity {:.1} orders/s are accepted, {:.1} % of the best, {best:.1} (at least {:.0} %)",
            last.factor,
            last.accepted_per_second(),
            share * 100.0,
            SUSTAINED * 100.0
        ),
    );
    let refusing = steps.iter().filter(|step| step.tally.overloaded >= ENOUGH_REFUSALS);
    let slowest = refusing.map(|step| (ms(&step.tally.overloaded_latency, 0.99), step.factor));
    let prompt = match slowest.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((p99, factor)) => verdict(
            p99 < REFUSED_WITHIN_MS,
            &format!("refusals take {p99:.2} ms at p99 at worst, at {factor} times (under {REFUSED_WITHIN_MS} ms)"),
        ),
        None => verdict(false, "too little was refused to say how long it takes"),
    };
    let growth = last.resident_bytes as f64 / first.resident_bytes as f64;
    let flat = verdict(
        growth <= FLAT,
        &format!(
            "memory is {:.1} MB at the end of {} times, {:+.1} % of that at {} times (at most {:+.0} %)",
            last.resident_bytes as f64 / 1e6,
            last.factor,
            (growth - 1.0) * 100.0,
            first.factor,
            (FLAT - 1.0) * 100.0
        ),
    );
    let due: u64 = steps.iter().map(|step| step.tally.due).sum();
    let other: u64 = steps.iter().map(|step| step.tally.other).sum();
    let only = verdict(other == 0, &format!("{other} of {due} orders were answered neither 201 nor 503 overloaded"));
    let shares = steps.iter().map(|step| 1.0 - step.tally.unsent as f64 / step.tally.due as f64);
    let sent = shares.fold(1.0, f64::min);
    let offered =
        verdict(sent >= OFFERED, &format!("{:.2} % of what was due was sent, at least, in every step", sent * 100.0));
    sustained && prompt && flat && only && offered
}

/// The line for the time after the greatest load. `normal` is the step before any overload, at the same load; normal
/// again is the first window from which on `run` windows together look like it.
pub(crate) fn judge_recovery(normal: &Step, windows: &[Window], window_seconds: f64, run: usize) -> bool {
    let longest = normal.longest_queue;
    let latency = (ms(&normal.tally.accepted_latency, 0.99) * NORMAL_LATENCY).max(NORMAL_MS);
    let is_normal = |windows: &[Window]| {
        let mut accepted = windows[0].tally.accepted_latency.clone();
        for window in &windows[1..] {
            accepted.add(&window.tally.accepted_latency).expect("histograms of one kind");
        }
        let calm = |window: &Window| {
            let Tally { unsent, overloaded, other, .. } = window.tally;
            unsent + overloaded + other == 0 && window.longest_queue <= longest
        };
        windows.iter().all(calm) && ms(&accepted, 0.99) <= latency
    };
    let seconds = windows.windows(run).position(is_normal).map(|window| window as f64 * window_seconds);
    let means = format!(
        "no refusal, at most {longest} in the queue, accepted within {latency:.1} ms at p99, for {:.1} s",
        run as f64 * window_seconds
    );
    match seconds {
        Some(seconds) => verdict(
            seconds <= RECOVERED_WITHIN,
            &format!("normal again {seconds:.1} s after the greatest load (within {RECOVERED_WITHIN} s): {means}"),
        ),
        None => verdict(false, &format!("never normal again while it was watched: {means}")),
    }
}
