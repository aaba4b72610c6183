//! The ordered checks between a request and its place at the committer.
//!
//! The order is fixed: idempotency, the server is open, product, sale window, purchase limit, stock, as a look; then the
//! user's rate, a place in the queue, a claim on the limit, and the units. Stock comes last, so that a refused order never held any;
//! and nothing is awaited between taking stock and handing the order over, so that a caller who hangs up cannot
//! separate the two.

use std::sync::Arc;

use crate::clock::{Clock, Timestamp};
use crate::committer::{Intake, OrderPermit, PendingOrder, Receipt, RequestHashes};
use crate::inventory::{Inventory, LimitExceeded, Shelf};
use crate::order::{Priority, Quantity, UserId};
use crate::product::{Product, ProductId};
use crate::queue::{Queue, SlotKind};
use crate::refusal::Refusal;
use crate::store::Store;

mod idempotency;
mod rate_limit;
mod windows;

pub use idempotency::IdempotencyKey;
pub use rate_limit::{RateLimits, network};
pub use windows::WindowWatch;

use idempotency::{Begun, First, InFlight};

/// An order as asked for: its shape was checked, nothing else.
#[derive(Clone, Debug)]
pub struct OrderRequest {
    /// What to buy.
    pub product: ProductId,
    /// Who buys.
    pub user: UserId,
    /// How many units.
    pub quantity: Quantity,
    /// Its rank in the queue.
    pub priority: Priority,
    /// Makes a repetition of the request answer the same.
    pub key: Option<IdempotencyKey>,
}

/// An accepted order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What the buyer is told.
    pub receipt: Receipt,
    /// Whether an earlier request with the same key made the order.
    pub replayed: bool,
}

/// The way in for orders. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admission {
    inventory: Arc<Inventory>,
    queue: Arc<Queue>,
    store: Arc<Store>,
    intake: Intake,
    rate_limits: Arc<RateLimits>,
    clock: Clock,
    in_flight: Arc<InFlight>,
}

impl Admission {
    /// An admission in front of a committer.
    pub fn new(
        inventory: Arc<Inventory>,
        queue: Arc<Queue>,
        store: Arc<Store>,
        intake: Intake,
        rate_limits: Arc<RateLimits>,
        clock: Clock,
    ) -> Self {
        Self { inventory, queue, store, intake, rate_limits, clock, in_flight: Arc::default() }
    }

    /// Places one order. When this returns a receipt, the order is on disk.
    pub async fn place(&self, request: OrderRequest) -> Result<Accepted, Refusal> {
        match request.hashes() {
            None => self.place_new(request, None, self.intake.opening()).await,
            // Boxed, as its state would otherwise be part of every order's.
            Some(hashes) => Box::pin(self.place_once(request, hashes)).await,
        }
    }

    /// Places many orders in one trip; the results come in the same order.
    pub async fn place_many(&self, requests: Vec<OrderRequest>) -> Vec<Result<Accepted, Refusal>> {
        let count = requests.len();
        let batch = tokio::spawn(self.clone().place_batch(requests));
        // A task that panicked has left its orders in an unknown state.
        batch.await.unwrap_or_else(|_| vec![Err(Refusal::Internal); count])
    }

    /// The path of an order: admit, submit, await the receipt.
    async fn place_new(
        &self,
        request: OrderRequest,
        hashes: Option<RequestHashes>,
        opening: u64,
    ) -> Result<Accepted, Refusal> {
        let (order, permit) = self.admit(request, hashes, opening)?;
        let receipt = self.intake.place(order, permit);
        let receipt = receipt.await.map_err(|_| Refusal::StorageUnavailable)??;
        Ok(Accepted { receipt, replayed: false })
    }

    /// The same for a request that may come again.
    async fn place_once(&self, request: OrderRequest, hashes: RequestHashes) -> Result<Accepted, Refusal> {
        let first = loop {
            match self.in_flight.begin(hashes) {
                Begun::First(first) => break first,
                Begun::Repeated(answer) => return answer.wait().await,
                Begun::Other(answer) => answer.ended().await,
            }
        };
        let admission = self.clone();
        // A task of its own: a caller who hangs up must not take the answer from those who repeat the request.
        let placing = tokio::spawn(async move {
            let opening = admission.intake.opening();
            let result = match admission.kept_answers(vec![hashes]).await {
                Ok(mut kept) => match kept.pop().flatten() {
                    Some(result) => result,
                    None => admission.place_new(request, Some(hashes), opening).await,
                },
                Err(refusal) => Err(refusal),
            };
            first.finish(result)
        });
        placing.await.unwrap_or(Err(Refusal::Internal))
    }

