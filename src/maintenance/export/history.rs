//! The history as rows: who did what, when, and what was before and after.

use std::io::{self, Write};

use serde::Serialize;

use crate::change::{Actor, Change, Record};
use crate::clock::Timestamp;
use crate::job_id::JobIds;
use crate::order::{OrderId, Transition};
use crate::product::{Product, StockMove};
use crate::view::{OrderView, ProductView, Shown};

use super::sink::Sink;
use super::{ExportError, Filter};

/// One change. Times and hashes are those of its record.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'e> {
    sequence: u64,
    at: Shown<Timestamp>,
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

/// A product or an order inside of a row: an object in JSON, its text in CSV.
#[derive(Serialize)]
#[serde(untagged)]
enum Shape<'s> {
    Product(ProductView<'s>),
    Order(OrderView<'s>),
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
    filter: &Filter,
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
    let mut entry = Entry {
        sequence: record.sequence,
        at: Shown(record.at),
        hash: hex(hash),
        previous_hash: hex(record.previous),
        kind: kind(change),
        actor: Actor::Operator.as_str(),
        product_id: None,
        order_id: None,
        quantity: None,
        current_delta: None,
        held_delta: None,
        sold_delta: None,
        error: None,
        before: None,
        after: None,
    };
    match change {
        Change::ProductCreated(product) => {
            entry.about_product(product, [signed(product.stock.current), 0, 0]);
            entry.after = Shape::product(product);
        }
        Change::ProductEdited { before, after } => {
            entry.about_product(after, [signed(after.stock.current) - signed(before.stock.current), 0, 0]);
            (entry.before, entry.after) = (Shape::product(before), Shape::product(after));
        }
        Change::ProductDeleted(product) => {
            entry.about_product(product, [-signed(product.stock.current), 0, 0]);
            entry.before = Shape::product(product);
        }
        Change::OrderPlaced { order, .. } => {
            entry.actor = Actor::Buyer.as_str();
            entry.about_order(order.id, order.product.0, order.quantity, Some(StockMove::Hold));
            entry.after = Some(Shape::Order(OrderView::of(order, job_ids)));
        }
        Change::OrderMoved { order, product, quantity, transition, units, actor } => {
            entry.actor = actor.as_str();
            entry.about_order(*order, product.0, *quantity, *units);
            entry.error = error(transition);
        }
        Change::DeadLetterDeleted(order) => entry.order_id = Some(order.0),
        Change::QueuePaused | Change::QueueResumed => {}
    }
    entry
}

impl Entry<'_> {
    fn about_product(&mut self, product: &Product, deltas: [i64; 3]) {
        self.product_id = Some(product.id.0);
        self.move_stock(deltas);
    }

    fn about_order(&mut self, order: OrderId, product: u64, quantity: u32, units: Option<StockMove>) {
        (self.order_id, self.product_id, self.quantity) = (Some(order.0), Some(product), Some(quantity));
        self.move_stock(units.map_or([0; 3], |units| units.deltas(quantity)));
    }

    fn move_stock(&mut self, [current, held, sold]: [i64; 3]) {
        (self.current_delta, self.held_delta, self.sold_delta) = (Some(current), Some(held), Some(sold));
    }
}

fn hex(hash: [u8; 32]) -> String {
    blake3::Hash::from_bytes(hash).to_hex().to_string()
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

const fn error(transition: &Transition) -> Option<&str> {
    match transition {
        Transition::AttemptFailed { error, .. }
        | Transition::Rejected { error }
        | Transition::AttemptsExhausted { error } => Some(error.as_str()),
        _ => None,
    }
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
    }
}
