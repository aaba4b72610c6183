//! One batch: applying commands to the draft of a commit, and what follows once it is on disk.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::change::{Actor, Change, StoredResponse};
use crate::domain::clock::{Moment, Steady, Timestamp};
use crate::domain::effect::{Effect, OrderEffect};
use crate::domain::job::JobOutcome;
use crate::domain::order::{Order, OrderId, OrderMap, OrderStatus, UserId};
use crate::domain::product::{Product, ProductId, StockMove};
use crate::domain::refusal::Refusal;
use crate::domain::transition::Transition;
use crate::inventory::{LimitError, Purchases, StockItem};
use crate::limits::USER_RETRY_AFTER;
use crate::metrics::Metrics;
use crate::queue::{Forecast, Job, QueueChange, Slot, SlotKind};
use crate::store::{Committed, Draft, StoreError};

use super::Deps;
use super::answer::Answer;
use super::books::{Books, OpenOrder, Stocked};
use super::claims::KeyClaim;
use super::command::{Command, OperatorMove, PendingOrder, Receipt, Settlement};

/// A batch under way.
pub(super) struct Batch<'b> {
    pub(super) books: &'b mut Books,
    pub(super) deps: &'b Deps,
    pub(super) draft: &'b mut Draft,
    /// The time of day of all its changes; it can be earlier than that of the batch before.
    pub(super) at: Timestamp,
    now: Moment,
    pub(super) changes: Vec<Change>,
    pub(super) effects: &'b mut Effects,
    forecast: Forecast,
}

/// What happens once the batch is on disk.
#[derive(Default)]
pub(super) struct Effects {
    /// Products whose new state is to be shown.
    pub(super) touched: BTreeSet<ProductId>,
    pub(super) created: Option<Product>,
    pub(super) deleted: Option<ProductId>,
    pub(super) edited: bool,
    /// Whether a product with a limit was edited, whose purchases may not be counted.
    pub(super) limited: bool,
    /// When the holds that have expired were due to, on the monotonic clock: one that a clock set ahead has ended was
    /// not, and counts as in time.
    expired: Vec<Steady>,
    paused: Option<bool>,
    queue: Vec<QueueChange>,
    /// Orders that were placed or moved.
    orders: u64,
    /// Orders that came to each status, in the order of [`OrderStatus::ALL`].
    reached: [u64; 4],
    /// By the order that gives them back.
    back: OrderMap<GivenBack>,
    pub(super) answers: Vec<Answer>,
}

/// The units that an order gives back.
struct GivenBack {
    item: Arc<StockItem>,
    quantity: u32,
    /// What users have and the user, where the product limits it.
    limited: Option<(Arc<Purchases>, UserId)>,
}

/// Inside a batch there are two ways to fail: the store did, or the request is refused.
type Applied<T> = Result<Result<T, Refusal>, StoreError>;

impl<'b> Batch<'b> {
    pub(super) fn new(
        books: &'b mut Books,
        deps: &'b Deps,
        draft: &'b mut Draft,
        effects: &'b mut Effects,
        now: Moment,
        rows: usize,
    ) -> Self {
        let forecast = deps.queue.forecast();
        effects.queue.reserve(rows);
        Self { books, deps, draft, at: now.wall, now, changes: Vec::with_capacity(rows), effects, forecast }
    }

