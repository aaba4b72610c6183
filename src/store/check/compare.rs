//! The tables of the store beside what the history says, row by row.

use std::cmp::Ordering;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, Value};

use crate::domain::order::{Order, OrderId};
use crate::domain::product::{Product, ProductId};
use crate::limits::IDEMPOTENCY_AGE;

use crate::store::error::StoreError;
use crate::store::head::Head;
use crate::store::progress::{OnProgress, PROGRESS_STEP};
use crate::store::rows::encoding;
use crate::store::rows::order::OrderRow;
use crate::store::rows::product::ProductRow;
use crate::store::snapshot::Snapshot;
use crate::store::tables::{definitions, order_groups};

use super::replay::Replayed;
use super::report::{Problems, Report};
use super::scratch;

/// Names the fields in which two values differ, each as it is and as it should be.
macro_rules! differences {
    ($is:expr, $should:expr; $($field:ident),*) => {{
        let mut found = Vec::new();
        $(if $is.$field != $should.$field {
            found.push(format!("{} is {:?} and should be {:?}", stringify!($field), $is.$field, $should.$field));
        })*
        found.join(", ")
    }};
}

/// Compares every table with what a whole replay left behind.
pub(in crate::store) fn with_history(
    snapshot: &Snapshot,
    database: &Database,
    replayed: &Replayed,
    report: &mut Report,
    progress: &mut OnProgress<'_>,
) -> Result<(), StoreError> {
    let scratch = database.begin_read()?;
    let store = &snapshot.transaction;
    let orders = order_groups::copied(store.open_table(definitions::ORDERS)?.range::<u64>(..)?);
    rows(all(&scratch, scratch::ORDERS)?, orders, progress, "order", order_difference)?.add_to(report);
    let differs = |_, _: &[u8], _: &[u8]| "differs from what the history says".to_owned();
    let (_, attempts) = all(store, definitions::ATTEMPTS)?;
    rows(all(&scratch, scratch::ATTEMPTS)?, attempts, progress, "the attempts of order", differs)?.add_to(report);
    let (_, dead) = all(store, definitions::DEAD_LETTERS)?;
    rows(all(&scratch, scratch::DEAD_LETTERS)?, dead, progress, "the dead letter of order", differs)?.add_to(report);
    products(store, replayed)?.add_to(report);
    responses(&scratch, store, replayed, progress)?.add_to(report);
    let head = snapshot.head()?;
    if let Some(wrong) = head_difference(&head, &replayed.head) {
        report.problems.push(format!("the head: {wrong}"));
    }
    Ok(())
}

/// A number and the bytes of the row under it.
type Row = Result<(u64, Vec<u8>), StoreError>;

/// How many rows a table has, and the rows.
fn all<V: Value + 'static>(
    transaction: &ReadTransaction,
    table: TableDefinition<'_, u64, V>,
) -> Result<(u64, impl Iterator<Item = Row>), StoreError> {
    let table = transaction.open_table(table)?;
    let rows = table.range::<u64>(..)?.map(|row| {
        let (key, value) = row?;
        Ok((key.value(), V::as_bytes(&value.value()).as_ref().to_vec()))
    });
    Ok((table.len()?, rows))
}

/// Walks the rows of two tables side by side. `describe` says how two rows differ.
fn rows(
    (total, mut expected): (u64, impl Iterator<Item = Row>),
    mut actual: impl Iterator<Item = Row>,
    progress: &mut OnProgress<'_>,
    what: &'static str,
    describe: impl Fn(u64, &[u8], &[u8]) -> String,
) -> Result<Problems, StoreError> {
    let mut problems = Problems::about(what);
    let mut done = 0;
    let (mut should, mut is) = (expected.next().transpose()?, actual.next().transpose()?);
    loop {
        let order = match (&should, &is) {
            (None, None) => return Ok(problems),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((should, _)), Some((is, _))) => should.cmp(is),
        };
        match (order, &should, &is) {
            (Ordering::Less, Some((key, _)), _) => problems.add(format!("{what} {key} is missing")),
            (Ordering::Greater, _, Some((key, _))) => problems.add(format!("{what} {key} is not in the history")),
            (_, Some((key, should)), Some((_, is))) if should != is => {
                problems.add(format!("{what} {key}: {}", describe(*key, is, should)));
            }
            _ => {}
        }
        if order != Ordering::Greater {
            should = expected.next().transpose()?;
            done += 1;
            if done % PROGRESS_STEP == 0 {
                progress("comparing the tables with the history", done, total);
            }
        }
        if order != Ordering::Less {
            is = actual.next().transpose()?;
        }
    }
}

fn order_difference(id: u64, is: &[u8], should: &[u8]) -> String {
    let read = |row| encoding::decode::<OrderRow<'_>>(row).and_then(|row| row.order(OrderId(id)));
    let (is, should): (Order, Order) = match (read(is), read(should)) {
        (Ok(is), Ok(should)) => (is, should),
        (Err(error), _) | (_, Err(error)) => return error.to_string(),
    };
    differences!(is, should; product, user, quantity, unit_price, priority, status, job, attempts, failure, reserved_at,
        expires_at, retry_at, processed_at, finished_at, created_at, updated_at)
}

fn products(store: &ReadTransaction, replayed: &Replayed) -> Result<Problems, StoreError> {
    let mut problems = Problems::about("products");
    let mut expected = replayed.products.clone();
    for entry in store.open_table(definitions::PRODUCTS)?.iter()? {
        let (id, row) = entry?;
        let id = ProductId(id.value());
        let is = encoding::decode::<ProductRow<'_>>(row.value()).map(|row| row.product(id));
        match (is, expected.remove(&id)) {
            (_, None) => problems.add(format!("product {id} is not in the history")),
            (Err(error), _) => problems.add(format!("product {id}: {error}")),
            (Ok(is), Some(should)) if is != should => {
                problems.add(format!("product {id}: {}", product_difference(&is, &should)));
            }
            _ => {}
        }
    }
    expected.keys().for_each(|id| problems.add(format!("product {id} is missing")));
    Ok(problems)
}

fn product_difference(is: &Product, should: &Product) -> String {
    differences!(is, should; terms, stock, orders, created_at, updated_at)
}

/// Each stored response must be that of the order which made it, and only those that are too old may have been
/// forgotten.
fn responses(
    scratch: &ReadTransaction,
    store: &ReadTransaction,
    replayed: &Replayed,
    progress: &mut OnProgress<'_>,
) -> Result<Problems, StoreError> {
    let actual = order_groups::copied(store.open_table(definitions::RESPONSES)?.range::<u64>(..)?);
    let differs = |_, _: &[u8], _: &[u8]| "differs from what the history says".to_owned();
    let expected = all(scratch, scratch::RESPONSES)?;
    let mut problems = rows(expected, actual, progress, "the stored response of order", differs)?;
    if let Some((order, placed_at)) = replayed.last_swept
        && replayed.head.latest().since(replayed.head.times.accepted_from(order.0, placed_at)) < IDEMPOTENCY_AGE
    {
        problems.add(format!("the stored response of order {order} is missing"));
    }
    Ok(problems)
}

/// The end of the chain is checked with the chain, and `indexed_through` and `keyed_through` with the indexes.
fn head_difference(is: &Head, should: &Head) -> Option<String> {
    let mut found = differences!(is, should; last_order, last_product, oldest_open, paused, totals, times);
    if is.at() != should.at() {
        found = format!("its time is {} and should be {}, {found}", is.at(), should.at());
    }
    (!found.is_empty()).then_some(found)
}
