//! Where in the history a time of day is to be looked for.
//!
//! Records and orders carry the time of the wall clock as it was, and that clock can be set back. So their times need
//! not grow with their numbers. They do within a stretch, but for a slack that is known: small steps back widen the
//! slack, a large one begins a new stretch. A search looks at every stretch in which a time can be, and at each row.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::domain::clock::{Bounds, Timestamp};
use crate::domain::filter::Span;
use crate::limits::{MAX_SLACK, MAX_STRETCHES};

use crate::store::error::StoreError;

/// The times of a history, up to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct Times {
    /// The last order of the last record.
    last_order: u64,
    current: Stretch,
    /// Those before the current one, oldest first; none while the clock is never set back far.
    earlier: Vec<Stretch>,
}

/// Records and orders in a row of which none is earlier than one before it by more than the slack. All times are
/// milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Stretch {
    /// 0 in a history without records.
    first_record: u64,
    /// The first order that can be in it.
    first_order: u64,
    /// The time of the first record.
    start: i64,
    latest: i64,
    slack: i64,
}

impl Stretch {
    const fn begin(first_record: u64, first_order: u64, at: i64) -> Self {
        Self { first_record, first_order, start: at, latest: at, slack: 0 }
    }

    /// No time in it is earlier.
    const fn earliest(&self) -> i64 {
        self.start.saturating_sub(self.slack)
    }

    /// Makes one stretch of this and the one after it.
    fn absorb(&mut self, next: &Self) {
        self.slack = self.slack.max(next.slack).max(self.latest.saturating_sub(next.earliest()));
        self.latest = self.latest.max(next.latest);
    }
}

impl Times {
    /// Notes a record, after which `last_order` is the last order.
    pub(in crate::store) fn note(&mut self, record: u64, last_order: u64, at: Timestamp) {
        let at = at.millis();
        let back = self.current.latest.saturating_sub(at);
        if self.current.first_record == 0 {
            self.current = Stretch::begin(record, self.last_order + 1, at);
        } else if back > whole_millis(MAX_SLACK) {
            self.earlier.push(self.current);
            if self.earlier.len() > MAX_STRETCHES {
                let second = self.earlier.remove(1);
                self.earlier[0].absorb(&second);
            }
            self.current = Stretch::begin(record, self.last_order + 1, at);
        } else {
            self.current.slack = self.current.slack.max(back);
            self.current.latest = self.current.latest.max(at);
        }
        self.last_order = last_order;
    }

    /// The latest time of any record.
    pub(in crate::store) fn latest(&self) -> Timestamp {
        Timestamp::from_millis(self.all().map(|stretch| stretch.latest).max().unwrap_or_default())
    }

    /// When a record of the time `at` was written at the latest. Where its time has not come yet, the clock was ahead:
    /// then those after it say so, if there are any.
    pub(in crate::store) fn written_before(&self, record: u64, at: Timestamp, now: Bounds) -> Timestamp {
        self.passed_before(at, now, |stretch| stretch.first_record > record)
    }

    /// The same for an order.
    pub(in crate::store) fn accepted_before(&self, order: u64, at: Timestamp, now: Bounds) -> Timestamp {
        self.passed_before(at, now, |stretch| stretch.first_order > order)
    }

    /// When an order of the time `at` can have been accepted at the earliest, whenever that was asked.
    pub(in crate::store) fn accepted_from(&self, order: u64, at: Timestamp) -> Timestamp {
        let later = self.all().filter(|stretch| stretch.first_order > order);
        later.map(|stretch| Timestamp::from_millis(stretch.start)).fold(at, Timestamp::min)
    }

    fn passed_before(&self, at: Timestamp, now: Bounds, is_later: impl Fn(&Stretch) -> bool) -> Timestamp {
        if at <= now.latest {
            return at;
        }
        let starts = self.all().filter(|stretch| is_later(stretch) && stretch.start <= now.earliest.millis());
        starts.map(|stretch| Timestamp::from_millis(stretch.start)).max().unwrap_or(at)
    }

    /// The numbers between which all orders with a time in `span` are, oldest first; others are among them. Numbers
    /// have gaps where the history forks: `next` looks up the first order from a number on, and its time.
    pub(in crate::store) fn orders_in(
        &self,
        span: Span,
        next: impl Fn(u64) -> Result<Option<(u64, Timestamp)>, StoreError>,
    ) -> Result<Vec<Range<u64>>, StoreError> {
        let mut found = Vec::new();
        let mut stretches = self.all().peekable();
        while let Some(stretch) = stretches.next() {
            let end = stretches.peek().map_or(self.last_order + 1, |next| next.first_order);
            let orders = stretch.first_order..end;
            let (from, to) = (span.from.map(Timestamp::millis), span.to.map(Timestamp::millis));
            let outside =
                from.is_some_and(|from| stretch.latest < from) || to.is_some_and(|to| stretch.earliest() > to);
            if orders.is_empty() || outside {
                continue;
            }
            // All orders before the number that is found are earlier than `moment` and the slack, and all from it on
            // are not earlier than `moment` less the slack.
            let first_at = |moment: i64| {
                first(orders.clone(), |number| {
                    let order = next(number)?.filter(|(order, _)| *order < orders.end);
                    Ok(order.is_none_or(|(_, time)| time.millis() >= moment))
                })
            };
            let start = from.map_or(Ok(orders.start), |from| first_at(from.saturating_sub(stretch.slack)))?;
            let end = to.map_or(Ok(end), |to| first_at(to.saturating_add(stretch.slack).saturating_add(1)))?;
            if start < end {
                found.push(start..end);
            }
        }
        Ok(found)
    }

