//! The index of orders by user as the tables have it: runs of sorted entries, several entries to a row.
//!
//! A run is named by its last order and holds the entries of all orders since the run before it. A user is looked for
//! in one run after the other, the newest first: two look-ups each, and there is one run for [`limits::INDEX_RUN`]
//! orders. A run that is being written counts for nothing until it is whole; until then its orders are in memory.
//!
//! [`limits::INDEX_RUN`]: crate::limits::INDEX_RUN

use redb::{ReadableTable, Table};

use super::StoreError;
use super::user_index::Entry;

/// The run, and the first entry in the row.
pub(super) type BlockKey = (u64, u64, u64);

/// Entries in a row. They share pages with others, so that little space is lost.
const BLOCK: usize = 64;

/// The entries of a row: 16 bytes each, both numbers little end first.
pub(super) fn entries(row: &[u8]) -> impl DoubleEndedIterator<Item = Entry> {
    row.as_chunks::<16>().0.iter().map(|entry| {
        let (hash, order) = entry.split_at(8);
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        (number(hash), number(order))
    })
}

/// Adds sorted entries to a run.
pub(super) fn write(
    table: &mut Table<'_, BlockKey, &'static [u8]>,
    run: u64,
    sorted: &[Entry],
) -> Result<(), StoreError> {
    let mut row = Vec::with_capacity(BLOCK * 16);
    for block in sorted.chunks(BLOCK) {
        row.clear();
        for (hash, order) in block {
            row.extend_from_slice(&hash.to_le_bytes());
            row.extend_from_slice(&order.to_le_bytes());
        }
        table.insert((run, block[0].0, block[0].1), row.as_slice())?;
    }
    Ok(())
}

/// Removes a run that was begun and never ended: the last whole one is `through`.
pub(super) fn remove_unfinished(
    table: &mut Table<'_, BlockKey, &'static [u8]>,
    through: u64,
) -> Result<(), StoreError> {
    Ok(table.retain_in((through + 1, 0, 0).., |_, _| false)?)
}

/// The orders of a user in the whole runs, newest first; those of other users with the same hash are among them.
pub(super) struct OrdersOf<'t, T> {
    table: &'t T,
    hash: u64,
    /// The runs below this one are still to be looked into.
    runs_below: u64,
    /// What was found in the last run, newest last.
    found: Vec<u64>,
}

impl<'t, T: ReadableTable<BlockKey, &'static [u8]>> OrdersOf<'t, T> {
    /// Those below the number `before`; the last whole run is `through`.
    pub(super) fn below(table: &'t T, hash: u64, through: u64, before: u64) -> Result<Self, StoreError> {
        let mut orders = Self { table, hash, runs_below: through + 1, found: Vec::new() };
        // In younger runs there are none.
        let run = match table.range((before.saturating_sub(1), 0, 0)..)?.next() {
            Some(first) => first?.0.value().0,
            None => return Ok(orders),
        };
        if run <= through {
            orders.found = in_run(table, run, hash)?;
            orders.found.retain(|order| *order < before);
            orders.runs_below = run;
        }
        Ok(orders)
    }

    /// The next older one.
    pub(super) fn next(&mut self) -> Result<Option<u64>, StoreError> {
        while self.found.is_empty() {
            let Some(last) = self.table.range(..(self.runs_below, 0, 0))?.next_back() else { return Ok(None) };
            self.runs_below = last?.0.value().0;
            self.found = in_run(self.table, self.runs_below, self.hash)?;
        }
        Ok(self.found.pop())
    }
}

/// Whether an entry is in the run that its order belongs to.
pub(super) fn contains(
    table: &impl ReadableTable<BlockKey, &'static [u8]>,
    (hash, order): Entry,
) -> Result<bool, StoreError> {
    let Some(first) = table.range((order, 0, 0)..)?.next() else { return Ok(false) };
    let run = first?.0.value().0;
    Ok(in_run(table, run, hash)?.contains(&order))
}

/// The orders of a user in one run, newest last.
fn in_run(table: &impl ReadableTable<BlockKey, &'static [u8]>, run: u64, hash: u64) -> Result<Vec<u64>, StoreError> {
    let mut found = Vec::new();
    for block in table.range((run, 0, 0)..=(run, hash, u64::MAX))?.rev() {
        let (key, row) = block?;
        found.extend(entries(row.value()).rev().filter(|entry| entry.0 == hash).map(|(_, order)| order));
        // The one before it can only end with this user where this one begins with it.
        if key.value().1 < hash {
            break;
        }
    }
    found.reverse();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;
    use redb::{Builder, ReadableDatabase};

    use super::super::tables::ORDERS_BY_USER;
    use super::*;

    proptest! {
        /// Runs as they are written, of few users with many orders each, and one that was begun and given up.
        #[test]
        fn a_users_orders_are_found_in_every_whole_run_newest_first(
            users in prop::collection::vec(0..5_u64, 1..900),
            run_lengths in prop::collection::vec(1..400_usize, 1..4),
            slice in 1..300_usize,
            before in 0..900_u64,
        ) {
            let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
            let transaction = database.begin_write().unwrap();
            let orders: Vec<Entry> = users.iter().copied().zip(1..).collect();
            let (mut rest, mut through) = (orders.as_slice(), 0);
            {
                let mut table = transaction.open_table(ORDERS_BY_USER).unwrap();
                for length in run_lengths {
                    // What an opening before this one has begun with these orders.
                    write(&mut table, through + 1_000, &[(0, through + 1), (1, through + 2)]).unwrap();
                    let (run, later) = rest.split_at(length.min(rest.len()));
                    let Some((_, last)) = run.last().copied() else { break };
                    let mut sorted = run.to_vec();
                    sorted.sort_unstable();
                    remove_unfinished(&mut table, through).unwrap();
                    sorted.chunks(slice).for_each(|slice| write(&mut table, last, slice).unwrap());
                    (rest, through) = (later, last);
                }
                write(&mut table, through + 1_000, &[(0, through + 1)]).unwrap();
            }
            transaction.commit().unwrap();
            let table = database.begin_read().unwrap().open_table(ORDERS_BY_USER).unwrap();
            for user in 0..5 {
                for before in [u64::MAX, before, through + 1, 1, 0] {
                    let mut found = OrdersOf::below(&table, user, through, before).unwrap();
                    let found: Vec<u64> = std::iter::from_fn(|| found.next().unwrap()).collect();
                    let whole = orders.iter().rev().filter(|(_, order)| *order <= through && *order < before);
                    let own: Vec<u64> = whole.filter(|entry| entry.0 == user).map(|entry| entry.1).collect();
                    prop_assert_eq!(found, own);
                }
            }
            for entry in orders.iter().filter(|(_, order)| *order <= through) {
                prop_assert!(contains(&table, *entry).unwrap());
                prop_assert!(!contains(&table, (entry.0 + 5, entry.1)).unwrap());
            }
        }
    }
}
