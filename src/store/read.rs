//! Reading: the opening of a store, and snapshots for requests.

use std::ops::{ControlFlow, Range};

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableError};

use crate::domain::change::{HistoryId, Record, StoredResponse};
use crate::domain::filter::Span;
use crate::domain::job::AttemptError;
use crate::domain::order::{Order, OrderFields, OrderId, OrderStatus};
use crate::domain::product::{Product, ProductId};
use crate::limits;

use super::files::{Files, Lease};
use super::index::runs::OrdersOf;
use super::index::{self, Candidates, Index, Unsettled};
use super::log::Log;
use super::record::{self, AttemptRow, OrderRow, ProductRow, StoredResponseRow};
use super::{
    FORMAT, Head, Medium, OpenError, Recovered, StoreError, journal, log_mark, open_database, open_log, order_groups,
    sync_directory_of, tables,
};

/// Part of a list, and where the next part starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The number below (or, in ascending lists, above) which the next page goes on; none at the end.
    pub next: Option<u64>,
}

/// A store that was just opened.
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) users: Index,
    pub(super) keys: Index,
    pub(super) secret: [u8; 32],
    pub(super) recovered: Recovered,
    /// With nothing in it that the tables do not have.
    pub(super) log: Log,
    pub(super) lease: Lease,
}

/// Opens the files, creates what is missing, brings the tables up to the end of the log, and reads what a start needs.
pub(super) fn open(medium: &Medium, files: &Files) -> Result<Opened, OpenError> {
    let name = medium.to_string();
    let reading = |error: StoreError| OpenError::reading(&name, error);
    let (database, lease) = open_database(medium, files)?;
    match format(&database).map_err(reading)? {
        Some(FORMAT) => {}
        Some(found) => return Err(OpenError::other_format(found)),
        // A file is made whole before it is opened.
        None if matches!(medium, Medium::File(_)) => return Err(reading(no_tables())),
        None => create(&database).map_err(reading)?,
    }
    let secret = secret(&database).map_err(reading)?;
    let unclosed = log_mark::get(&database).map_err(reading)?.is_some_and(|mark| mark.open);
    log_mark::check_log_is_there(&database, medium)?;
    if let Medium::File(path) = medium
        && unclosed
    {
        files.check_log(path)?;
    }
    let new_log = !medium.has_log();
    let mut log = open_log(medium)?;
    log_mark::follow(&database, &log, medium)?;
    if let Medium::File(path) = medium {
        // The name of a new file is on disk only when its directory is.
        let kept = files.keep_log(path).and_then(|()| sync_directory_of(path));
        kept.map_err(|error| OpenError::io(&name, error))?;
    }
    let started = log_mark::start(&database, &mut log, medium);
    if started.is_err() && new_log {
        medium.remove_log();
    }
    started?;
    let (recovered, users, keys) = recover(&database, unclosed).map_err(reading)?;
    let (users, keys) = index::settle(&database, users, keys).map_err(reading)?;
    Ok(Opened { database, users, keys, secret, recovered, log, lease })
}

/// What is said of a database that is not a store.
pub(super) fn no_tables() -> StoreError {
    StoreError::Damaged("it has no tables".to_owned())
}

/// The format of the store; none in an empty file.
pub(super) fn format(database: &Database) -> Result<Option<u32>, StoreError> {
    let transaction = database.begin_read()?;
    let state = match transaction.open_table(tables::STATE) {
        Ok(state) => state,
        Err(TableError::TableDoesNotExist(_)) if transaction.list_tables()?.next().is_none() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let row = state.get(tables::STATE_FORMAT)?;
    let row = row.ok_or_else(|| StoreError::Damaged("there is no format version".to_owned()))?;
    let bytes = row.value().try_into().map_err(|_| StoreError::Damaged("a strange format version".to_owned()))?;
    Ok(Some(u32::from_le_bytes(bytes)))
}

/// The end of the history as the tables have it.
pub(super) fn head(database: &Database) -> Result<Head, StoreError> {
    Snapshot::new(database.begin_read()?).head()
}

pub(super) fn secret(database: &Database) -> Result<[u8; 32], StoreError> {
    fixed(database, tables::STATE_SECRET)
}

pub(super) fn instance(database: &Database) -> Result<[u8; 8], StoreError> {
    fixed(database, tables::STATE_INSTANCE)
}

fn fixed<const N: usize>(database: &Database, name: &str) -> Result<[u8; N], StoreError> {
    let state = database.begin_read()?.open_table(tables::STATE)?;
    let row = state.get(name)?;
    row.and_then(|row| row.value().try_into().ok()).ok_or_else(|| StoreError::Damaged(format!("there is no {name}")))
}

/// Random bytes.
pub(super) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::System("randomness", error.to_string()))?;
    Ok(bytes)
}

