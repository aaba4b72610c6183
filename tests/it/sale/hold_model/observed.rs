//! What can be seen of an engine: its orders, products and jobs, and its history.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use flashsale::domain::change::Change;
use flashsale::domain::job::JobState;
use flashsale::domain::order::{Order, OrderId, UserId};
use flashsale::domain::product::{Product, ProductId, StockMove};
use flashsale::inventory::LimitError;

use crate::harness::engine::Engine;

use super::model::{LIMIT, World};
use super::request::{BUYER, RIVAL};

/// An order and its product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rows {
    order: Arc<Order>,
    product: Arc<Product>,
}

/// A look at an engine that is doing nothing.
pub(super) struct Observed<'e> {
    engine: &'e Engine,
    jobs: HashMap<OrderId, JobState>,
    users: [UserId; 2],
}

impl<'e> Observed<'e> {
    pub(super) fn of(engine: &'e Engine) -> Result<Self, String> {
        let mut jobs = HashMap::new();
        for state in JobState::ALL {
            for order in engine.queue.list(state, None, usize::MAX) {
                if let Some(other) = jobs.insert(order, state) {
                    return Err(format!("order {order} is in the queue as {other:?} and as {state:?}"));
                }
            }
        }
        Ok(Self { engine, jobs, users: [BUYER, RIVAL].map(|user| UserId::new(user).unwrap()) })
    }

    pub(super) fn rows(&self, order: OrderId, product: ProductId) -> Result<Rows, String> {
        let order = self.engine.store.order(order).map_err(|error| error.to_string())?.ok_or("the order is lost")?;
        let item = self.engine.inventory.item(product).ok_or("the product is lost")?;
        Ok(Rows { order, product: item.product() })
    }

    pub(super) fn world(&self, rows: &Rows) -> Result<World, String> {
        let Rows { order, product } = rows;
        let stock = product.stock;
        if !stock.is_conserved() {
            return Err(format!("{stock:?} does not add up"));
        }
        let item = self.engine.inventory.item(product.id).ok_or("the product is lost")?;
        Ok(World {
            status: order.status,
            failure: order.failure.as_ref().map(|failure| failure.code()),
            job_end: order.job,
            job: self.jobs.get(&order.id).copied(),
            stock: [stock.current, stock.held, stock.sold],
            available: item.available(),
            allowed: self.users.each_ref().map(|user| self.allowed(product.id, user)),
        })
    }

    /// Units that a user may still order.
    fn allowed(&self, product: ProductId, user: &UserId) -> u32 {
        let purchases = self.engine.inventory.item(product).and_then(|item| item.purchases());
        match purchases.map(|purchases| purchases.claim(user, LIMIT, LIMIT)) {
            Some(Err(LimitError::Exceeded { left })) => left,
            Some(Ok(_)) => LIMIT,
            other => panic!("{other:?} of a product that is limited and counted"),
        }
    }
}

/// What the store has written down.
#[derive(Default)]
pub(super) struct Written {
    /// What the units of each order did.
    pub(super) moves: HashMap<OrderId, Vec<StockMove>>,
    pub(super) dead_letters: BTreeSet<OrderId>,
}

impl Written {
    pub(super) fn in_store_of(engine: &Engine) -> Result<Self, String> {
        Self::read(engine).map_err(|error| error.to_string())
    }

    fn read(engine: &Engine) -> Result<Self, flashsale::store::StoreError> {
        let snapshot = engine.store.snapshot()?;
        let mut written = Self::default();
        for record in snapshot.records()? {
            for change in record?.0.changes {
                match change {
                    Change::OrderPlaced { order, .. } => {
                        written.moves.insert(order.id, vec![StockMove::Hold]);
                    }
                    Change::OrderMoved { order, units, .. } => written.moves.entry(order).or_default().extend(units),
                    _ => {}
                }
            }
        }
        let dead_letters = snapshot.dead_letters(None, usize::MAX, |_| true)?;
        written.dead_letters = dead_letters.rows.iter().map(|order| order.id).collect();
        Ok(written)
    }
}
