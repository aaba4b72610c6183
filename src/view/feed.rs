//! What the live feed shows, beside the metrics and the figures of the benchmark.

use std::sync::Arc;

use serde::Serialize;

use super::alert::AlertView;
use super::text::{Id, Units, Word};
use crate::domain::alert::Alert;
use crate::domain::clock::Timestamp;
use crate::domain::order::{OrderId, OrderStatus};
use crate::domain::product::{Product, ProductId};

/// The latest changes of orders, each order once.
#[derive(Debug, Serialize)]
pub struct OrderUpdateView<'a> {
    orders: Vec<OrderChangeView<'a>>,
    /// Changes since the frame before, with those that are not listed.
    changed: u64,
}

impl<'a> OrderUpdateView<'a> {
    /// The view of these orders, of so many changes.
    pub const fn of(orders: Vec<OrderChangeView<'a>>, changed: u64) -> Self {
        Self { orders, changed }
    }
}

/// An order as one change left it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderChangeView<'a> {
    order_id: Id,
    user_id: &'a str,
    product_id: Id,
    quantity: Units,
    status: Word<OrderStatus>,
    /// Milliseconds since 1970.
    updated_at: i64,
}

impl<'a> OrderChangeView<'a> {
    /// The view of an order that came to `status` at this time.
    pub const fn of(
        order: OrderId,
        user: &'a str,
        product: ProductId,
        quantity: u32,
        status: OrderStatus,
        at: Timestamp,
    ) -> Self {
        Self {
            order_id: Id(order.0),
            user_id: user,
            product_id: Id(product.0),
            quantity: Units(quantity),
            status: Word(status),
            updated_at: at.millis(),
        }
    }
}

/// The stock of products.
#[derive(Debug, Serialize)]
pub struct InventoryUpdateView<'a> {
    products: Vec<StockView<'a>>,
    /// Products that were deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    removed: Vec<Id>,
    /// Whether there are no other products than these and those of the frames with the same sequence that follow.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    snapshot: bool,
}

impl<'a> InventoryUpdateView<'a> {
    /// The view of products that have changed, and of those that were deleted.
    pub fn changed(products: &'a [Arc<Product>], removed: &[ProductId]) -> Self {
        let removed = removed.iter().map(|id| Id(id.0)).collect();
        Self { products: products.iter().map(|product| StockView::of(product)).collect(), removed, snapshot: false }
    }

    /// The first products of all.
    pub fn snapshot(products: &'a [Arc<Product>]) -> Self {
        Self { snapshot: true, ..Self::changed(products, &[]) }
    }
}

/// The stock of one product.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StockView<'a> {
    id: Id,
    name: &'a str,
    current_stock: u64,
    held_stock: u64,
    sold_stock: u64,
    initial_stock: u64,
}

impl<'a> StockView<'a> {
    fn of(product: &'a Product) -> Self {
        let stock = &product.stock;
        Self {
            id: Id(product.id.0),
            name: &product.terms.name,
            current_stock: stock.current,
            held_stock: stock.held,
            sold_stock: stock.sold,
            initial_stock: stock.initial,
        }
    }
}

/// A condition that holds, or has ended.
#[derive(Debug, Serialize)]
pub struct SystemAlertView<'a> {
    #[serde(flatten)]
    alert: AlertView<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    resolved: bool,
}

impl<'a> SystemAlertView<'a> {
    /// The view of an alert.
    pub fn of(alert: &'a Alert, resolved: bool) -> Self {
        Self { alert: AlertView::of(alert), resolved }
    }
}

/// How many orders there are.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TotalOrdersView {
    /// In every status.
    pub total_orders: u64,
}

/// What can be bought of each product.
#[derive(Debug, Serialize)]
pub struct InventoryLevelsView {
    products: Vec<LevelView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LevelView {
    /// As text, as older clients expect it.
    product_id: String,
    current_stock: u64,
}

impl InventoryLevelsView {
    /// The view of these products.
    pub fn of(products: &[Arc<Product>]) -> Self {
        let level = |product: &Arc<Product>| LevelView {
            product_id: product.id.0.to_string(),
            current_stock: product.stock.current,
        };
        Self { products: products.iter().map(level).collect() }
    }
}

/// Why a message of a client was not understood.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FeedErrorView<'a> {
    /// A sentence.
    pub message: &'a str,
}

/// The events that a client gets.
#[derive(Clone, Debug, Serialize)]
pub struct SubscriptionView {
    /// Their names.
    pub events: Vec<&'static str>,
}
