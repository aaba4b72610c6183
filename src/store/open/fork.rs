//! A store that goes back to a backup, or on without its last records, begins a history of its own: it gets another
//! id, and its numbers jump above every number that orders may have got which it does not know.
//!
//! The next number is the time in microseconds since 2020, or, where that is lower, one beyond all numbers that can
//! have been given since the last known one. So two stores that fork from the same past at different moments give
//! disjoint numbers as long as they take fewer than a million orders a second, and every number is below 2^53, up to
//! which all readers of JSON know whole numbers exactly.

use redb::WriteTransaction;

use crate::domain::change::{Change, Fork, HistoryId};
use crate::domain::clock::Timestamp;
use crate::limits::{MAX_FORK_NUMBER, MIN_NUMBER_JUMP};

use crate::store::error::StoreError;
use crate::store::head::Head;
use crate::store::journal::record;
use crate::store::random::random;
use crate::store::tables::{definitions, head_row};

/// 2020-01-01T00:00:00Z, in milliseconds since the epoch.
const ORIGIN: i64 = 1_577_836_800_000;

/// The highest numbers that are known to have been given, beside those that a store itself knows of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// To an order.
    pub order: u64,
    /// To a product.
    pub product: u64,
}

impl Given {
    /// What a store has given.
    pub const fn by(head: &Head) -> Self {
        Self { order: head.last_order, product: head.last_product }
    }
}

/// Begins a history of its own in the tables: writes the record that says so, and the head after it.
pub(in crate::store) fn fork(transaction: &WriteTransaction, given: Given, now: Timestamp) -> Result<Fork, StoreError> {
    let mut state = transaction.open_table(definitions::STATE)?;
    let mut head = head_row::get(&state)?;
    // Where the clock was set back since the last record, its number must not go back with it.
    let number_at = now.max(head.at());
    let fork = Fork {
        after: head.sequence,
        previous: head.history(),
        id: HistoryId(random()?),
        last_order: head.last_order,
        first_order: next_number(head.last_order.max(given.order), number_at)?,
        last_product: head.last_product,
        first_product: next_number(head.last_product.max(given.product), number_at)?,
    };
    let mut row = Vec::new();
    head.fork(&fork);
    let sequence = record::append(&mut head, now, &[Change::HistoryForked(Box::new(fork))], &mut row)?;
    transaction.open_table(definitions::JOURNAL)?.insert(sequence, row.as_slice())?;
    head_row::put(&mut state, &head, &mut row)?;
    Ok(fork)
}

/// The first number of a history that begins now, where `last` was given in its past.
fn next_number(last: u64, now: Timestamp) -> Result<u64, StoreError> {
    let micros = now.millis().checked_sub(ORIGIN).and_then(|millis| u64::try_from(millis).ok()?.checked_mul(1_000));
    match micros {
        Some(micros) if micros < MAX_FORK_NUMBER => Ok(micros.max(last.saturating_add(MIN_NUMBER_JUMP)) + 1),
        _ => Err(StoreError::Clock(now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn later_forks_of_the_same_past_give_higher_numbers() {
        let (monday, tuesday) = (at("2026-11-23T10:00:00Z"), at("2026-11-23T10:00:01Z"));
        let (first, second) = (next_number(42, monday).unwrap(), next_number(42, tuesday).unwrap());
        assert_eq!(first, 217_591_200_000_001);
        assert_eq!(second - first, 1_000_000);
    }

    #[test]
    fn numbers_that_were_given_lately_are_skipped_whatever_the_clock_says() {
        let behind = at("2020-01-01T00:00:01Z");
        assert_eq!(next_number(5_000_000, behind).unwrap(), 5_000_000 + MIN_NUMBER_JUMP + 1);
    }

    #[test]
    fn a_clock_that_cannot_be_right_is_told() {
        for wrong in ["1970-01-01T00:00:00Z", "2019-12-31T23:59:59Z", "2300-01-01T00:00:00Z"] {
            assert!(matches!(next_number(1, at(wrong)), Err(StoreError::Clock(_))), "{wrong}");
        }
    }
}
