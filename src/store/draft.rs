//! One commit while it is built: what it changes, and what it looks up meanwhile.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::change::{Change, Record};
use crate::domain::clock::{Bounds, Timestamp};
use crate::domain::effect::{Effect, OrderEffect};
use crate::domain::order::{Order, OrderId};
use crate::domain::product::Product;

use super::error::StoreError;
use super::head::Head;
use super::journal::record;
use super::memtable::{Memtable, Removal};
use super::reader::Reader;
use super::tables::index::entry::of_user;

/// A commit under way. Nothing of it is anywhere else until it is committed.
#[derive(Debug)]
pub struct Draft {
    reader: Reader,
    changes: Memtable,
    /// How many orders there may be.
    expected: usize,
    /// Once it is concluded.
    record: Option<Arc<Record>>,
}

/// A commit that is on disk and that no reader has seen yet: see `Store::publish`.
#[derive(Debug)]
#[must_use = "what is never published is not in the tables"]
pub struct Committed {
    pub(in crate::store) changes: Memtable,
    pub(in crate::store) record: Arc<Record>,
}

impl Draft {
    /// A draft on what `reader` sees.
    pub(in crate::store) fn new(reader: Reader) -> Self {
        Self { reader, changes: Memtable::default(), expected: 0, record: None }
    }

    /// What is to be committed; none where nothing was concluded.
    pub(in crate::store) fn finish(self) -> Option<Committed> {
        self.record.map(|record| Committed { changes: self.changes, record })
    }

    /// Says that `orders` orders at most are to come, so that room for them is made once.
    pub const fn expect(&mut self, orders: usize) {
        self.expected = orders;
    }

    /// Takes the rows that a change writes. Orders come in the order of their numbers.
    pub fn apply(&mut self, effect: Effect<'_>) {
        if let Effect::Order(OrderEffect { order, before: None, response, .. }) = &effect {
            if self.changes.placed.is_empty() {
                self.changes.reserve(self.expected);
            }
            if response.is_some() && self.changes.responses.is_empty() {
                self.changes.responses.reserve(self.expected - self.changes.placed.len().min(self.expected));
            }
            self.changes.placed.push((of_user(order.user.as_str()), order.id.0));
        }
        self.changes.apply(effect);
    }

    /// Looks up an order. Every commit before this one is published, so nothing waits for the tables.
    pub fn order(&self, id: OrderId) -> Result<Option<Arc<Order>>, StoreError> {
        match self.changes.order(id) {
            Some(order) => Ok(Some(Arc::clone(order))),
            None => self.reader.order(id),
        }
    }

    /// Writes the row of a product whose stock has moved.
    pub fn put_product(&mut self, product: Product) {
        self.changes.put_product(product);
    }

    /// Whether an order's job is on the list of dead letters.
    pub fn is_dead_letter(&self, order: OrderId) -> Result<bool, StoreError> {
        match self.changes.dead_letters.get(&order.0) {
            Some(listed) => Ok(*listed),
            None => self.reader.is_dead_letter(order),
        }
    }

    /// Lets stored responses that are too old be removed, and, if a time to keep them is given, records of the history.
    pub fn remove_old(&mut self, now: Bounds, journal_keep: Option<Duration>) {
        self.changes.removal = Some(Removal { now, journal_keep });
    }

    /// Ends the commit: moves `head` to the record of its changes. A draft that was never concluded commits nothing.
    pub fn conclude(&mut self, head: &mut Head, at: Timestamp, changes: Vec<Change>) -> Result<(), StoreError> {
        let previous = head.hash;
        // Most changes take less; a vector that grows is copied again and again.
        let mut row = Vec::with_capacity(64 + 64 * changes.len() + 24 * self.changes.responses.len());
        let sequence = record::append(head, at, &changes, &mut row)?;
        self.changes.records.push((sequence, row));
        self.changes.head = Some(head.clone());
        self.record = Some(Arc::new(Record { sequence, previous, at, changes }));
        Ok(())
    }
}