    /// Applies one command; its permit ends here, as its place on the way in is free again.
    pub(super) fn apply(&mut self, command: Command) -> Result<(), StoreError> {
        let answer = match command {
            Command::Place { mut order, reply, _permit } => {
                let key = order.key.take();
                Answer::Placed(reply, self.place(order, key.as_ref())?, key)
            }
            Command::PlaceMany { orders, reply, _permit } => {
                let (mut receipts, mut keys) = (Vec::with_capacity(orders.len()), Vec::new());
                for (at, mut order) in orders.into_iter().enumerate() {
                    let key = order.key.take();
                    receipts.push(self.place(order, key.as_ref())?);
                    keys.extend(key.map(|key| (at, key)));
                }
                Answer::PlacedMany(reply, receipts, keys)
            }
            Command::Settle { settlements, _permit } => {
                for settlement in settlements {
                    self.settle(settlement)?;
                }
                return Ok(());
            }
            Command::MoveOrders { orders, to, reply, _permit } => {
                let moved = orders.into_iter().map(|order| self.move_for_operator(order, to));
                Answer::Moved(reply, moved.collect::<Result<_, _>>()?)
            }
            Command::Edit { edit, reply, _permit } => Answer::Edited(reply, self.edit(*edit)?.map(Box::new)),
            Command::DeleteProduct { product, reply, _permit } => Answer::Deleted(reply, self.delete_product(product)?),
            Command::SetPaused { paused, reply, _permit } => {
                self.set_paused(paused)?;
                Answer::Paused(reply)
            }
            Command::Stop => return Ok(()),
        };
        self.effects.answers.push(answer);
        Ok(())
    }

