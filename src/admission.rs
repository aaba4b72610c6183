//! The ordered checks between a request and the committer.
//!
//! The order is fixed: idempotency, the server is open, product, sale window, purchase limit, stock, as a look; then
//! the user's rate, a slot of the queue, a claim on the limit, and the units. Stock comes last, so that a rejected
//! order never held any; and nothing is awaited between taking stock and handing the order over, so that a caller who
//! hangs up cannot separate the two.

use std::sync::Arc;

use crate::committer::{
    BatchClaims, Claimed, Intake, KeyClaim, KeyClaims, OrderPermit, PendingOrder, PendingReply, Receipt, Taken,
};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::idempotency_key::{IdempotencyKey, KeyHasher};
use crate::domain::product::Product;
use crate::domain::refusal::Refusal;
use crate::inventory::{Inventory, LimitError, Purchases, StockItem};
use crate::limits::USER_RETRY_AFTER;
use crate::queue::{Queue, SlotKind};
use crate::store::Store;

mod idempotency;
mod rate_limit;
mod request;

pub use rate_limit::{RateLimits, network};
pub use request::{Accepted, OrderRequest};

/// The way in for orders. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admission {
    inventory: Arc<Inventory>,
    queue: Arc<Queue>,
    store: Arc<Store>,
    intake: Intake,
    rate_limits: Arc<RateLimits>,
    clock: Clock,
    claims: Arc<KeyClaims>,
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
        Self { inventory, queue, store, intake, rate_limits, clock, claims: Arc::default() }
    }

    /// What makes the keys of requests.
    pub fn key_hasher(&self) -> &KeyHasher {
        self.store.key_hasher()
    }

    /// Places one order. When this returns a receipt, the order is on disk.
    pub async fn place(&self, request: OrderRequest) -> Result<Accepted, Refusal> {
        // Before the key is looked up: a response that a failed store does not show yet is rejected as its order is.
        let epoch = self.intake.epoch();
        let key = match request.key {
            None => None,
            Some(key) => {
                let claimed = self.claims.begin(key, &request.asked());
                match claimed {
                    Claimed::First(claim) if self.is_new(key) => Some(claim),
                    // Boxed, as its state would otherwise be part of every order's.
                    claimed => return Box::pin(self.place_again(request, key, claimed)).await,
                }
            }
        };
        self.place_new(request, key, epoch).await
    }

    /// Places many orders in one trip; the results come in the same order.
    pub async fn place_many(&self, requests: Vec<OrderRequest>) -> Vec<Result<Accepted, Refusal>> {
        let count = requests.len();
        let batch = tokio::spawn(self.clone().place_batch(requests));
        // A task that panicked has left its orders in an unknown state.
        batch.await.unwrap_or_else(|_| vec![Err(Refusal::Internal); count])
    }

    /// The path of an order: admit, submit, await the receipt.
    async fn place_new(&self, request: OrderRequest, key: Option<KeyClaim>, epoch: u64) -> Result<Accepted, Refusal> {
        let admitted = match self.admit(request, epoch) {
            Ok(admitted) => Ok(admitted),
            Err(NotAdmitted::Refused(refusal)) => Err(refusal),
            Err(NotAdmitted::Uncounted(uncounted)) => Box::pin(self.count_and_admit(*uncounted, epoch)).await,
        };
        let (order, permit) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => return Err(rejected(key, refusal)),
        };
        let receipt = self.intake.place(order, key, permit);
        let receipt = self.intake.receipt(receipt).await??;
        Ok(Accepted::first(receipt))
    }

    /// Whether a key surely has no stored response; without waiting.
    fn is_new(&self, key: IdempotencyKey) -> bool {
        self.store.keys_to_look_up([key]).is_ok_and(|may_have| may_have.is_empty())
    }

    /// The same for a request that may have come before.
    async fn place_again(
        &self,
        request: OrderRequest,
        key: IdempotencyKey,
        mut claimed: Claimed,
    ) -> Result<Accepted, Refusal> {
        let claim = loop {
            match claimed {
                Claimed::First(claim) => break claim,
                Claimed::Taken(Taken::Same(reply)) => {
                    return self.intake.unless_stalled(idempotency::repeated(reply)).await?;
                }
                Claimed::Taken(Taken::Other(reply)) => self.intake.unless_stalled(reply.ended()).await?,
            }
            claimed = self.claims.begin(key, &request.asked());
        };
        let admission = self.clone();
        // A task of its own: a caller who hangs up must not take the reply from those who repeat the request.
        let placing = tokio::spawn(async move {
            let epoch = admission.intake.epoch();
            let kept = match admission.stored_responses(vec![request.clone()]).await {
                Ok(mut kept) => kept.pop().flatten(),
                Err(refusal) => Some(Err(refusal)),
            };
            match kept {
                None => {
                    let placing = admission.place_new(request, Some(claim), epoch);
                    admission.intake.unless_stalled(placing).await.flatten()
                }
                Some(result) => {
                    claim.finish(&result);
                    result.map(Accepted::again)
                }
            }
        });
        placing.await.unwrap_or(Err(Refusal::Internal))
    }

    async fn place_batch(self, requests: Vec<OrderRequest>) -> Vec<Result<Accepted, Refusal>> {
        let epoch = self.intake.epoch();
        let count = requests.len();
        let (mut keys, mut entries) = self.begin_batch(&requests);
        if let Err(refusal) = self.resolve_stored(&requests, &mut keys, &mut entries).await {
            return vec![Err(refusal); count];
        }
        let mut results = vec![Err(Refusal::Internal); count];
        let (mut orders, mut placed) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let (mut same, mut others, mut uncounted) = (Vec::new(), Vec::new(), Vec::new());
        let permit = self.intake.order_permit(count);
        let (mut found, now) = (None, self.clock.now());
        for (at, (request, entry)) in requests.into_iter().zip(entries).enumerate() {
            match entry {
                Entry::New => {}
                Entry::Taken(Taken::Same(reply)) => {
                    same.push((at, reply));
                    continue;
                }
                Entry::Taken(Taken::Other(reply)) => {
                    others.push((at, request, reply));
                    continue;
                }
                Entry::Known(result) => {
                    results[at] = result.map(Accepted::again);
                    continue;
                }
            }
            let taken = match self.check(&mut found, &request, now) {
                Ok(_) if permit.is_none() => Err(self.overloaded(SlotKind::Work)),
                Ok(checked) => self.take(checked, request, epoch),
                Err(Denied::Refused(refusal)) => Err(refusal),
                Err(Denied::Uncounted(_)) => {
                    uncounted.push((at, request, keys.take(at)));
                    continue;
                }
            };
            match taken {
                Ok(order) => {
                    orders.push(order);
                    placed.push(at);
                }
                Err(refusal) => results[at] = Err(rejected(keys.take(at), refusal)),
            }
        }
        if let Some(permit) = permit.filter(|_| !orders.is_empty()) {
            let receipts = self.intake.receipt(self.intake.place_many(orders, keys.take_all(&placed), permit));
            let receipts = self.intake.unless_stalled(receipts).await.flatten();
            let mut receipts = receipts.unwrap_or_else(|refusal| vec![Err(refusal); placed.len()]);
            for (at, receipt) in placed.into_iter().zip(receipts.drain(..)) {
                results[at] = receipt.map(Accepted::first);
            }
        }
        // After the others, as nothing is awaited between taking stock and handing orders over.
        for (at, request, key) in uncounted {
            results[at] = self.place_new(request, key, epoch).await;
        }
        self.place_taken(same, others, &mut results).await;
        results
    }

    /// Ends a batch with those of its orders whose keys other requests had. Not before the batch's own claims have
    /// ended, or two batches could wait for each other.
    async fn place_taken(
        &self,
        same: Vec<(usize, PendingReply)>,
        others: Vec<(usize, OrderRequest, PendingReply)>,
        results: &mut [Result<Accepted, Refusal>],
    ) {
        for (at, reply) in same {
            results[at] = self.intake.unless_stalled(idempotency::repeated(reply)).await.flatten();
        }
        for (at, request, reply) in others {
            let Some(key) = request.key else { continue };
            results[at] = Box::pin(self.place_again(request, key, Claimed::Taken(Taken::Other(reply)))).await;
        }
    }

    /// Claims the keys of a batch.
    fn begin_batch(&self, requests: &[OrderRequest]) -> (BatchClaims, Vec<Entry>) {
        let keyed = requests.iter().map(|request| (request.key, request.asked()));
        let (keys, taken) = self.claims.begin_batch(keyed);
        let mut entries: Vec<Entry> = requests.iter().map(|_| Entry::New).collect();
        taken.into_iter().for_each(|(at, taken)| entries[at] = Entry::Taken(taken));
        (keys, entries)
    }

    /// Resolves those entries of a batch whose responses are stored already.
    async fn resolve_stored(
        &self,
        requests: &[OrderRequest],
        keys: &mut BatchClaims,
        entries: &mut [Entry],
    ) -> Result<(), Refusal> {
        let asked =
            self.store.keys_to_look_up(keys.keys().map(|(_, key)| key)).map_err(|_| Refusal::StorageUnavailable)?;
        if asked.is_empty() {
            return Ok(());
        }
        let claimed: Vec<usize> = keys.keys().map(|(at, _)| at).collect();
        let places: Vec<usize> = asked.into_iter().map(|at| claimed[at]).collect();
        let kept = self.stored_responses(places.iter().map(|at| requests[*at].clone()).collect()).await?;
        for (at, kept) in places.into_iter().zip(kept) {
            let Some(result) = kept else { continue };
            if let Some(claim) = keys.take(at) {
                claim.finish(&result);
                entries[at] = Entry::Known(result);
            }
        }
        Ok(())
    }

    /// All checks, then the units. Holds no lock and awaits nothing.
    fn admit(&self, request: OrderRequest, epoch: u64) -> Result<(PendingOrder, OrderPermit), NotAdmitted> {
        let mut found = None;
        let checked = match self.check(&mut found, &request, self.clock.now()) {
            Ok(checked) => checked,
            Err(Denied::Refused(refusal)) => return Err(refusal.into()),
            Err(Denied::Uncounted(purchases)) => {
                return Err(NotAdmitted::Uncounted(Box::new(Uncounted { request, purchases })));
            }
        };
        // Not before: with orders that cannot be accepted, anybody could use up what another user may order.
        self.rate_limits.check_user(&request.user)?;
        let permit = self.intake.order_permit(1).ok_or_else(|| self.overloaded(SlotKind::Work))?;
        Ok((self.take(checked, request, epoch)?, permit))
    }

    /// The same for an order whose user has to be counted first.
    async fn count_and_admit(
        &self,
        Uncounted { request, purchases }: Uncounted,
        epoch: u64,
    ) -> Result<(PendingOrder, OrderPermit), Refusal> {
        self.intake.counts().count_user(request.product, purchases, request.user.clone()).await?;
        self.admit(request, epoch).map_err(|error| match error {
            NotAdmitted::Refused(refusal) => refusal,
            // The limit was switched off and on since.
            NotAdmitted::Uncounted(_) => Refusal::Overloaded { retry_after: USER_RETRY_AFTER },
        })
    }

    /// The checks, which take nothing: a claim that a refused order had for a moment would refuse others of its user.
    /// `found` is the product of the request before, if there was one: a batch mostly asks for the same one again.
    fn check<'f>(
        &self,
        found: &'f mut Option<Found>,
        request: &OrderRequest,
        now: Timestamp,
    ) -> Result<&'f Found, Denied> {
        self.intake.check_open()?;
        let found = match found.take().filter(|found| found.product.id == request.product) {
            Some(same) => found.insert(same),
            None => {
                let item = self.inventory.item(request.product).ok_or(Refusal::ProductNotFound)?;
                found.insert(Found { product: item.product(), item })
            }
        };
        let Found { item, product } = &*found;
        if product.terms.hidden && !request.is_operators {
            return Err(Refusal::ProductNotFound.into());
        }
        product.terms.check_open(now).map_err(Refusal::from)?;
        let quantity = request.quantity.get();
        if let Some((limit, purchases)) = found.limit() {
            match purchases.check(&request.user, quantity, limit) {
                Ok(()) => {}
                Err(LimitError::Uncounted) => return Err(Denied::Uncounted(purchases)),
                Err(exceeded) => return Err(limit_refusal(limit, exceeded).into()),
            }
        }
        // One atomic read rejects the many who come too late, before they take a slot from anyone.
        match item.available() < u64::from(quantity) {
            true => {
                item.note_missed(quantity);
                Err(Refusal::SoldOut.into())
            }
            false => Ok(found),
        }
    }

    /// The slot of the queue, the claim on the purchase limit, and last the units.
    fn take(&self, found: &Found, request: OrderRequest, epoch: u64) -> Result<PendingOrder, Refusal> {
        let Found { item, product } = found;
        let OrderRequest { user, attached, quantity, priority, .. } = request;
        let kind = if product.terms.hold_seconds.is_some() { SlotKind::Hold } else { SlotKind::Work };
        let slot = self.queue.take_slot(kind).ok_or_else(|| self.overloaded(kind))?;
        let claim = match found.limit() {
            None => None,
            Some((limit, purchases)) => {
                let claim = purchases.claim(&user, quantity.get(), limit);
                Some(claim.map_err(|error| limit_refusal(limit, error))?)
            }
        };
        let reservation = item.reserve(quantity.get()).map_err(|_| {
            item.note_missed(quantity.get());
            Refusal::SoldOut
        })?;
        Ok(PendingOrder { user, attached, priority, reservation, slot, claim, epoch })
    }

    fn overloaded(&self, kind: SlotKind) -> Refusal {
        Refusal::Overloaded { retry_after: self.queue.retry_after(kind) }
    }

    /// The stored responses to these requests, where there are any that are young enough.
    async fn stored_responses(
        &self,
        requests: Vec<OrderRequest>,
    ) -> Result<Vec<Option<Result<Receipt, Refusal>>>, Refusal> {
        // A key that has ended makes a second order, which nobody can take back: a clock that was set ahead ends none.
        let now = self.clock.cautious_now();
        let kept = self.store.query(move |store| {
            requests.iter().map(|request| idempotency::stored_response(store, request, now)).collect()
        });
        self.intake.unless_stalled(kept).await?.map_err(|_| Refusal::StorageUnavailable)
    }
}

