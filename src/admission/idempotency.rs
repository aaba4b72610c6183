//! The same request twice makes one order.
//!
//! A key is claimed in memory while its request is under way, and kept in the store, in the transaction of its order,
//! for a day. A refused request keeps nothing: nothing happened, and it may be tried again.

use std::hash::Hash;

use crate::committer::{KeyAnswer, Receipt};
use crate::domain::clock::Timestamp;
use crate::domain::order::Order;
use crate::domain::refusal::Refusal;
use crate::limits::{IDEMPOTENCY_AGE, MAX_IDEMPOTENCY_KEY_CHARS};
use crate::store::{Store, StoreError};

use super::{Accepted, OrderRequest};

/// A key that names a request: the hash of 1 to 255 visible ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(u128);

impl IdempotencyKey {
    /// Checks a key; the error says what is wrong with it.
    pub fn new(key: &str) -> Result<Self, &'static str> {
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || !(1..=MAX_IDEMPOTENCY_KEY_CHARS).contains(&key.len()) {
            return Err("must be 1 to 255 visible ASCII characters without spaces");
        }
        let mut half = [0; 16];
        half.copy_from_slice(&blake3::hash(key.as_bytes()).as_bytes()[..16]);
        Ok(Self(u128::from_le_bytes(half)))
    }

    pub(super) const fn hash(self) -> u128 {
        self.0
    }
}

impl OrderRequest {
    /// What is asked for: in the same request all of it is the same.
    pub(super) fn asked(&self) -> impl Hash + '_ {
        (self.product, self.quantity.get(), self.priority as u8, self.user.as_str())
    }

    fn made(&self, order: &Order) -> bool {
        let Order { product, user, quantity, priority, .. } = order;
        (*product, *quantity, *priority) == (self.product, self.quantity.get(), self.priority) && *user == self.user
    }
}

/// Waits for the answer of the same request, which is under way.
pub(super) async fn repeated(answer: KeyAnswer) -> Result<Accepted, Refusal> {
    answer.wait().await.map(Accepted::again)
}

/// What a request was answered before, if it was and the answer is still kept.
pub(super) fn kept_answer(
    store: &Store,
    request: &OrderRequest,
    now: Timestamp,
) -> Result<Option<Result<Receipt, Refusal>>, StoreError> {
    let Some(key) = request.key else { return Ok(None) };
    let Some((order, kept)) = store.stored_response(key.hash())? else { return Ok(None) };
    if now.since(order.created_at) >= IDEMPOTENCY_AGE {
        return Ok(None);
    }
    if !request.made(&order) {
        return Ok(Some(Err(Refusal::IdempotencyKeyReused)));
    }
    let (queue_position, estimated_wait) = (kept.queue_position, kept.estimated_wait);
    Ok(Some(Ok(Receipt { order: order.id, queue_position, estimated_wait, expires_at: order.expires_at })))
}
