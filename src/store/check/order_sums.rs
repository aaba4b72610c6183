//! What the orders add up to, product by product.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::domain::order::{OrderFields, OrderStatus};
use crate::domain::product::{Product, ProductId};

use crate::store::error::StoreError;
use crate::store::snapshot::Snapshot;

/// What the orders of one product add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderSums {
    /// Orders, whatever their status.
    pub orders: u64,
    /// Units in pending orders.
    pub held: u64,
    /// Units in confirmed orders.
    pub sold: u64,
}

impl OrderSums {
    /// Adds an order.
    pub fn add(&mut self, order: &OrderFields<'_>) {
        self.orders += 1;
        match order.status {
            OrderStatus::Pending => self.held += u64::from(order.quantity),
            OrderStatus::Confirmed => self.sold += u64::from(order.quantity),
            OrderStatus::Failed | OrderStatus::Cancelled => {}
        }
    }

    /// Whether the product's own counts say the same.
    pub fn agrees_with(&self, product: &Product) -> bool {
        (self.orders, self.held, self.sold) == (product.orders, product.stock.held, product.stock.sold)
    }

    /// Adds up all orders, by their products.
    pub fn by_product(snapshot: &Snapshot) -> Result<BTreeMap<ProductId, Self>, StoreError> {
        let mut sums = BTreeMap::<ProductId, Self>::new();
        snapshot.each_fields(|order| {
            sums.entry(order.product).or_default().add(order);
            ControlFlow::Continue(())
        })?;
        Ok(sums)
    }
}
