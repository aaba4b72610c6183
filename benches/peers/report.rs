//! The tables of the comparison, in Markdown.

use std::time::Duration;

use crate::driver::figures::{Spread, us_each};
use crate::driver::load::Round;

/// One round of one peer.
#[derive(Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) orders: u64,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Microseconds of processor time for an order, of the process that responds and of its store's.
    handler_us: f64,
    store_us: f64,
}

/// A peer's rounds on so many connections.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) connections: u32,
    /// Its connections to its store.
    pub(crate) pool: Option<usize>,
    pub(crate) turns: Vec<Turn>,
}

/// What is found in the end.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    /// Orders that were acknowledged with 201.
    pub(crate) acknowledged: u64,
    /// What the store has written down.
    pub(crate) orders: u64,
    pub(crate) units: u64,
    /// Of the last units, for which there was a run: orders acknowledged, and units.
    pub(crate) last: (u64, u64),
}

impl Turn {
    pub(crate) fn new(round: &Round, handler: Duration, store: Duration) -> Self {
        let orders = round.latency.len();
        let ms = |quantile| round.latency.value_at_quantile(quantile) as f64 / 1_000.0;
        Self {
            orders,
            per_second: orders as f64 / round.elapsed.as_secs_f64(),
            p50_ms: ms(0.50),
            p99_ms: ms(0.99),
            handler_us: us_each(handler, orders),
            store_us: us_each(store, orders),
        }
    }

    pub(crate) const fn per_second(&self) -> f64 {
        self.per_second
    }
}

impl Row {
    fn spread(&self, figure: fn(&Turn) -> f64) -> Spread {
        Spread::of(self.turns.iter().map(figure).collect())
    }

    /// A line of the table; the ratio is of rounds beside each other.
    fn print(&self, ours: &Self) {
        let rate = self.spread(|turn| turn.per_second);
        let ratios = self.turns.iter().zip(&ours.turns).map(|(its, ours)| its.per_second / ours.per_second);
        let ratio = Spread::of(ratios.collect()).median;
        let pool = self.pool.map_or("–".to_owned(), |pool| pool.to_string());
        let median = |figure| self.spread(figure).median;
        let (p50, p99) = (median(|turn| turn.p50_ms), median(|turn| turn.p99_ms));
        let (handler, store) = (median(|turn| turn.handler_us), median(|turn| turn.store_us));
        println!(
            "| {} | {} | {pool} | {:.0} ({:.0} to {:.0}) | {ratio:.3} | {p50:.2} | {p99:.2} | {:.1} | {store:.1} |",
            self.name,
            self.connections,
            rate.median,
            rate.min,
            rate.max,
            handler + store,
        );
    }
}

/// Prints the figures, medians of the rounds, each beside those of `ours` on as many connections.
pub(crate) fn print(rows: &[Row], ours: &str) {
    println!(
        "\n| peer | connections | pool | durable orders/s | of {ours}'s | p50 ms | p99 ms | CPU µs an order \
         | of it the store's |\n|---|---|---|---|---|---|---|---|---|"
    );
    for row in rows {
        let beside = rows.iter().find(|other| other.name == ours && other.connections == row.connections);
        row.print(beside.expect("rounds of ours"));
    }
}

/// Prints what was checked; panics if anything was sold that was not acknowledged, or the other way round.
pub(crate) fn print_checks(checks: &[Check]) {
    println!(
        "\n| peer | orders acknowledged | orders in the store | units sold | oversold | of the last units, sold |\n\
         |---|---|---|---|---|---|"
    );
    for check in checks {
        let Check { name, acknowledged, orders, units, last: (won, last_units) } = check;
        assert!(acknowledged == orders && orders == units, "{name}: {acknowledged}, {orders}, {units}");
        assert_eq!(won, last_units, "{name}: units left or oversold");
        println!("| {name} | {acknowledged} | {orders} | {units} | none | {won} of {last_units} |");
    }
}