    fn all(&self) -> impl Iterator<Item = &Stretch> {
        self.earlier.iter().chain(std::iter::once(&self.current))
    }
}

/// A number before which `is` does not hold and at which it does, by bisection; the end where that is nowhere.
fn first(orders: Range<u64>, is: impl Fn(u64) -> Result<bool, StoreError>) -> Result<u64, StoreError> {
    let (mut low, mut high) = (orders.start, orders.end);
    while low < high {
        let middle = low + (high - low) / 2;
        match is(middle)? {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    Ok(low)
}

fn whole_millis(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    type Orders = BTreeMap<u64, Timestamp>;

    /// A record for each entry: its time, and how many orders it places. One that places nine skips their numbers.
    fn history(records: &[(i64, u64)]) -> (Times, Orders) {
        let (mut times, mut orders, mut last) = (Times::default(), Orders::new(), 0);
        for (record, (time, placed)) in (1..).zip(records) {
            let placed = last + 1..=last + placed;
            last = last.max(*placed.end());
            if placed.clone().count() != 9 {
                orders.extend(placed.map(|order| (order, at(*time))));
            }
            times.note(record, last, at(*time));
        }
        (times, orders)
    }

    fn expected(orders: &Orders, span: Span) -> Vec<u64> {
        orders.iter().filter(|(_, time)| span.contains(**time)).map(|(order, _)| *order).collect()
    }

    fn found(times: &Times, orders: &Orders, span: Span) -> (Vec<u64>, u64) {
        let next = |number| Ok(orders.range(number..).next().map(|(order, time)| (*order, *time)));
        let ranges = times.orders_in(span, next).unwrap();
        let looked_at = ranges.iter().map(|range| range.end - range.start).sum();
        let all = ranges.into_iter().flatten();
        (all.filter(|order| orders.get(order).is_some_and(|time| span.contains(*time))).collect(), looked_at)
    }

    /// Milliseconds from one record to the next.
    fn any_step() -> impl Strategy<Value = i64> {
        prop_oneof![8 => 0..2_000_i64, 2 => -100_000..100_000_i64, 1 => -900_000..900_000_i64]
    }

    proptest! {
        #[test]
        fn every_order_of_a_span_is_found_once_however_the_clock_was_set(
            steps in prop::collection::vec((any_step(), prop_oneof![8 => 0..4_u64, 1 => Just(9)]), 1..400),
            from in prop::option::of(0..2_000_000_i64),
            length in prop::option::of(0..500_000_i64),
        ) {
            let mut now = 1_000_000;
            let records: Vec<_> = steps.into_iter().map(|(step, placed)| { now += step; (now, placed) }).collect();
            let (times, orders) = history(&records);
            prop_assert!(times.earlier.len() <= MAX_STRETCHES);
            let to = length.map(|length| from.unwrap_or(1_000_000) + length);
            let span = Span { from: from.map(at), to: to.map(at) };
            prop_assert_eq!(found(&times, &orders, span).0, expected(&orders, span));
            prop_assert_eq!(times.latest().millis(), records.iter().map(|(time, _)| *time).max().unwrap());
        }
    }

    #[test]
    fn a_jump_makes_no_search_look_at_more_than_it_finds() {
        let day = 86_400_000;
        let mut records: Vec<_> = (0..1_000).map(|n| (n * 1_000, 1)).collect();
        records.push((1_000_000 + 40 * day, 1));
        records.extend((1_001..2_000).map(|n| (n * 1_000, 1)));
        let (times, orders) = history(&records);
        let span = Span { from: Some(at(990_000)), to: Some(at(1_010_000)) };
        assert_eq!(found(&times, &orders, span), ((991..=1_000).chain(1_002..=1_011).collect(), 20));
        let ahead = Span { from: Some(at(30 * day)), to: None };
        assert_eq!(found(&times, &orders, ahead), (vec![1_001], 1));
    }

    #[test]
    fn small_steps_back_widen_the_search_by_their_size_and_begin_nothing_new() {
        let records: Vec<_> = (0..10_000).map(|n| (n * 10 - if n % 7 == 0 { 90 } else { 0 }, 1)).collect();
        let (times, orders) = history(&records);
        assert!(times.earlier.is_empty());
        let span = Span { from: Some(at(50_000)), to: Some(at(50_990)) };
        let (orders, looked_at) = found(&times, &orders, span);
        assert!(looked_at - (orders.len() as u64) < 40, "{looked_at} for {}", orders.len());
    }

    #[test]
    fn a_record_whose_time_has_not_come_is_as_old_as_what_follows_it_shows() {
        let (times, _) = history(&[(1_000, 0), (9_000_000, 0), (9_000_500, 0), (2_000, 0), (3_000, 0)]);
        assert_eq!(times.written_before(2, at(9_000_000), Bounds::exactly(at(5_000))), at(2_000));
        assert_eq!(times.written_before(2, at(9_000_000), Bounds::exactly(at(1_500))), at(9_000_000));
        assert_eq!(
            times.written_before(2, at(9_000_000), Bounds::exactly(at(9_000_001))),
            at(9_000_000),
            "its time has come"
        );
        let behind = Bounds { earliest: at(5_000), latest: at(9_000_000) };
        assert_eq!(times.written_before(2, at(9_000_000), behind), at(9_000_000), "the clock may be behind");
        assert_eq!(
            times.written_before(4, at(7_000), Bounds::exactly(at(5_000))),
            at(7_000),
            "nothing after it began anew"
        );
    }
}
