//! Sums over the queue, the orders and the stock.

use serde_json::{Value, json};

use crate::domain::product::Product;
use crate::domain::totals::Totals;
use crate::queue::{Queue, QueueCounts, SlotKind};
use crate::store::Store;

/// Jobs by state.
pub fn states(counts: &QueueCounts, totals: &Totals) -> Value {
    json!({
        "waiting": counts.waiting,
        "prioritized": counts.prioritized,
        "delayed": counts.delayed,
        "active": counts.active,
        "completed": totals.completed_jobs,
        "failed": totals.failed_jobs,
    })
}

/// The queue at a glance. All of it is in memory, so that it is also known while the store is away.
pub fn queue(store: &Store, queue: &Queue) -> Value {
    let head = store.head();
    let counts = queue.counts();
    json!({
        "counts": states(&counts, &head.totals),
        "deadLetters": head.totals.dead_letters,
        "paused": counts.paused,
        "capacity": queue.capacity(SlotKind::Work),
        "holdCapacity": queue.capacity(SlotKind::Hold),
        "oldestJobAgeMs": counts.oldest_age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        "completedPerSecond": (counts.completed_per_second * 100.0).round() / 100.0,
    })
}

/// What all products add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockTotals {
    /// Products.
    pub products: u64,
    /// Products of which nothing can be bought.
    pub out_of_stock: u64,
    /// Products with less than a tenth of their initial stock.
    pub low_stock: u64,
    /// Units of their initial stock.
    pub initial: u64,
    /// Units that can be bought.
    pub current: u64,
    /// Units that are held or sold.
    pub gone: u64,
}

impl StockTotals {
    /// Adds a product.
    pub fn add(&mut self, product: &Product) {
        let stock = &product.stock;
        self.products += 1;
        self.out_of_stock += u64::from(stock.current == 0);
        self.low_stock += u64::from(stock.current * 10 < stock.initial);
        self.initial += stock.initial;
        self.current += stock.current;
        self.gone += stock.held + stock.sold;
    }

    /// Percent of all units that are held or sold, with two digits.
    pub fn utilization(&self) -> f64 {
        let all = self.current + self.gone;
        let percent = if all == 0 { 0.0 } else { self.gone as f64 * 100.0 / all as f64 };
        (percent * 100.0).round() / 100.0
    }
}
