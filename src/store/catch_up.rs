//! What the log has and the tables do not: told again at an opening, and written into the tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use redb::{Database, ReadableDatabase};

use crate::domain::change::{Change, Record};
use crate::domain::job::{AttemptError, JobOutcome};
use crate::domain::order::Order;
use crate::domain::product::{Product, ProductId, StockMove};
use crate::domain::transition::Transition;

use super::index::Slices;
use super::log::Logged;
use super::unapplied::Unapplied;
use super::write::Tables;
use super::{Head, Snapshot, StoreError, journal};

/// Writes records of the log into the tables, which end where they begin, and syncs.
pub(super) fn catch_up(database: &Database, logged: Vec<Logged>) -> Result<(), StoreError> {
    let snapshot = Snapshot::new(database.begin_read()?);
    let products = snapshot.products()?.into_iter().map(|product| (product.id, product)).collect();
    let mut retelling = Retelling { head: snapshot.head()?, snapshot, products, changes: Unapplied::default() };
    for Logged { sequence, row } in logged {
        let record = journal::decode(sequence, &row)?;
        retelling.follow(&record)?;
        retelling.head.advance(sequence, journal::hash(&row), record.at);
        retelling.changes.records.push((sequence, row));
    }
    let Retelling { mut changes, head, .. } = retelling;
    changes.head = Some(head);
    let mut transaction = database.begin_write()?;
    // As the follower's: the next start may come after another crash.
    transaction.set_quick_repair(true);
    {
        let mut tables = Tables::open(&transaction)?;
        tables.apply(&changes, &Slices::default())?;
        tables.correct_oldest_open()?;
    }
    transaction.commit()?;
    Ok(())
}

/// The state after the records so far.
struct Retelling {
    /// The tables as they were found.
    snapshot: Snapshot,
    /// Its oldest open order is a lower bound.
    head: Head,
    products: BTreeMap<ProductId, Product>,
    changes: Unapplied,
}

impl Retelling {
    fn follow(&mut self, record: &Record) -> Result<(), StoreError> {
        let wrong = |what: String| StoreError::Damaged(format!("record {} of the log {what}", record.sequence));
        for change in &record.changes {
            match change {
                Change::ProductCreated(product) => {
                    self.head.last_product = product.id.0;
                    self.put_product(Product::clone(product));
                }
                Change::ProductEdited { after, .. } => self.put_product(Product::clone(after)),
                Change::ProductDeleted(product) => {
                    self.products.remove(&product.id);
                    self.changes.remove_product(product.id);
                }
                Change::OrderPlaced { order, answer } => {
                    self.head.last_order = order.id.0;
                    self.head.totals.count(order);
                    self.move_units(order, StockMove::Hold).map_err(wrong)?;
                    if let Some(product) = self.products.get_mut(&order.product) {
                        product.orders += 1;
                        self.changes.put_product(product.clone());
                    }
                    if let Some(answer) = answer {
                        self.changes.keep_answer(order.id, *answer);
                    }
                    self.changes.add_order(Arc::clone(order));
                }
                Change::OrderMoved { order, transition, units, .. } => {
                    let known = match self.changes.order(*order) {
                        Some(order) => Some(Order::clone(order)),
                        None => self.snapshot.order(*order)?,
                    };
                    let before = known.ok_or_else(|| wrong(format!("moves order {order}, which is not there")))?;
                    self.move_order(before, transition, *units, record).map_err(wrong)?;
                }
                Change::DeadLetterDeleted(order) => {
                    self.changes.list_dead_letter(*order, false);
                    self.head.totals.dead_letters = self.head.totals.dead_letters.saturating_sub(1);
                }
                Change::QueuePaused => self.head.paused = true,
                Change::QueueResumed => self.head.paused = false,
                Change::HistoryForked(fork) => self.head.fork(fork),
            }
        }
        Ok(())
    }

    fn put_product(&mut self, product: Product) {
        self.changes.put_product(product.clone());
        self.products.insert(product.id, product);
    }

    fn move_order(
        &mut self,
        before: Order,
        transition: &Transition,
        units: Option<StockMove>,
        record: &Record,
    ) -> Result<(), String> {
        let mut order = before.clone();
        let moved = order.apply(transition, record.at);
        let moved = moved.map_err(|refused| format!("moves order {}: {refused}", before.id))?;
        if moved != units {
            return Err(format!("moves other units than those of order {}", order.id));
        }
        if let Some(units) = units {
            self.move_units(&order, units)?;
        }
        if let Some(error) = transition.error() {
            let attempt = AttemptError { attempt: order.attempts, at: record.at, error: error.to_owned() };
            self.changes.add_attempt(order.id, attempt);
        }
        let totals = &mut self.head.totals;
        if let Some(listed) = transition.dead_letter() {
            self.changes.list_dead_letter(order.id, listed);
            let count = totals.dead_letters;
            totals.dead_letters = if listed { count + 1 } else { count.saturating_sub(1) };
        }
        totals.uncount(&before);
        totals.count(&order);
        if order.job == JobOutcome::Open {
            self.head.oldest_open = self.head.oldest_open.min(order.id.0);
        }
        self.changes.put_order(Arc::new(order));
        Ok(())
    }

    fn move_units(&mut self, order: &Order, units: StockMove) -> Result<(), String> {
        let product = self.products.get_mut(&order.product);
        let product = product.ok_or_else(|| format!("is about product {}, which is not there", order.product))?;
        let moved = product.stock.apply(units, u64::from(order.quantity));
        moved.map_err(|below_zero| format!("moves the units of order {}: {below_zero}", order.id))?;
        self.changes.put_product(product.clone());
        Ok(())
    }
}
