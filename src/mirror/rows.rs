//! The rows that records touched.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::change::{Change, Record};
use crate::domain::order::{Order, OrderId};
use crate::domain::product::{Product, ProductId};
use crate::store::{Snapshot, StoreError};

/// Rows as they are now.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Orders, by number.
    pub(super) orders: Vec<Order>,
    /// Products, by number.
    pub(super) products: Vec<Product>,
    /// Products that are deleted.
    pub(super) deleted: Vec<ProductId>,
}

/// The numbers of what records touched. A row that is touched several times is read once.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    orders: BTreeSet<OrderId>,
    products: BTreeSet<ProductId>,
}

impl Touched {
    /// What these records touched.
    pub(super) fn of(records: &[Arc<Record>]) -> Self {
        let mut touched = Self::default();
        records.iter().flat_map(|record| &record.changes).for_each(|change| touched.add(change));
        touched
    }

    fn add(&mut self, change: &Change) {
        self.orders.extend(change.order());
        self.products.extend(change.product());
    }

    /// These.
    pub(super) fn these(orders: Vec<OrderId>, products: Vec<ProductId>) -> Self {
        Self { orders: orders.into_iter().collect(), products: products.into_iter().collect() }
    }

    /// Reads the rows. A product that is not there any more is deleted; orders are never.
    pub(super) fn read(self, snapshot: &Snapshot) -> Result<Rows, StoreError> {
        let orders: Vec<_> = self.orders.into_iter().collect();
        let ids: Vec<_> = self.products.iter().copied().collect();
        let products = snapshot.products_by_id(&ids)?;
        let mut deleted = self.products;
        products.iter().for_each(|product| _ = deleted.remove(&product.id));
        Ok(Rows { orders: snapshot.orders_by_id(&orders)?, products, deleted: deleted.into_iter().collect() })
    }
}
