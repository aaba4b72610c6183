//! The same request twice makes one order.
//!
//! A key is claimed in memory while its request is under way, and kept in the store, in the transaction of its order,
//! for a day. A refused request keeps nothing: nothing happened, and it may be tried again.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::clock::Timestamp;
use crate::committer::{Receipt, RequestHashes};
use crate::limits::{IDEMPOTENCY_AGE, MAX_IDEMPOTENCY_KEY_CHARS};
use crate::refusal::Refusal;
use crate::store::{Store, StoreError};

use super::{Accepted, OrderRequest};

/// A key that names a request: 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Checks and keeps a key; the error says what is wrong with it.
    pub fn new(key: &str) -> Result<Self, &'static str> {
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        match visible && (1..=MAX_IDEMPOTENCY_KEY_CHARS).contains(&key.len()) {
            true => Ok(Self(key.to_owned())),
            false => Err("must be 1 to 255 visible ASCII characters without spaces"),
        }
    }
}

impl OrderRequest {
    /// The hashes that a repetition is known by.
    pub(super) fn hashes(&self) -> Option<RequestHashes> {
        let key = self.key.as_ref()?;
        let mut asked = blake3::Hasher::new();
        asked.update(&self.product.0.to_le_bytes());
        asked.update(&self.quantity.get().to_le_bytes());
        asked.update(&[self.priority as u8]);
        asked.update(self.user.as_str().as_bytes());
        Some(RequestHashes {
            key: first_half(blake3::hash(key.0.as_bytes())),
            fingerprint: first_half(asked.finalize()),
        })
    }
}

fn first_half(hash: blake3::Hash) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.as_bytes()[..16]);
    u128::from_le_bytes(half)
}

type Outcome = Option<Result<Accepted, Refusal>>;

/// The keyed requests under way. Bounded by the requests under way.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    requests: Mutex<HashMap<u128, (u128, watch::Receiver<Outcome>)>>,
}

/// What a keyed request finds.
#[derive(Debug)]
pub(super) enum Begun {
    /// It is the first: whoever has this answers the others.
    First(First),
    /// The same request is under way.
    Repeated(Answer),
    /// Another request with this key is under way. Which of the two the key belongs to is known when it has ended.
    Other(Answer),
}

/// The claim on a key. Dropped without an answer, those who wait are told that the outcome is unknown.
#[derive(Debug)]
pub(super) struct First {
    in_flight: Arc<InFlight>,
    key: u128,
    answer: watch::Sender<Outcome>,
}

/// The answer of a request that is under way.
#[derive(Debug)]
pub(super) struct Answer(watch::Receiver<Outcome>);

impl InFlight {
    /// Claims a key.
    pub(super) fn begin(self: &Arc<Self>, hashes: RequestHashes) -> Begun {
        let mut requests = self.requests.lock();
        if let Some((fingerprint, answer)) = requests.get(&hashes.key) {
            let answer = Answer(answer.clone());
            return if *fingerprint == hashes.fingerprint { Begun::Repeated(answer) } else { Begun::Other(answer) };
        }
        let (sender, receiver) = watch::channel(None);
        requests.insert(hashes.key, (hashes.fingerprint, receiver));
        Begun::First(First { in_flight: Arc::clone(self), key: hashes.key, answer: sender })
    }
}

impl First {
    /// Answers everyone. Called after the commit, so that whoever comes later finds the answer in the store.
    pub(super) fn finish(self, result: Result<Accepted, Refusal>) -> Result<Accepted, Refusal> {
        self.answer.send_replace(Some(result.clone()));
        result
    }
}

impl Drop for First {
    fn drop(&mut self) {
        self.in_flight.requests.lock().remove(&self.key);
    }
}

impl Answer {
    /// Waits until the request has ended and its key is free.
    pub(super) async fn ended(mut self) {
        // The key is given back before the sender goes.
        while self.0.changed().await.is_ok() {}
    }

    /// Waits for the first request's answer.
    pub(super) async fn wait(mut self) -> Result<Accepted, Refusal> {
        let outcome = self.0.wait_for(Option::is_some).await;
        match outcome.ok().and_then(|outcome| outcome.clone()) {
            Some(result) => result.map(|accepted| Accepted { replayed: true, ..accepted }),
            None => Err(Refusal::RequestInFlight),
        }
    }
}

/// What a request was answered before, if it was and the answer is still kept.
pub(super) fn kept_answer(
    store: &Store,
    hashes: RequestHashes,
    now: Timestamp,
) -> Result<Option<Result<Accepted, Refusal>>, StoreError> {
    let Some((order, kept)) = store.kept_answer(hashes.key)? else { return Ok(None) };
    if now.since(order.created_at) >= IDEMPOTENCY_AGE {
        return Ok(None);
    }
    if kept.fingerprint != hashes.fingerprint {
        return Ok(Some(Err(Refusal::IdempotencyKeyReused)));
    }
    let (queue_position, estimated_wait) = (kept.queue_position, kept.estimated_wait);
    let receipt = Receipt { order: order.id, queue_position, estimated_wait, expires_at: order.expires_at };
    Ok(Some(Ok(Accepted { receipt, replayed: true })))
}
