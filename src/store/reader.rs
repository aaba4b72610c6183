//! What is open at the moment, as those who read have it: what commits have left in memory, and the tables.

use std::ops::ControlFlow;
use std::sync::Arc;

use redb::{Database, ReadableDatabase};

use crate::domain::change::StoredResponse;
use crate::domain::idempotency_key::IdempotencyKey;
use crate::domain::order::{Order, OrderFields, OrderId};
use crate::limits::MAX_SCANNED_ORDERS;

use super::backlog::shared::Backlog;
use super::error::StoreError;
use super::snapshot::{Page, Snapshot};
use super::tables::definitions;
use super::tables::index::Candidates;
use super::tables::index::entry::{of_key, of_user};
use super::tables::index::runs::OrdersOf;

/// The tables as a scan reads them. They have everything that was published when the scan was asked for.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(in crate::store) backlog: Arc<Backlog>,
    pub(in crate::store) database: Arc<Database>,
}

impl Reader {
    /// The tables as they are at the moment.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot::new(self.database.begin_read()?))
    }

    /// Orders of one user that lie below `before` and that `keep` keeps, newest first, at most `most`. Of a user
    /// without orders nothing is read.
    pub fn orders_of_user(
        &self,
        user: &str,
        before: Option<OrderId>,
        most: usize,
        keep: impl Fn(&OrderFields<'_>) -> bool,
    ) -> Result<Page<Order>, StoreError> {
        let candidates = self.backlog.users.read().find(of_user(user));
        if candidates.is_empty() {
            return Ok(Page { rows: Vec::new(), next: None });
        }
        // The snapshot comes after the look into memory: what has left memory by now is in the snapshot. An order that
        // is not in it yet was placed after this was asked for.
        self.snapshot()?.orders_of_user(user, before, candidates, most, keep)
    }

    /// Orders that a user may have placed up to `through`, newest first; those of users with the same hash are among
    /// them. None where there are more than [`MAX_SCANNED_ORDERS`].
    pub(in crate::store) fn order_ids_of_user(
        &self,
        user: &str,
        through: OrderId,
    ) -> Result<Option<Vec<u64>>, StoreError> {
        let before = OrderId(through.0 + 1);
        let candidates = self.backlog.users.read().find(of_user(user));
        let mut ids = Vec::new();
        if candidates.is_empty() {
            return Ok(Some(ids));
        }
        self.snapshot()?.each_id_of_user(user, Some(before), candidates, |id| {
            ids.push(id);
            Ok(if ids.len() > MAX_SCANNED_ORDERS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok((ids.len() <= MAX_SCANNED_ORDERS).then_some(ids))
    }

    /// One order, without waiting for the tables.
    pub(in crate::store) fn order(&self, id: OrderId) -> Result<Option<Arc<Order>>, StoreError> {
        // The tables come second: what has left memory by then is in them.
        match self.backlog.find(|changes| changes.order(id).map(Arc::clone)) {
            Some(order) => Ok(Some(order)),
            None => Ok(self.snapshot()?.order(id)?.map(Arc::new)),
        }
    }

    /// Whether an order's job is on the list of dead letters, without waiting for the tables.
    pub(in crate::store) fn is_dead_letter(&self, id: OrderId) -> Result<bool, StoreError> {
        match self.backlog.find(|changes| changes.dead_letters.get(&id.0).copied()) {
            Some(listed) => Ok(listed),
            None => self.snapshot()?.is_dead_letter(id),
        }
    }

    /// The stored response under an idempotency key, and its order, without waiting for the tables.
    pub(in crate::store) fn stored_response(
        &self,
        key: IdempotencyKey,
    ) -> Result<Option<(Arc<Order>, StoredResponse)>, StoreError> {
        let hash = of_key(key);
        let Candidates { orders, runs } = self.backlog.keys.read().find(hash);
        for order in orders {
            if let Some(found) = self.response_of(order, key)? {
                return Ok(Some(found));
            }
        }
        if runs.is_empty() {
            return Ok(None);
        }
        // After the look into memory: what has left memory by now is in the tables.
        let written = self.database.begin_read()?.open_table(definitions::ORDERS_BY_KEY)?;
        let mut written = OrdersOf::below(&written, hash, runs, u64::MAX);
        while let Some(order) = written.next()? {
            if let Some(found) = self.response_of(order, key)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// An order and its stored response, if that is under this key.
    fn response_of(&self, order: u64, key: IdempotencyKey) -> Result<Option<(Arc<Order>, StoredResponse)>, StoreError> {
        let id = OrderId(order);
        let response = match self.backlog.find(|changes| changes.response(id)) {
            Some(response) => Some(response),
            None => self.snapshot()?.response(id)?,
        };
        let Some(response) = response.filter(|response| response.key == key) else { return Ok(None) };
        Ok(self.order(id)?.map(|order| (order, response)))
    }
}
