//! Bringing the tables up to date: one transaction for what commits have changed.

use std::ops::ControlFlow;
use std::time::Duration;

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use crate::domain::clock::{Bounds, Timestamp};
use crate::domain::job::JobOutcome;
use crate::domain::order::OrderId;
use crate::limits::{IDEMPOTENCY_AGE, MAX_SWEPT_AT_ONCE, MAX_TRIMMED_PER_RECORD};
use crate::store::error::StoreError;
use crate::store::head::times::Times;
use crate::store::head::{Cut, Head};
use crate::store::journal::record;
use crate::store::memtable::{Memtable, Removal};
use crate::store::rows::attempt::{attempts, encode_attempts};
use crate::store::rows::encoding;
use crate::store::rows::order::OrderRow;
use crate::store::rows::product::ProductRow;
use crate::store::rows::response::StoredResponseRow;

use super::definitions::{self, BlockKey};
use super::head_row;
use super::index::{Slice, Slices, runs};
use super::order_groups::{self, Groups};

/// The open tables of one transaction.
pub(in crate::store) struct Tables<'t> {
    orders: Groups<'t>,
    journal: Table<'t, u64, &'static [u8]>,
    state: Table<'t, &'static str, &'static [u8]>,
    transaction: &'t WriteTransaction,
    buffer: Vec<u8>,
}

