//! The indexes when the store is opened: what an opening before this one has left in memory becomes a run.
//!
//! Without this a store that is stopped again and again before a run is full would keep all of its orders in memory.
//! The last run and what was left are put together where they fit one run. So two neighbours have more entries than a
//! run together, and the number of runs is bounded by that of the orders.

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::limits::{INDEX_REMAINDER, INDEX_RUN};

use crate::store::error::StoreError;
use crate::store::tables::definitions::{self, BlockKey};
use crate::store::tables::index::Index;
use crate::store::tables::index::entry::Entry;
use crate::store::tables::index::runs::{self, Blocks};
use crate::store::tables::write::Tables;

/// The entries that an opening found above the last whole run.
#[derive(Debug)]
pub(in crate::store) struct Unsettled {
    /// By the order's number.
    pub(in crate::store) entries: Vec<Entry>,
    /// The last whole run.
    pub(in crate::store) through: u64,
}

/// Makes the indexes of users and of keys, with nothing in memory but a small remainder.
pub(in crate::store) fn settle(
    database: &Database,
    mut users: Unsettled,
    mut keys: Unsettled,
) -> Result<(Index, Index), StoreError> {
    if users.entries.len().max(keys.entries.len()) >= INDEX_REMAINDER {
        let mut transaction = database.begin_write()?;
        // As that of the tables' thread: the next start may come after another crash.
        transaction.set_quick_repair(true);
        {
            users.write(&mut transaction.open_table(definitions::ORDERS_BY_USER)?)?;
            keys.write(&mut transaction.open_table(definitions::ORDERS_BY_KEY)?)?;
            Tables::open(&transaction)?.set_indexed(users.through, keys.through)?;
        }
        transaction.commit()?;
    }
    Ok((users.index(database, definitions::ORDERS_BY_USER)?, keys.index(database, definitions::ORDERS_BY_KEY)?))
}

impl Unsettled {
    fn write(&mut self, table: &mut Blocks<'_>) -> Result<(), StoreError> {
        let Some(run) = self.entries.last().map(|entry| entry.1).filter(|_| self.entries.len() >= INDEX_REMAINDER)
        else {
            return Ok(());
        };
        runs::remove_unfinished(table, self.through)?;
        let mut entries = std::mem::take(&mut self.entries);
        let last = ReadableTable::last(table)?.map(|row| row.0.value().0);
        if let Some(last) = last {
            let mut before = Vec::new();
            let room = INDEX_RUN.saturating_sub(entries.len());
            runs::each_row(table, last, |row| {
                before.extend(runs::entries(row));
                before.len() <= room
            })?;
            if before.len() <= room {
                entries.append(&mut before);
                table.retain_in((last, 0, 0)..(last + 1, 0, 0), |_, _| false)?;
            }
        }
        entries.sort_unstable();
        runs::write(table, run, &entries)?;
        self.through = run;
        Ok(())
    }

    fn index(
        self,
        database: &Database,
        table: TableDefinition<'_, BlockKey, &'static [u8]>,
    ) -> Result<Index, StoreError> {
        let table = database.begin_read()?.open_table(table)?;
        Ok(Index::recovered(self.entries, runs::whole(&table, self.through)?))
    }
}

#[cfg(test)]
mod tests {
    use redb::Builder;
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::store::snapshot::Snapshot;
    use crate::store::tables::create::create;

    #[test]
    fn many_openings_with_few_orders_each_leave_few_runs_and_nothing_in_memory() {
        let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        create(&database).unwrap();
        let (each, openings) = (5_000, 30);
        for opening in 0..openings {
            let head = Snapshot::new(database.begin_read().unwrap()).head().unwrap();
            let (first, last) = (opening * each + 1, (opening + 1) * each);
            let placed = |through: u64| Unsettled {
                entries: (through + 1..=last).map(|order| (order % 1_000, order)).collect(),
                through,
            };
            let (users, keys) = (placed(head.indexed_through), placed(head.keyed_through));
            assert_eq!((users.through, keys.through), (first - 1, first - 1));
            let (users, _) = settle(&database, users, keys).unwrap();
            assert_eq!(users.recent_len(), 0);
            let most = 2 * last as usize / INDEX_RUN + 1;
            assert!(users.run_count() <= most, "{} runs of {last} orders", users.run_count());
        }
        let users = settle(&database, none(&database), none(&database)).unwrap().0;
        let table = database.begin_read().unwrap().open_table(definitions::ORDERS_BY_USER).unwrap();
        for user in 0..1_000 {
            let mut orders = runs::OrdersOf::below(&table, user, users.find(user).runs, u64::MAX);
            let found: Vec<u64> = std::iter::from_fn(|| orders.next().unwrap()).collect();
            let own = (1..=each * openings).rev().filter(|order| order % 1_000 == user);
            assert_eq!(found, own.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_remainder_that_is_too_small_for_a_run_stays_in_memory() {
        let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        create(&database).unwrap();
        let few = Unsettled { entries: (1..INDEX_REMAINDER as u64).map(|order| (1, order)).collect(), through: 0 };
        let users = settle(&database, few, none(&database)).unwrap().0;
        assert_eq!((users.recent_len(), users.run_count()), (INDEX_REMAINDER - 1, 0));
        assert_eq!(none(&database).through, 0);
    }

    fn none(database: &Database) -> Unsettled {
        let head = Snapshot::new(database.begin_read().unwrap()).head().unwrap();
        Unsettled { entries: Vec::new(), through: head.indexed_through }
    }
}
