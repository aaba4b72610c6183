//! A product's ledger: every change of its stock and of its terms, read from the history.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::change::{Change, Record};
use crate::domain::clock::Timestamp;
use crate::domain::order::OrderStatus;
use crate::domain::product::{Product, ProductId};
use crate::domain::refusal::Refusal;
use crate::domain::transition::Transition;
use crate::limits::{MAX_SCANNED_CHANGES, MAX_SCANNED_RECORDS};
use crate::store::{Page, Reader, Scan, Store, StoreError};
use crate::view::{AsText, ProductView};

/// One change of a product: what it added to each of the three kinds of stock, the product before and after.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    sequence: u64,
    at: AsText<Timestamp>,
    kind: &'static str,
    actor: &'static str,
    order_id: Option<u64>,
    current_delta: i64,
    held_delta: i64,
    sold_delta: i64,
    before: Option<Value>,
    after: Option<Value>,
}

/// A page of a product's ledger below a position, newest first. A page may be short and yet have a next one.
pub async fn page(
    store: &Arc<Store>,
    product: ProductId,
    before: Option<u64>,
    limit: usize,
) -> Result<Page<Entry>, Refusal> {
    Ok(store.scan(Scan::Page, move |reader| ledger(reader, product, before, limit)).await?)
}

/// Bits of a position that count the changes inside of a record; a record has far fewer than 2^20.
const OFFSET_BITS: u32 = 20;

/// A page of the ledger below a position, newest first.
fn ledger(reader: &Reader, product: ProductId, before: Option<u64>, limit: usize) -> Result<Page<Entry>, StoreError> {
    let before = before.unwrap_or(u64::MAX);
    let records = reader.snapshot()?.records_back(Some((before >> OFFSET_BITS).saturating_add(1)))?;
    page_of(records, product, before, limit, ScanLimit { records: MAX_SCANNED_RECORDS, changes: MAX_SCANNED_CHANGES })
}

/// How far back one page may look. A record is looked at whole, so the changes may be one record's too many.
#[derive(Clone, Copy, Debug)]
struct ScanLimit {
    records: usize,
    changes: usize,
}

/// A page of a product's entries in these records, newest first. One that has looked far enough is short.
fn page_of(
    records: impl Iterator<Item = Result<Record, StoreError>>,
    product: ProductId,
    before: u64,
    limit: usize,
    scan_limit: ScanLimit,
) -> Result<Page<Entry>, StoreError> {
    let mut rows = Vec::new();
    let mut changes = 0;
    for (scanned, record) in records.enumerate() {
        let record = record?;
        let position = |offset: usize| record.sequence << OFFSET_BITS | offset as u64;
        if scanned == scan_limit.records || changes >= scan_limit.changes {
            return Ok(Page { rows, next: Some(position((1 << OFFSET_BITS) - 1)) });
        }
        changes += record.changes.len();
        for (offset, change) in record.changes.iter().enumerate().rev() {
            if position(offset) >= before {
                continue;
            }
            let Some(entry) = entry(&record, change, product) else { continue };
            if rows.len() == limit {
                return Ok(Page { rows, next: Some(position(offset) + 1) });
            }
            rows.push(entry);
        }
    }
    Ok(Page { rows, next: None })
}

/// The ledger's entry for a change, if it touched this product.
fn entry(record: &Record, change: &Change, wanted: ProductId) -> Option<Entry> {
    let (kind, product, order) = match change {
        Change::ProductCreated(product) => ("created", product.id, None),
        Change::ProductEdited { before, after } if before.stock != after.stock => ("adjusted", after.id, None),
        Change::ProductEdited { after, .. } => ("edited", after.id, None),
        Change::OrderPlaced { order, .. } => ("reserved", order.product, Some(order.id.0)),
        Change::OrderMoved { order, product, transition, units: Some(_), .. } => {
            (kind(transition), *product, Some(order.0))
        }
        _ => return None,
    };
    if product != wanted {
        return None;
    }
    let [current_delta, held_delta, sold_delta] = change.deltas()?;
    let [before, after] = sides(change);
    Some(Entry {
        sequence: record.sequence,
        at: AsText(record.at),
        kind,
        actor: change.actor().as_str(),
        order_id: order,
        current_delta,
        held_delta,
        sold_delta,
        before,
        after,
    })
}

