//! The side of the store: what a mirror reads of it.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::change::Record;
use crate::domain::clock::Timestamp;
use crate::domain::order::{Order, OrderId};
use crate::domain::product::{Product, ProductId};
use crate::limits::{MIRROR_PAGE, TAIL_RETRY};
use crate::store::{Reader, Scan, StoreError};

use super::deps::Deps;
use super::position::Position;
use super::rows::{Rows, Touched};
use super::target::Fault;

/// What a mirror reads of the store.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) deps: Deps,
    /// Records that are kept for a target that is away, at most.
    pub(super) most_kept: u64,
    /// How long records are gathered.
    pub(super) linger: Duration,
}

/// Where a copy of everything begins: orders up to one, and all products, as they were with a record.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) position: Position,
    pub(super) products: Vec<Product>,
    pub(super) last_order: OrderId,
}

impl Source {
    /// How far the history is.
    pub(super) fn head(&self) -> Position {
        let head = self.deps.store.head();
        Position { history: head.history(), sequence: head.sequence }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.deps.clock.now()
    }

    /// The rows that these records touched.
    pub(super) async fn rows(&self, records: &[Arc<Record>]) -> Result<Rows, Fault> {
        self.read(Touched::of(records)).await
    }

    /// The rows with these numbers.
    pub(super) async fn rows_by_id(&self, orders: Vec<OrderId>, products: Vec<ProductId>) -> Result<Rows, Fault> {
        self.read(Touched::these(orders, products)).await
    }

    async fn read(&self, touched: Touched) -> Result<Rows, Fault> {
        self.scan(move |reader| touched.clone().read(&reader.snapshot()?)).await
    }

    /// Where a copy of everything begins.
    pub(super) async fn start(&self) -> Result<Start, Fault> {
        self.scan(|reader| {
            let snapshot = reader.snapshot()?;
            let head = snapshot.head()?;
            let position = Position { history: head.history(), sequence: head.sequence };
            Ok(Start { position, products: snapshot.products()?, last_order: OrderId(head.last_order) })
        })
        .await
    }

    /// Some orders from `first` on through `last`, as they are now; none at the end. Those that change meanwhile are
    /// behind the position where the copy began, and come again.
    pub(super) async fn orders(&self, first: OrderId, last: OrderId) -> Result<Vec<Order>, Fault> {
        self.scan(move |reader| {
            let orders = reader.snapshot()?.orders_from(first)?;
            let until_last = orders.take_while(|order| order.as_ref().map_or(true, |order| order.id <= last));
            until_last.take(MIRROR_PAGE).collect()
        })
        .await
    }

    async fn scan<T: Send + 'static>(
        &self,
        read: impl Fn(&Reader) -> Result<T, StoreError> + Clone + Send + 'static,
    ) -> Result<T, Fault> {
        loop {
            match self.deps.store.scan(Scan::Page, read.clone()).await {
                // Those who ask for a page are rejected; a mirror comes again.
                Err(StoreError::TooManyReaders) => tokio::time::sleep(TAIL_RETRY).await,
                read => return Ok(read?),
            }
        }
    }
}
