//! Does the store add up? The history's chain is walked, the history is replayed from its beginning, and every table is
//! compared with it; beside that, the counts are made anew from the orders.

use std::path::Path;

use redb::ReadableTableMetadata;

use crate::domain::change::{Change, Fork, Record};
use crate::domain::job::JobOutcome;
use crate::domain::totals::Totals;

use crate::store::error::StoreError;
use crate::store::journal::record;
use crate::store::progress::{OnProgress, PROGRESS_STEP};
use crate::store::snapshot::Snapshot;
use crate::store::tables::{definitions, order_groups};

use super::chain::Chain;
use super::replay::Replay;
use super::report::{Problems, Report};
use super::{compare, indexes, order_sums, scratch};

/// Checks the whole store. Memory is bounded by the products and the pending orders; what the history adds up to is
/// kept in a file without a name in `scratch_dir`, about as large as the orders. A history that was trimmed cannot be
/// replayed from its beginning: then what is left of its chain is checked, and the counts.
pub(in crate::store) fn verify(
    snapshot: &Snapshot,
    scratch_dir: &Path,
    progress: &mut OnProgress<'_>,
) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let head = snapshot.head()?;
    report.history = head.history();
    if head.cut.sequence > 0 {
        report.trimmed_through = Some(head.cut.sequence);
        check_chain(snapshot, &mut report, progress)?;
    } else {
        check_history(snapshot, scratch_dir, &mut report, progress)?;
    }
    progress("counting", 0, 0);
    // A row that cannot be read makes counts impossible, which is one more thing that is wrong.
    let counted = check_products(snapshot, &mut report)
        .and_then(|()| check_orders(snapshot, &mut report))
        .and_then(|()| indexes::check(snapshot, &mut report));
    match counted {
        Err(StoreError::Damaged(what)) => {
            report.problems.push(format!("the counts cannot be made: {what}"));
            Ok(report)
        }
        other => other.map(|()| report),
    }
}

/// The rows of the history, oldest first; the chain is checked on the way.
struct Walk<'w> {
    rows: redb::Range<'static, u64, &'static [u8]>,
    chain: Chain,
    forks: Vec<Fork>,
    records: u64,
    total: u64,
    progress: &'w mut OnProgress<'w>,
}

impl<'w> Walk<'w> {
    fn new(snapshot: &Snapshot, progress: &'w mut OnProgress<'w>) -> Result<Self, StoreError> {
        let head = snapshot.head()?;
        let chain = Chain::between((head.cut.sequence, head.cut.hash), (head.sequence, head.hash));
        let journal = snapshot.transaction.open_table(definitions::JOURNAL)?;
        let (rows, total) = (journal.range::<u64>(..)?, journal.len()?);
        Ok(Self { rows, chain, forks: Vec::new(), records: 0, total, progress })
    }

