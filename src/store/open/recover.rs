//! What a start reads of the tables.

use std::ops::ControlFlow;

use redb::{Database, ReadableDatabase};

use crate::domain::job::JobOutcome;
use crate::domain::order::{Order, OrderId};
use crate::domain::product::Product;
use crate::store::error::StoreError;
use crate::store::head::Head;
use crate::store::rows::encoding;
use crate::store::rows::order::OrderRow;
use crate::store::rows::response::StoredResponseRow;
use crate::store::snapshot::Snapshot;
use crate::store::tables::index::entry::{of_key, of_user};
use crate::store::tables::{definitions, order_groups};

use super::settle::Unsettled;

/// What was found in the store when it was opened.
#[derive(Debug)]
pub struct Recovered {
    /// The end of the history and the totals.
    pub head: Head,
    /// All products.
    pub products: Vec<Product>,
    /// All pending orders, oldest first.
    pub open: Vec<Order>,
    /// Whether the process that had the store open before did not close it.
    pub unclosed: bool,
}

/// Reads the head, the products, the pending orders, and what the indexes do not surely have.
pub(in crate::store) fn recover(
    database: &Database,
    unclosed: bool,
) -> Result<(Recovered, Unsettled, Unsettled), StoreError> {
    let snapshot = Snapshot::new(database.begin_read()?);
    let head = snapshot.head()?;
    let products = snapshot.products()?;
    let mut open = Vec::new();
    let mut users = Unsettled { entries: Vec::new(), through: head.indexed_through };
    let mut keys = Unsettled { entries: Vec::new(), through: head.keyed_through };
    let orders = snapshot.transaction.open_table(definitions::ORDERS)?;
    order_groups::each(&orders, head.oldest_open.min(head.indexed_through + 1), |id, row| {
        let row: OrderRow<'_> = encoding::decode(row)?;
        if id > head.indexed_through {
            users.entries.push((of_user(row.user()), id));
        }
        let order = row.order(OrderId(id))?;
        if order.job == JobOutcome::Open {
            open.push(order);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let responses = snapshot.transaction.open_table(definitions::RESPONSES)?;
    order_groups::each(&responses, head.keyed_through + 1, |id, row| {
        keys.entries.push((of_key(encoding::decode::<StoredResponseRow>(row)?.response().key), id));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((Recovered { head, products, open, unclosed }, users, keys))
}
