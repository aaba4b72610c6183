//! How many units of each product were left at each moment of a run.

use super::book::Book;
use super::facts::{Facts, OrderFact, ProductFact};
use super::heard::SoldOut;
use crate::domain::order::OrderStatus;

/// What is returned counts as left only so long after the server wrote it down, in microseconds: its counters follow
/// its history, and its clock gives milliseconds.
const RETURN_SLACK: i64 = 250_000;
/// An order that no buyer heard of may have been taken so long before the server wrote it down.
const TAKE_SLACK: i64 = 1_000_000;

/// For each product, the units that were surely left: never more than there were.
#[derive(Debug)]
pub(super) struct StockLines(Vec<Line>);

/// Moments in microseconds from the start of the run, and the units that were left from then on.
#[derive(Debug)]
struct Line {
    /// Units before the first moment.
    stock: i64,
    steps: Vec<(i64, i64)>,
}

impl StockLines {
    /// Units count as taken from the moment on at which their buyer sent the request.
    pub(super) fn of(book: &Book<'_>, began: i64) -> Self {
        let since_start = |millis: i64| (millis - began) * 1_000;
        let taken = |order: &OrderFact| match book.first_told(order.id) {
            Some(told) => told.sent.cast_signed(),
            None => since_start(order.created) - TAKE_SLACK,
        };
        Self(lines(book.facts, taken, |order| since_start(order.updated) + RETURN_SLACK))
    }

    /// Units left by the times that the server wrote down, to a millisecond.
    pub(super) fn by_the_server(facts: &Facts, began: i64) -> Self {
        let since_start = |millis: i64| (millis - began) * 1_000;
        Self(lines(facts, |order| since_start(order.created), |order| since_start(order.updated)))
    }

    /// Units left of all products at a moment.
    pub(super) fn left_at(&self, micros: u64) -> u64 {
        self.0.iter().map(|line| line.at(micros.cast_signed()).max(0).unsigned_abs()).sum()
    }

    /// Whether at least as many units as it asked for were left from its request to its response.
    pub(super) fn had_enough_for(&self, rejection: &SoldOut) -> bool {
        let line = &self.0[usize::from(rejection.product)];
        let wanted = i64::from(rejection.quantity);
        let (from, to) = (rejection.sent.cast_signed(), rejection.received.cast_signed());
        let after = line.after(from);
        let during = line.steps[after..].iter().take_while(|(at, _)| *at <= to);
        line.at(from) >= wanted && during.into_iter().all(|(_, left)| *left >= wanted)
    }

    /// Units that were surely left when it was sent.
    pub(super) fn left_for(&self, rejection: &SoldOut) -> u64 {
        self.0[usize::from(rejection.product)].at(rejection.sent.cast_signed()).max(0).unsigned_abs()
    }
}

impl Line {
    /// The first step after a moment.
    fn after(&self, micros: i64) -> usize {
        self.steps.partition_point(|(at, _)| *at <= micros)
    }

    fn at(&self, micros: i64) -> i64 {
        self.after(micros).checked_sub(1).map_or(self.stock, |step| self.steps[step].1)
    }
}

fn lines(facts: &Facts, taken: impl Fn(&OrderFact) -> i64, returned: impl Fn(&OrderFact) -> i64) -> Vec<Line> {
    let mut changes = vec![Vec::new(); facts.products.len()];
    for order in &facts.orders {
        let changes = &mut changes[usize::from(order.product)];
        let units = i64::from(order.quantity);
        changes.push((taken(order), -units));
        if matches!(order.status, OrderStatus::Failed | OrderStatus::Cancelled) {
            changes.push((returned(order), units));
        }
    }
    let line = |(product, mut changes): (&ProductFact, Vec<(i64, i64)>)| {
        let stock = product.initial_stock.cast_signed() + product.adjusted_stock;
        changes.sort_unstable();
        let mut left = stock;
        for (_, change) in &mut changes {
            left += *change;
            *change = left;
        }
        Line { stock, steps: changes }
    };
    facts.products.iter().zip(changes).map(line).collect()
}
