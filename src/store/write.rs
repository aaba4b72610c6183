//! One transaction: what the committer can write.

use std::time::Duration;

use redb::{ReadableTable, Table, WriteTransaction};

use crate::change::{Change, KeptAnswer};
use crate::clock::Timestamp;
use crate::limits::{IDEMPOTENCY_AGE, MAX_KEPT_ATTEMPTS, MAX_SWEPT_PER_COMMIT, MAX_TRIMMED_PER_COMMIT};
use crate::order::{Order, OrderId};
use crate::product::{Product, ProductId};

use super::read::AttemptError;
use super::record::{self, AnswerRow, AttemptRow, OrderRow, ProductRow};
use super::user_index::{self, IndexChange, UserIndex};
use super::{Cut, Head, StoreError, journal, tables};

/// The open tables of one transaction.
pub struct Tables<'t> {
    orders: Table<'t, u64, &'static [u8]>,
    products: Table<'t, u64, &'static [u8]>,
    journal: Table<'t, u64, &'static [u8]>,
    by_user: Table<'t, (u64, u64), ()>,
    state: Table<'t, &'static str, &'static [u8]>,
    transaction: &'t WriteTransaction,
    index: &'t UserIndex,
    index_change: IndexChange,
    concluded: bool,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Tables<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tables")
    }
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction, index: &'t UserIndex) -> Result<Self, StoreError> {
        Ok(Self {
            orders: transaction.open_table(tables::ORDERS)?,
            products: transaction.open_table(tables::PRODUCTS)?,
            journal: transaction.open_table(tables::JOURNAL)?,
            by_user: transaction.open_table(tables::ORDERS_BY_USER)?,
            state: transaction.open_table(tables::STATE)?,
            transaction,
            index,
            index_change: IndexChange::default(),
            concluded: false,
            buffer: Vec::new(),
        })
    }

    /// What the index does after the commit; none where there is nothing to commit.
    pub(super) fn finish(self) -> Option<IndexChange> {
        self.concluded.then_some(self.index_change)
    }

    /// Writes a new order.
    pub fn add_order(&mut self, order: &Order) -> Result<(), StoreError> {
        self.index_change.added.push((user_index::hash(order.user.as_str()), order.id.0));
        self.put_order(order)
    }

    /// Writes an order over itself.
    pub fn put_order(&mut self, order: &Order) -> Result<(), StoreError> {
        record::encode(&OrderRow::of(order), &mut self.buffer)?;
        self.orders.insert(order.id.0, self.buffer.as_slice())?;
        Ok(())
    }

    /// Reads an order.
    pub fn order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let Some(row) = self.orders.get(id.0)? else { return Ok(None) };
        record::decode::<OrderRow<'_>>(row.value())?.order(id).map(Some)
    }

    /// Writes a product, new or over itself.
    pub fn put_product(&mut self, product: &Product) -> Result<(), StoreError> {
        record::encode(&ProductRow::of(product), &mut self.buffer)?;
        self.products.insert(product.id.0, self.buffer.as_slice())?;
        Ok(())
    }

    /// Removes a product.
    pub fn remove_product(&mut self, id: ProductId) -> Result<(), StoreError> {
        self.products.remove(id.0)?;
        Ok(())
    }

    /// Adds the error of one attempt to those of its order.
    pub fn add_attempt(&mut self, order: OrderId, attempt: AttemptError) -> Result<(), StoreError> {
        let mut table = self.transaction.open_table(tables::ATTEMPTS)?;
        let mut attempts = match table.get(order.0)? {
            Some(row) => super::read::attempts(row.value())?,
            None => Vec::new(),
        };
        attempts.push(attempt);
        let kept = &attempts[attempts.len().saturating_sub(MAX_KEPT_ATTEMPTS)..];
        let rows: Vec<_> = kept.iter().map(AttemptRow::of).collect();
        record::encode(&rows, &mut self.buffer)?;
        table.insert(order.0, self.buffer.as_slice())?;
        Ok(())
    }

    /// Puts an order's job on the list of dead letters.
    pub fn add_dead_letter(&mut self, order: OrderId) -> Result<(), StoreError> {
        self.transaction.open_table(tables::DEAD_LETTERS)?.insert(order.0, ())?;
        Ok(())
    }

    /// Whether an order's job is on the list of dead letters.
    pub fn is_dead_letter(&self, order: OrderId) -> Result<bool, StoreError> {
        Ok(self.transaction.open_table(tables::DEAD_LETTERS)?.get(order.0)?.is_some())
    }

    /// Strikes an order's job from the list of dead letters.
    pub fn remove_dead_letter(&mut self, order: OrderId) -> Result<(), StoreError> {
        self.transaction.open_table(tables::DEAD_LETTERS)?.remove(order.0)?;
        Ok(())
    }

    /// Keeps what a repeated request is answered.
    pub fn keep_answer(&mut self, order: OrderId, answer: &KeptAnswer) -> Result<(), StoreError> {
        record::encode(&(order.0, AnswerRow::of(answer)), &mut self.buffer)?;
        self.transaction.open_table(tables::ANSWERS)?.insert(answer.key, self.buffer.as_slice())?;
        self.transaction.open_table(tables::ANSWER_AGES)?.insert(order.0, answer.key)?;
        Ok(())
    }

    /// Forgets kept answers that are older than a day, a bounded number of them.
    pub fn sweep_answers(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let mut ages = self.transaction.open_table(tables::ANSWER_AGES)?;
        let mut old = Vec::new();
        for entry in ages.range::<u64>(..)?.take(MAX_SWEPT_PER_COMMIT) {
            let (order, key) = entry?;
            let placed_at = self.order(OrderId(order.value()))?.map_or(Timestamp::default(), |order| order.created_at);
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

    /// Trims records of the history that are older than `keep`, a bounded number of them, and moves the cut of `head`
    /// behind them. A record that the next one does not follow from stays: trimming must not hide it.
    pub fn trim_journal(&mut self, head: &mut Head, now: Timestamp, keep: Duration) -> Result<(), StoreError> {
        for _ in 0..MAX_TRIMMED_PER_COMMIT {
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

    /// Ends the transaction: writes the record of its changes, what is due of the index by user, and the head.
    pub fn conclude(&mut self, head: &mut Head, at: Timestamp, changes: &[Change]) -> Result<(), StoreError> {
        let sequence = journal::append(head, at, changes, &mut self.buffer)?;
        self.journal.insert(sequence, self.buffer.as_slice())?;
        let slice = self.index.slice_to_write(self.index_change.added.len());
        for entry in slice {
            self.by_user.insert(entry, ())?;
        }
        self.index_change.written = slice.len();
        if let Some(through) = self.index.indexed_through(slice.len()) {
            head.indexed_through = through;
        }
        record::encode(head, &mut self.buffer)?;
        self.state.insert(tables::STATE_HEAD, self.buffer.as_slice())?;
        self.concluded = true;
        Ok(())
    }
}
