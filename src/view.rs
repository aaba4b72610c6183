//! The one JSON shape of an order, a product and a job: what the API answers, a webhook posts and an export writes.

use serde::{Serialize, Serializer};

use crate::clock::Timestamp;
use crate::job_id::JobIds;
use crate::money::Money;
use crate::order::{JobEnd, Order};
use crate::product::Product;

/// An order as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderView<'a> {
    id: u64,
    job_id: String,
    product_id: u64,
    user_id: &'a str,
    quantity: u32,
    unit_price: Shown<Money>,
    total_price: Shown<Money>,
    status: &'static str,
    priority: &'static str,
    reserved_at: Shown<Timestamp>,
    expires_at: Option<Shown<Timestamp>>,
    attempts: u32,
    failure_reason: Option<String>,
    created_at: Shown<Timestamp>,
    updated_at: Shown<Timestamp>,
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
            unit_price: Shown(order.unit_price),
            total_price: Shown(order.total()),
            status: order.status.as_str(),
            priority: order.priority.as_str(),
            reserved_at: Shown(order.reserved_at),
            expires_at: order.expires_at.map(Shown),
            attempts: order.attempts,
            failure_reason: order.failure.as_ref().map(ToString::to_string),
            created_at: Shown(order.created_at),
            updated_at: Shown(order.updated_at),
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
    price: Shown<Money>,
    initial_stock: u64,
    current_stock: u64,
    held_stock: u64,
    sold_stock: u64,
    adjusted_stock: i64,
    flash_sale_active: bool,
    per_user_limit: Option<u32>,
    sale_starts_at: Option<Shown<Timestamp>>,
    sale_ends_at: Option<Shown<Timestamp>>,
    hold_seconds: Option<u32>,
    created_at: Shown<Timestamp>,
    updated_at: Shown<Timestamp>,
}

impl<'a> ProductView<'a> {
    /// The view of a product.
    pub fn of(product: &'a Product) -> Self {
        let Product { terms, stock, .. } = product;
        Self {
            id: product.id.0,
            name: &terms.name,
            price: Shown(terms.price),
            initial_stock: stock.initial,
            current_stock: stock.current,
            held_stock: stock.held,
            sold_stock: stock.sold,
            adjusted_stock: stock.adjusted,
            flash_sale_active: terms.flash_sale_active,
            per_user_limit: terms.per_user_limit,
            sale_starts_at: terms.sale_starts_at.map(Shown),
            sale_ends_at: terms.sale_ends_at.map(Shown),
            hold_seconds: terms.hold_seconds,
            created_at: Shown(product.created_at),
            updated_at: Shown(product.updated_at),
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
    processed_on: Option<Shown<Timestamp>>,
    finished_on: Option<Shown<Timestamp>>,
    failed_reason: Option<String>,
}

impl JobView {
    /// The view of the job of an order: `status` is its state, `queue_position` its place in the line, if it has one.
    pub fn of(order: &Order, status: &'static str, queue_position: Option<u64>, job_ids: &JobIds) -> Self {
        Self {
            job_id: job_ids.job_id(order.id),
            order_id: order.id.0,
            status,
            progress: if order.job == JobEnd::Open { 0 } else { 100 },
            queue_position,
            attempts_made: order.attempts,
            processed_on: order.processed_at.map(Shown),
            finished_on: order.finished_at.map(Shown),
            failed_reason: order.failure.as_ref().map(ToString::to_string),
        }
    }
}

/// A value that JSON shows as its text: money and moments.
#[derive(Clone, Copy, Debug)]
pub struct Shown<T>(pub T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
