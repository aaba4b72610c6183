//! Bringing the tables up to date: one transaction for what commits have changed.

use std::ops::ControlFlow;
use std::time::Duration;

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use crate::domain::clock::{Bounds, Timestamp};
use crate::domain::order::{OrderId, OrderStatus};
use crate::limits::{IDEMPOTENCY_AGE, MAX_KEPT_ATTEMPTS, MAX_SWEPT_AT_ONCE, MAX_TRIMMED_PER_RECORD};

use super::index::runs::BlockKey;
use super::index::{Slice, Slices, runs};
use super::order_groups::Groups;
use super::record::{self, AttemptRow, OrderRow, ProductRow, StoredResponseRow};
use super::times::Times;
use super::unapplied::{Removal, Unapplied};
use super::{Cut, Head, StoreError, journal, order_groups, tables};

/// The open tables of one transaction.
pub(super) struct Tables<'t> {
    orders: Groups<'t>,
    journal: Table<'t, u64, &'static [u8]>,
    state: Table<'t, &'static str, &'static [u8]>,
    transaction: &'t WriteTransaction,
    buffer: Vec<u8>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            orders: transaction.open_table(tables::ORDERS)?,
            journal: transaction.open_table(tables::JOURNAL)?,
            state: transaction.open_table(tables::STATE)?,
            transaction,
            buffer: Vec::new(),
        })
    }

    /// Writes everything, rows in the order of their keys, where neighbours share pages. If runs of the index by key
    /// were removed as too old, returns the first that is left.
    pub(super) fn apply(&mut self, changes: &Unapplied, indexes: &Slices) -> Result<Option<u64>, StoreError> {
        self.put_orders(changes)?;
        self.put_products(changes)?;
        self.put_dead_letters(changes)?;
        self.put_answers(changes)?;
        for (sequence, row) in &changes.records {
            self.journal.insert(sequence, row.as_slice())?;
        }
        self.put_slice(tables::ORDERS_BY_USER, &indexes.users, |head| head.indexed_through)?;
        self.put_slice(tables::ORDERS_BY_KEY, &indexes.keys, |head| head.keyed_through)?;
        match &changes.head {
            Some(head) => self.put_head(head, changes, indexes),
            None => Ok(None),
        }
    }

    fn put_slice(
        &self,
        index: TableDefinition<'_, BlockKey, &'static [u8]>,
        slice: &Slice,
        through: impl Fn(&Head) -> u64,
    ) -> Result<(), StoreError> {
        if slice.rows.is_empty() {
            return Ok(());
        }
        let mut index = self.transaction.open_table(index)?;
        if slice.first {
            runs::remove_unfinished(&mut index, through(&self.head()?))?;
        }
        runs::write(&mut index, slice.run, &slice.rows)
    }

    fn put_orders(&mut self, changes: &Unapplied) -> Result<(), StoreError> {
        let orders = changes.orders.sorted().map(|order| (order.id, OrderRow::of(order)));
        order_groups::put(&mut self.orders, orders)?;
        if changes.attempts.is_empty() {
            return Ok(());
        }
        let mut table = self.transaction.open_table(tables::ATTEMPTS)?;
        for (order, added) in &changes.attempts {
            let mut attempts = match table.get(order)? {
                Some(row) => super::read::attempts(row.value())?,
                None => Vec::new(),
            };
            attempts.extend(added.iter().cloned());
            let kept = &attempts[attempts.len().saturating_sub(MAX_KEPT_ATTEMPTS)..];
            record::encode(&kept.iter().map(AttemptRow::of).collect::<Vec<_>>(), &mut self.buffer)?;
            table.insert(order, self.buffer.as_slice())?;
        }
        Ok(())
    }

    fn put_products(&mut self, changes: &Unapplied) -> Result<(), StoreError> {
        let mut products = self.transaction.open_table(tables::PRODUCTS)?;
        for (id, product) in &changes.products {
            match product {
                Some(product) => {
                    record::encode(&ProductRow::of(product), &mut self.buffer)?;
                    products.insert(id.0, self.buffer.as_slice())?;
                }
                None => drop(products.remove(id.0)?),
            }
        }
        Ok(())
    }

    fn put_dead_letters(&self, changes: &Unapplied) -> Result<(), StoreError> {
        if changes.dead_letters.is_empty() {
            return Ok(());
        }
        let mut dead_letters = self.transaction.open_table(tables::DEAD_LETTERS)?;
        for (order, listed) in &changes.dead_letters {
            match listed {
                true => dead_letters.insert(order, ())?,
                false => dead_letters.remove(order)?,
            };
        }
        Ok(())
    }

    fn put_answers(&self, changes: &Unapplied) -> Result<(), StoreError> {
        if changes.answers.is_empty() {
            return Ok(());
        }
        let answers = changes.answers.iter().map(|(order, answer)| (*order, StoredResponseRow::of(answer)));
        order_groups::put(&mut self.transaction.open_table(tables::ANSWERS)?, answers)
    }

    /// Writes the head, with what the tables alone know: how far the indexes go, and where the history was cut.
    fn put_head(&mut self, head: &Head, changes: &Unapplied, indexes: &Slices) -> Result<Option<u64>, StoreError> {
        let before = self.head()?;
        let mut head = head.clone();
        head.indexed_through = indexes.users.through.unwrap_or(before.indexed_through);
        head.keyed_through = indexes.keys.through.unwrap_or(before.keyed_through);
        head.cut = before.cut;
        let mut first_run = None;
        if let Some(Removal { now, journal_keep }) = changes.removal {
            let most = MAX_SWEPT_AT_ONCE.max(2 * changes.answers.len());
            first_run = self.sweep_answers(now, most, before.keyed_through, &head.times)?;
            if let Some(keep) = journal_keep {
                self.trim_journal(&mut head, now, keep, MAX_TRIMMED_PER_RECORD * changes.records.len())?;
            }
        }
        self.write_head(&head)?;
        Ok(first_run)
    }

    /// Notes how far the indexes of users and of keys go.
    pub(super) fn set_indexed(&mut self, users: u64, keys: u64) -> Result<(), StoreError> {
        let mut head = self.head()?;
        (head.indexed_through, head.keyed_through) = (users, keys);
        self.write_head(&head)
    }

    fn head(&self) -> Result<Head, StoreError> {
        let row = self.state.get(tables::STATE_HEAD)?;
        record::decode(row.ok_or_else(|| StoreError::Damaged("there is no head".to_owned()))?.value())
    }

    fn write_head(&mut self, head: &Head) -> Result<(), StoreError> {
        record::encode(head, &mut self.buffer)?;
        self.state.insert(tables::STATE_HEAD, self.buffer.as_slice())?;
        Ok(())
    }

    /// Moves the oldest open order of the head, a lower bound until then, to the one that it is.
    pub(super) fn correct_oldest_open(&mut self) -> Result<(), StoreError> {
        let mut head = self.head()?;
        let mut oldest = head.last_order + 1;
        order_groups::each(&self.orders, head.oldest_open, |id, row| {
            if record::decode::<OrderRow<'_>>(row)?.order(OrderId(id))?.status != OrderStatus::Pending {
                return Ok(ControlFlow::Continue(()));
            }
            oldest = id;
            Ok(ControlFlow::Break(()))
        })?;
        head.oldest_open = oldest;
        self.write_head(&head)
    }

    /// Removes kept answers that are older than a day at `now`, and the whole runs of the index by key that have no
    /// others, at most `most` rows of each. The first run that is left, if any were removed.
    fn sweep_answers(
        &self,
        now: Bounds,
        most: usize,
        keyed_through: u64,
        times: &Times,
    ) -> Result<Option<u64>, StoreError> {
        let mut answers = self.transaction.open_table(tables::ANSWERS)?;
        let mut old = Vec::new();
        for entry in answers.iter()?.take(most) {
            let (group, row) = entry?;
            let mut youngest = Timestamp::default();
            // All of them, as the clock may have been set back between two.
            for id in order_groups::ids(group.value(), row.value()) {
                let placed = order_groups::order(&self.orders, id)?;
                let placed_at = placed.map_or_else(Timestamp::default, |order| order.created_at);
                youngest = youngest.max(times.accepted_before(id.0, placed_at, now));
            }
            if now.earliest.since(youngest) < IDEMPOTENCY_AGE {
                break;
            }
            old.push(group.value());
        }
        for group in old {
            answers.remove(group)?;
        }
        let first_kept = order_groups::first(&answers)?.map_or(u64::MAX, |order| order.0);
        let mut index = self.transaction.open_table(tables::ORDERS_BY_KEY)?;
        runs::remove_below(&mut index, first_kept.min(keyed_through + 1), most)
    }

    /// Trims records of the history that are older than `keep` at `now`, at most `most` of them, and moves the cut of
    /// `head` behind them. A record that the next one does not follow from stays: trimming must not hide it.
    fn trim_journal(&mut self, head: &mut Head, now: Bounds, keep: Duration, most: usize) -> Result<(), StoreError> {
        for _ in 0..most {
            let sequence = head.cut.sequence + 1;
            let hash = {
                let Some(row) = self.journal.get(sequence)? else { return Ok(()) };
                let Ok((previous, at)) = journal::link(row.value()) else { return Ok(()) };
                let written = head.times.written_before(sequence, at, now);
                if previous != head.cut.hash || now.earliest.since(written) < keep {
                    return Ok(());
                }
                journal::hash(row.value())
            };
            let carried = match self.journal.get(sequence + 1)? {
                Some(next) => journal::link(next.value()).ok().map(|(previous, _)| previous),
                None => Some(head.hash),
            };
            if carried != Some(hash) {
                return Ok(());
            }
            self.journal.remove(sequence)?;
            head.cut = Cut { sequence, hash };
        }
        Ok(())
    }
}
