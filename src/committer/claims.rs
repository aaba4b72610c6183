//! The idempotency keys of the requests under way.
//!
//! The first request with a key has a claim on it, which goes with its order to the committer and ends with the reply:
//! so a caller who hangs up does not take the reply from those who repeat the request.
//!
//! The requests of a batch claim their keys together. What costs is to wait for memory, and a lock or a counted
//! reference for each key keeps the processor from going on with the next one meanwhile. One lock is enough for all: it
//! is held for some tens of nanoseconds for each key, and all orders go through the one committer in any case.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::domain::idempotency_key::IdempotencyKey;
use crate::domain::receipt::Receipt;
use crate::domain::refusal::Refusal;

use super::keys::Keys;

/// So many keys of a batch are claimed, or given back, under one lock: their places are fetched together.
const AT_ONCE: usize = 128;

type Outcome = Result<Receipt, Refusal>;

/// The keys of the requests under way. Bounded by these requests.
#[derive(Debug, Default)]
pub struct KeyClaims {
    under_way: Mutex<UnderWay>,
    asked: RandomState,
}

/// The keys by their hashes. Two keys that share one, which practically never happens, wait for each other.
#[derive(Debug, Default)]
struct UnderWay {
    /// With each, the fingerprint of its request: of two with one key, it says whether they are the same.
    keys: Keys,
    /// Those who repeat requests that are under way: mostly nobody.
    waiting: HashMap<u64, Vec<oneshot::Sender<Outcome>>, RandomState>,
}

/// What a request with a key finds.
#[derive(Debug)]
pub enum Claimed {
    /// It is the first.
    First(KeyClaim),
    /// Another one is under way.
    Taken(Taken),
}

/// A request with the same key is under way.
#[derive(Debug)]
pub enum Taken {
    /// The same one.
    Same(PendingReply),
    /// Another one. Which of the two the key belongs to is known when it has ended.
    Other(PendingReply),
}

/// The claim on a key. If it is dropped without a reply, those who wait learn that the outcome is unknown.
#[derive(Debug)]
pub struct KeyClaim {
    /// None when it has ended.
    claims: Option<Arc<KeyClaims>>,
    key: IdempotencyKey,
    submitted: bool,
}

/// The claims of requests that go together, each at the place of its request; as [`KeyClaim`] for each of them.
#[derive(Debug)]
pub struct BatchClaims {
    claims: Arc<KeyClaims>,
    /// None at the place of a request without a claim, or whose claim has ended. Empty if no request has one.
    keys: Vec<Option<IdempotencyKey>>,
    submitted: bool,
}

/// The reply to a request that is under way.
#[derive(Debug)]
pub struct PendingReply(oneshot::Receiver<Outcome>);

impl KeyClaims {
    /// Claims a key for a request that asks for `asked`.
    pub fn begin(self: &Arc<Self>, key: IdempotencyKey, asked: &impl Hash) -> Claimed {
        let asked = self.fingerprint(key, asked);
        match self.under_way.lock().claim(key.hash().get(), asked) {
            None => Claimed::First(KeyClaim { claims: Some(Arc::clone(self)), key, submitted: false }),
            Some(taken) => Claimed::Taken(taken),
        }
    }

    /// Claims the keys of requests that go together, each given by its key, if it has one, and what it asks for. Of
    /// those with the same key the first one gets the claim. The others come with their places.
    pub fn begin_batch(
        self: &Arc<Self>,
        requests: impl Iterator<Item = (Option<IdempotencyKey>, impl Hash)> + Clone,
    ) -> (BatchClaims, Vec<(usize, Taken)>) {
        let (mut keys, mut taken) = (Vec::new(), Vec::new());
        if requests.clone().any(|(key, _)| key.is_some()) {
            keys.extend(requests.clone().map(|(key, _)| key));
        }
        let wanted = requests.enumerate().filter_map(|(at, (key, asks))| {
            let key = key?;
            Some(((at, self.fingerprint(key, &asks)), key))
        });
        self.each(wanted, |under_way, (at, asked), key| taken.extend(Some(at).zip(under_way.claim(key, asked))));
        taken.iter().for_each(|(at, _)| keys[*at] = None);
        (BatchClaims { claims: Arc::clone(self), keys, submitted: false }, taken)
    }

    /// Of a request. That two under one key share it though they differ happens once in four thousand million.
    fn fingerprint(&self, key: IdempotencyKey, asked: &impl Hash) -> u32 {
        (self.asked.hash_one((key, asked)) >> 32) as u32
    }

