//! The events that are posted outside.

use serde::Serialize;
use utoipa::ToSchema;

use super::order::OrderView;
use super::product::ProductView;
use super::text::{AsText, Word};
use crate::domain::change::HistoryId;
use crate::domain::clock::Timestamp;
use crate::domain::event::{OrderEventType, ProductEventType};

/// A transition of an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderEvent)]
pub struct OrderEventView<'a> {
    /// What happened.
    pub(crate) r#type: Word<OrderEventType>,
    /// When it happened.
    pub(crate) timestamp: AsText<Timestamp>,
    /// The record of the history in which it happened.
    pub(crate) sequence: u64,
    /// The id of that history.
    pub(crate) history: AsText<HistoryId>,
    /// The order with it.
    pub(crate) data: OrderView<'a>,
}

/// A change of a product in the sale.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProductEvent)]
pub struct ProductEventView<'a> {
    /// What happened.
    pub(crate) r#type: Word<ProductEventType>,
    /// When it happened.
    pub(crate) timestamp: AsText<Timestamp>,
    /// The record of the history in which it happened; the last one before, where a moment came.
    pub(crate) sequence: u64,
    /// The id of that history.
    pub(crate) history: AsText<HistoryId>,
    /// The product with it.
    pub(crate) data: ProductView<'a>,
}
