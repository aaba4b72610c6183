//! One order: what it is, what can be done with it, and its history.

use std::sync::Arc;

use crate::domain::clock::Timestamp;
use crate::domain::order::{Metadata, Order, OrderId, OrderStatus};
use crate::domain::refusal::Refusal;
use crate::limits::MAX_ID;
use crate::operator::{order_history, orders};

use super::super::search::url;
use super::super::state::Shared;
use super::super::text;
use super::history::{Entry, entries};

/// An order as its page shows it.
pub(in crate::dashboard) struct OneOrder {
    pub(super) id: u64,
    pub(super) status: &'static str,
    pub(super) is_failed: bool,
    pub(super) user: String,
    pub(super) user_url: String,
    pub(super) product: String,
    pub(super) product_url: String,
    pub(super) quantity: String,
    pub(super) total: String,
    pub(super) total_value: String,
    pub(super) priority: &'static str,
    pub(super) job: String,
    pub(super) hold: String,
    pub(super) reference: Option<String>,
    pub(super) metadata: Vec<(String, String)>,
    /// Why it cannot be confirmed, if it cannot.
    pub(super) not_confirmed: Option<&'static str>,
    /// Why it cannot be cancelled, if it cannot.
    pub(super) not_cancelled: Option<&'static str>,
    pub(super) entries: Vec<Entry>,
    /// What the history does not show, if it does not show all.
    pub(super) gap: Option<&'static str>,
}

impl OneOrder {
    pub(super) async fn of(shared: &Shared, order: &Arc<Order>, now: Timestamp) -> Result<Self, Refusal> {
        let history = order_history::history(&shared.store, order).await?;
        let product = shared.product_name(order.product);
        Ok(Self {
            id: order.id.0,
            status: order.status.as_str(),
            is_failed: order.status == OrderStatus::Failed,
            user: order.user.as_str().to_owned(),
            user_url: url("/orders", &[("user", order.user.as_str())]),
            product_url: format!("/products/{}", order.product),
            quantity: text::whole(order.quantity),
            total: text::money(order.total()),
            total_value: order.total().to_string(),
            priority: order.priority.as_str(),
            job: shared.job_ids.job_id(order.id),
            hold: hold(order, now),
            reference: order.reference().map(str::to_owned),
            metadata: order.metadata().into_iter().flat_map(Metadata::pairs).map(owned).collect(),
            not_confirmed: not_confirmed(order),
            not_cancelled: not_cancelled(order),
            entries: entries(order, &product, &history.steps, now),
            gap: (!history.is_whole).then_some(
                "Some of it is not shown: the ledger was trimmed, or the order lived through too much of it.",
            ),
            product,
        })
    }

    pub(super) fn number(&self) -> String {
        text::whole(self.id)
    }
}

fn owned((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

/// The order of a path.
pub(super) async fn find(shared: &Shared, id: &str) -> Result<Arc<Order>, Refusal> {
    let id = id.parse().ok().filter(|id| (1..=MAX_ID).contains(id)).ok_or(Refusal::OrderNotFound)?;
    orders::find(&shared.store, OrderId(id)).await?.ok_or(Refusal::OrderNotFound)
}

fn hold(order: &Order, now: Timestamp) -> String {
    match (order.expires_at, order.status) {
        (None, _) => "none".to_owned(),
        (Some(at), OrderStatus::Pending) if at > now => {
            format!("until {}, {} left", text::moment(at, now), text::span(at.since(now)))
        }
        (Some(at), _) => format!("until {}", text::moment(at, now)),
    }
}

fn not_confirmed(order: &Order) -> Option<&'static str> {
    match order.status {
        OrderStatus::Confirmed => Some("It is confirmed"),
        OrderStatus::Failed => Some("It failed; retry its dead letter instead"),
        OrderStatus::Cancelled if !order.is_expired() => Some("It is cancelled"),
        OrderStatus::Pending if order.expires_at.is_none() => Some("A worker confirms it"),
        OrderStatus::Pending | OrderStatus::Cancelled => None,
    }
}

fn not_cancelled(order: &Order) -> Option<&'static str> {
    match order.status {
        OrderStatus::Failed => Some("It failed, and its units went back"),
        OrderStatus::Cancelled => Some("It is cancelled"),
        OrderStatus::Pending | OrderStatus::Confirmed => None,
    }
}