    /// The next record that can be read.
    fn next(&mut self) -> Result<Option<Record>, StoreError> {
        while let Some(row) = self.rows.next().transpose()? {
            let (sequence, row) = (row.0.value(), row.1);
            let record = record::decode(sequence, row.value()).ok();
            let previous = record.as_ref().map(|record| record.previous);
            self.chain.check_next(sequence, previous, record::hash(row.value()));
            self.records += 1;
            if self.records.is_multiple_of(PROGRESS_STEP) {
                (self.progress)("reading the history", self.records, self.total);
            }
            if let Some(record) = record {
                let forks = record.changes.iter().filter_map(|change| match change {
                    Change::HistoryForked(fork) => Some(**fork),
                    _ => None,
                });
                self.forks.extend(forks);
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Says what the chain came to, and whether each fork left the history that was there before it.
    fn finish(self, report: &mut Report) {
        report.records = self.records;
        report.problems.extend(self.chain.finish().map(|what| format!("the history: {what}")));
        let strange = self.forks.windows(2).any(|two| two[0].id != two[1].previous);
        if strange || self.forks.last().is_some_and(|last| last.id != report.history) {
            report.problems.push("the history: its forks do not lead to its id".to_owned());
        }
        report.forks = self.forks;
    }
}

/// Walks the chain and replays its records, then compares.
fn check_history(
    snapshot: &Snapshot,
    scratch_dir: &Path,
    report: &mut Report,
    progress: &mut OnProgress<'_>,
) -> Result<(), StoreError> {
    let database = scratch::create(scratch_dir)?;
    let first_response = order_groups::first(&snapshot.transaction.open_table(definitions::RESPONSES)?)?;
    let first_response = first_response.map_or(u64::MAX, |order| order.0);
    let mut replay = Replay::new(&database, first_response);
    let mut walk = Walk::new(snapshot, &mut *progress)?;
    replay.run(|| walk.next())?;
    walk.finish(report);
    let replayed = replay.finish(report);
    compare::with_history(snapshot, &database, &replayed, report, progress)
}

fn check_chain(snapshot: &Snapshot, report: &mut Report, progress: &mut OnProgress<'_>) -> Result<(), StoreError> {
    let mut walk = Walk::new(snapshot, progress)?;
    while walk.next()?.is_some() {}
    walk.finish(report);
    Ok(())
}

fn check_products(snapshot: &Snapshot, report: &mut Report) -> Result<(), StoreError> {
    let mut problems = Problems::about("products");
    let mut by_product = order_sums::by_product(snapshot)?;
    for product in snapshot.products()? {
        report.products += 1;
        let sums = by_product.remove(&product.id).unwrap_or_default();
        if !product.stock.is_conserved() {
            problems.add(format!("the stock of product {} does not add up: {:?}", product.id, product.stock));
        }
        if !sums.agrees_with(&product) {
            let stock = product.stock;
            problems.add(format!(
                "product {} counts {} orders, {} held and {} sold; its orders say {}, {} and {}",
                product.id, product.orders, stock.held, stock.sold, sums.orders, sums.held, sums.sold
            ));
        }
    }
    for product in by_product.keys() {
        problems.add(format!("there are orders for product {product}, which does not exist"));
    }
    problems.add_to(report);
    Ok(())
}

fn check_orders(snapshot: &Snapshot, report: &mut Report) -> Result<(), StoreError> {
    let head = snapshot.head()?;
    let mut problems = Problems::about("orders");
    let mut totals = Totals::default();
    totals.dead_letters = snapshot.transaction.open_table(definitions::DEAD_LETTERS)?.len()?;
    let mut oldest_open = None;
    let mut expected = 1;
    let complete = report.trimmed_through.is_none();
    snapshot.each_order(|order| {
        report.orders += 1;
        totals.count(order.status, order.job);
        if order.job == JobOutcome::Open {
            oldest_open.get_or_insert(order.id.0);
        }
        let due = skip_to(&report.forks, expected, order.id.0);
        // Where the history jumped before it was trimmed, is not known any more; the totals count every order.
        if complete && order.id.0 != due {
            problems.add(format!("order {} is where order {due} belongs", order.id));
        }
        expected = order.id.0 + 1;
    })?;
    if totals != head.totals {
        problems.add(format!("the totals say {:?}; the orders say {totals:?}", head.totals));
    }
    let last = skip_to(&report.forks, expected, u64::MAX) - 1;
    if head.last_order < last || (complete && head.last_order != last) {
        problems.add(format!("the last order is said to be {}, and it is {last}", head.last_order));
    }
    if oldest_open.is_some_and(|oldest| oldest < head.oldest_open) {
        problems.add(format!("an order below {} has an open job", head.oldest_open));
    }
    problems.add_to(report);
    Ok(())
}

/// The number that follows on the one before `expected` and is not above `most`: forks skip numbers.
fn skip_to(forks: &[Fork], expected: u64, most: u64) -> u64 {
    let skipped = |next, fork: &Fork| match fork.last_order + 1 == next && next < most {
        true => fork.first_order,
        false => next,
    };
    forks.iter().fold(expected, skipped)
}