/// Rejects an order; those who repeat its request learn why as well.
fn rejected(key: Option<KeyClaim>, refusal: Refusal) -> Refusal {
    if let Some(key) = key {
        key.finish(&Err(refusal.clone()));
    }
    refusal
}

/// One order of a batch under way.
enum Entry {
    /// To be placed, with the claim on its key if it has one.
    New,
    /// A request with its key is under way, in this batch or in another.
    Taken(Taken),
    /// Its response is stored.
    Known(Result<Receipt, Refusal>),
}

/// A product, and as it was last committed.
struct Found {
    item: Arc<StockItem>,
    product: Arc<Product>,
}

impl Found {
    /// What one user may have, and what users have.
    fn limit(&self) -> Option<(u32, Arc<Purchases>)> {
        // Without the second, the limit was switched off since the product was read.
        self.product.terms.per_user_limit.zip(self.item.purchases())
    }
}

/// Why an order does not pass the checks.
enum Denied {
    Refused(Refusal),
    /// What its user has is not counted yet.
    Uncounted(Arc<Purchases>),
}

/// Why an order was not admitted.
enum NotAdmitted {
    Refused(Refusal),
    Uncounted(Box<Uncounted>),
}

/// An order whose user has to be counted first.
struct Uncounted {
    request: OrderRequest,
    purchases: Arc<Purchases>,
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Refusal> for NotAdmitted {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

const fn limit_refusal(limit: u32, error: LimitError) -> Refusal {
    match error {
        LimitError::Exceeded { left } => Refusal::PurchaseLimitExceeded { limit, left },
        LimitError::Uncounted => Refusal::Overloaded { retry_after: USER_RETRY_AFTER },
    }
}
