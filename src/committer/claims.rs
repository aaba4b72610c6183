//! The idempotency keys of the requests under way.
//!
//! The first request with a key has a claim on it, which goes with its order to the committer and ends with the reply:
//! so a caller who hangs up does not take the reply from those who repeat the request.
//!
//! The requests of a batch claim their keys together. What costs is to wait for memory, and a lock or a counted
//! reference for each key keeps the processor from going on with the next one meanwhile.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::num::NonZero;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::domain::receipt::Receipt;
use crate::domain::refusal::Refusal;

use super::keys::Keys;

/// Parts of the table, each with a lock of its own.
const SHARDS: usize = 16;

type Outcome = Result<Receipt, Refusal>;

/// The keys of the requests under way, by their hashes. Bounded by these requests.
#[derive(Debug, Default)]
pub struct KeyClaims {
    shards: [Mutex<Shard>; SHARDS],
    asked: RandomState,
}

/// The keys by half of their hashes. Two keys that share it, which practically never happens, wait for each other.
#[derive(Debug, Default)]
struct Shard {
    /// With each, the hash of the key and of what was asked for; it is compared with those of this process only.
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
    key: u128,
    submitted: bool,
}

/// The claims of requests that go together, each at the place of its request; as [`KeyClaim`] for each of them.
#[derive(Debug)]
pub struct BatchClaims {
    claims: Arc<KeyClaims>,
    /// None at the place of a request without a claim, or whose claim has ended. Empty if no request has one.
    keys: Vec<Option<NonZero<u128>>>,
    submitted: bool,
}

/// The reply to a request that is under way.
#[derive(Debug)]
pub struct PendingReply(oneshot::Receiver<Outcome>);

impl KeyClaims {
    /// Claims a key for a request that asks for `asked`.
    pub fn begin(self: &Arc<Self>, key: u128, asked: &impl Hash) -> Claimed {
        let asked = self.asked.hash_one((key, asked));
        match self.shards[shard_of(key)].lock().claim(half(key), asked) {
            None => Claimed::First(KeyClaim { claims: Some(Arc::clone(self)), key, submitted: false }),
            Some(taken) => Claimed::Taken(taken),
        }
    }

    /// Claims the keys of requests that go together, each given by its key, if it has one, and what it asks for. Of
    /// those with the same key the first one gets the claim. The others come with their places.
    pub fn begin_batch(
        self: &Arc<Self>,
        requests: impl ExactSizeIterator<Item = (Option<NonZero<u128>>, impl Hash)>,
    ) -> (BatchClaims, Vec<(usize, Taken)>) {
        let (mut keys, mut by_shard, mut taken) = (Vec::new(), ByShard::default(), Vec::new());
        let count = requests.len();
        for (at, (key, asks)) in requests.enumerate() {
            let Some(key) = key else { continue };
            if keys.is_empty() {
                keys.resize(count, None);
                by_shard = ByShard::for_keys(count);
            }
            keys[at] = Some(key);
            by_shard.push(key, (at, self.asked.hash_one((key, asks))));
        }
        by_shard.each(&self.shards, |shard, key, (at, asked)| {
            if let Some(by) = shard.claim(key, asked) {
                keys[at] = None;
                taken.push((at, by));
            }
        });
        (BatchClaims { claims: Arc::clone(self), keys, submitted: false }, taken)
    }
}

/// By other bits than those that the table of a shard has.
const fn shard_of(key: u128) -> usize {
    (key >> 124) as usize % SHARDS
}

/// What the table has of a key; never 0.
const fn half(key: u128) -> u64 {
    match key as u64 {
        0 => 1,
        half => half,
    }
}

/// What the table has of the keys of a batch, by their shards, each with something else.
#[derive(Default)]
struct ByShard<T>([Vec<(u64, T)>; SHARDS]);

impl<T: Copy> ByShard<T> {
    /// Room for so many. Hashes fall evenly into the shards, so most of the vectors never grow.
    fn for_keys(count: usize) -> Self {
        Self(std::array::from_fn(|_| Vec::with_capacity(count / SHARDS + count / (2 * SHARDS) + 1)))
    }

    fn push(&mut self, key: NonZero<u128>, with: T) {
        self.0[shard_of(key.get())].push((half(key.get()), with));
    }

