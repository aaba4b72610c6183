//! A batch in parts, each small enough for one transaction: Redis does nothing else meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::change::Record;
use crate::domain::order::{Order, OrderId};
use crate::domain::product::{Product, ProductId};
use crate::mirror::rows::Rows;
use crate::mirror::target::Batch;

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

/// The parts of a batch, of about `most` changes each; a record is in one part. A row is in the first part that touched
/// it: it is as it is now, so that later parts have nothing to add.
pub(super) fn parts(batch: &Batch, most: usize) -> impl Iterator<Item = Part<'_>> {
    let (mut rest, mut written) = (&batch.records[..], Written::default());
    std::iter::from_fn(move || {
        let mut changes = 0;
        let fits = |record: &Arc<Record>| {
            changes += record.changes.len();
            changes <= most
        };
        let count = rest.iter().map(fits).take_while(|fits| *fits).count().max(1);
        let (records, others) = rest.split_at_checked(count)?;
        rest = others;
        Some(Part { records, last: records.last()?, rows: written.add(records, &batch.rows) })
    })
}

impl<'r> PartRows<'r> {
    /// All rows.
    pub(super) fn all(rows: &'r Rows) -> Self {
        let deleted = rows.deleted.clone();
        Self { orders: rows.orders.iter().collect(), products: rows.products.iter().collect(), deleted }
    }
}

/// The numbers of the rows that earlier parts have.
#[derive(Debug, Default)]
struct Written {
    orders: BTreeSet<OrderId>,
    products: BTreeSet<ProductId>,
}

impl Written {
    /// Adds what some records touched; gives those of the rows, which are by number, that no earlier part has.
    fn add<'r>(&mut self, records: &[Arc<Record>], rows: &'r Rows) -> PartRows<'r> {
        let (mut orders, mut products, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
        for change in records.iter().flat_map(|record| &record.changes) {
            if let Some(id) = change.order().filter(|id| self.orders.insert(*id)) {
                orders.extend(rows.orders.binary_search_by_key(&id, |order| order.id).map(|at| &rows.orders[at]));
            }
            if let Some(id) = change.product().filter(|id| self.products.insert(*id)) {
                products.extend(rows.products.binary_search_by_key(&id, |row| row.id).map(|at| &rows.products[at]));
                deleted.extend(rows.deleted.binary_search(&id).map(|_| id));
            }
        }
        PartRows { orders, products, deleted }
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
