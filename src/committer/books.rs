//! What the committer keeps in memory: the products, the orders with open jobs, and the head of the history.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::domain::order::{Order, OrderId};
use crate::domain::product::{Product, ProductId};
use crate::inventory::StockItem;
use crate::queue::{Job, Slot, SlotKind};
use crate::store::Head;

use super::deps::Deps;

/// The books. Inside a commit they run ahead of the store; after a failed one they are thrown away.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) head: Head,
    pub(super) products: HashMap<ProductId, Stocked>,
    /// All orders with open jobs, pending or waiting to be delivered; the first one's number is where a recovery starts
    /// to read. Bounded by the queue's slots.
    pub(super) open: BTreeMap<OrderId, OpenOrder>,
    /// The epoch of the store that they are of.
    pub(super) epoch: u64,
}

/// A product and the counter that buyers see of it.
#[derive(Debug)]
pub(super) struct Stocked {
    pub(super) product: Product,
    pub(super) item: Arc<StockItem>,
}

/// An order with an open job, and its slot of the queue.
#[derive(Debug)]
pub(super) struct OpenOrder {
    pub(super) order: Arc<Order>,
    /// The job as it was last put into the queue.
    pub(super) job: Job,
    /// Given back when the order leaves the books.
    pub(super) _slot: Slot,
}

impl Books {
    /// The books of a store that was just opened, over counters that were just set up. Where the process had it open
    /// `before`, it knows when holds end on its own clock; after a start there is the wall clock only.
    pub(super) fn new(deps: &Deps, head: Head, open: Vec<Order>, before: Option<&Self>, epoch: u64) -> Self {
        let now = deps.clock.moment();
        let job = |order: &Order| match before.and_then(|before| before.open.get(&order.id)) {
            Some(known) => known.job.moved(order, now),
            None => Job::of(order, now),
        };
        let items = deps.inventory.items();
        let stocked = |item: Arc<StockItem>| {
            let product = Product::clone(&item.product());
            (product.id, Stocked { product, item })
        };
        let open = open.into_iter().map(|order| {
            let (job, slot) = (job(&order), deps.queue.force_slot(SlotKind::of(&order)));
            (order.id, OpenOrder { order: Arc::new(order), job, _slot: slot })
        });
        Self { head, products: items.into_iter().map(stocked).collect(), open: open.collect(), epoch }
    }

    /// The number below which no order has an open job.
    pub(super) fn oldest_open(&self) -> u64 {
        self.open.first_key_value().map_or(self.head.last_order + 1, |(order, _)| order.0)
    }
}