    async fn place_batch(self, requests: Vec<OrderRequest>) -> Vec<Result<Accepted, Refusal>> {
        let opening = self.intake.opening();
        let count = requests.len();
        let hashes: Vec<_> = requests.iter().map(OrderRequest::hashes).collect();
        let (begun, mut results) = match self.begin_batch(&hashes).await {
            Ok(begun) => begun,
            Err(refusal) => return vec![Err(refusal); count],
        };
        let (mut orders, mut placed) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut others = Vec::new();
        let permit = self.intake.order_permit(count);
        let (mut found, now) = (None, self.clock.now());
        for (at, request) in requests.into_iter().enumerate() {
            match begun[at] {
                Some(Begun::Repeated(_)) => continue,
                Some(Begun::Other(_)) => {
                    others.extend(hashes[at].map(|hashes| (at, request, hashes)));
                    continue;
                }
                _ if results[at].is_some() => continue,
                _ => {}
            }
            let checked = self.check(&mut found, &request, now).and_then(|checked| match &permit {
                Some(_) => Ok(checked),
                None => Err(self.overloaded(SlotKind::Work)),
            });
            match checked.and_then(|checked| self.take(checked, request, hashes[at], opening)) {
                Ok(order) => {
                    orders.push(order);
                    placed.push(at);
                }
                Err(refusal) => results[at] = Some(Err(refusal)),
            }
        }
        if let Some(permit) = permit.filter(|_| !orders.is_empty()) {
            let receipts = self.intake.place_many(orders, permit).await;
            let mut receipts = receipts.unwrap_or_else(|_| vec![Err(Refusal::StorageUnavailable); placed.len()]);
            for (at, receipt) in placed.into_iter().zip(receipts.drain(..)) {
                results[at] = Some(receipt.map(|receipt| Accepted { receipt, replayed: false }));
            }
        }
        let mut answers = self.finish_batch(begun, results).await;
        // Not before its own claims have ended, or two batches could wait for each other.
        for (at, request, hashes) in others {
            answers[at] = Box::pin(self.place_once(request, hashes)).await;
        }
        answers
    }

    /// Claims the keys of a batch, and finds the answers that are kept already.
    #[allow(clippy::type_complexity, reason = "two columns of one table, used by one caller")]
    async fn begin_batch(
        &self,
        hashes: &[Option<RequestHashes>],
    ) -> Result<(Vec<Option<Begun>>, Vec<Option<Result<Accepted, Refusal>>>), Refusal> {
        let mut begun = Vec::with_capacity(hashes.len());
        let mut results = Vec::with_capacity(hashes.len());
        let mut asked = Vec::new();
        for (at, hashes) in hashes.iter().enumerate() {
            let claim = hashes.map(|hashes| self.in_flight.begin(hashes));
            if let (Some(Begun::First(_)), Some(hashes)) = (&claim, *hashes) {
                asked.push((at, hashes));
            }
            begun.push(claim);
            results.push(None);
        }
        if !asked.is_empty() {
            let kept = self.kept_answers(asked.iter().map(|(_, hashes)| *hashes).collect()).await?;
            for ((at, _), answer) in asked.into_iter().zip(kept) {
                results[at] = answer;
            }
        }
        Ok((begun, results))
    }

    /// Answers those who wait for this batch, then waits for what other requests are placing.
    async fn finish_batch(
        &self,
        begun: Vec<Option<Begun>>,
        results: Vec<Option<Result<Accepted, Refusal>>>,
    ) -> Vec<Result<Accepted, Refusal>> {
        let mut waiting = Vec::new();
        let mut answers = Vec::with_capacity(results.len());
        for (at, (claim, result)) in begun.into_iter().zip(results).enumerate() {
            let result = result.unwrap_or(Err(Refusal::Internal));
            match claim {
                Some(Begun::First(first)) => answers.push(First::finish(first, result)),
                Some(Begun::Repeated(answer)) => {
                    waiting.push((at, answer));
                    answers.push(result);
                }
                Some(Begun::Other(_)) | None => answers.push(result),
            }
        }
        for (at, answer) in waiting {
            answers[at] = answer.wait().await;
        }
        answers
    }

