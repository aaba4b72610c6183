//! One event, and what is posted for it.

use bytes::Bytes;

use crate::domain::change::HistoryId;
use crate::domain::clock::Timestamp;
use crate::domain::event::{OrderEventType, ProductEventType};
use crate::domain::job_id::JobIds;
use crate::domain::order::Order;
use crate::domain::product::Product;
use crate::limits::EVENTS_LANES;
use crate::view::event::{OrderEventView, ProductEventView};
use crate::view::text::{AsText, Word};
use crate::view::{OrderView, ProductView};

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// Its `webhook-id`: the same however often the event is derived.
    pub(super) id: String,
    /// When it happened.
    pub(super) at: Timestamp,
    /// The history, and the record that it is of.
    pub(super) history: HistoryId,
    pub(super) sequence: u64,
    pub(super) subject: Subject,
}

/// What it is about, as it was with the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Order(OrderEventType, Box<Order>),
    Product(ProductEventType, Box<Product>),
}

impl Event {
    /// Its type on the wire.
    pub(super) const fn name(&self) -> &'static str {
        match &self.subject {
            Subject::Order(event, _) => event.as_str(),
            Subject::Product(event, _) => event.as_str(),
        }
    }

    /// The lane on which it waits for those before it: one for all events of an order, and of a product.
    pub(super) fn lane(&self) -> usize {
        let number = match &self.subject {
            Subject::Order(_, order) => order.id.0,
            Subject::Product(_, product) => product.id.0,
        };
        usize::try_from(number % EVENTS_LANES as u64).unwrap_or_default()
    }

    /// What is posted.
    pub(super) fn body(&self, job_ids: &JobIds) -> Result<Bytes, serde_json::Error> {
        let (timestamp, sequence, history) = (AsText(self.at), self.sequence, AsText(self.history));
        let body = match &self.subject {
            Subject::Order(event, order) => {
                let (r#type, data) = (Word(*event), OrderView::of(order, job_ids));
                serde_json::to_vec(&OrderEventView { r#type, timestamp, sequence, history, data })
            }
            Subject::Product(event, product) => {
                let (r#type, data) = (Word(*event), ProductView::of(product));
                serde_json::to_vec(&ProductEventView { r#type, timestamp, sequence, history, data })
            }
        };
        body.map(Bytes::from)
    }
}
