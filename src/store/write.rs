//! Bringing the tables up to date: one transaction for what commits have changed.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use redb::{ReadableTable, Table, WriteTransaction};

use crate::clock::Timestamp;
use crate::limits::{IDEMPOTENCY_AGE, MAX_KEPT_ATTEMPTS, MAX_SWEPT_AT_ONCE, MAX_TRIMMED_PER_RECORD};
use crate::order::{OrderId, OrderStatus};

use super::order_groups::Groups;
use super::record::{self, AnswerRow, AttemptRow, OrderRow, ProductRow};
use super::unapplied::{Removal, Unapplied};
use super::user_index::Entry;
use super::{Cut, Head, StoreError, journal, order_groups, tables, user_blocks};

/// The open tables of one transaction.
pub(super) struct Tables<'t> {
    orders: Groups<'t>,
    journal: Table<'t, u64, &'static [u8]>,
    state: Table<'t, &'static str, &'static [u8]>,
    transaction: &'t WriteTransaction,
    buffer: Vec<u8>,
}

/// What is due of the index by user.
#[derive(Debug, Default)]
pub(super) struct IndexSlice {
    /// The run that the rows belong to.
    pub(super) run: u64,
    /// Whether they are its first.
    pub(super) first: bool,
    pub(super) rows: Vec<Entry>,
    /// The number up to which all orders are in the index with these rows, if that moves.
    pub(super) through: Option<u64>,
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

    /// Writes everything, rows in the order of their keys, where neighbours share pages.
    pub(super) fn apply(&mut self, changes: &Unapplied, index: &IndexSlice) -> Result<(), StoreError> {
        self.put_orders(changes)?;
        self.put_products(changes)?;
        self.put_dead_letters(changes)?;
        self.put_answers(changes)?;
        for (sequence, row) in &changes.records {
            self.journal.insert(sequence, row.as_slice())?;
        }
        if !index.rows.is_empty() {
            let mut by_user = self.transaction.open_table(tables::ORDERS_BY_USER)?;
            if index.first {
                user_blocks::remove_unfinished(&mut by_user, self.head()?.indexed_through)?;
            }
            user_blocks::write(&mut by_user, index.run, &index.rows)?;
        }
        if let Some(head) = &changes.head {
            self.put_head(head, changes, index)?;
        }
        Ok(())
    }

    fn put_orders(&mut self, changes: &Unapplied) -> Result<(), StoreError> {
        order_groups::put(&mut self.orders, changes.orders.sorted().map(Arc::as_ref))?;
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

    fn put_answers(&mut self, changes: &Unapplied) -> Result<(), StoreError> {
        if changes.ages.is_empty() {
            return Ok(());
        }
        let mut answers = self.transaction.open_table(tables::ANSWERS)?;
        for (key, (order, answer)) in &changes.answers {
            record::encode(&(*order, AnswerRow::of(answer)), &mut self.buffer)?;
            answers.insert(key, self.buffer.as_slice())?;
        }
        let mut ages = self.transaction.open_table(tables::ANSWER_AGES)?;
        for (order, key) in &changes.ages {
            ages.insert(order, key)?;
        }
        Ok(())
    }

    /// Writes the head, with what the tables alone know: how far the index goes, and where the history was cut.
    fn put_head(&mut self, head: &Head, changes: &Unapplied, index: &IndexSlice) -> Result<(), StoreError> {
        let before = self.head()?;
        let mut head = head.clone();
        head.indexed_through = index.through.unwrap_or(before.indexed_through);
        head.cut = before.cut;
        if let Some(Removal { now, journal_keep }) = changes.removal {
            self.sweep_answers(now, MAX_SWEPT_AT_ONCE.max(2 * changes.ages.len()))?;
            if let Some(keep) = journal_keep {
                self.trim_journal(&mut head, now, keep, MAX_TRIMMED_PER_RECORD * changes.records.len())?;
            }
        }
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

    /// Forgets kept answers that are older than a day, at most `most` of them.
    fn sweep_answers(&self, now: Timestamp, most: usize) -> Result<(), StoreError> {
        let mut ages = self.transaction.open_table(tables::ANSWER_AGES)?;
        let mut old = Vec::new();
        for entry in ages.range::<u64>(..)?.take(most) {
            let (order, key) = entry?;
            let placed = order_groups::order(&self.orders, OrderId(order.value()))?;
            let placed_at = placed.map_or_else(Timestamp::default, |order| order.created_at);
            if now.since(placed_at) < IDEMPOTENCY_AGE {
                break;
            }
            old.push((order.value(), key.value()));
        }
        if old.is_empty() {
            return Ok(());
        }
        let mut answers = self.transaction.open_table(tables::ANSWERS)?;
        for (order, key) in old {
            ages.remove(order)?;
            // After a day the key may have been used again: then its answer is the younger order's.
            let own = match answers.get(key)? {
                Some(row) => record::decode::<(u64, AnswerRow)>(row.value())?.0 == order,
                None => false,
            };
            if own {
                answers.remove(key)?;
            }
        }
        Ok(())
    }

    /// Trims records of the history that are older than `keep` at `now`, at most `most` of them, and moves the cut of
    /// `head` behind them. A record that the next one does not follow from stays: trimming must not hide it.
    fn trim_journal(&mut self, head: &mut Head, now: Timestamp, keep: Duration, most: usize) -> Result<(), StoreError> {
        for _ in 0..most {
            let sequence = head.cut.sequence + 1;
            let hash = {
                let Some(row) = self.journal.get(sequence)? else { return Ok(()) };
                let Ok((previous, at)) = journal::link(row.value()) else { return Ok(()) };
                if previous != head.cut.hash || now.since(at) < keep {
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
