//! The history of one order: what the journal has of it.

use std::sync::Arc;

use crate::domain::change::{Change, Record};
use crate::domain::clock::Timestamp;
use crate::domain::order::{Order, OrderId};
use crate::domain::refusal::Refusal;
use crate::limits::{MAX_SCANNED_CHANGES, MAX_SCANNED_RECORDS};
use crate::store::{Scan, Snapshot, Store, StoreError};

/// A change of the order.
#[derive(Clone, Debug)]
pub struct Step {
    /// The record that it is in.
    pub sequence: u64,
    /// When that was written.
    pub at: Timestamp,
    /// What happened.
    pub change: Change,
    /// Other changes in the same record.
    pub beside: u64,
}

/// What the journal has of an order, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The changes that were found.
    pub steps: Vec<Step>,
    /// Whether these are all: the journal was trimmed, or the order lived through more records than are read.
    pub is_whole: bool,
}

/// The history of an order.
pub async fn history(store: &Arc<Store>, order: &Arc<Order>) -> Result<History, Refusal> {
    let order = Arc::clone(order);
    Ok(store.scan(Scan::Page, move |reader| read(&reader.snapshot()?, &order)).await?)
}

/// Reads the records from the one that placed the order to the one that moved it last. Where these are too many, the
/// rest is looked up by the moments that the order and its attempts know.
fn read(snapshot: &Snapshot, order: &Order) -> Result<History, StoreError> {
    let head = snapshot.head()?;
    let (oldest, newest) = (head.cut.sequence + 1, head.sequence);
    let mut history = History::default();
    let start = first_at(snapshot, oldest..newest + 1, order.created_at)?;
    let (mut changes, mut reached) = (0, start);
    for (read, record) in snapshot.records_after(start.saturating_sub(1))?.enumerate() {
        let record = record?;
        if record.at > order.updated_at {
            history.is_whole = has_start(&history);
            return Ok(history);
        }
        if read == MAX_SCANNED_RECORDS || changes >= MAX_SCANNED_CHANGES {
            return rest(snapshot, order, history, reached..newest + 1);
        }
        changes += record.changes.len();
        reached = record.sequence + 1;
        collect(record, order.id, &mut history.steps);
    }
    history.is_whole = has_start(&history);
    Ok(history)
}

/// Adds what is found at the moments that are known.
fn rest(
    snapshot: &Snapshot,
    order: &Order,
    mut history: History,
    range: std::ops::Range<u64>,
) -> Result<History, StoreError> {
    let attempts = snapshot.attempts(order.id)?;
    let ends = [Some(order.reserved_at), order.finished_at, Some(order.updated_at)].into_iter().flatten();
    let mut moments: Vec<_> = attempts.iter().map(|attempt| attempt.at).chain(ends).collect();
    moments.sort_unstable();
    moments.dedup();
    let mut next = range.start;
    for moment in moments {
        let first = first_at(snapshot, next..range.end, moment)?;
        for record in snapshot.records_after(first.saturating_sub(1))?.take(MAX_SCANNED_RECORDS) {
            let record = record?;
            if record.at > moment {
                break;
            }
            next = record.sequence + 1;
            collect(record, order.id, &mut history.steps);
        }
    }
    Ok(history)
}

fn has_start(history: &History) -> bool {
    history.steps.first().is_some_and(|step| matches!(step.change, Change::OrderPlaced { .. }))
}

/// The first record in a range that was written at a moment or later, by halving; the end of the range if there is
/// none. Where the clock was set back it may be a later one.
fn first_at(snapshot: &Snapshot, range: std::ops::Range<u64>, moment: Timestamp) -> Result<u64, StoreError> {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        let is_earlier = match snapshot.records_back(Some(middle + 1))?.next() {
            Some(record) => record?.at < moment,
            None => true,
        };
        if is_earlier {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// The changes of an order in a record.
fn collect(record: Record, order: OrderId, steps: &mut Vec<Step>) {
    let (sequence, at, beside) = (record.sequence, record.at, record.changes.len().saturating_sub(1) as u64);
    let of_order = record.changes.into_iter().filter(|change| is_of(change, order));
    steps.extend(of_order.map(|change| Step { sequence, at, change, beside }));
}

fn is_of(change: &Change, id: OrderId) -> bool {
    match change {
        Change::OrderPlaced { order, .. } => order.id == id,
        Change::OrderMoved { order, .. } | Change::DeadLetterDeleted(order) => *order == id,
        Change::ProductCreated(_)
        | Change::ProductEdited { .. }
        | Change::ProductDeleted(_)
        | Change::ProductStopped(_)
        | Change::ProductStarted(_)
        | Change::QueuePaused
        | Change::QueueResumed
        | Change::HistoryForked(_) => false,
    }
}
