//! The same request twice makes one order.
//!
//! A key is claimed in memory while its request is under way, and kept in the store, in the transaction of its order,
//! for a day. A rejected request keeps nothing: nothing happened, and it may be tried again.

use crate::committer::{PendingReply, Receipt};
use crate::domain::clock::Timestamp;
use crate::domain::refusal::Refusal;
use crate::limits::IDEMPOTENCY_AGE;
use crate::store::{Store, StoreError};

use super::request::{Accepted, OrderRequest};

/// Waits for the reply to the same request, which is under way.
pub(super) async fn repeated(reply: PendingReply) -> Result<Accepted, Refusal> {
    reply.wait().await.map(Accepted::again)
}

/// The stored response to a request, if there is one that is young enough.
pub(super) fn stored_response(
    store: &Store,
    request: &OrderRequest,
    now: Timestamp,
) -> Result<Option<Result<Receipt, Refusal>>, StoreError> {
    let Some(key) = request.key else { return Ok(None) };
    let Some((order, kept)) = store.stored_response(key)? else { return Ok(None) };
    if now.since(order.created_at) >= IDEMPOTENCY_AGE {
        return Ok(None);
    }
    if !request.made(&order) {
        return Ok(Some(Err(Refusal::IdempotencyKeyReused)));
    }
    let (queue_position, estimated_wait) = (kept.queue_position, kept.estimated_wait);
    Ok(Some(Ok(Receipt { order: order.id, queue_position, estimated_wait, expires_at: order.expires_at })))
}
