//! What the committer can be asked.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::domain::change::Actor;
use crate::domain::clock::Timestamp;
use crate::domain::money::Money;
use crate::domain::order::{Attached, Order, OrderId, Priority, UserId};
use crate::domain::product::{Product, ProductId, Terms};
use crate::domain::product_tag::Expected;
use crate::domain::receipt::Receipt;
use crate::domain::refusal::Refusal;
use crate::domain::transition::Transition;
use crate::inventory::{PurchaseClaim, Reservation};
use crate::limits::{MAX_ATTACHED_FRAME_BYTES, MAX_ROW_BYTES};
use crate::queue::Slot;

use super::claims::{BatchClaims, KeyClaim};
use super::gate::OrderPermit;

/// An admitted order that is not stored yet. Dropping it gives back its stock, its slot and its claims.
#[derive(Debug)]
pub struct PendingOrder {
    /// Who buys.
    pub user: UserId,
    /// What the shop attached to it, if anything.
    pub attached: Option<Arc<Attached>>,
    /// Its rank in the queue.
    pub priority: Priority,
    /// The units, taken.
    pub reservation: Reservation,
    /// The slot of the queue, taken.
    pub slot: Slot,
    /// The units counted for the user, where the product limits them.
    pub claim: Option<PurchaseClaim>,
    /// The epoch of the store in which its checks began: see `Intake::epoch`.
    pub epoch: u64,
}

impl PendingOrder {
    /// How many rows it counts as: itself, and what is attached to it by its length.
    fn rows(&self) -> usize {
        let attached = self.attached.as_ref();
        1 + attached.map_or(0, |attached| (attached.bytes() + MAX_ATTACHED_FRAME_BYTES).div_ceil(MAX_ROW_BYTES))
    }
}

/// What became of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The job's order.
    pub order: OrderId,
    /// What happened.
    pub transition: Transition,
    /// Who says so: a worker, or the clock.
    pub actor: Actor,
}

/// Where an operator wants an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorMove {
    /// Confirmed; also after its hold expired, if stock remains.
    Confirm,
    /// Cancelled, and its stock returned.
    Cancel,
    /// Out of the dead letters and into the queue, with stock reserved again.
    Retry,
    /// Off the list of dead letters; the order stays failed.
    Forget,
}

/// What an operator changes of the products.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A new product.
    Create {
        /// Its terms.
        terms: Terms,
        /// Units at creation.
        initial: u64,
        /// Units on sale.
        current: u64,
    },
    /// Other terms or stock.
    Update {
        /// Which product.
        product: ProductId,
        /// What changes.
        patch: ProductPatch,
    },
    /// Units added or taken away.
    Restock {
        /// Which product.
        product: ProductId,
        /// How many.
        delta: i64,
    },
}

/// The fields that a request sets; the others stay. The inner option is the value: none clears it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductPatch {
    /// See [`Terms::name`].
    pub name: Option<String>,
    /// See [`Terms::price`].
    pub price: Option<Money>,
    /// See [`Terms::flash_sale_active`].
    pub flash_sale_active: Option<bool>,
    /// See [`Terms::per_user_limit`].
    pub per_user_limit: Option<Option<u32>>,
    /// See [`Terms::sale_starts_at`].
    pub sale_starts_at: Option<Option<Timestamp>>,
    /// See [`Terms::sale_ends_at`].
    pub sale_ends_at: Option<Option<Timestamp>>,
    /// See [`Terms::hold_seconds`].
    pub hold_seconds: Option<Option<u32>>,
    /// See [`Terms::sku`].
    pub sku: Option<Option<String>>,
    /// See [`Terms::hidden`].
    pub hidden: Option<bool>,
    /// Units at creation, corrected; what is on sale moves with it unless it is set as well.
    pub initial: Option<u64>,
    /// Units on sale from now on.
    pub current: Option<u64>,
    /// Units added to what is on sale, or taken away where negative; not beside the two before.
    pub added: Option<i64>,
}

impl ProductPatch {
    /// Whether it says how many units can be bought beside other fields, as a form that was read before would.
    pub fn sets_current_beside_others(&self) -> bool {
        self.current.is_some() && Self { current: None, ..self.clone() } != Self::default()
    }
}

/// One message to the committer. It carries the permit that made room for it and gives it back when it is taken.
#[derive(Debug)]
pub(super) enum Command {
    Place {
        order: PendingOrder,
        /// The claim on its idempotency key, if it has one.
        key: Option<KeyClaim>,
        reply: oneshot::Sender<Result<Receipt, Refusal>>,
        _permit: OrderPermit,
    },
    PlaceMany {
        orders: Vec<PendingOrder>,
        /// The claims on their idempotency keys.
        keys: BatchClaims,
        reply: oneshot::Sender<Vec<Result<Receipt, Refusal>>>,
        _permit: OrderPermit,
    },
    Settle {
        settlements: Vec<Settlement>,
        _permit: OwnedSemaphorePermit,
    },
    MoveOrders {
        orders: Vec<OrderId>,
        to: OperatorMove,
        /// Dead letters that failed later stay: nobody meant them.
        failed_before: Option<Timestamp>,
        reply: oneshot::Sender<Vec<Result<Arc<Order>, Refusal>>>,
        _permit: OwnedSemaphorePermit,
    },
    Edit {
        edit: Box<Edit>,
        expected: Expected,
        reply: oneshot::Sender<Result<Box<Product>, Refusal>>,
        _permit: OwnedSemaphorePermit,
    },
    DeleteProduct {
        product: ProductId,
        expected: Expected,
        reply: oneshot::Sender<Result<(), Refusal>>,
        _permit: OwnedSemaphorePermit,
    },
    SetSale {
        on: bool,
        reply: oneshot::Sender<Vec<Product>>,
        _permit: OwnedSemaphorePermit,
    },
    SetPaused {
        paused: bool,
        reply: oneshot::Sender<()>,
        _permit: OwnedSemaphorePermit,
    },
    Stop,
}

impl Command {
    /// Whether it is a batch of its own: an edit of products sees settled counters.
    pub(super) const fn is_alone(&self) -> bool {
        matches!(self, Self::Edit { .. } | Self::DeleteProduct { .. } | Self::SetSale { .. })
    }

    /// Orders that it writes; one to which much is attached counts as several.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Place { order, .. } => order.rows(),
            Self::PlaceMany { orders, .. } => orders.iter().map(PendingOrder::rows).sum(),
            Self::Settle { settlements, .. } => settlements.len(),
            Self::MoveOrders { orders, .. } => orders.len(),
            _ => 1,
        }
    }
}

/// Commands wait in a channel whose slots all have the size of the largest one, and replies in a list.
const _: () = assert!(size_of::<Command>() <= 256);
