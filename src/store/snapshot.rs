//! The tables at one moment, for those who read.

use std::ops::{ControlFlow, Range};

use redb::{AccessGuard, ReadTransaction, ReadableTable, ReadableTableMetadata, StorageError};

use crate::domain::change::{Record, StoredResponse};
use crate::domain::filter::Span;
use crate::domain::job::AttemptError;
use crate::domain::order::{Order, OrderFields, OrderId};
use crate::domain::product::{Product, ProductId};
use crate::limits;

use super::error::StoreError;
use super::head::Head;
use super::journal::record;
use super::rows::attempt::attempts;
use super::rows::encoding;
use super::rows::order::OrderRow;
use super::rows::product::ProductRow;
use super::tables::index::Candidates;
use super::tables::index::entry::of_user;
use super::tables::index::runs::OrdersOf;
use super::tables::{definitions, head_row, order_groups};

/// The record in a row of the journal.
fn read_record(
    row: Result<(AccessGuard<'_, u64>, AccessGuard<'_, &'static [u8]>), StorageError>,
) -> Result<Record, StoreError> {
    let (sequence, row) = row?;
    record::decode(sequence.value(), row.value())
}

/// Part of a list, and where the next part starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The number below (or, in ascending lists, above) which the next page begins; none at the end.
    pub next: Option<u64>,
}

/// The store at one moment. Keep it short: as long as it lives, the space of what it sees is not used again.
pub struct Snapshot {
    pub(in crate::store) transaction: ReadTransaction,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snapshot")
    }
}

impl Snapshot {
    pub(in crate::store) const fn new(transaction: ReadTransaction) -> Self {
        Self { transaction }
    }

    /// The end of the history and the totals.
    pub fn head(&self) -> Result<Head, StoreError> {
        head_row::get(&self.transaction.open_table(definitions::STATE)?)
    }

    /// All products, by number.
    pub fn products(&self) -> Result<Vec<Product>, StoreError> {
        let products = self.transaction.open_table(definitions::PRODUCTS)?;
        let rows = products.iter()?.map(|entry| {
            let (id, row) = entry?;
            Ok(encoding::decode::<ProductRow<'_>>(row.value())?.product(ProductId(id.value())))
        });
        rows.collect()
    }

    /// Those of these products that there are.
    pub fn products_by_id(&self, ids: &[ProductId]) -> Result<Vec<Product>, StoreError> {
        let products = self.transaction.open_table(definitions::PRODUCTS)?;
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(row) = products.get(id.0)? {
                found.push(encoding::decode::<ProductRow<'_>>(row.value())?.product(*id));
            }
        }
        Ok(found)
    }

    /// Those of these orders that there are.
    pub fn orders_by_id(&self, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
        let orders = self.transaction.open_table(definitions::ORDERS)?;
        let found = ids.iter().filter_map(|id| order_groups::order(&orders, *id).transpose());
        found.collect()
    }

    /// One order.
    pub fn order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        order_groups::order(&self.transaction.open_table(definitions::ORDERS)?, id)
    }