    /// All checks, then the units. Holds no lock and awaits nothing.
    fn admit(
        &self,
        request: OrderRequest,
        hashes: Option<RequestHashes>,
        opening: u64,
    ) -> Result<(PendingOrder, OrderPermit), Refusal> {
        let mut found = None;
        let checked = self.check(&mut found, &request, self.clock.now())?;
        // Not before: with orders that cannot be accepted, anybody could use up what another user may order.
        self.rate_limits.check_user(&request.user)?;
        let permit = self.intake.order_permit(1).ok_or_else(|| self.overloaded(SlotKind::Work))?;
        Ok((self.take(checked, request, hashes, opening)?, permit))
    }

    /// The checks, which take nothing: a claim that a refused order had for a moment would refuse others of its user.
    /// `found` is the product of the request before, if there was one: a batch mostly asks for the same one again.
    fn check<'f>(
        &self,
        found: &'f mut Option<Found>,
        request: &OrderRequest,
        now: Timestamp,
    ) -> Result<&'f Found, Refusal> {
        self.intake.check_open()?;
        let found = match found.take().filter(|found| found.product.id == request.product) {
            Some(same) => found.insert(same),
            None => {
                let shelf = self.inventory.shelf(request.product).ok_or(Refusal::ProductNotFound)?;
                found.insert(Found { product: shelf.product(), shelf })
            }
        };
        let Found { shelf, product } = &*found;
        product.terms.check_open(now)?;
        let quantity = request.quantity.get();
        if let Some(limit) = product.terms.per_user_limit {
            let checked = self.inventory.purchases().check(product.id, &request.user, quantity, limit);
            checked.map_err(|exceeded| limit_exceeded(limit, exceeded))?;
        }
        // One atomic read answers the many who come too late, before they take a place from anyone.
        match shelf.available() < u64::from(quantity) {
            true => Err(Refusal::SoldOut),
            false => Ok(found),
        }
    }

    /// The place in the queue, the claim on the purchase limit, and last the units.
    fn take(
        &self,
        found: &Found,
        request: OrderRequest,
        repeatable: Option<RequestHashes>,
        opening: u64,
    ) -> Result<PendingOrder, Refusal> {
        let Found { shelf, product } = found;
        let OrderRequest { user, quantity, priority, .. } = request;
        let kind = if product.terms.hold_seconds.is_some() { SlotKind::Hold } else { SlotKind::Work };
        let place = self.queue.take_place(kind).ok_or_else(|| self.overloaded(kind))?;
        let claim = match product.terms.per_user_limit {
            None => None,
            Some(limit) => {
                let claim = self.inventory.purchases().claim(product.id, &user, quantity.get(), limit);
                Some(claim.map_err(|exceeded| limit_exceeded(limit, exceeded))?)
            }
        };
        let reservation = shelf.reserve(quantity.get()).map_err(|_| Refusal::SoldOut)?;
        Ok(PendingOrder { user, priority, reservation, place, claim, repeatable, opening })
    }

    fn overloaded(&self, kind: SlotKind) -> Refusal {
        Refusal::Overloaded { retry_after: self.queue.retry_after(kind) }
    }

    /// What requests with these keys were answered before, if they were and the answer is still kept.
    async fn kept_answers(
        &self,
        hashes: Vec<RequestHashes>,
    ) -> Result<Vec<Option<Result<Accepted, Refusal>>>, Refusal> {
        // A key that has ended makes a second order, which nobody can take back: a clock that was set ahead ends none.
        let now = self.clock.cautious_now();
        let kept = self.store.query(move |store| {
            hashes.into_iter().map(|hashes| idempotency::kept_answer(store, hashes, now)).collect()
        });
        kept.await.map_err(|_| Refusal::StorageUnavailable)
    }
}

/// A product, and as it was last committed.
struct Found {
    shelf: Arc<Shelf>,
    product: Arc<Product>,
}

const fn limit_exceeded(limit: u32, exceeded: LimitExceeded) -> Refusal {
    Refusal::PurchaseLimitExceeded { limit, left: exceeded.left }
}
