//! A product's ledger: every change of its stock and of its terms, read from the history.

use std::sync::Arc;

use crate::domain::change::{Change, Record};
use crate::domain::clock::Timestamp;
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::limits::{MAX_SCANNED_CHANGES, MAX_SCANNED_RECORDS};
use crate::store::{Page, Reader, Scan, Store, StoreError};
use crate::view::change::{ChangeView, LedgerEntryView};

/// A change of a product, and when it was made.
#[derive(Clone, Debug)]
pub struct Entry {
    sequence: u64,
    at: Timestamp,
    change: Change,
}

impl Entry {
    /// The view of it. All entries of a page have one.
    pub fn view(&self) -> Option<LedgerEntryView<'_>> {
        ChangeView::of(&self.change).ledger_entry(self.sequence, self.at)
    }

    fn is_of(&self, product: ProductId) -> bool {
        let change = ChangeView::of(&self.change);
        change.product == Some(product) && change.ledger_entry(self.sequence, self.at).is_some()
    }
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
        for (offset, change) in record.changes.into_iter().enumerate().rev() {
            let entry = Entry { sequence: record.sequence, at: record.at, change };
            if position(offset) >= before || !entry.is_of(product) {
                continue;
            }
            if rows.len() == limit {
                return Ok(Page { rows, next: Some(position(offset) + 1) });
            }
            rows.push(entry);
        }
    }
    Ok(Page { rows, next: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::Actor;
    use crate::domain::order::OrderId;
    use crate::domain::product::StockMove;
    use crate::domain::transition::Transition;

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
                orders.extend(
                    page.rows.iter().filter_map(|entry| ChangeView::of(&entry.change).order).map(|order| order.0),
                );
                position = page.next;
                // The last record may be one that was not looked at any more, and the one before it the one too many.
                let within: usize = read.iter().rev().skip(2).sum();
                assert!(read.len() <= records + 1 && within < changes, "{read:?} changes on a page");
            }
            assert_eq!(orders, all, "{records} records, {changes} changes, {limit} entries");
        }
    }
}
