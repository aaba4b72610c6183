//! Redo: what the log has and the tables do not have is applied at an opening, and written into the tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use redb::{Database, ReadableDatabase};

use crate::domain::change::{Change, Record};
use crate::domain::clock::Timestamp;
use crate::domain::effect::Effect;
use crate::domain::job::JobOutcome;
use crate::domain::order::{Order, OrderId};
use crate::domain::product::{Product, ProductId};

use crate::store::error::StoreError;
use crate::store::head::Head;
use crate::store::journal::record;
use crate::store::memtable::Memtable;
use crate::store::snapshot::Snapshot;
use crate::store::tables::index::Slices;
use crate::store::tables::write::Tables;
use crate::store::wal::frames::WalRecord;

/// Writes records of the log into the tables, which end where they begin, and syncs.
pub(in crate::store) fn redo(database: &Database, records: Vec<WalRecord>) -> Result<(), StoreError> {
    if records.is_empty() {
        return Ok(());
    }
    let snapshot = Snapshot::new(database.begin_read()?);
    let products = snapshot.products()?.into_iter().map(|product| (product.id, product)).collect();
    let mut redo = Redo { head: snapshot.head()?, snapshot, products, changes: Memtable::default() };
    for WalRecord { sequence, row } in records {
        let record = record::decode(sequence, &row)?;
        redo.apply(&record)?;
        redo.head.advance(sequence, record::hash(&row), record.at);
        redo.changes.records.push((sequence, row));
    }
    let Redo { mut changes, head, .. } = redo;
    changes.head = Some(head);
    let mut transaction = database.begin_write()?;
    // As that of the tables' thread: the next start may come after another crash.
    transaction.set_quick_repair(true);
    {
        let mut tables = Tables::open(&transaction)?;
        // Nothing is removed as too old.
        tables.apply(&changes, &Slices::default(), 0)?;
        tables.correct_oldest_open()?;
    }
    transaction.commit()?;
    Ok(())
}

/// The state after the records so far.
struct Redo {
    /// The tables as they were found.
    snapshot: Snapshot,
    /// Its oldest open order is a lower bound.
    head: Head,
    products: BTreeMap<ProductId, Product>,
    changes: Memtable,
}

impl Redo {
    fn apply(&mut self, record: &Record) -> Result<(), StoreError> {
        let wrong = |what: String| StoreError::Damaged(format!("record {} of the log {what}", record.sequence));
        for change in &record.changes {
            let before = match change {
                Change::OrderMoved { order, .. } => self.order(*order)?,
                _ => None,
            };
            let effect = Effect::of(change, before.as_deref(), record.at);
            let effect = effect.map_err(|contradiction| wrong(contradiction.to_string()))?;
            self.apply_product(&effect, record.at).map_err(wrong)?;
            self.head.apply(&effect);
            self.changes.apply(effect);
        }
        Ok(())
    }

    fn order(&self, id: OrderId) -> Result<Option<Arc<Order>>, StoreError> {
        match self.changes.order(id) {
            Some(order) => Ok(Some(Arc::clone(order))),
            None => Ok(self.snapshot.order(id)?.map(Arc::new)),
        }
    }

    fn apply_product(&mut self, effect: &Effect<'_>, at: Timestamp) -> Result<(), String> {
        match effect {
            Effect::ProductPut(product) => drop(self.products.insert(product.id, Product::clone(product))),
            Effect::ProductRemoved(id) => drop(self.products.remove(id)),
            Effect::ProductSale { product: id, on } => {
                let product = self.products.get_mut(id);
                let product = product.ok_or_else(|| format!("is about product {id}, which is not there"))?;
                if !product.set_on_sale(*on, at) {
                    return Err(format!("starts or stops the sale of product {id}, which it cannot"));
                }
                self.changes.put_product(product.clone());
            }
            Effect::Order(effect) => {
                let order = &effect.order;
                if order.job == JobOutcome::Open {
                    self.head.oldest_open = self.head.oldest_open.min(order.id.0);
                }
                let product = self.products.get_mut(&order.product);
                let product =
                    product.ok_or_else(|| format!("is about product {}, which is not there", order.product))?;
                let applied = product.apply(effect);
                applied.map_err(|below_zero| format!("moves the units of order {}: {below_zero}", order.id))?;
                self.changes.put_product(product.clone());
            }
            Effect::DeadLetterRemoved(_) | Effect::Paused(_) | Effect::Forked(_) => {}
        }
        Ok(())
    }
}
