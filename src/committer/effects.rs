//! What follows from a batch once it is on disk.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::clock::Steady;
use crate::domain::order::{Order, OrderId, OrderMap, UserId};
use crate::domain::product::{Product, ProductId};
use crate::inventory::{Purchases, StockItem};
use crate::metrics::Metrics;
use crate::queue::QueueChange;
use crate::store::Committed;

use super::books::{Books, Stocked};
use super::deps::Deps;
use super::reply::Reply;

/// What happens once the batch is on disk.
#[derive(Default)]
pub(super) struct Effects {
    /// Products whose new state is to be published.
    pub(super) touched: BTreeSet<ProductId>,
    pub(super) created: Option<Product>,
    pub(super) deleted: Option<ProductId>,
    pub(super) edited: bool,
    /// Whether a product with a limit was edited, whose purchases may not be counted.
    pub(super) limited: bool,
    /// When the holds that have expired were due to, on the monotonic clock: one that a clock set ahead has ended was
    /// not, and counts as in time.
    pub(super) expired: Vec<Steady>,
    pub(super) paused: Option<bool>,
    pub(super) queue: Vec<QueueChange>,
    /// Orders that were placed or moved.
    pub(super) orders: u64,
    /// Orders that came to each status, in the order of `OrderStatus::ALL`.
    reached: [u64; 4],
    /// By the order that gives them back.
    pub(super) back: OrderMap<GivenBack>,
    pub(super) replies: Vec<Reply>,
}

/// The units that an order gives back.
pub(super) struct GivenBack {
    pub(super) item: Arc<StockItem>,
    pub(super) quantity: u32,
    /// What users have and the user, where the product limits it.
    pub(super) limited: Option<(Arc<Purchases>, UserId)>,
}

impl Effects {
    /// Notes an order that has come to its status.
    pub(super) fn note(&mut self, order: &Order) {
        self.orders += 1;
        self.reached[order.status as usize] += 1;
    }

    /// Counts what a commit did that took so long.
    pub(super) fn count(&self, metrics: &Metrics, took: Duration) {
        metrics.observe_commit(took, self.orders, self.reached);
    }

    /// Lets an order keep what it gives back in this batch and the counter does not have yet; whether there is any.
    pub(super) fn keep_back(&mut self, order: OrderId) -> bool {
        self.back.remove(&order).is_some()
    }

    /// Publishes the new state, first the counters, then the orders, then the queue, and returns the replies: a caller
    /// that has one finds everything in place.
    pub(super) fn publish(self, books: &mut Books, deps: &Deps, committed: Option<Committed>) -> Vec<Reply> {
        if let Some(product) = self.created {
            let item = deps.inventory.add(product.clone());
            books.products.insert(product.id, Stocked { product, item });
        }
        if let Some(id) = self.deleted {
            deps.inventory.remove(id);
        }
        for id in self.touched {
            if let Some(stocked) = books.products.get(&id) {
                stocked.item.publish(stocked.product.clone());
            }
        }
        // All of the purchases first: a buyer who finds a unit on the counter may have it.
        for GivenBack { quantity, limited, .. } in self.back.values() {
            if let Some((purchases, user)) = limited {
                purchases.subtract(user, *quantity, books.head.sequence);
            }
        }
        for GivenBack { item, quantity, .. } in self.back.into_values() {
            item.put(quantity.into());
        }
        if let Some(committed) = committed {
            deps.store.publish(committed);
        }
        if self.edited {
            deps.inventory.note_edit();
        }
        if !self.expired.is_empty() {
            let now = deps.clock.steady();
            self.expired.iter().for_each(|due| deps.metrics.observe_expiry(now.since(*due)));
        }
        deps.queue.apply(&self.queue);
        if let Some(paused) = self.paused {
            deps.queue.set_paused(paused);
        }
        self.replies
    }
}