    /// Writes the touched products and the history's record. Without changes nothing is written at all.
    pub(super) fn conclude(self) -> Result<(), StoreError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        for id in &self.effects.touched {
            let Some(stocked) = self.books.products.get(id) else { continue };
            if !stocked.product.stock.is_conserved() {
                return Err(StoreError::Damaged(format!("the stock of product {id} does not add up")));
            }
            self.draft.put_product(stocked.product.clone());
        }
        self.draft.remove_old(self.deps.clock.bounds(), self.deps.journal_keep);
        self.books.head.oldest_open = self.books.oldest_open();
        self.draft.conclude(&mut self.books.head, self.at, self.changes)
    }

    /// Stores an admitted order, and its answer if it has a key. Its stock stays taken from here on.
    fn place(&mut self, pending: PendingOrder, key: Option<&KeyClaim>) -> Applied<Receipt> {
        let PendingOrder { user, priority, reservation, slot, claim, key: _, epoch } = pending;
        if epoch != self.books.epoch {
            // Checked against a store that has failed since: neither its stock nor its answers are known to be right.
            return Ok(Err(Refusal::StorageUnavailable));
        }
        let product = reservation.item().id();
        let Some(stocked) = self.books.products.get_mut(&product) else { return Ok(Err(Refusal::ProductNotFound)) };
        let terms = &stocked.product.terms;
        let hold = terms.hold_seconds.map(|seconds| Duration::from_secs(seconds.into()));
        let order = Order {
            id: self.books.head.next_order(),
            product,
            user,
            quantity: reservation.quantity(),
            unit_price: terms.price,
            priority,
            status: OrderStatus::Pending,
            job: JobOutcome::Open,
            attempts: 0,
            failure: None,
            reserved_at: self.at,
            expires_at: hold.map(|hold| self.at.after(hold)),
            retry_at: None,
            processed_at: None,
            finished_at: None,
            created_at: self.at,
            updated_at: self.at,
        };
        if let Some(purchases) = stocked.product.terms.per_user_limit.and_then(|_| stocked.item.purchases()) {
            let sequence = self.books.head.sequence + 1;
            match claim.filter(|claim| claim.is_of(&purchases)) {
                Some(claim) => claim.keep(sequence),
                // The limit came while the order was on its way.
                None => purchases.add(&order.user, order.quantity, sequence),
            }
        }
        reservation.keep();
        let receipt = self.receipt(&order);
        let answer = key.map(|key| stored_response(key.key(), &receipt));
        let order = Arc::new(order);
        self.effects.note(&order);
        let job = Job::of(&order, self.now);
        self.effects.queue.push(QueueChange::Put(job));
        let effect = OrderEffect::placed(Arc::clone(&order), answer);
        self.record_order(Change::OrderPlaced { order: Arc::clone(&order), answer }, effect)?;
        let kind = SlotKind::of(&order);
        // Whether the product is held may have been edited since the slot was taken.
        let slot = if slot.kind() == kind { slot } else { self.deps.queue.force_slot(kind) };
        self.books.open.insert(order.id, OpenOrder { order, job, _slot: slot });
        Ok(Ok(receipt))
    }

    fn receipt(&mut self, order: &Order) -> Receipt {
        let queue_position = match order.expires_at {
            Some(_) => 0,
            None => {
                let position = self.forecast.ahead[order.priority as usize] + 1;
                for ahead in &mut self.forecast.ahead[..=order.priority as usize] {
                    *ahead += 1;
                }
                position
            }
        };
        let estimated_wait = self.forecast.wait(queue_position);
        Receipt { order: order.id, queue_position, estimated_wait, expires_at: order.expires_at }
    }

    /// What an operator asks for, in the words of the state machine.
    fn move_for_operator(&mut self, id: OrderId, to: OperatorMove) -> Applied<Arc<Order>> {
        let dead = matches!(to, OperatorMove::Retry | OperatorMove::Forget);
        if dead && !self.draft.is_dead_letter(id)? {
            return Ok(Err(Refusal::JobNotFound));
        }
        let transition = match to {
            OperatorMove::Confirm => {
                let Some(order) = self.order(id)? else { return Ok(Err(Refusal::OrderNotFound)) };
                match order.is_expired() {
                    true => Transition::ConfirmedLate,
                    false => Transition::Confirmed,
                }
            }
            OperatorMove::Cancel => Transition::Cancelled,
            OperatorMove::Retry => Transition::Reopened,
            OperatorMove::Forget => {
                self.record(Change::DeadLetterDeleted(id))?;
                let order = self.order(id)?;
                return Ok(order.ok_or(Refusal::JobNotFound));
            }
        };
        self.move_order(id, transition, Actor::Operator)
    }

    /// Follows a report. Where it is refused the order has mostly moved on, and the report counts nothing. One that is
    /// still open was woken too early, by a clock that has stepped back since: it goes back to wait.
    fn settle(&mut self, settlement: Settlement) -> Result<(), StoreError> {
        let Settlement { order, transition, actor } = settlement;
        let refused = self.is_early(order, &transition) || self.move_order(order, transition, actor)?.is_err();
        if refused && let Some(OpenOrder { job, .. }) = self.books.open.get(&order) {
            self.effects.queue.push(QueueChange::Move { before: *job, after: *job });
        }
        Ok(())
    }

    /// Whether it says that a hold has ended which has not.
    fn is_early(&self, order: OrderId, transition: &Transition) -> bool {
        let open = self.books.open.get(&order).filter(|_| *transition == Transition::Expired);
        open.is_some_and(|open| !open.job.is_due(self.now))
    }

    fn order(&mut self, id: OrderId) -> Result<Option<Arc<Order>>, StoreError> {
        match self.books.open.get(&id) {
            Some(open) => Ok(Some(Arc::clone(&open.order))),
            None => self.draft.order(id),
        }
    }

    /// Moves an order through its state machine, and its units with it.
    fn move_order(&mut self, id: OrderId, transition: Transition, actor: Actor) -> Applied<Arc<Order>> {
        let Some(before) = self.order(id)? else { return Ok(Err(Refusal::OrderNotFound)) };
        let effect = match OrderEffect::moved(&before, &transition, self.at) {
            Ok(effect) => effect,
            Err(not_possible) => return Ok(Err(not_possible.into())),
        };
        let (order, units) = (Arc::clone(&effect.order), effect.units);
        let slot = match (before.job, order.job) {
            (JobOutcome::Completed | JobOutcome::Failed, JobOutcome::Open) => match self.slot_again(&order) {
                Ok(slot) => Some(slot),
                Err(refusal) => return Ok(Err(refusal)),
            },
            _ => None,
        };
        if let Some(units) = units
            && let Err(refusal) = self.move_units(&order, &transition, units)?
        {
            return Ok(Err(refusal));
        }
        if transition == Transition::Expired {
            let job = self.books.open.get(&id).and_then(|open| open.job.due);
            self.effects.expired.extend(job.map(|due| due.deadline().steady));
        }
        match order.status == before.status {
            true => self.effects.orders += 1,
            false => self.effects.note(&order),
        }
        self.follow_job(&before, &order, slot, transition == Transition::Fulfilled);
        let (product, quantity) = (order.product, order.quantity);
        let change = Change::OrderMoved { order: id, product, quantity, transition, units, actor };
        self.record_order(change, effect)?;
        Ok(Ok(order))
    }

    /// A slot for an order that goes back into the queue: before its units, as for a new one.
    fn slot_again(&self, order: &Order) -> Result<Slot, Refusal> {
        let kind = SlotKind::of(order);
        let slot = self.deps.queue.take_slot(kind);
        slot.ok_or_else(|| Refusal::Overloaded { retry_after: self.deps.queue.retry_after(kind) })
    }

    /// Takes or books the units of a move. Units that come back reach the counter only after the commit.
    fn move_units(&mut self, order: &Order, transition: &Transition, units: StockMove) -> Applied<()> {
        let Some(stocked) = self.books.products.get_mut(&order.product) else {
            return Err(StoreError::Damaged(format!("order {} is for a product that is not there", order.id)));
        };
        let limit = stocked.product.terms.per_user_limit;
        let quantity = u64::from(order.quantity);
        if *transition == Transition::Reopened
            && let Err(not_on_sale) = stocked.product.terms.check_open(self.at)
        {
            return Ok(Err(not_on_sale.into()));
        }
        if units.takes_stock() && !self.effects.keep_back(order.id) {
            let limited = limit.zip(stocked.item.purchases());
            let claim = match limited.map(|(limit, all)| (limit, all.claim(&order.user, order.quantity, limit))) {
                Some((limit, Err(LimitError::Exceeded { left }))) => {
                    return Ok(Err(Refusal::PurchaseLimitExceeded { limit, left }));
                }
                // The limit came since the users of this command were counted.
                Some((_, Err(LimitError::Uncounted))) => {
                    return Ok(Err(Refusal::Overloaded { retry_after: USER_RETRY_AFTER }));
                }
                Some((_, Ok(claim))) => Some(claim),
                None => None,
            };
            if !stocked.item.try_take(quantity) {
                return Ok(Err(match transition {
                    Transition::ConfirmedLate => Refusal::OrderNotPending {
                        status: OrderStatus::Cancelled,
                        detail: Some("its hold expired, and too few units are left to reserve them again"),
                    },
                    _ => Refusal::SoldOut,
                }));
            }
            if let Some(claim) = claim {
                claim.keep(self.books.head.sequence + 1);
            }
        }
        if units.returns_stock() {
            let limited = limit.and_then(|_| stocked.item.purchases()).map(|all| (all, order.user.clone()));
            let back = GivenBack { item: Arc::clone(&stocked.item), quantity: order.quantity, limited };
            self.effects.back.insert(order.id, back);
        }
        Ok(Ok(()))
    }

    /// Keeps the open orders and the queue in step with a move. `slot` is that of one that is opened again.
    fn follow_job(&mut self, before: &Order, after: &Arc<Order>, slot: Option<Slot>, completed: bool) {
        let id = after.id;
        match (before.job, after.job) {
            (JobOutcome::Open, JobOutcome::Open) => {
                if let Some(open) = self.books.open.get_mut(&id) {
                    let moved = open.job.moved(after, self.now);
                    open.order = Arc::clone(after);
                    let before = std::mem::replace(&mut open.job, moved);
                    self.effects.queue.push(QueueChange::Move { before, after: moved });
                }
            }
            (JobOutcome::Open, _) => {
                if let Some(OpenOrder { job, .. }) = self.books.open.remove(&id) {
                    self.effects.queue.push(QueueChange::End { job, completed });
                }
            }
            (_, JobOutcome::Open) => {
                let slot = slot.unwrap_or_else(|| self.deps.queue.force_slot(SlotKind::of(after)));
                let job = Job::of(after, self.now);
                self.books.open.insert(id, OpenOrder { order: Arc::clone(after), job, _slot: slot });
                self.effects.queue.push(QueueChange::Put(job));
            }
            _ => {}
        }
    }

    fn set_paused(&mut self, paused: bool) -> Result<(), StoreError> {
        if self.books.head.paused != paused {
            self.effects.paused = Some(paused);
            self.record(if paused { Change::QueuePaused } else { Change::QueueResumed })?;
        }
        Ok(())
    }

    /// Takes a change that is about no order into the record, the rows and the head.
    pub(super) fn record(&mut self, change: Change) -> Result<(), StoreError> {
        let effect = Effect::of(&change, None, self.at);
        let effect = effect.map_err(|contradiction| StoreError::Damaged(contradiction.to_string()))?;
        self.books.head.apply(&effect);
        self.draft.apply(effect);
        self.changes.push(change);
        Ok(())
    }

    /// Takes what happens to an order into the record, the rows, its product and the head.
    fn record_order(&mut self, change: Change, effect: OrderEffect) -> Result<(), StoreError> {
        if effect.units.is_some() {
            self.effects.touched.insert(effect.order.product);
            // That it fails would be a defect of ours; then nothing of the batch is written.
            let stocked = self.books.products.get_mut(&effect.order.product);
            if stocked.is_none_or(|stocked| stocked.product.apply(&effect).is_err()) {
                let Order { id, product, .. } = &*effect.order;
                return Err(StoreError::Damaged(format!("the stock of product {product} cannot follow order {id}")));
            }
        }
        let effect = Effect::Order(effect);
        self.books.head.apply(&effect);
        self.draft.apply(effect);
        self.changes.push(change);
        Ok(())
    }
}