    /// Visits all of them, with one lock for each shard.
    fn each(&self, shards: &[Mutex<Shard>], mut visit: impl FnMut(&mut Shard, u64, T)) {
        for (shard, keys) in shards.iter().zip(&self.0).filter(|(_, keys)| !keys.is_empty()) {
            let mut shard = shard.lock();
            shard.keys.fetch(keys.iter().map(|(key, _)| *key));
            keys.iter().for_each(|(key, with)| visit(&mut shard, *key, *with));
        }
    }
}

impl Shard {
    /// Claims a key if it is free; else waits for the request that has it.
    fn claim(&mut self, key: u64, asked: u64) -> Option<Taken> {
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
        claims.shards[shard_of(self.key)].lock().end(half(self.key), outcome);
    }
}

impl Drop for KeyClaim {
    fn drop(&mut self) {
        self.end(unknown(self.submitted).as_ref());
    }
}

impl BatchClaims {
    /// The hash of the key on which the request at this place has a claim.
    pub fn key(&self, at: usize) -> Option<u128> {
        self.keys.get(at).copied().flatten().map(NonZero::get)
    }

    /// All that there are, with their places.
    pub fn keys(&self) -> impl Iterator<Item = (usize, u128)> {
        self.keys.iter().enumerate().filter_map(|(at, key)| key.map(|key| (at, key.get())))
    }

    /// Takes the claim of one request out.
    pub fn take(&mut self, at: usize) -> Option<KeyClaim> {
        let key = self.keys.get_mut(at)?.take()?.get();
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
        if self.keys.is_empty() {
            return;
        }
        let mut by_shard = ByShard::for_keys(self.keys.len());
        for (at, key) in self.keys.drain(..).enumerate() {
            if let Some(key) = key {
                by_shard.push(key, at);
            }
        }
        by_shard.each(&self.claims.shards, |shard, key, at| shard.end(key, outcome(at)));
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

    fn first(claims: &Arc<KeyClaims>, asked: u8) -> KeyClaim {
        match claims.begin(7, &asked) {
            Claimed::First(claim) => claim,
            other => panic!("{other:?}"),
        }
    }

    fn same(claims: &Arc<KeyClaims>) -> PendingReply {
        match claims.begin(7, &1_u8) {
            Claimed::Taken(Taken::Same(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn those_who_repeat_a_request_get_its_reply_and_the_key_is_free_again() {
        let claims = Arc::new(KeyClaims::default());
        let claim = first(&claims, 1);
        let (one, two) = (same(&claims), same(&claims));
        let Claimed::Taken(Taken::Other(other)) = claims.begin(7, &2_u8) else { panic!("it asks for other things") };
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
        claims.begin_batch(keys.iter().map(|key| (key.and_then(NonZero::new), 1_u8)))
    }

    fn receipt(order: u64) -> Outcome {
        Ok(Receipt { order: OrderId(order), queue_position: order, estimated_wait: 0, expires_at: None })
    }

    #[tokio::test]
    async fn requests_that_go_together_get_their_own_replies_and_all_keys_are_free_again() {
        let claims = Arc::new(KeyClaims::default());
        // One shard each, and one shard for all.
        for shift in [124, 0] {
            let key = |n: u128| Some(n << shift);
            let (mut batch, taken) = begin(&claims, &[key(1), None, key(2), key(1), key(3), key(4)]);
            let [(3, Taken::Same(own))] = <[_; 1]>::try_from(taken).unwrap() else { panic!("the first one has it") };
            assert_eq!(batch.keys().map(|(at, _)| at).collect::<Vec<_>>(), [0, 2, 4, 5]);
            batch.take(4).unwrap().finish(&Err(Refusal::SoldOut));
            let (again, taken) = begin(&claims, &[key(3), key(4), key(2)]);
            assert_eq!((again.key(0), taken.len()), (key(3), 2), "one is free again");
            let replies = taken.into_iter().map(|(at, taken)| match taken {
                Taken::Same(reply) => (at, reply),
                Taken::Other(_) => panic!("it asks for the same"),
            });
            let replies: Vec<_> = replies.collect();
            let placed = batch.take_all(&[0, 1, 2, 5]);
            assert_eq!((placed.key(3), batch.keys().count()), (key(4), 0));
            placed.finish(&[1, 2, 3, 4].map(receipt));
            assert_eq!(own.wait().await, receipt(1));
            for (at, reply) in replies {
                assert_eq!(reply.wait().await, receipt(if at == 1 { 4 } else { 3 }));
            }
            drop(again);
            let is_empty = |shard: &Shard| shard.keys.is_empty() && shard.waiting.is_empty();
            assert!(claims.shards.iter().all(|shard| is_empty(&shard.lock())));
        }
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
