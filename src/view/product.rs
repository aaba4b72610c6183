//! Products and what they add up to.

use serde::Serialize;
use utoipa::ToSchema;

use super::text::{AsText, Id, ProductName, Sku};
use crate::domain::clock::Timestamp;
use crate::domain::money::Money;
use crate::domain::product::Product;

/// A product. Always `initialStock + adjustedStock = currentStock + heldStock + soldStock`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Product)]
pub struct ProductView<'a> {
    id: Id,
    name: ProductName<'a>,
    /// The shop's stock-keeping unit.
    #[schema(required)]
    sku: Option<Sku<'a>>,
    price: AsText<Money>,
    initial_stock: u64,
    /// What can be bought now.
    current_stock: u64,
    /// Units of pending orders.
    held_stock: u64,
    /// Units of confirmed orders.
    sold_stock: u64,
    /// What operators added and removed since.
    adjusted_stock: i64,
    flash_sale_active: bool,
    /// Whether it does not exist for those without the admin token.
    hidden: bool,
    /// Units that one user may have.
    #[schema(required)]
    per_user_limit: Option<u32>,
    /// Inclusive.
    #[schema(required)]
    sale_starts_at: Option<AsText<Timestamp>>,
    /// Exclusive.
    #[schema(required)]
    sale_ends_at: Option<AsText<Timestamp>>,
    /// How long an order waits for its confirmation.
    #[schema(required)]
    hold_seconds: Option<u32>,
    created_at: AsText<Timestamp>,
    /// When an operator last changed it.
    updated_at: AsText<Timestamp>,
}

impl<'a> ProductView<'a> {
    /// The view of a product.
    pub fn of(product: &'a Product) -> Self {
        let Product { terms, stock, .. } = product;
        Self {
            id: Id(product.id.0),
            name: ProductName(&terms.name),
            sku: terms.sku.as_deref().map(Sku),
            price: AsText(terms.price),
            initial_stock: stock.initial,
            current_stock: stock.current,
            held_stock: stock.held,
            sold_stock: stock.sold,
            adjusted_stock: stock.adjusted,
            flash_sale_active: terms.flash_sale_active,
            hidden: terms.hidden,
            per_user_limit: terms.per_user_limit,
            sale_starts_at: terms.sale_starts_at.map(AsText),
            sale_ends_at: terms.sale_ends_at.map(AsText),
            hold_seconds: terms.hold_seconds,
            created_at: AsText(product.created_at),
            updated_at: AsText(product.updated_at),
        }
    }
}

/// Totals over all products.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StockMetrics)]
pub struct StockMetricsView {
    /// Products with less than a tenth of their initial stock.
    pub(crate) low_stock_products: u64,
    pub(crate) out_of_stock_products: u64,
    /// Percent of all units that are held or sold.
    #[schema(minimum = 0)]
    pub(crate) stock_utilization: f64,
    pub(crate) total_current_stock: u64,
    pub(crate) total_initial_stock: u64,
    pub(crate) total_products: u64,
}