/// Makes the tables of a new store, its secret and its head.
pub(super) fn create(database: &Database) -> Result<(), StoreError> {
    let (secret, instance) = (random::<32>()?, random::<8>()?);
    let mut head = Vec::new();
    record::encode(&Head::of_new(HistoryId(random()?)), &mut head)?;
    let transaction = database.begin_write()?;
    {
        transaction.open_table(tables::ORDERS)?;
        transaction.open_table(tables::PRODUCTS)?;
        transaction.open_table(tables::JOURNAL)?;
        transaction.open_table(tables::ORDERS_BY_USER)?;
        transaction.open_table(tables::ATTEMPTS)?;
        transaction.open_table(tables::DEAD_LETTERS)?;
        transaction.open_table(tables::ANSWERS)?;
        transaction.open_table(tables::ORDERS_BY_KEY)?;
        let mut state = transaction.open_table(tables::STATE)?;
        state.insert(tables::STATE_FORMAT, FORMAT.to_le_bytes().as_slice())?;
        state.insert(tables::STATE_SECRET, secret.as_slice())?;
        state.insert(tables::STATE_INSTANCE, instance.as_slice())?;
        state.insert(tables::STATE_HEAD, head.as_slice())?;
    }
    transaction.commit()?;
    Ok(())
}

