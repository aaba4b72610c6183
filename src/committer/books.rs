//! What the committer keeps in memory: the products, the pending orders, and the head of the history.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::inventory::Shelf;
use crate::order::{Order, OrderId};
use crate::product::{Product, ProductId};
use crate::queue::{Place, SlotKind};
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
    pub(super) shelf: Arc<Shelf>,
}

/// A pending order and its place in the queue.
#[derive(Debug)]
pub(super) struct OpenOrder {
    pub(super) order: Arc<Order>,
    /// Given back when the order leaves the books.
    pub(super) _place: Place,
}

impl Books {
    /// The books of a store that was just opened, over counters that were just set up.
    pub(super) fn new(rooms: &Rooms, head: Head, open: Vec<Order>, opening: u64) -> Self {
        let shelves = rooms.inventory.shelves();
        let stocked = |shelf: Arc<Shelf>| {
            let product = Product::clone(&shelf.product());
            (product.id, Stocked { product, shelf })
        };
        let open = open.into_iter().map(|order| {
            let place = rooms.queue.force_place(SlotKind::of(&order));
            (order.id, OpenOrder { order: Arc::new(order), _place: place })
        });
        Self { head, products: shelves.into_iter().map(stocked).collect(), open: open.collect(), opening }
    }

    /// The number below which no order is pending.
    pub(super) fn oldest_open(&self) -> u64 {
        self.open.first_key_value().map_or(self.head.last_order + 1, |(order, _)| order.0)
    }
}
