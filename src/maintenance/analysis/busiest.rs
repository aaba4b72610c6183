//! The busiest seconds of a sale, in memory that does not grow with its length.

use std::collections::VecDeque;

use crate::domain::clock::Timestamp;
use crate::limits::{BUSIEST_SECONDS, OPEN_SECONDS};
use crate::view::analysis::BusySecondView;
use crate::view::text::AsText;

const MILLIS: i64 = 1_000;

/// Seconds of the clock with the orders in them. Orders come nearly in the order of their times, so the newest
/// [`OPEN_SECONDS`] seconds are counted, and of older ones the busiest are kept. It is exact unless the clock was set
/// back, over more seconds with orders than are counted, to a second that was not among the busiest so far.
#[derive(Debug, Default)]
pub(super) struct Busiest {
    /// In the order in which they came first.
    open: VecDeque<Second>,
    kept: Vec<Second>,
}

#[derive(Clone, Copy, Debug)]
struct Second {
    number: i64,
    orders: u64,
}

impl Busiest {
    /// Counts an order.
    pub(super) fn add(&mut self, at: Timestamp) {
        let number = at.millis().div_euclid(MILLIS);
        match self.open.iter_mut().rfind(|second| second.number == number) {
            Some(second) => second.orders += 1,
            None => self.open.push_back(Second { number, orders: 1 }),
        }
        if self.open.len() > OPEN_SECONDS
            && let Some(oldest) = self.open.pop_front()
        {
            self.keep(oldest);
        }
    }

    fn keep(&mut self, counted: Second) {
        match self.kept.iter_mut().find(|second| second.number == counted.number) {
            Some(second) => second.orders += counted.orders,
            None => self.kept.push(counted),
        }
        // Of two that are as busy, the earlier one first.
        self.kept.sort_by_key(|second| (u64::MAX - second.orders, second.number));
        self.kept.truncate(BUSIEST_SECONDS);
    }

    /// The busiest first.
    pub(super) fn finish(mut self) -> Vec<BusySecondView> {
        while let Some(oldest) = self.open.pop_front() {
            self.keep(oldest);
        }
        let at = |number: i64| AsText(Timestamp::from_millis(number.saturating_mul(MILLIS)));
        self.kept.iter().map(|second| BusySecondView { at: at(second.number), orders: second.orders }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_second_stays_known_however_long_the_sale_is() {
        let mut busiest = Busiest::default();
        let at = |second: usize| Timestamp::from_millis(second as i64 * 1_000);
        (0..3).for_each(|_| busiest.add(at(7)));
        (10..10 + 3 * OPEN_SECONDS).for_each(|second| busiest.add(at(second)));
        // The clock was set back: the same second again.
        busiest.add(at(7));
        assert!(busiest.open.len() <= OPEN_SECONDS && busiest.kept.len() <= BUSIEST_SECONDS);
        let found = busiest.finish();
        assert_eq!((found[0].at.0, found[0].orders, found[1].orders), (at(7), 4, 1));
    }
}
