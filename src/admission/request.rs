//! What is asked for, and what an accepted order gives.

use std::hash::Hash;
use std::sync::Arc;

use crate::committer::Receipt;
use crate::domain::idempotency_key::IdempotencyKey;
use crate::domain::order::{Attached, Order, Priority, Quantity, UserId};
use crate::domain::product::ProductId;

/// An order as asked for: its shape was checked, nothing else.
#[derive(Clone, Debug)]
pub struct OrderRequest {
    /// What to buy.
    pub product: ProductId,
    /// Who buys.
    pub user: UserId,
    /// How many units.
    pub quantity: Quantity,
    /// What the shop attaches to it, if anything.
    pub attached: Option<Arc<Attached>>,
    /// Its rank in the queue.
    pub priority: Priority,
    /// A repetition of the request with the same key gets the same response.
    pub key: Option<IdempotencyKey>,
    /// Whether an operator asks, for whom hidden products exist.
    pub is_operators: bool,
}

/// An accepted order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What the buyer learns.
    pub receipt: Receipt,
    /// Whether an earlier request with the same key made the order.
    pub replayed: bool,
}

impl Accepted {
    /// The response is repeated.
    pub(super) const fn again(receipt: Receipt) -> Self {
        Self { receipt, replayed: true }
    }

    pub(super) const fn first(receipt: Receipt) -> Self {
        Self { receipt, replayed: false }
    }
}

impl OrderRequest {
    /// What is asked for: in the same request all of it is the same.
    pub(super) fn asked(&self) -> impl Hash + '_ {
        (self.product, self.quantity.get(), self.priority as u8, self.user.as_str(), self.attached.as_deref())
    }

    /// Whether it made this order.
    pub(super) fn made(&self, order: &Order) -> bool {
        let Order { product, user, quantity, priority, attached, .. } = order;
        (*product, *quantity, *priority) == (self.product, self.quantity.get(), self.priority)
            && *user == self.user
            && *attached == self.attached
    }
}
