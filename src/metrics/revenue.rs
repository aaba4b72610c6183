//! What confirmed orders cost.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::counter::{Atomic, Counter};
use prometheus_client::registry::Registry;

/// What confirmed orders cost, and those of them that were cancelled, since the start. Their difference is the revenue.
#[derive(Debug)]
pub struct Revenue {
    sold: Counter<f64, Cents>,
    returned: Counter<f64, Cents>,
}

/// A sum in hundredths, shown as a decimal. A sum of floating-point amounts would drift apart from the orders.
#[derive(Debug, Default)]
struct Cents(AtomicU64);

impl Revenue {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let [sold, returned] = [Counter::default(), Counter::default()];
        registry.register("revenue", "What the orders cost that were confirmed since the start", Counter::clone(&sold));
        let about = "What the confirmed orders cost that were cancelled since the start";
        registry.register("revenue_returned", about, Counter::clone(&returned));
        Self { sold, returned }
    }

    /// Counts what an order cost, in hundredths, that is confirmed.
    pub fn sell(&self, cents: u128) {
        self.sold.inner().add(cents);
    }

    /// Counts what a confirmed order cost, in hundredths, that is cancelled.
    pub fn take_back(&self, cents: u128) {
        self.returned.inner().add(cents);
    }
}

impl Cents {
    /// Beyond 2^64 the sum starts at 0 again, as after a restart.
    fn add(&self, cents: u128) {
        self.0.fetch_add(cents as u64, Ordering::Relaxed);
    }
}

impl Atomic<f64> for Cents {
    fn inc(&self) -> f64 {
        self.inc_by(1.0)
    }

    fn inc_by(&self, amount: f64) -> f64 {
        let before = self.get();
        self.add((amount * 100.0).round() as u128);
        before
    }

    fn get(&self) -> f64 {
        self.0.load(Ordering::Relaxed) as f64 / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_of_money_does_not_drift() {
        let sum = Cents::default();
        (0..10).for_each(|_| sum.add(10));
        assert_eq!(sum.get(), 1.0);
        assert_ne!((0..10).map(|_| 0.1).sum::<f64>(), 1.0);
        assert_eq!(sum.inc_by(1_999.98), 1.0);
        assert_eq!(sum.get(), 2_000.98);
    }
}
