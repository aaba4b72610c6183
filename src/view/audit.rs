//! The conservation check.

use serde::Serialize;
use utoipa::ToSchema;

use super::text::Id;
use crate::domain::product::Product;
use crate::domain::totals::OrderSums;

/// The conservation check.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Audit)]
pub struct AuditView {
    /// Whether every product adds up.
    ok: bool,
    #[schema(inline)]
    products: Vec<AuditedProductView>,
}

impl AuditView {
    /// The verdict over all products.
    pub fn of(products: Vec<AuditedProductView>) -> Self {
        Self { ok: products.iter().all(|product| product.ok), products }
    }
}

/// One product's counts beside those recomputed from its orders.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditedProductView {
    adjusted_stock: i64,
    current_stock: u64,
    /// Units of its pending orders.
    held_by_orders: u64,
    held_stock: u64,
    initial_stock: u64,
    ok: bool,
    orders: u64,
    product_id: Id,
    /// Units of its confirmed orders.
    sold_by_orders: u64,
    sold_stock: u64,
}

impl AuditedProductView {
    /// A product beside what its orders add up to; `ok` is the verdict.
    pub fn of(product: &Product, by_orders: OrderSums, ok: bool) -> Self {
        let stock = &product.stock;
        Self {
            adjusted_stock: stock.adjusted,
            current_stock: stock.current,
            held_by_orders: by_orders.held,
            held_stock: stock.held,
            initial_stock: stock.initial,
            ok,
            orders: by_orders.orders,
            product_id: Id(product.id.0),
            sold_by_orders: by_orders.sold,
            sold_stock: stock.sold,
        }
    }
}