/// Reads the head, the products, the pending orders, and what the indexes do not surely have.
pub(super) fn recover(database: &Database, unclosed: bool) -> Result<(Recovered, Unsettled, Unsettled), StoreError> {
    let snapshot = Snapshot::new(database.begin_read()?);
    let head = snapshot.head()?;
    let products = snapshot.products()?;
    let mut open = Vec::new();
    let mut users = Unsettled { entries: Vec::new(), through: head.indexed_through };
    let mut keys = Unsettled { entries: Vec::new(), through: head.keyed_through };
    let orders = snapshot.transaction.open_table(tables::ORDERS)?;
    order_groups::each(&orders, head.oldest_open.min(head.indexed_through + 1), |id, row| {
        let row: OrderRow<'_> = record::decode(row)?;
        if id > head.indexed_through {
            users.entries.push((index::of_user(row.user()), id));
        }
        let order = row.order(OrderId(id))?;
        if order.status == OrderStatus::Pending {
            open.push(order);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let answers = snapshot.transaction.open_table(tables::ANSWERS)?;
    order_groups::each(&answers, head.keyed_through + 1, |id, row| {
        keys.entries.push((index::of_key(record::decode::<StoredResponseRow>(row)?.answer().key), id));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((Recovered { head, products, open, unclosed }, users, keys))
}

/// The errors in the row of an order.
pub(super) fn attempts(row: &[u8]) -> Result<Vec<AttemptError>, StoreError> {
    Ok(record::decode::<Vec<AttemptRow<'_>>>(row)?.iter().map(AttemptRow::attempt).collect())
}

/// The store at one moment. Keep it short: as long as it lives, the space of what it sees is not used again.
pub struct Snapshot {
    pub(super) transaction: ReadTransaction,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snapshot")
    }
}

impl Snapshot {
    pub(super) const fn new(transaction: ReadTransaction) -> Self {
        Self { transaction }
    }

    /// The end of the history and the totals.
    pub fn head(&self) -> Result<Head, StoreError> {
        let state = self.transaction.open_table(tables::STATE)?;
        let row = state.get(tables::STATE_HEAD)?;
        record::decode(row.ok_or_else(|| StoreError::Damaged("there is no head".to_owned()))?.value())
    }

    /// All products, by number.
    pub fn products(&self) -> Result<Vec<Product>, StoreError> {
        let products = self.transaction.open_table(tables::PRODUCTS)?;
        let rows = products.iter()?.map(|entry| {
            let (id, row) = entry?;
            Ok(record::decode::<ProductRow<'_>>(row.value())?.product(ProductId(id.value())))
        });
        rows.collect()
    }

    /// One order.
    pub fn order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        order_groups::order(&self.transaction.open_table(tables::ORDERS)?, id)
    }

    /// Calls `visit` with every order, oldest first.
    pub fn each_order(&self, mut visit: impl FnMut(Order)) -> Result<(), StoreError> {
        order_groups::each(&self.transaction.open_table(tables::ORDERS)?, 0, |id, row| {
            visit(record::decode::<OrderRow<'_>>(row)?.order(OrderId(id))?);
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Calls `visit` with what is summed up of every order, oldest first, until it breaks.
    pub fn each_fields(&self, mut visit: impl FnMut(&OrderFields<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        order_groups::each(&self.transaction.open_table(tables::ORDERS)?, 0, |id, row| {
            Ok(visit(&record::decode::<OrderRow<'_>>(row)?.fields(OrderId(id))?))
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
        let orders = self.transaction.open_table(tables::ORDERS)?;
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
                let row = record::decode::<OrderRow<'_>>(row)?;
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
        let orders = self.transaction.open_table(tables::ORDERS)?;
        self.head()?.times.orders_in(span, |id| {
            let mut next = None;
            order_groups::each(&orders, id, |id, row| {
                next = Some((id, record::decode::<OrderRow<'_>>(row)?.order(OrderId(id))?.created_at));
                Ok(ControlFlow::Break(()))
            })?;
            Ok(next)
        })
    }

    /// Orders of one user that `keep` keeps, newest first; `candidates` is what the index said before this snapshot was
    /// taken. After [`limits::MAX_SCANNED_ORDERS`] a page ends short.
    pub(super) fn orders_of_user(
        &self,
        user: &str,
        before: Option<OrderId>,
        candidates: Candidates,
        most: usize,
        keep: impl Fn(&OrderFields<'_>) -> bool,
    ) -> Result<Page<Order>, StoreError> {
        let orders = self.transaction.open_table(tables::ORDERS)?;
        let kept = |id: u64| {
            let read = |row: &[u8]| {
                let row = record::decode::<OrderRow<'_>>(row)?;
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
    pub(super) fn each_id_of_user(
        &self,
        user: &str,
        before: Option<OrderId>,
        candidates: Candidates,
        mut visit: impl FnMut(u64) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let index = self.transaction.open_table(tables::ORDERS_BY_USER)?;
        let before = before.map_or(u64::MAX, |order| order.0);
        let mut written = OrdersOf::below(&index, index::of_user(user), candidates.runs, before);
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
        match self.transaction.open_table(tables::ATTEMPTS)?.get(order.0)? {
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
        let dead = self.transaction.open_table(tables::DEAD_LETTERS)?;
        let orders = self.transaction.open_table(tables::ORDERS)?;
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

    /// Whether an order's job is on the list of dead letters.
    pub(super) fn is_dead_letter(&self, order: OrderId) -> Result<bool, StoreError> {
        Ok(self.transaction.open_table(tables::DEAD_LETTERS)?.get(order.0)?.is_some())
    }

    /// What is kept of the answer to the request that made an order.
    pub(super) fn answer(&self, order: OrderId) -> Result<Option<StoredResponse>, StoreError> {
        order_groups::answer(&self.transaction.open_table(tables::ANSWERS)?, order)
    }

    /// Orders from `first` on, oldest first.
    pub fn orders_from(
        &self,
        first: OrderId,
    ) -> Result<impl Iterator<Item = Result<Order, StoreError>> + use<>, StoreError> {
        let groups = self.transaction.open_table(tables::ORDERS)?.range(order_groups::group_of(first)..)?;
        let rows = order_groups::copied(groups).skip_while(move |row| row.as_ref().is_ok_and(|(id, _)| *id < first.0));
        Ok(rows.map(|entry| {
            let (id, row) = entry?;
            record::decode::<OrderRow<'_>>(&row)?.order(OrderId(id))
        }))
    }

    /// How many records of the history there are.
    pub fn record_count(&self) -> Result<u64, StoreError> {
        Ok(self.transaction.open_table(tables::JOURNAL)?.len()?)
    }

    /// All records of the history with their hashes, oldest first.
    pub fn records(&self) -> Result<impl Iterator<Item = Result<(Record, [u8; 32]), StoreError>> + use<>, StoreError> {
        let rows = self.transaction.open_table(tables::JOURNAL)?.range::<u64>(..)?;
        Ok(rows.map(|entry| {
            let (sequence, row) = entry?;
            Ok((journal::decode(sequence.value(), row.value())?, journal::hash(row.value())))
        }))
    }

    /// Records of the history with a sequence below `before`, newest first.
    pub fn records_back(
        &self,
        before: Option<u64>,
    ) -> Result<impl Iterator<Item = Result<Record, StoreError>> + use<>, StoreError> {
        let journal = self.transaction.open_table(tables::JOURNAL)?;
        let rows = journal.range(..before.unwrap_or(u64::MAX))?.rev();
        Ok(rows.map(|entry| {
            let (sequence, row) = entry?;
            journal::decode(sequence.value(), row.value())
        }))
    }
}
