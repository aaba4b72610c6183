//! The one JSON shape of an order, a product and a job: what the API answers, a webhook posts and an export writes.

use serde::{Serialize, Serializer};

use crate::domain::clock::Timestamp;
use crate::domain::job::JobOutcome;
use crate::domain::job_id::JobIds;
use crate::domain::money::Money;
use crate::domain::order::Order;
use crate::domain::product::Product;

/// An order as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderView<'a> {
    id: u64,
    job_id: String,
    product_id: u64,
    user_id: &'a str,
    quantity: u32,
    unit_price: AsText<Money>,
    total_price: AsText<Money>,
    status: &'static str,
    priority: &'static str,
    reserved_at: AsText<Timestamp>,
    expires_at: Option<AsText<Timestamp>>,
    attempts: u32,
    failure_reason: Option<String>,
    created_at: AsText<Timestamp>,
    updated_at: AsText<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<ProductView<'a>>,
}

impl<'a> OrderView<'a> {
    /// The view of an order.
    pub fn of(order: &'a Order, job_ids: &JobIds) -> Self {
        Self {
            id: order.id.0,
            job_id: job_ids.job_id(order.id),
            product_id: order.product.0,
            user_id: order.user.as_str(),
            quantity: order.quantity,
            unit_price: AsText(order.unit_price),
            total_price: AsText(order.total()),
            status: order.status.as_str(),
            priority: order.priority.as_str(),
            reserved_at: AsText(order.reserved_at),
            expires_at: order.expires_at.map(AsText),
            attempts: order.attempts,
            failure_reason: order.failure.as_ref().map(ToString::to_string),
            created_at: AsText(order.created_at),
            updated_at: AsText(order.updated_at),
            product: None,
        }
    }

    /// The same with its product inside.
    pub fn with_product(self, product: Option<&'a Product>) -> Self {
        Self { product: product.map(ProductView::of), ..self }
    }
}

/// A product as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductView<'a> {
    id: u64,
    name: &'a str,
    price: AsText<Money>,
    initial_stock: u64,
    current_stock: u64,
    held_stock: u64,
    sold_stock: u64,
    adjusted_stock: i64,
    flash_sale_active: bool,
    per_user_limit: Option<u32>,
    sale_starts_at: Option<AsText<Timestamp>>,
    sale_ends_at: Option<AsText<Timestamp>>,
    hold_seconds: Option<u32>,
    created_at: AsText<Timestamp>,
    updated_at: AsText<Timestamp>,
}

impl<'a> ProductView<'a> {
    /// The view of a product.
    pub fn of(product: &'a Product) -> Self {
        let Product { terms, stock, .. } = product;
        Self {
            id: product.id.0,
            name: &terms.name,
            price: AsText(terms.price),
            initial_stock: stock.initial,
            current_stock: stock.current,
            held_stock: stock.held,
            sold_stock: stock.sold,
            adjusted_stock: stock.adjusted,
            flash_sale_active: terms.flash_sale_active,
            per_user_limit: terms.per_user_limit,
            sale_starts_at: terms.sale_starts_at.map(AsText),
            sale_ends_at: terms.sale_ends_at.map(AsText),
            hold_seconds: terms.hold_seconds,
            created_at: AsText(product.created_at),
            updated_at: AsText(product.updated_at),
        }
    }
}

/// The job of an order as its buyer follows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    job_id: String,
    order_id: u64,
    status: &'static str,
    progress: u8,
    queue_position: Option<u64>,
    attempts_made: u32,
    processed_on: Option<AsText<Timestamp>>,
    finished_on: Option<AsText<Timestamp>>,
    failed_reason: Option<String>,
}

impl JobView {
    /// The view of the job of an order: `status` is its state, `queue_position` its place in the line, if it has one.
    pub fn of(order: &Order, status: &'static str, queue_position: Option<u64>, job_ids: &JobIds) -> Self {
        Self {
            job_id: job_ids.job_id(order.id),
            order_id: order.id.0,
            status,
            progress: if order.job == JobOutcome::Open { 0 } else { 100 },
            queue_position,
            attempts_made: order.attempts,
            processed_on: order.processed_at.map(AsText),
            finished_on: order.finished_at.map(AsText),
            failed_reason: order.failure.as_ref().map(ToString::to_string),
        }
    }
}

/// A value that JSON shows as its text: money and moments.
#[derive(Clone, Copy, Debug)]
pub struct AsText<T>(pub T);

impl<T: std::fmt::Display> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
