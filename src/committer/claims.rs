//! The idempotency keys of the requests under way.
//!
//! The first request with a key has a claim on it, which goes with its order to the committer and ends with the reply:
//! so a caller who hangs up does not take the reply from those who repeat the request.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::domain::receipt::Receipt;
use crate::domain::refusal::Refusal;

/// Parts of the map, each with a lock of its own.
const SHARDS: usize = 16;

type Outcome = Result<Receipt, Refusal>;

/// The keys of the requests under way, by their hashes. Bounded by these requests.
#[derive(Debug, Default)]
pub struct KeyClaims {
    shards: [Mutex<HashMap<u128, UnderWay, RandomState>>; SHARDS],
    asked: RandomState,
}

/// A request under way.
#[derive(Debug)]
struct UnderWay {
    /// The hash of what was asked for; it is compared with those of this process only.
    asked: u64,
    waiting: Vec<oneshot::Sender<Outcome>>,
}

/// What a request with a key finds.
#[derive(Debug)]
pub enum Claimed {
    /// It is the first.
    First(KeyClaim),
    /// The same request is under way.
    Same(PendingReply),
    /// Another request with this key is under way. Which of the two the key belongs to is known when it has ended.
    Other(PendingReply),
}

/// The claim on a key. If it is dropped without a reply, those who wait learn that the outcome is unknown.
#[derive(Debug)]
pub struct KeyClaim {
    /// None when it has ended.
    claims: Option<Arc<KeyClaims>>,
    key: u128,
    submitted: bool,
}

/// The reply to a request that is under way.
#[derive(Debug)]
pub struct PendingReply(oneshot::Receiver<Outcome>);

impl KeyClaims {
    /// Claims a key for a request that asks for `asked`.
    pub fn begin(self: &Arc<Self>, key: u128, asked: &impl Hash) -> Claimed {
        let asked = self.asked.hash_one(asked);
        let mut shard = self.shard(key).lock();
        let Some(first) = shard.get_mut(&key) else {
            shard.insert(key, UnderWay { asked, waiting: Vec::new() });
            return Claimed::First(KeyClaim { claims: Some(Arc::clone(self)), key, submitted: false });
        };
        let (sender, reply) = oneshot::channel();
        first.waiting.push(sender);
        let reply = PendingReply(reply);
        if first.asked == asked { Claimed::Same(reply) } else { Claimed::Other(reply) }
    }

    /// By other bits than those that the map looks at first.
    fn shard(&self, key: u128) -> &Mutex<HashMap<u128, UnderWay, RandomState>> {
        &self.shards[(key >> 124) as usize % SHARDS]
    }
}

impl KeyClaim {
    /// The hash of the key.
    pub const fn key(&self) -> u128 {
        self.key
    }

    /// From here on the committer owns the claim, and one that is dropped says that the store is unavailable.
    pub(super) const fn submit(&mut self) {
        self.submitted = true;
    }

    /// Gives the key back and replies to those who wait. Called when a later request finds the response in the store.
    pub fn finish(mut self, outcome: &Outcome) {
        self.end(Some(outcome));
    }

    fn end(&mut self, outcome: Option<&Outcome>) {
        let Some(claims) = self.claims.take() else { return };
        let under_way = claims.shard(self.key).lock().remove(&self.key);
        let (Some(UnderWay { waiting, .. }), Some(outcome)) = (under_way, outcome) else { return };
        for waiting in waiting {
            // The caller may have gone.
            let _ = waiting.send(outcome.clone());
        }
    }
}

impl Drop for KeyClaim {
    fn drop(&mut self) {
        let unavailable = Err(Refusal::StorageUnavailable);
        self.end(self.submitted.then_some(&unavailable));
    }
}

impl PendingReply {
    /// Waits until the request has ended and its key is free.
    pub async fn ended(self) {
        let _ = self.0.await;
    }

    /// Waits for the reply to the first request.
    pub async fn wait(self) -> Result<Receipt, Refusal> {
        self.0.await.unwrap_or(Err(Refusal::RequestInFlight))
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::order::OrderId;

    use super::*;

    fn first(claims: &Arc<KeyClaims>, asked: u8) -> KeyClaim {
        match claims.begin(7, &asked) {
            Claimed::First(claim) => claim,
            other => panic!("{other:?}"),
        }
    }

    fn same(claims: &Arc<KeyClaims>) -> PendingReply {
        match claims.begin(7, &1_u8) {
            Claimed::Same(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn those_who_repeat_a_request_get_its_reply_and_the_key_is_free_again() {
        let claims = Arc::new(KeyClaims::default());
        let claim = first(&claims, 1);
        let (one, two) = (same(&claims), same(&claims));
        let Claimed::Other(other) = claims.begin(7, &2_u8) else { panic!("it asks for something else") };
        let receipt = Receipt { order: OrderId(1), queue_position: 1, estimated_wait: 0, expires_at: None };
        claim.finish(&Ok(receipt));
        assert_eq!((one.wait().await, two.wait().await), (Ok(receipt), Ok(receipt)));
        other.ended().await;
        drop(first(&claims, 2));
    }

    #[tokio::test]
    async fn a_claim_that_is_dropped_says_what_is_known() {
        let claims = Arc::new(KeyClaims::default());
        let claim = first(&claims, 1);
        let waiting = same(&claims);
        drop(claim);
        assert_eq!(waiting.wait().await, Err(Refusal::RequestInFlight));
        let mut claim = first(&claims, 1);
        let waiting = same(&claims);
        claim.submit();
        drop(claim);
        assert_eq!(waiting.wait().await, Err(Refusal::StorageUnavailable));
        drop(first(&claims, 1));
    }
}