impl Effects {
    /// Notes an order that has come to its status.
    fn note(&mut self, order: &Order) {
        self.orders += 1;
        self.reached[order.status as usize] += 1;
    }

    /// Counts what a commit did that took so long.
    pub(super) fn count(&self, metrics: &Metrics, took: Duration) {
        metrics.observe_commit(took, self.orders, self.reached);
    }

    /// Lets an order keep what it gives back in this batch, which is not back on the counter yet; whether there is anything.
    fn keep_back(&mut self, order: OrderId) -> bool {
        self.back.remove(&order).is_some()
    }

    /// Shows the new state, first the counters, then the orders, then the queue, and returns the answers: who gets one
    /// finds everything in place.
    pub(super) fn publish(self, books: &mut Books, deps: &Deps, committed: Option<Committed>) -> Vec<Answer> {
        if let Some(product) = self.created {
            let item = deps.inventory.add(product.clone());
            books.products.insert(product.id, Stocked { product, item });
        }
        if let Some(id) = self.deleted {
            deps.inventory.remove(id);
        }
        for id in self.touched {
            if let Some(stocked) = books.products.get(&id) {
                stocked.item.publish(stocked.product.clone());
            }
        }
        // All of the purchases first: who finds a unit on the counter may have it.
        for GivenBack { quantity, limited, .. } in self.back.values() {
            if let Some((purchases, user)) = limited {
                purchases.subtract(user, *quantity, books.head.sequence);
            }
        }
        for GivenBack { item, quantity, .. } in self.back.into_values() {
            item.put(quantity.into());
        }
        if let Some(committed) = committed {
            deps.store.publish(committed);
        }
        if self.edited {
            deps.inventory.note_edit();
        }
        if !self.expired.is_empty() {
            let now = deps.clock.steady();
            self.expired.iter().for_each(|due| deps.metrics.observe_expiry(now.since(*due)));
        }
        deps.queue.apply(&self.queue);
        if let Some(paused) = self.paused {
            deps.queue.set_paused(paused);
        }
        self.answers
    }
}

const fn stored_response(key: u128, receipt: &Receipt) -> StoredResponse {
    let Receipt { queue_position, estimated_wait, .. } = *receipt;
    StoredResponse { key, queue_position, estimated_wait }
}
