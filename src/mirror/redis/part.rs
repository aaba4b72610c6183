//! A batch in parts, each small enough for one transaction: Redis does nothing else meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::change::Record;
use crate::domain::order::Order;
use crate::domain::product::{Product, ProductId};
use crate::mirror::rows::Rows;
use crate::mirror::target::Batch;
use crate::view::change::ChangeView;

/// Some records of a batch, with the rows that they touched.
#[derive(Debug)]
pub(super) struct Part<'b> {
    pub(super) records: &'b [Arc<Record>],
    pub(super) last: &'b Record,
    pub(super) rows: PartRows<'b>,
}

/// Some rows.
#[derive(Debug)]
pub(super) struct PartRows<'r> {
    pub(super) orders: Vec<&'r Order>,
    pub(super) products: Vec<&'r Product>,
    pub(super) deleted: Vec<ProductId>,
}

/// The parts of a batch, of about `most` changes each; a record is in one part.
pub(super) fn parts(batch: &Batch, most: usize) -> impl Iterator<Item = Part<'_>> {
    let mut rest = &batch.records[..];
    std::iter::from_fn(move || {
        let mut changes = 0;
        let fits = |record: &Arc<Record>| {
            changes += record.changes.len();
            changes <= most
        };
        let count = rest.iter().map(fits).take_while(|fits| *fits).count().max(1);
        let (records, others) = rest.split_at_checked(count)?;
        rest = others;
        Some(Part { records, last: records.last()?, rows: PartRows::touched(records, &batch.rows) })
    })
}

impl<'r> PartRows<'r> {
    /// All rows.
    pub(super) fn all(rows: &'r Rows) -> Self {
        let deleted = rows.deleted.clone();
        Self { orders: rows.orders.iter().collect(), products: rows.products.iter().collect(), deleted }
    }

    /// Those of the rows, which are by number, that some records touched.
    fn touched(records: &[Arc<Record>], rows: &'r Rows) -> Self {
        let (mut orders, mut products) = (BTreeSet::new(), BTreeSet::new());
        for view in records.iter().flat_map(|record| &record.changes).map(ChangeView::of) {
            orders.extend(view.order);
            products.extend(view.product);
        }
        let order = |id| rows.orders.binary_search_by_key(&id, |order| order.id).map(|at| &rows.orders[at]).ok();
        let product = |id| rows.products.binary_search_by_key(&id, |row| row.id).map(|at| &rows.products[at]).ok();
        Self {
            orders: orders.into_iter().filter_map(order).collect(),
            products: products.iter().copied().filter_map(product).collect(),
            deleted: rows.deleted.iter().filter(|id| products.contains(id)).copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::{Change, HistoryId};
    use crate::domain::clock::Timestamp;
    use crate::mirror::position::Position;

    #[test]
    fn a_batch_is_parted_between_records_and_a_large_record_is_a_part_alone() {
        let record = |sequence, changes| {
            let changes = vec![Change::QueuePaused; changes];
            Arc::new(Record { sequence, previous: [0; 32], at: Timestamp::from_millis(0), changes })
        };
        let records = vec![record(1, 1), record(2, 2), record(3, 9), record(4, 1), record(5, 2)];
        let position = Position { history: HistoryId::default(), sequence: 5 };
        let batch = Batch { records, rows: Rows::default(), position };
        let found: Vec<_> = parts(&batch, 3).map(|part| (part.records.len(), part.last.sequence)).collect();
        assert_eq!(found, [(2, 2), (1, 3), (2, 5)]);
    }
}
