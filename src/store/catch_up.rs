//! What the log has and the tables do not: told again at an opening, and written into the tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use redb::{Database, ReadableDatabase};

use crate::domain::change::{Change, Record};
use crate::domain::effect::Effect;
use crate::domain::job::JobOutcome;
use crate::domain::order::{Order, OrderId};
use crate::domain::product::{Product, ProductId};

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
        retelling.apply(&record)?;
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
    fn apply(&mut self, record: &Record) -> Result<(), StoreError> {
        let wrong = |what: String| StoreError::Damaged(format!("record {} of the log {what}", record.sequence));
        for change in &record.changes {
            let before = match change {
                Change::OrderMoved { order, .. } => self.order(*order)?,
                _ => None,
            };
            let effect = Effect::of(change, before.as_deref(), record.at);
            let effect = effect.map_err(|contradiction| wrong(contradiction.to_string()))?;
            self.follow_product(&effect).map_err(wrong)?;
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

    fn follow_product(&mut self, effect: &Effect<'_>) -> Result<(), String> {
        match effect {
            Effect::ProductPut(product) => drop(self.products.insert(product.id, Product::clone(product))),
            Effect::ProductRemoved(id) => drop(self.products.remove(id)),
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
