//! A batch in parts, each small enough for one transaction: Redis does nothing else meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::change::{Change, Record};
use crate::domain::order::{Order, OrderId};
use crate::domain::product::{Product, ProductId};
use crate::mirror::rows::Rows;
use crate::mirror::target::Batch;

/// Some records of a batch, or some changes of a large one, with the rows that they touched.
#[derive(Debug)]
pub(super) struct Part<'b> {
    pub(super) changes: Vec<Numbered<'b>>,
    /// The last record.
    pub(super) last: &'b Record,
    /// Whether it goes to the end of that record: else others come after it.
    pub(super) ends_record: bool,
    pub(super) rows: PartRows<'b>,
}

/// A change of a record, and its number in it, counted from 1.
pub(super) type Numbered<'b> = (&'b Record, u64, &'b Change);

/// Some rows.
#[derive(Debug)]
pub(super) struct PartRows<'r> {
    pub(super) orders: Vec<&'r Order>,
    pub(super) products: Vec<&'r Product>,
    pub(super) deleted: Vec<ProductId>,
}

/// The parts of a batch, of `most` changes each at most, which is not 0; only a record with more changes is in several.
/// A row is in the first part that touched it: it is as it is now, so that later parts have nothing to add.
pub(super) fn parts(batch: &Batch, most: usize) -> impl Iterator<Item = Part<'_>> {
    let (mut rest, mut done, mut written) = (&batch.records[..], 0, Written::default());
    std::iter::from_fn(move || {
        let mut count = 0;
        let fits = |record: &&Arc<Record>| {
            count += record.changes.len();
            count <= most
        };
        let whole = rest.iter().take_while(fits).count();
        let (records, others) = rest.split_at_checked(whole.max(1))?;
        let last = records.last()?;
        let changes = records.iter().flat_map(|record| numbered(record));
        // A large record is alone, and `done` changes of it are in earlier parts.
        let changes: Vec<_> = changes.skip(done).take(most).collect();
        let ends_record = whole > 0 || done + changes.len() == last.changes.len();
        match ends_record {
            true => (rest, done) = (others, 0),
            false => done += most,
        }
        let rows = written.add(&changes, &batch.rows);
        Some(Part { changes, last, ends_record, rows })
    })
}

fn numbered(record: &Record) -> impl Iterator<Item = Numbered<'_>> {
    (1..).zip(&record.changes).map(move |(number, change)| (record, number, change))
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
    /// Adds what some changes touched; gives those of the rows, which are by number, that no earlier part has.
    fn add<'r>(&mut self, changes: &[Numbered<'_>], rows: &'r Rows) -> PartRows<'r> {
        let (mut orders, mut products, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
        for (_, _, change) in changes {
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
    use crate::domain::change::HistoryId;
    use crate::domain::clock::Timestamp;
    use crate::mirror::position::Position;

    #[test]
    fn a_batch_is_parted_between_records_and_a_large_record_within_it() {
        let record = |sequence, changes| {
            let changes = vec![Change::QueuePaused; changes];
            Arc::new(Record { sequence, previous: [0; 32], at: Timestamp::from_millis(0), changes })
        };
        let records = vec![record(1, 1), record(2, 2), record(3, 7), record(4, 1), record(5, 2), record(6, 6)];
        let position = Position { history: HistoryId::default(), sequence: 6 };
        let batch = Batch { records, rows: Rows::default(), position };
        let numbers =
            |part: &Part<'_>| part.changes.iter().map(|&(record, number, _)| (record.sequence, number)).collect();
        let found: Vec<(Vec<_>, _, _)> =
            parts(&batch, 3).map(|part| (numbers(&part), part.last.sequence, part.ends_record)).collect();
        let expected = [
            (vec![(1, 1), (2, 1), (2, 2)], 2, true),
            (vec![(3, 1), (3, 2), (3, 3)], 3, false),
            (vec![(3, 4), (3, 5), (3, 6)], 3, false),
            (vec![(3, 7)], 3, true),
            (vec![(4, 1), (5, 1), (5, 2)], 5, true),
            (vec![(6, 1), (6, 2), (6, 3)], 6, false),
            (vec![(6, 4), (6, 5), (6, 6)], 6, true),
        ];
        assert_eq!(found, expected);
    }
}