impl<'t> Tables<'t> {
    pub(in crate::store) fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            orders: transaction.open_table(definitions::ORDERS)?,
            journal: transaction.open_table(definitions::JOURNAL)?,
            state: transaction.open_table(definitions::STATE)?,
            transaction,
            buffer: Vec::new(),
        })
    }

    /// Writes everything, rows in the order of their keys, where neighbours share pages. Records of the journal behind
    /// `slowest` are not trimmed. If runs of the index by key were removed as too old, returns the first that is left.
    pub(in crate::store) fn apply(
        &mut self,
        changes: &Memtable,
        indexes: &Slices,
        slowest: u64,
    ) -> Result<Option<u64>, StoreError> {
        self.put_orders(changes)?;
        self.put_products(changes)?;
        self.put_dead_letters(changes)?;
        self.put_responses(changes)?;
        for (sequence, row) in &changes.records {
            self.journal.insert(sequence, row.as_slice())?;
        }
        self.put_slice(definitions::ORDERS_BY_USER, &indexes.users, |head| head.indexed_through)?;
        self.put_slice(definitions::ORDERS_BY_KEY, &indexes.keys, |head| head.keyed_through)?;
        match &changes.head {
            Some(head) => self.put_head(head, changes, indexes, slowest),
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

    fn put_orders(&mut self, changes: &Memtable) -> Result<(), StoreError> {
        let orders = changes.orders.sorted().map(|order| (order.id, OrderRow::of(order)));
        order_groups::put(&mut self.orders, orders)?;
        if changes.attempts.is_empty() {
            return Ok(());
        }
        let mut table = self.transaction.open_table(definitions::ATTEMPTS)?;
        for (order, added) in &changes.attempts {
            let mut all = match table.get(order)? {
                Some(row) => attempts(row.value())?,
                None => Vec::new(),
            };
            all.extend(added.iter().cloned());
            encode_attempts(&all, &mut self.buffer)?;
            table.insert(order, self.buffer.as_slice())?;
        }
        Ok(())
    }

    fn put_products(&mut self, changes: &Memtable) -> Result<(), StoreError> {
        let mut products = self.transaction.open_table(definitions::PRODUCTS)?;
        for (id, product) in &changes.products {
            match product {
                Some(product) => {
                    encoding::encode(&ProductRow::of(product), &mut self.buffer)?;
                    products.insert(id.0, self.buffer.as_slice())?;
                }
                None => drop(products.remove(id.0)?),
            }
        }
        Ok(())
    }

    fn put_dead_letters(&self, changes: &Memtable) -> Result<(), StoreError> {
        if changes.dead_letters.is_empty() {
            return Ok(());
        }
        let mut dead_letters = self.transaction.open_table(definitions::DEAD_LETTERS)?;
        for (order, listed) in &changes.dead_letters {
            match listed {
                true => dead_letters.insert(order, ())?,
                false => dead_letters.remove(order)?,
            };
        }
        Ok(())
    }

    fn put_responses(&self, changes: &Memtable) -> Result<(), StoreError> {
        if changes.responses.is_empty() {
            return Ok(());
        }
        let responses = changes.responses.iter().map(|(order, response)| (*order, StoredResponseRow::of(response)));
        order_groups::put(&mut self.transaction.open_table(definitions::RESPONSES)?, responses)
    }

    /// Writes the head, with what the tables alone know: how far the indexes go, and where the history was cut.
    fn put_head(
        &mut self,
        head: &Head,
        changes: &Memtable,
        indexes: &Slices,
        slowest: u64,
    ) -> Result<Option<u64>, StoreError> {
        let before = self.head()?;
        let mut head = head.clone();
        head.indexed_through = indexes.users.through.unwrap_or(before.indexed_through);
        head.keyed_through = indexes.keys.through.unwrap_or(before.keyed_through);
        head.cut = before.cut;
        let mut first_run = None;
        if let Some(Removal { now, journal_keep }) = changes.removal {
            let most = MAX_SWEPT_AT_ONCE.max(2 * changes.responses.len());
            first_run = self.sweep_responses(now, most, before.keyed_through, &head.times)?;
            if let Some(keep) = journal_keep {
                let most = MAX_TRIMMED_PER_RECORD * changes.records.len() as u64;
                let through = slowest.min(head.cut.sequence + most);
                self.trim_journal(&mut head, now, keep, through)?;
            }
        }
        self.write_head(&head)?;
        Ok(first_run)
    }

    /// Notes how far the indexes of users and of keys go.
    pub(in crate::store) fn set_indexed(&mut self, users: u64, keys: u64) -> Result<(), StoreError> {
        let mut head = self.head()?;
        (head.indexed_through, head.keyed_through) = (users, keys);
        self.write_head(&head)
    }

    fn head(&self) -> Result<Head, StoreError> {
        head_row::get(&self.state)
    }

    fn write_head(&mut self, head: &Head) -> Result<(), StoreError> {
        head_row::put(&mut self.state, head, &mut self.buffer)
    }

    /// Moves the oldest open order of the head, a lower bound until then, to the one that it is.
    pub(in crate::store) fn correct_oldest_open(&mut self) -> Result<(), StoreError> {
        let mut head = self.head()?;
        let mut oldest = head.last_order + 1;
        order_groups::each(&self.orders, head.oldest_open, |id, row| {
            if encoding::decode::<OrderRow<'_>>(row)?.order(OrderId(id))?.job != JobOutcome::Open {
                return Ok(ControlFlow::Continue(()));
            }
            oldest = id;
            Ok(ControlFlow::Break(()))
        })?;
        head.oldest_open = oldest;
        self.write_head(&head)
    }

    /// Removes stored responses that are older than a day at `now`, and the whole runs of the index by key that have no
    /// others, at most `most` rows of each. The first run that is left, if any were removed.
    fn sweep_responses(
        &self,
        now: Bounds,
        most: usize,
        keyed_through: u64,
        times: &Times,
    ) -> Result<Option<u64>, StoreError> {
        let mut responses = self.transaction.open_table(definitions::RESPONSES)?;
        let mut old = Vec::new();
        for entry in responses.iter()?.take(most) {
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
            responses.remove(group)?;
        }
        let first_kept = order_groups::first(&responses)?.map_or(u64::MAX, |order| order.0);
        let mut index = self.transaction.open_table(definitions::ORDERS_BY_KEY)?;
        runs::remove_below(&mut index, first_kept.min(keyed_through + 1), most)
    }

    /// Trims records of the history that are older than `keep` at `now`, through `through` at most, and moves the cut
    /// of `head` behind them. A record that the next one does not follow from stays: trimming must not hide it.
    fn trim_journal(&mut self, head: &mut Head, now: Bounds, keep: Duration, through: u64) -> Result<(), StoreError> {
        for sequence in head.cut.sequence + 1..=through {
            let hash = {
                let Some(row) = self.journal.get(sequence)? else { return Ok(()) };
                let Ok((previous, at)) = record::link(row.value()) else { return Ok(()) };
                let written = head.times.written_before(sequence, at, now);
                if previous != head.cut.hash || now.earliest.since(written) < keep {
                    return Ok(());
                }
                record::hash(row.value())
            };
            let carried = match self.journal.get(sequence + 1)? {
                Some(next) => record::link(next.value()).ok().map(|(previous, _)| previous),
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
