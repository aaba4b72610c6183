//! The history as rows: who did what, when, and what was before and after.

use std::io::{self, Write};

use serde::Serialize;

use crate::domain::change::{Change, HistoryId, Record};
use crate::domain::clock::Timestamp;
use crate::domain::filter::OrderFilter;
use crate::domain::job_id::JobIds;
use crate::domain::order::OrderId;
use crate::domain::product::{Product, ProductId};
use crate::domain::transition::Transition;
use crate::view::{AsText, OrderView, ProductView};

use super::ExportError;
use super::sink::Sink;

/// One change. Times and hashes are those of its record.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'e> {
    sequence: u64,
    at: AsText<Timestamp>,
    hash: String,
    previous_hash: String,
    kind: &'static str,
    actor: &'static str,
    product_id: Option<u64>,
    order_id: Option<u64>,
    quantity: Option<u32>,
    current_delta: Option<i64>,
    held_delta: Option<i64>,
    sold_delta: Option<i64>,
    error: Option<&'e str>,
    before: Option<Shape<'e>>,
    after: Option<Shape<'e>>,
}

/// What a change found or left, inside of a row: a product, an order, or the one thing that it turned. An object in
/// JSON, its text in CSV.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Shape<'s> {
    Product(ProductView<'s>),
    Order(OrderView<'s>),
    Status { status: &'static str },
    DeadLetter { dead_letter: bool },
    Queue { paused: bool },
    History { history_id: String, next_order_id: u64, next_product_id: u64 },
    Text(String),
}

impl<'s> Shape<'s> {
    fn product(product: &'s Product) -> Option<Self> {
        Some(Self::Product(ProductView::of(product)))
    }

    fn into_text(self) -> io::Result<Self> {
        Ok(Self::Text(serde_json::to_string(&self)?))
    }
}

/// Writes the changes of a record that the filter keeps. Of a user, only the placing of orders is known here.
pub(super) fn write(
    record: &Record,
    hash: [u8; 32],
    filter: &OrderFilter,
    job_ids: &JobIds,
    sink: &mut Sink<impl Write>,
) -> Result<(), ExportError> {
    for change in &record.changes {
        let placed_by = match change {
            Change::OrderPlaced { order, .. } => Some(order.user.as_str()),
            _ => None,
        };
        let mut entry = entry(record, hash, change, job_ids);
        let about = filter.product.is_none_or(|product| entry.product_id == Some(product.0));
        if !about || filter.user.as_deref().is_some_and(|user| placed_by != Some(user)) {
            continue;
        }
        if sink.is_csv() {
            entry.before = entry.before.map(Shape::into_text).transpose()?;
            entry.after = entry.after.map(Shape::into_text).transpose()?;
        }
        sink.row(&entry)?;
    }
    Ok(())
}

fn entry<'e>(record: &'e Record, hash: [u8; 32], change: &'e Change, job_ids: &JobIds) -> Entry<'e> {
    let [current_delta, held_delta, sold_delta] = change.deltas().map_or([None; 3], |deltas| deltas.map(Some));
    let mut entry = Entry {
        sequence: record.sequence,
        at: AsText(record.at),
        hash: hex(hash),
        previous_hash: hex(record.previous),
        kind: kind(change),
        actor: change.actor().as_str(),
        product_id: None,
        order_id: None,
        quantity: None,
        current_delta,
        held_delta,
        sold_delta,
        error: None,
        before: None,
        after: None,
    };
    match change {
        Change::ProductCreated(product) => {
            entry.product_id = Some(product.id.0);
            entry.after = Shape::product(product);
        }
        Change::ProductEdited { before, after } => {
            entry.product_id = Some(after.id.0);
            (entry.before, entry.after) = (Shape::product(before), Shape::product(after));
        }
        Change::ProductDeleted(product) => {
            entry.product_id = Some(product.id.0);
            entry.before = Shape::product(product);
        }
        Change::OrderPlaced { order, .. } => {
            entry.about_order(order.id, order.product, order.quantity);
            entry.after = Some(Shape::Order(OrderView::of(order, job_ids)));
        }
        Change::OrderMoved { order, product, quantity, transition, units, .. } => {
            entry.about_order(*order, *product, *quantity);
            entry.error = transition.error();
            entry.turned(transition.statuses(*units).map(|status| Shape::Status { status: status.as_str() }));
        }
        Change::DeadLetterDeleted(order) => {
            entry.order_id = Some(order.0);
            entry.turned([true, false].map(|dead_letter| Shape::DeadLetter { dead_letter }));
        }
        Change::QueuePaused => entry.turned([false, true].map(|paused| Shape::Queue { paused })),
        Change::QueueResumed => entry.turned([true, false].map(|paused| Shape::Queue { paused })),
        Change::HistoryForked(fork) => {
            let shape = |id: HistoryId, next_order_id, next_product_id| Shape::History {
                history_id: id.to_string(),
                next_order_id,
                next_product_id,
            };
            entry.turned([
                shape(fork.previous, fork.last_order + 1, fork.last_product + 1),
                shape(fork.id, fork.first_order, fork.first_product),
            ]);
        }
    }
    entry
}

impl<'e> Entry<'e> {
    fn about_order(&mut self, order: OrderId, product: ProductId, quantity: u32) {
        (self.order_id, self.product_id, self.quantity) = (Some(order.0), Some(product.0), Some(quantity));
    }

    fn turned(&mut self, [before, after]: [Shape<'e>; 2]) {
        (self.before, self.after) = (Some(before), Some(after));
    }
}

fn hex(hash: [u8; 32]) -> String {
    blake3::Hash::from_bytes(hash).to_hex().to_string()
}

const fn kind(change: &Change) -> &'static str {
    match change {
        Change::ProductCreated(_) => "product_created",
        Change::ProductEdited { .. } => "product_edited",
        Change::ProductDeleted(_) => "product_deleted",
        Change::OrderPlaced { .. } => "order_placed",
        Change::OrderMoved { transition, .. } => match transition {
            Transition::Fulfilled => "order_fulfilled",
            Transition::Confirmed => "order_confirmed",
            Transition::ConfirmedLate => "order_confirmed_late",
            Transition::AttemptFailed { .. } => "attempt_failed",
            Transition::Rejected { .. } => "order_rejected",
            Transition::AttemptsExhausted { .. } => "attempts_exhausted",
            Transition::Cancelled => "order_cancelled",
            Transition::Expired => "order_expired",
            Transition::Reopened => "order_reopened",
        },
        Change::DeadLetterDeleted(_) => "dead_letter_deleted",
        Change::QueuePaused => "queue_paused",
        Change::QueueResumed => "queue_resumed",
        Change::HistoryForked(_) => "history_forked",
    }
}