    /// Calls `visit` with every order, oldest first.
    pub fn each_order(&self, mut visit: impl FnMut(Order)) -> Result<(), StoreError> {
        order_groups::each(&self.transaction.open_table(definitions::ORDERS)?, 0, |id, row| {
            visit(encoding::decode::<OrderRow<'_>>(row)?.order(OrderId(id))?);
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Calls `visit` with what is summed up of every order, oldest first, until it breaks.
    pub fn each_fields(&self, mut visit: impl FnMut(&OrderFields<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        order_groups::each(&self.transaction.open_table(definitions::ORDERS)?, 0, |id, row| {
            Ok(visit(&encoding::decode::<OrderRow<'_>>(row)?.fields(OrderId(id))?))
        })
    }

    /// Orders below `before` that were accepted within `accepted` and that `keep` keeps, newest first. A page may be
    /// short, even empty, and yet have a next one: a request looks at a bounded number of orders.
    pub fn orders(
        &self,
        before: Option<OrderId>,
        most: usize,
        accepted: Span,
        keep: impl Fn(&OrderFields<'_>) -> bool,
    ) -> Result<Page<Order>, StoreError> {
        let orders = self.transaction.open_table(definitions::ORDERS)?;
        let before = before.map_or(u64::MAX, |order| order.0);
        let (mut rows, mut next) = (Vec::new(), None);
        let mut scanned = 0;
        for range in self.accepted_in(accepted)?.into_iter().rev() {
            order_groups::each_back(&orders, range.end.min(before), |id, row| {
                if id < range.start {
                    return Ok(ControlFlow::Break(()));
                }
                if rows.len() == most || scanned == limits::MAX_SCANNED_ORDERS {
                    next = Some(id + 1);
                    return Ok(ControlFlow::Break(()));
                }
                scanned += 1;
                let row = encoding::decode::<OrderRow<'_>>(row)?;
                let fields = row.fields(OrderId(id))?;
                if accepted.contains(fields.created_at) && keep(&fields) {
                    rows.push(row.order(OrderId(id))?);
                }
                Ok(ControlFlow::Continue(()))
            })?;
            if next.is_some() {
                break;
            }
        }
        Ok(Page { rows, next })
    }

    /// The numbers between which all orders are that were accepted within `span`, oldest first; the clock may have been
    /// set back, so others can be among them.
    pub fn accepted_in(&self, span: Span) -> Result<Vec<Range<u64>>, StoreError> {
        let orders = self.transaction.open_table(definitions::ORDERS)?;
        self.head()?.times.orders_in(span, |id| {
            let mut next = None;
            order_groups::each(&orders, id, |id, row| {
                next = Some((id, encoding::decode::<OrderRow<'_>>(row)?.order(OrderId(id))?.created_at));
                Ok(ControlFlow::Break(()))
            })?;
            Ok(next)
        })
    }

    /// Orders of one user that `keep` keeps, newest first; `candidates` is what the index said before this snapshot was
    /// taken. After [`limits::MAX_SCANNED_ORDERS`] a page ends short.
    pub(in crate::store) fn orders_of_user(
        &self,
        user: &str,
        before: Option<OrderId>,
        candidates: Candidates,
        most: usize,
        keep: impl Fn(&OrderFields<'_>) -> bool,
    ) -> Result<Page<Order>, StoreError> {
        let orders = self.transaction.open_table(definitions::ORDERS)?;
        let kept = |id: u64| {
            let read = |row: &[u8]| {
                let row = encoding::decode::<OrderRow<'_>>(row)?;
                let fields = row.fields(OrderId(id))?;
                (fields.user == user && keep(&fields)).then(|| row.order(OrderId(id))).transpose()
            };
            order_groups::find(&orders, id, read).map(Option::flatten)
        };
        let (mut rows, mut scanned, mut next) = (Vec::new(), 0, None);
        self.each_id_of_user(user, before, candidates, |id| {
            if rows.len() == most || scanned == limits::MAX_SCANNED_ORDERS {
                next = Some(id + 1);
                return Ok(ControlFlow::Break(()));
            }
            rows.extend(kept(id)?);
            scanned += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Page { rows, next })
    }

    /// Calls `visit` with the orders that a user may have placed, newest first, until it breaks; those of users with
    /// the same hash are among them. `candidates` is what the index said before this snapshot was taken.
    pub(in crate::store) fn each_id_of_user(
        &self,
        user: &str,
        before: Option<OrderId>,
        candidates: Candidates,
        mut visit: impl FnMut(u64) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let index = self.transaction.open_table(definitions::ORDERS_BY_USER)?;
        let before = before.map_or(u64::MAX, |order| order.0);
        let mut written = OrdersOf::below(&index, of_user(user), candidates.runs, before);
        let mut next_written = written.next()?;
        let mut recent = candidates.orders.into_iter().filter(|order| *order < before).peekable();
        loop {
            // Both run from new to old; an order that is in both counts once.
            let id = match (recent.peek().copied(), next_written) {
                (None, None) => return Ok(()),
                (a, b) => a.max(b).unwrap_or_default(),
            };
            if recent.peek() == Some(&id) {
                recent.next();
            }
            if next_written == Some(id) {
                next_written = written.next()?;
            }
            if visit(id)?.is_break() {
                return Ok(());
            }
        }
    }

    /// The errors of an order's attempts, oldest first.
    pub fn attempts(&self, order: OrderId) -> Result<Vec<AttemptError>, StoreError> {
        match self.transaction.open_table(definitions::ATTEMPTS)?.get(order.0)? {
            Some(row) => attempts(row.value()),
            None => Ok(Vec::new()),
        }
    }

    /// Orders whose jobs are dead letters and that `keep` keeps, newest first. After [`limits::MAX_SCANNED_ORDERS`] a
    /// page ends short.
    pub fn dead_letters(
        &self,
        before: Option<OrderId>,
        most: usize,
        keep: impl Fn(&Order) -> bool,
    ) -> Result<Page<Order>, StoreError> {
        let dead = self.transaction.open_table(definitions::DEAD_LETTERS)?;
        let orders = self.transaction.open_table(definitions::ORDERS)?;
        let mut rows = Vec::new();
        for (scanned, entry) in dead.range(..before.map_or(u64::MAX, |order| order.0))?.rev().enumerate() {
            let id = entry?.0.value();
            if rows.len() == most || scanned == limits::MAX_SCANNED_ORDERS {
                return Ok(Page { rows, next: Some(id + 1) });
            }
            rows.extend(order_groups::order(&orders, OrderId(id))?.filter(&keep));
        }
        Ok(Page { rows, next: None })
    }

    /// Calls `visit` with the orders below `before` whose jobs are dead letters, newest first, at most
    /// [`limits::MAX_SCANNED_ORDERS`] of them; gives where the rest begins, if there is more.
    pub fn each_dead_letter(
        &self,
        before: Option<OrderId>,
        mut visit: impl FnMut(Order),
    ) -> Result<Option<OrderId>, StoreError> {
        let dead = self.transaction.open_table(definitions::DEAD_LETTERS)?;
        let orders = self.transaction.open_table(definitions::ORDERS)?;
        for (scanned, entry) in dead.range(..before.map_or(u64::MAX, |order| order.0))?.rev().enumerate() {
            let id = entry?.0.value();
            if scanned == limits::MAX_SCANNED_ORDERS {
                return Ok(Some(OrderId(id + 1)));
            }
            if let Some(order) = order_groups::order(&orders, OrderId(id))? {
                visit(order);
            }
        }
        Ok(None)
    }

    /// Whether an order's job is on the list of dead letters.
    pub(in crate::store) fn is_dead_letter(&self, order: OrderId) -> Result<bool, StoreError> {
        Ok(self.transaction.open_table(definitions::DEAD_LETTERS)?.get(order.0)?.is_some())
    }

    /// The stored response to the request that made an order.
    pub(in crate::store) fn response(&self, order: OrderId) -> Result<Option<StoredResponse>, StoreError> {
        order_groups::response(&self.transaction.open_table(definitions::RESPONSES)?, order)
    }

    /// Orders from `first` on, oldest first.
    pub fn orders_from(
        &self,
        first: OrderId,
    ) -> Result<impl Iterator<Item = Result<Order, StoreError>> + use<>, StoreError> {
        let groups = self.transaction.open_table(definitions::ORDERS)?.range(order_groups::group_of(first)..)?;
        let rows = order_groups::copied(groups).skip_while(move |row| row.as_ref().is_ok_and(|(id, _)| *id < first.0));
        Ok(rows.map(|entry| {
            let (id, row) = entry?;
            encoding::decode::<OrderRow<'_>>(&row)?.order(OrderId(id))
        }))
    }

    /// How many records of the history there are.
    pub fn record_count(&self) -> Result<u64, StoreError> {
        Ok(self.transaction.open_table(definitions::JOURNAL)?.len()?)
    }

    /// All records of the history with their hashes, oldest first.
    pub fn records(&self) -> Result<impl Iterator<Item = Result<(Record, [u8; 32]), StoreError>> + use<>, StoreError> {
        let rows = self.transaction.open_table(definitions::JOURNAL)?.range::<u64>(..)?;
        Ok(rows.map(|entry| {
            let (sequence, row) = entry?;
            Ok((record::decode(sequence.value(), row.value())?, record::hash(row.value())))
        }))
    }

    /// Records of the history with a sequence above `after`, oldest first.
    pub fn records_after(
        &self,
        after: u64,
    ) -> Result<impl Iterator<Item = Result<Record, StoreError>> + use<>, StoreError> {
        let rows = self.transaction.open_table(definitions::JOURNAL)?.range(after.saturating_add(1)..)?;
        Ok(rows.map(read_record))
    }

    /// Records of the history with a sequence below `before`, newest first.
    pub fn records_back(
        &self,
        before: Option<u64>,
    ) -> Result<impl Iterator<Item = Result<Record, StoreError>> + use<>, StoreError> {
        let journal = self.transaction.open_table(definitions::JOURNAL)?;
        let rows = journal.range(..before.unwrap_or(u64::MAX))?.rev();
        Ok(rows.map(read_record))
    }

    /// Units of a product that these orders say a user has.
    pub fn units_of_user(&self, user: &str, product: ProductId, orders: &[u64]) -> Result<u64, StoreError> {
        let table = self.transaction.open_table(definitions::ORDERS)?;
        let mut units = 0;
        for id in orders {
            order_groups::find(&table, *id, |row| {
                let order = encoding::decode::<OrderRow<'_>>(row)?.fields(OrderId(*id))?;
                if order.user == user && order.product == product && order.status.counts_as_purchase() {
                    units += u64::from(order.quantity);
                }
                Ok(())
            })?;
        }
        Ok(units)
    }
}
