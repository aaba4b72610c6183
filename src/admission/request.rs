//! What is asked for, and what an accepted order gives.

use std::hash::Hash;
use std::num::NonZero;
use std::sync::Arc;

use crate::committer::Receipt;
use crate::domain::order::{Attached, Order, Priority, Quantity, UserId};
use crate::domain::product::ProductId;
use crate::limits::MAX_IDEMPOTENCY_KEY_CHARS;

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

/// A key that names a request: the hash of 1 to 255 visible ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(NonZero<u128>);

impl IdempotencyKey {
    /// Checks a key; the error says what is wrong with it.
    pub fn new(key: &str) -> Result<Self, &'static str> {
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || !(1..=MAX_IDEMPOTENCY_KEY_CHARS).contains(&key.len()) {
            return Err("must be 1 to 255 visible ASCII characters without spaces");
        }
        let mut half = [0; 16];
        half.copy_from_slice(&blake3::hash(key.as_bytes()).as_bytes()[..16]);
        Ok(Self(NonZero::new(u128::from_le_bytes(half)).unwrap_or(NonZero::<u128>::MIN)))
    }

    pub(super) const fn hash(self) -> NonZero<u128> {
        self.0
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
