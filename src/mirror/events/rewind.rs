//! Products as they were with an earlier record, from how they are by now and from the changes since.

use std::collections::BTreeMap;

use crate::domain::change::Change;
use crate::domain::product::{Product, ProductId};

/// What the changes since did to each product, as far as there is no whole row of it from between.
#[derive(Debug, Default)]
pub(super) struct Rewind(BTreeMap<ProductId, Undo>);

#[derive(Debug, Default)]
struct Undo {
    /// The first whole row that a change has; `Some(None)` where the product was created.
    row: Option<Option<Box<Product>>>,
    /// What was added to its current, held and sold units before that row, and how many orders were placed.
    units: [i64; 3],
    orders: u64,
    /// Whether it was in the sale, where a stop or a start of the whole sale changed that.
    was_on_sale: Option<bool>,
}

impl Rewind {
    /// Notes the next change.
    pub(super) fn note(&mut self, change: &Change) {
        match change {
            Change::ProductCreated(product) => self.row(product.id, None),
            Change::ProductEdited { before, .. } => self.row(before.id, Some(before.clone())),
            Change::ProductDeleted(product) => self.row(product.id, Some(product.clone())),
            Change::ProductStopped(id) => self.sale(*id, true),
            Change::ProductStarted(id) => self.sale(*id, false),
            Change::OrderPlaced { order, .. } => self.units(order.product, change, 1),
            Change::OrderMoved { product, .. } => self.units(*product, change, 0),
            Change::DeadLetterDeleted(_) | Change::QueuePaused | Change::QueueResumed | Change::HistoryForked(_) => {}
        }
    }

    /// The products before all changes, from how they are after them.
    pub(super) fn before(mut self, products: Vec<Product>) -> Vec<Product> {
        let (mut before, mut left) = (Vec::with_capacity(products.len()), Vec::new());
        for product in products {
            match self.0.remove(&product.id) {
                Some(undo) => left.push((undo, Some(Box::new(product)))),
                None => before.push(product),
            }
        }
        // Those that are deleted by now.
        left.extend(self.0.into_values().map(|undo| (undo, None)));
        before.extend(left.into_iter().filter_map(|(undo, now)| undo.apply(now)));
        before
    }

    /// What is still to be undone of a product; `None` where a whole row is known.
    fn open(&mut self, id: ProductId) -> Option<&mut Undo> {
        Some(self.0.entry(id).or_default()).filter(|undo| undo.row.is_none())
    }

    fn row(&mut self, id: ProductId, row: Option<Box<Product>>) {
        if let Some(undo) = self.open(id) {
            undo.row = Some(row);
        }
    }

    fn sale(&mut self, id: ProductId, was_on: bool) {
        if let Some(undo) = self.open(id) {
            undo.was_on_sale.get_or_insert(was_on);
        }
    }

    fn units(&mut self, id: ProductId, change: &Change, orders: u64) {
        if let Some(undo) = self.open(id) {
            let deltas = change.deltas().unwrap_or_default();
            undo.units.iter_mut().zip(deltas).for_each(|(sum, delta)| *sum += delta);
            undo.orders += orders;
        }
    }
}

impl Undo {
    fn apply(self, now: Option<Box<Product>>) -> Option<Product> {
        let mut product = *self.row.unwrap_or(now)?;
        let stock = &mut product.stock;
        for (units, added) in [&mut stock.current, &mut stock.held, &mut stock.sold].into_iter().zip(self.units) {
            *units = units.saturating_add_signed(-added);
        }
        product.orders = product.orders.saturating_sub(self.orders);
        if let Some(was_on) = self.was_on_sale {
            (product.terms.flash_sale_active, product.stopped) = (was_on, !was_on);
        }
        Some(product)
    }
}
