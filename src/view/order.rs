//! Orders.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::product::ProductView;
use super::queue::JobCountsView;
use super::text::{AsText, Id, JobId, Units, UserName, Word};
use crate::domain::clock::Timestamp;
use crate::domain::job_id::JobIds;
use crate::domain::money::Money;
use crate::domain::order::{Metadata, Order, OrderStatus, Priority};
use crate::domain::product::Product;
use crate::domain::totals::Totals;

/// An order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Order)]
pub struct OrderView<'a> {
    id: Id,
    job_id: JobId,
    product_id: Id,
    user_id: UserName<'a>,
    /// The shop's own id for it.
    #[schema(required)]
    reference: Option<&'a str>,
    /// Pairs of the shop's own.
    #[schema(required, value_type = Option<BTreeMap<String, String>>)]
    metadata: Option<MetadataView<'a>>,
    quantity: Units,
    /// The price of one unit when the order was accepted.
    unit_price: AsText<Money>,
    total_price: AsText<Money>,
    status: Word<OrderStatus>,
    priority: Word<Priority>,
    /// When its units were last reserved.
    reserved_at: AsText<Timestamp>,
    /// Until when it can be confirmed.
    #[schema(required)]
    expires_at: Option<AsText<Timestamp>>,
    /// Fulfilment attempts since it was last queued.
    attempts: u32,
    /// A code such as `expired`, perhaps with the last error after it.
    #[schema(required)]
    failure_reason: Option<String>,
    created_at: AsText<Timestamp>,
    updated_at: AsText<Timestamp>,
    /// Only where one order is read by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    product: Option<ProductView<'a>>,
}

impl<'a> OrderView<'a> {
    /// The view of an order.
    pub fn of(order: &'a Order, job_ids: &JobIds) -> Self {
        Self {
            id: Id(order.id.0),
            job_id: JobId::of(order.id, job_ids),
            product_id: Id(order.product.0),
            user_id: UserName(order.user.as_str()),
            reference: order.reference(),
            metadata: order.metadata().map(MetadataView::Pairs),
            quantity: Units(order.quantity),
            unit_price: AsText(order.unit_price),
            total_price: AsText(order.total()),
            status: Word(order.status),
            priority: Word(order.priority),
            reserved_at: AsText(order.reserved_at),
            expires_at: order.expires_at.map(AsText),
            attempts: order.attempts,
            failure_reason: order.failure.as_ref().map(ToString::to_string),
            created_at: AsText(order.created_at),
            updated_at: AsText(order.updated_at),
            product: None,
        }
    }

    /// The same as cells: no object is one, so its metadata is JSON as text.
    pub fn in_cells(self) -> serde_json::Result<Self> {
        let text = self.metadata.as_ref().map(serde_json::to_string).transpose()?;
        Ok(Self { metadata: text.map(MetadataView::Text), ..self })
    }

    /// The same with its product inside.
    pub fn with_product(self, product: Option<&'a Product>) -> Self {
        Self { product: product.map(ProductView::of), ..self }
    }
}

/// The metadata of an order: an object, or in a cell its text.
#[derive(Debug)]
enum MetadataView<'a> {
    Pairs(&'a Metadata),
    Text(String),
}

impl Serialize for MetadataView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Pairs(metadata) => metadata.pairs().serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// Why an order is posted.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
enum FulfillmentEvent {
    /// It was placed.
    #[serde(rename = "order.placed")]
    Placed,
    /// It was held, and is confirmed.
    #[serde(rename = "order.confirmed")]
    Confirmed,
}

/// What is posted to the fulfilment service: an order that was placed, or a held one that is confirmed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FulfillmentEvent)]
pub struct FulfillmentEventView<'a> {
    r#type: FulfillmentEvent,
    timestamp: AsText<Timestamp>,
    data: OrderView<'a>,
}

impl<'a> FulfillmentEventView<'a> {
    /// The event of an order, posted at this moment.
    pub fn of(order: &'a Order, at: Timestamp, job_ids: &JobIds) -> Self {
        let r#type = match order.expires_at {
            Some(_) => FulfillmentEvent::Confirmed,
            None => FulfillmentEvent::Placed,
        };
        Self { r#type, timestamp: AsText(at), data: OrderView::of(order, job_ids) }
    }
}

/// Counts of orders.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OrderMetrics)]
pub struct OrderMetricsView {
    cancelled_orders: u64,
    confirmed_orders: u64,
    failed_orders: u64,
    pending_orders: u64,
    queue_stats: JobCountsView,
    total_orders: u64,
}

impl OrderMetricsView {
    /// The counts of orders beside those of jobs.
    pub fn of(totals: &Totals, jobs: JobCountsView) -> Self {
        Self {
            cancelled_orders: totals.orders(OrderStatus::Cancelled),
            confirmed_orders: totals.orders(OrderStatus::Confirmed),
            failed_orders: totals.orders(OrderStatus::Failed),
            pending_orders: totals.orders(OrderStatus::Pending),
            queue_stats: jobs,
            total_orders: totals.all_orders(),
        }
    }
}
