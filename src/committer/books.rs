//! What the committer keeps in memory: the products, the pending orders, and the head of the history.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::domain::order::{Order, OrderId};
use crate::domain::product::{Product, ProductId};
use crate::inventory::StockItem;
use crate::queue::{Job, Place, SlotKind};
use crate::store::Head;

use super::Rooms;

/// The books. Inside a commit they run ahead of the store; after a failed one they are thrown away.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) head: Head,
    pub(super) products: HashMap<ProductId, Stocked>,
    /// All pending orders; the first one's number is where a recovery starts to read. Bounded by the queue's slots.
    pub(super) open: BTreeMap<OrderId, OpenOrder>,
    /// The opening of the store that they are of.
    pub(super) opening: u64,
}

/// A product and the counter that buyers see of it.
#[derive(Debug)]
pub(super) struct Stocked {
    pub(super) product: Product,
    pub(super) shelf: Arc<StockItem>,
}

/// A pending order and its place in the queue.
#[derive(Debug)]
pub(super) struct OpenOrder {
    pub(super) order: Arc<Order>,
    /// The job as it was last put into the queue.
    pub(super) job: Job,
    /// Given back when the order leaves the books.
    pub(super) _place: Place,
}

impl Books {
    /// The books of a store that was just opened, over counters that were just set up. Where the process had it open
    /// `before`, it knows when holds end on its own clock; after a start there is the wall clock only.
    pub(super) fn new(rooms: &Rooms, head: Head, open: Vec<Order>, before: Option<&Self>, opening: u64) -> Self {
        let now = rooms.clock.moment();
        let job = |order: &Order| match before.and_then(|before| before.open.get(&order.id)) {
            Some(known) => known.job.moved(order, now),
            None => Job::of(order, now),
        };
        let shelves = rooms.inventory.shelves();
        let stocked = |shelf: Arc<StockItem>| {
            let product = Product::clone(&shelf.product());
            (product.id, Stocked { product, shelf })
        };
        let open = open.into_iter().map(|order| {
            let (job, place) = (job(&order), rooms.queue.force_place(SlotKind::of(&order)));
            (order.id, OpenOrder { order: Arc::new(order), job, _place: place })
        });
        Self { head, products: shelves.into_iter().map(stocked).collect(), open: open.collect(), opening }
    }

    /// The number below which no order is pending.
    pub(super) fn oldest_open(&self) -> u64 {
        self.open.first_key_value().map_or(self.head.last_order + 1, |(order, _)| order.0)
    }
}
