//! What can happen: the entries of the one history, in the domain's words.

use std::fmt;
use std::sync::Arc;

use crate::domain::clock::Timestamp;
use crate::domain::digits::push_hex;
use crate::domain::idempotency_key::IdempotencyKey;
use crate::domain::order::{Order, OrderId};
use crate::domain::product::{Product, ProductId, StockMove};
use crate::domain::transition::Transition;

/// Who made a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A caller of a public route.
    Buyer,
    /// A caller of an operator route.
    Operator,
    /// A fulfilment worker.
    Worker,
    /// A moment that came: the end of a hold.
    Clock,
}

impl Actor {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Buyer, Self::Operator, Self::Worker, Self::Clock];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Operator => "operator",
            Self::Worker => "worker",
            Self::Clock => "clock",
        }
    }
}

/// The name of a history: random, 16 bytes, in hexadecimal as text. A program that keeps a position in a history keeps
/// its id beside it: the same position in another history says nothing.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct HistoryId(pub [u8; 16]);

impl fmt::Display for HistoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(32);
        for eight in self.0.as_chunks::<8>().0 {
            push_hex(&mut text, u64::from_be_bytes(*eight), 16);
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for HistoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a history begins that shares its past with another one: a store went back to a backup, or continued without
/// its last records. The other one may have given numbers to orders that are not known here, so numbers jump ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The last record that both histories have.
    pub after: u64,
    /// The history that was left.
    pub previous: HistoryId,
    /// The history that begins.
    pub id: HistoryId,
    /// The number of the last order before.
    pub last_order: u64,
    /// The number of the next order: above every number that any other history has given.
    pub first_order: u64,
    /// The number of the last product before.
    pub last_product: u64,
    /// The number of the next product.
    pub first_product: u64,
}

/// One entry of the history. Products are boxed: a commit holds hundreds of entries, and next to none is about one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A product was created.
    ProductCreated(Box<Product>),
    /// An operator changed a product's terms or stock.
    ProductEdited {
        /// As it was.
        before: Box<Product>,
        /// As it is.
        after: Box<Product>,
    },
    /// A product without orders was deleted.
    ProductDeleted(Box<Product>),
    /// A stop of the whole sale took a product out of it.
    ProductStopped(ProductId),
    /// The sale started again, and the product is back in it.
    ProductStarted(ProductId),
    /// An order was accepted and its units are held.
    OrderPlaced {
        /// The order as accepted.
        order: Arc<Order>,
        /// The key under which a repeated request finds its response.
        response: Option<StoredResponse>,
    },
    /// An order moved.
    OrderMoved {
        /// Which.
        order: OrderId,
        /// Its product.
        product: ProductId,
        /// Its units.
        quantity: u32,
        /// What happened.
        transition: Transition,
        /// What it did to the units, if anything.
        units: Option<StockMove>,
        /// Who did it.
        actor: Actor,
    },
    /// A dead letter was struck from the list; its order stays failed.
    DeadLetterDeleted(OrderId),
    /// Workers stopped taking jobs.
    QueuePaused,
    /// Workers take jobs again.
    QueueResumed,
    /// The history left another one, and numbers jumped ahead.
    HistoryForked(Box<Fork>),
}

impl Change {
    /// Who made it. Where a change does not say, there is only one who can.
    pub const fn actor(&self) -> Actor {
        match self {
            Self::OrderPlaced { .. } => Actor::Buyer,
            Self::OrderMoved { actor, .. } => *actor,
            Self::ProductCreated(_) | Self::ProductEdited { .. } | Self::ProductDeleted(_) => Actor::Operator,
            Self::ProductStopped(_) | Self::ProductStarted(_) => Actor::Operator,
            Self::DeadLetterDeleted(_) | Self::QueuePaused | Self::QueueResumed | Self::HistoryForked(_) => {
                Actor::Operator
            }
        }
    }

    /// The order that it is about, if it is about one.
    pub fn order(&self) -> Option<OrderId> {
        match self {
            Self::OrderPlaced { order, .. } => Some(order.id),
            Self::OrderMoved { order, .. } | Self::DeadLetterDeleted(order) => Some(*order),
            Self::ProductCreated(_) | Self::ProductEdited { .. } | Self::ProductDeleted(_) => None,
            Self::ProductStopped(_) | Self::ProductStarted(_) => None,
            Self::QueuePaused | Self::QueueResumed | Self::HistoryForked(_) => None,
        }
    }

    /// The product that it is about, or whose units its order moves; none where it touches no product.
    pub fn product(&self) -> Option<ProductId> {
        match self {
            Self::ProductCreated(product) | Self::ProductDeleted(product) => Some(product.id),
            Self::ProductEdited { after, .. } => Some(after.id),
            Self::ProductStopped(product) | Self::ProductStarted(product) => Some(*product),
            Self::OrderPlaced { order, .. } => Some(order.product),
            Self::OrderMoved { product, .. } => Some(*product),
            Self::DeadLetterDeleted(_) | Self::QueuePaused | Self::QueueResumed | Self::HistoryForked(_) => None,
        }
    }

    /// What it added to its product's current, held and sold units; none where it is about no product.
    pub fn deltas(&self) -> Option<[i64; 3]> {
        match self {
            Self::ProductCreated(product) => Some([signed(product.stock.current), 0, 0]),
            Self::ProductEdited { before, after } => {
                Some([signed(after.stock.current) - signed(before.stock.current), 0, 0])
            }
            Self::ProductStopped(_) | Self::ProductStarted(_) => Some([0; 3]),
            Self::ProductDeleted(product) => Some([-signed(product.stock.current), 0, 0]),
            Self::OrderPlaced { order, .. } => Some(StockMove::Hold.deltas(order.quantity)),
            Self::OrderMoved { quantity, units, .. } => Some(units.map_or([0; 3], |units| units.deltas(*quantity))),
            Self::DeadLetterDeleted(_) | Self::QueuePaused | Self::QueueResumed | Self::HistoryForked(_) => None,
        }
    }
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

/// The response that a repeated request with the same idempotency key gets. Whether it is the same request, its order
/// says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// The key.
    pub key: IdempotencyKey,
    /// The place in the queue, as the first response had it.
    pub queue_position: u64,
    /// The wait in seconds, as the first response had it.
    pub estimated_wait: u64,
}

/// What one commit wrote: one link of the history's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Counted from 1 without gaps.
    pub sequence: u64,
    /// The BLAKE3 hash of the record before it; zeros before the first.
    pub previous: [u8; 32],
    /// When it was written, as the wall clock said; it can be earlier than the record before it.
    pub at: Timestamp,
    /// What happened, in order.
    pub changes: Vec<Change>,
}