    /// Visits keys, each with something else, some under each lock.
    fn each<T>(
        &self,
        mut keys: impl Iterator<Item = (T, IdempotencyKey)>,
        mut visit: impl FnMut(&mut UnderWay, T, u64),
    ) {
        let mut some = Vec::with_capacity(AT_ONCE);
        loop {
            some.extend(keys.by_ref().take(AT_ONCE).map(|(with, key)| (with, key.hash().get())));
            if some.is_empty() {
                return;
            }
            let mut under_way = self.under_way.lock();
            under_way.keys.fetch(some.iter().map(|(_, key)| *key));
            some.drain(..).for_each(|(with, key)| visit(&mut under_way, with, key));
        }
    }
}

impl UnderWay {
    /// Claims a key if it is free; else waits for the request that has it.
    fn claim(&mut self, key: u64, asked: u32) -> Option<Taken> {
        let first_asked = self.keys.insert(key, asked)?;
        let (sender, reply) = oneshot::channel();
        self.waiting.entry(key).or_default().push(sender);
        let reply = PendingReply(reply);
        Some(if first_asked == asked { Taken::Same(reply) } else { Taken::Other(reply) })
    }

    /// Gives a key back and replies to those who wait. Sending wakes a task and waits for nothing, so it may be done
    /// under the lock.
    fn end(&mut self, key: u64, outcome: Option<&Outcome>) {
        self.keys.remove(key);
        if self.waiting.is_empty() {
            return;
        }
        let (Some(waiting), Some(outcome)) = (self.waiting.remove(&key), outcome) else { return };
        for waiting in waiting {
            // The caller may have gone.
            let _ = waiting.send(outcome.clone());
        }
    }
}

/// What those who wait learn of a claim that is dropped.
fn unknown(submitted: bool) -> Option<Outcome> {
    submitted.then_some(Err(Refusal::StorageUnavailable))
}

impl KeyClaim {
    /// The key.
    pub const fn key(&self) -> IdempotencyKey {
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
        claims.under_way.lock().end(self.key.hash().get(), outcome);
    }
}

impl Drop for KeyClaim {
    fn drop(&mut self) {
        self.end(unknown(self.submitted).as_ref());
    }
}

impl BatchClaims {
    /// The key on which the request at this place has a claim.
    pub fn key(&self, at: usize) -> Option<IdempotencyKey> {
        self.keys.get(at).copied().flatten()
    }

    /// All that there are, with their places.
    pub fn keys(&self) -> impl Iterator<Item = (usize, IdempotencyKey)> {
        self.keys.iter().enumerate().filter_map(|(at, key)| key.map(|key| (at, key)))
    }

    /// Takes the claim of one request out.
    pub fn take(&mut self, at: usize) -> Option<KeyClaim> {
        let key = self.keys.get_mut(at)?.take()?;
        Some(KeyClaim { claims: Some(Arc::clone(&self.claims)), key, submitted: self.submitted })
    }

    /// Takes the claims of the requests at these places, which grow, out; they have the places 0, 1, 2 and so on there.
    pub fn take_all(&mut self, places: &[usize]) -> Self {
        // Mostly all of them, or none has a key.
        let keys = match self.keys.is_empty() || self.keys.len() == places.len() {
            true => std::mem::take(&mut self.keys),
            false => places.iter().map(|at| self.keys[*at].take()).collect(),
        };
        Self { claims: Arc::clone(&self.claims), keys, submitted: self.submitted }
    }

    /// See [`KeyClaim::submit`].
    pub(super) const fn submit(&mut self) {
        self.submitted = true;
    }

    /// Gives all keys back and replies to those who wait, with the outcome at the place of each. Called when later
    /// requests find the responses in the store.
    pub fn finish(mut self, outcomes: &[Outcome]) {
        self.end(|at| outcomes.get(at));
    }

    fn end<'o>(&mut self, outcome: impl Fn(usize) -> Option<&'o Outcome>) {
        self.claims.each(self.keys(), |under_way, at, key| under_way.end(key, outcome(at)));
        self.keys.clear();
    }
}

