//! An index as the tables have it: runs of sorted entries, several entries to a row.
//!
//! A run is named by its last order and holds the entries of all orders since the run before it. A name is looked for
//! in one run after the other, the newest first, two look-ups each. A run that is being written counts for nothing
//! until it is whole; until then its entries are in memory.

use std::ops::Bound;

use redb::{ReadableTable, Table};

use crate::limits::INDEX_ROW;
use crate::store::error::StoreError;
use crate::store::tables::definitions::BlockKey;

use super::entry::Entry;

/// The table of an index.
pub(in crate::store) type Blocks<'t> = Table<'t, BlockKey, &'static [u8]>;

/// The entries of a row: 16 bytes each, both numbers little end first.
pub(in crate::store) fn entries(row: &[u8]) -> impl DoubleEndedIterator<Item = Entry> {
    row.as_chunks::<16>().0.iter().map(|entry| {
        let both = u128::from_le_bytes(*entry);
        (both as u64, (both >> 64) as u64)
    })
}

/// Adds sorted entries to the last run, behind those that it has.
pub(in crate::store) fn write(table: &mut Blocks<'_>, run: u64, sorted: &[Entry]) -> Result<(), StoreError> {
    let mut row = Vec::with_capacity(INDEX_ROW * 16);
    let mut end = table.upper_bound_mut(Bound::<BlockKey>::Unbounded)?;
    for block in sorted.chunks(INDEX_ROW) {
        row.clear();
        for (hash, order) in block {
            row.extend_from_slice(&hash.to_le_bytes());
            row.extend_from_slice(&order.to_le_bytes());
        }
        end.insert_before((run, block[0].0, block[0].1), row.as_slice())?;
    }
    Ok(end.close()?)
}

/// Removes a run that was begun and never ended: the last whole one is `through`.
pub(in crate::store) fn remove_unfinished(table: &mut Blocks<'_>, through: u64) -> Result<(), StoreError> {
    Ok(table.retain_in((through + 1, 0, 0).., |_, _| false)?)
}

/// Removes the runs below `first`, at most `most` rows of them. The first run that is left, if any were removed.
pub(in crate::store) fn remove_below(
    table: &mut Blocks<'_>,
    first: u64,
    most: usize,
) -> Result<Option<u64>, StoreError> {
    let rows = table.range(..(first, 0, 0))?.take(most).map(|row| Ok(row?.0.value()));
    let rows = rows.collect::<Result<Vec<BlockKey>, StoreError>>()?;
    if rows.is_empty() {
        return Ok(None);
    }
    for row in rows {
        table.remove(row)?;
    }
    Ok(Some(table.first()?.map_or(u64::MAX, |row| row.0.value().0)))
}

/// The whole runs, oldest first; the last one is `through`.
pub(in crate::store) fn whole(
    table: &impl ReadableTable<BlockKey, &'static [u8]>,
    through: u64,
) -> Result<Vec<u64>, StoreError> {
    let mut runs: Vec<u64> = Vec::new();
    loop {
        let next = runs.last().map_or(0, |run| run + 1);
        match table.range((next, 0, 0)..(through + 1, 0, 0))?.next() {
            Some(first) => runs.push(first?.0.value().0),
            None => return Ok(runs),
        }
    }
}

/// Calls `visit` with each row of a run, until it says to stop.
pub(in crate::store) fn each_row(
    table: &impl ReadableTable<BlockKey, &'static [u8]>,
    run: u64,
    mut visit: impl FnMut(&[u8]) -> bool,
) -> Result<(), StoreError> {
    for row in table.range((run, 0, 0)..(run + 1, 0, 0))? {
        if !visit(row?.1.value()) {
            break;
        }
    }
    Ok(())
}

/// The orders of a name in whole runs, newest first; those of other names with the same hash are among them.
pub(in crate::store) struct OrdersOf<'t, T> {
    table: &'t T,
    hash: u64,
    /// Still to be looked into, the newest first.
    runs: std::vec::IntoIter<u64>,
    /// Only those below this one are asked for.
    before: u64,
    /// What was found in the last run, newest last.
    found: Vec<u64>,
}

impl<'t, T: ReadableTable<BlockKey, &'static [u8]>> OrdersOf<'t, T> {
    /// Those below the number `before` in these runs, which come newest first.
    pub(in crate::store) fn below(table: &'t T, hash: u64, runs: Vec<u64>, before: u64) -> Self {
        Self { table, hash, runs: runs.into_iter(), before, found: Vec::new() }
    }

    /// The next older one.
    pub(in crate::store) fn next(&mut self) -> Result<Option<u64>, StoreError> {
        while self.found.is_empty() {
            let Some(run) = self.runs.next() else { return Ok(None) };
            // All orders of the run before it are older than all of this one's.
            if self.runs.as_slice().first().is_some_and(|older| older + 1 >= self.before) {
                continue;
            }
            self.found = in_run(self.table, run, self.hash)?;
            self.found.retain(|order| *order < self.before);
        }
        Ok(self.found.pop())
    }
}

/// Whether an entry is in the run that its order belongs to.
pub(in crate::store) fn contains(
    table: &impl ReadableTable<BlockKey, &'static [u8]>,
    (hash, order): Entry,
) -> Result<bool, StoreError> {
    let Some(first) = table.range((order, 0, 0)..)?.next() else { return Ok(false) };
    let run = first?.0.value().0;
    Ok(in_run(table, run, hash)?.contains(&order))
}

/// The orders of a name in one run, newest last.
fn in_run(table: &impl ReadableTable<BlockKey, &'static [u8]>, run: u64, hash: u64) -> Result<Vec<u64>, StoreError> {
    let mut found = Vec::new();
    for block in table.range((run, 0, 0)..=(run, hash, u64::MAX))?.rev() {
        let (key, row) = block?;
        found.extend(entries(row.value()).rev().filter(|entry| entry.0 == hash).map(|(_, order)| order));
        // The one before it can only end with this name if this one begins with it.
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
    use redb::{Builder, ReadableDatabase, ReadableTableMetadata};

    use super::*;
    use crate::store::tables::definitions::ORDERS_BY_USER;

    proptest! {
        /// Runs as they are written, of few users with many orders each, and one that was begun and given up.
        #[test]
        fn the_orders_of_a_name_are_found_in_every_whole_run_newest_first(
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
                    let (run, later) = rest.split_at(length.min(rest.len()));
                    let Some((_, last)) = run.last().copied() else { break };
                    // What an opening before this one has begun with these orders.
                    write(&mut table, through + 1_000, &[(0, through + 1), (1, through + 2)]).unwrap();
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
            let mut runs = whole(&table, through).unwrap();
            runs.reverse();
            for user in 0..5 {
                for before in [u64::MAX, before, through + 1, 1, 0] {
                    let mut found = OrdersOf::below(&table, user, runs.clone(), before);
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

    #[test]
    fn a_full_row_fills_a_page() {
        let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        let transaction = database.begin_write().unwrap();
        let rows = 20;
        let sorted: Vec<Entry> = (0..(rows * INDEX_ROW) as u64).map(|order| (order / 2, order)).collect();
        write(&mut transaction.open_table(ORDERS_BY_USER).unwrap(), 1, &sorted).unwrap();
        let stats = transaction.open_table(ORDERS_BY_USER).unwrap().stats().unwrap();
        assert_eq!(stats.leaf_pages(), rows as u64);
        let spare = stats.fragmented_bytes() / rows as u64;
        assert!(spare < 512, "{spare} bytes of each page are not used");
    }
}