/// What a change found and what it left: the product, or of an order its status.
fn sides(change: &Change) -> [Option<Value>; 2] {
    // Numbers and texts only: this cannot fail.
    let product = |product: &Product| Some(serde_json::to_value(ProductView::of(product)).unwrap_or_default());
    let status = |status: OrderStatus| Some(json!({"status": status.as_str()}));
    match change {
        Change::ProductCreated(created) => [None, product(created)],
        Change::ProductEdited { before, after } => [product(before), product(after)],
        Change::OrderPlaced { order, .. } => [None, status(order.status)],
        Change::OrderMoved { transition, units, .. } => transition.statuses(*units).map(status),
        _ => [None, None],
    }
}

const fn kind(transition: &Transition) -> &'static str {
    match transition {
        Transition::Fulfilled | Transition::Confirmed => "sold",
        Transition::ConfirmedLate => "sold_late",
        Transition::AttemptFailed { .. } => "attempt_failed",
        Transition::Rejected { .. } | Transition::AttemptsExhausted { .. } => "failed",
        Transition::Cancelled => "cancelled",
        Transition::Expired => "expired",
        Transition::Reopened => "reserved_again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::Actor;
    use crate::domain::order::OrderId;
    use crate::domain::product::StockMove;

    const PRODUCT: ProductId = ProductId(1);

    /// A history of 30 records of up to 6 changes, one in three of them about the product. Orders count the changes.
    fn history() -> Vec<Record> {
        let mut orders = 0..;
        let mut change = |_| {
            let order = orders.next().unwrap();
            Change::OrderMoved {
                order: OrderId(order),
                product: if order % 3 == 0 { PRODUCT } else { ProductId(2) },
                quantity: 1,
                transition: Transition::Cancelled,
                units: Some(StockMove::Release),
                actor: Actor::Operator,
            }
        };
        let record = |sequence: u64| Record {
            sequence,
            previous: [0; 32],
            at: Timestamp::from_millis(0),
            changes: (0..sequence % 7).map(&mut change).collect(),
        };
        (1..=30).map(record).collect()
    }

    #[test]
    fn pages_are_bounded_by_what_they_look_at_and_lose_nothing() {
        let history = history();
        let last = history.iter().map(|record| record.changes.len() as u64).sum::<u64>() - 1;
        let all: Vec<_> = (0..=last).rev().filter(|order| order % 3 == 0).collect();
        for (records, changes, limit) in [(30, 1_000, 500), (1, 1_000, 500), (30, 1, 500), (4, 9, 500), (30, 9, 1)] {
            let (mut orders, mut position) = (Vec::new(), Some(u64::MAX));
            while let Some(before) = position {
                let mut read = Vec::new();
                let older = history.iter().rev().skip_while(|record| record.sequence > before >> OFFSET_BITS);
                let older = older.cloned().inspect(|record| read.push(record.changes.len())).map(Ok);
                let page = page_of(older, PRODUCT, before, limit, ScanLimit { records, changes }).unwrap();
                assert!(page.rows.len() <= limit && page.next.is_none_or(|next| next < before));
                orders.extend(page.rows.iter().map(|entry| entry.order_id.unwrap()));
                position = page.next;
                // The last record may be one that was not looked at any more, and the one before it the one too many.
                let within: usize = read.iter().rev().skip(2).sum();
                assert!(read.len() <= records + 1 && within < changes, "{read:?} changes on a page");
            }
            assert_eq!(orders, all, "{records} records, {changes} changes, {limit} entries");
        }
    }
}