impl Drop for BatchClaims {
    fn drop(&mut self) {
        let outcome = unknown(self.submitted);
        self.end(|_| outcome.as_ref());
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

    fn key(number: u128) -> IdempotencyKey {
        IdempotencyKey::from_bytes(number.to_le_bytes())
    }

    fn first(claims: &Arc<KeyClaims>, asked: u8) -> KeyClaim {
        match claims.begin(key(7), &asked) {
            Claimed::First(claim) => claim,
            other => panic!("{other:?}"),
        }
    }

    fn same(claims: &Arc<KeyClaims>) -> PendingReply {
        match claims.begin(key(7), &1_u8) {
            Claimed::Taken(Taken::Same(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn those_who_repeat_a_request_get_its_reply_and_the_key_is_free_again() {
        let claims = Arc::new(KeyClaims::default());
        let claim = first(&claims, 1);
        let (one, two) = (same(&claims), same(&claims));
        let Claimed::Taken(Taken::Other(other)) = claims.begin(key(7), &2_u8) else {
            panic!("it asks for other things")
        };
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

    fn begin(claims: &Arc<KeyClaims>, keys: &[Option<u128>]) -> (BatchClaims, Vec<(usize, Taken)>) {
        claims.begin_batch(keys.iter().map(|number| (number.map(key), 1_u8)))
    }

    fn receipt(order: u64) -> Outcome {
        Ok(Receipt { order: OrderId(order), queue_position: order, estimated_wait: 0, expires_at: None })
    }

    #[tokio::test]
    async fn requests_that_go_together_get_their_own_replies_and_all_keys_are_free_again() {
        let claims = Arc::new(KeyClaims::default());
        let (mut batch, taken) = begin(&claims, &[Some(1), None, Some(2), Some(1), Some(3), Some(4)]);
        let [(3, Taken::Same(own))] = <[_; 1]>::try_from(taken).unwrap() else { panic!("the first one has it") };
        assert_eq!(batch.keys().map(|(at, _)| at).collect::<Vec<_>>(), [0, 2, 4, 5]);
        batch.take(4).unwrap().finish(&Err(Refusal::SoldOut));
        let (again, taken) = begin(&claims, &[Some(3), Some(4), Some(2)]);
        assert_eq!((again.key(0), taken.len()), (Some(key(3)), 2), "one is free again");
        let replies = taken.into_iter().map(|(at, taken)| match taken {
            Taken::Same(reply) => (at, reply),
            Taken::Other(_) => panic!("it asks for the same"),
        });
        let replies: Vec<_> = replies.collect();
        let placed = batch.take_all(&[0, 1, 2, 5]);
        assert_eq!((placed.key(3), batch.keys().count()), (Some(key(4)), 0));
        placed.finish(&[1, 2, 3, 4].map(receipt));
        assert_eq!(own.wait().await, receipt(1));
        for (at, reply) in replies {
            assert_eq!(reply.wait().await, receipt(if at == 1 { 4 } else { 3 }));
        }
        drop(again);
        assert_nobody_is_under_way(&claims);
    }

    fn assert_nobody_is_under_way(claims: &KeyClaims) {
        let under_way = claims.under_way.lock();
        assert!(under_way.keys.is_empty() && under_way.waiting.is_empty());
    }

    #[tokio::test]
    async fn a_batch_of_more_keys_than_are_claimed_at_once_has_all_of_them() {
        let claims = Arc::new(KeyClaims::default());
        let numbers: Vec<_> = (1..3 * AT_ONCE as u128).map(Some).collect();
        let (batch, taken) = begin(&claims, &numbers);
        assert!(taken.is_empty() && batch.keys().count() == numbers.len());
        let (none, taken) = begin(&claims, &numbers);
        assert!(none.keys().next().is_none());
        batch.finish(&(1..).take(numbers.len()).map(receipt).collect::<Vec<_>>());
        for (at, taken) in taken {
            let Taken::Same(reply) = taken else { panic!("it asks for the same") };
            assert_eq!(reply.wait().await, receipt(1 + at as u64));
        }
        assert_nobody_is_under_way(&claims);
    }

    #[tokio::test]
    async fn claims_that_are_dropped_together_say_what_is_known() {
        let claims = Arc::new(KeyClaims::default());
        for (submitted, learns) in [(false, Refusal::RequestInFlight), (true, Refusal::StorageUnavailable)] {
            let (mut batch, _) = begin(&claims, &[None, Some(7)]);
            let waiting = same(&claims);
            if submitted {
                batch.submit();
            }
            drop(batch);
            assert_eq!(waiting.wait().await, Err(learns));
        }
        drop(first(&claims, 1));
    }
}
