//! One batch: applying commands to the draft of a commit, and what follows once it is on disk.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::change::{Actor, Change, StoredResponse};
use crate::domain::clock::{Moment, Timestamp};
use crate::domain::effect::{Effect, OrderEffect};
use crate::domain::idempotency_key::IdempotencyKey;
use crate::domain::job::JobOutcome;
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::domain::product::{NotOnSale, StockMove};
use crate::domain::receipt::Receipt;
use crate::domain::refusal::Refusal;
use crate::domain::transition::{NotPossible, Transition};
use crate::inventory::LimitError;
use crate::limits::USER_RETRY_AFTER;
use crate::queue::{Forecast, Job, QueueChange, Slot, SlotKind};
use crate::store::{Draft, StoreError};

use super::books::{Books, OpenOrder};
use super::claims::KeyClaim;
use super::command::{Command, OperatorMove, PendingOrder, Settlement};
use super::deps::Deps;
use super::effects::{Effects, GivenBack};
use super::reply::Reply;

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

/// Why a command is not applied.
#[derive(Debug)]
pub(super) enum NotApplied {
    /// The request is rejected. It has changed nothing, and the batch continues without it.
    Refused(Refusal),
    /// The store failed, and with it the batch.
    Failed(StoreError),
}

impl From<Refusal> for NotApplied {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<NotPossible> for NotApplied {
    fn from(not_possible: NotPossible) -> Self {
        Self::Refused(not_possible.into())
    }
}

impl From<NotOnSale> for NotApplied {
    fn from(not_on_sale: NotOnSale) -> Self {
        Self::Refused(not_on_sale.into())
    }
}

impl From<StoreError> for NotApplied {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

pub(super) type Applied<T> = Result<T, NotApplied>;

/// The reply to a command: only a failed store ends the batch.
fn reply_of<T>(applied: Applied<T>) -> Result<Result<T, Refusal>, StoreError> {
    match applied {
        Ok(value) => Ok(Ok(value)),
        Err(NotApplied::Refused(refusal)) => Ok(Err(refusal)),
        Err(NotApplied::Failed(error)) => Err(error),
    }
}

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
        draft.expect(rows);
        Self { books, deps, draft, at: now.wall, now, changes: Vec::with_capacity(rows), effects, forecast }
    }

    /// Applies one command; its permit ends here, as its place on the way in is free again.
    pub(super) fn apply(&mut self, command: Command) -> Result<(), StoreError> {
        let reply = match command {
            Command::Place { order, key, reply, _permit } => {
                Reply::Placed(reply, reply_of(self.place(order, key.as_ref().map(KeyClaim::key)))?, key)
            }
            Command::PlaceMany { orders, keys, reply, _permit } => {
                let mut receipts = Vec::with_capacity(orders.len());
                for (at, order) in orders.into_iter().enumerate() {
                    receipts.push(reply_of(self.place(order, keys.key(at)))?);
                }
                Reply::PlacedMany(reply, receipts, keys)
            }
            Command::Settle { settlements, _permit } => {
                for settlement in settlements {
                    self.settle(settlement)?;
                }
                return Ok(());
            }
            Command::MoveOrders { orders, to, failed_before, reply, _permit } => {
                let moved = orders.into_iter().map(|order| reply_of(self.move_for_operator(order, to, failed_before)));
                Reply::Moved(reply, moved.collect::<Result<_, _>>()?)
            }
            Command::Edit { edit, expected, reply, _permit } => {
                Reply::Edited(reply, reply_of(self.edit(*edit, &expected))?.map(Box::new))
            }
            Command::DeleteProduct { product, expected, reply, _permit } => {
                Reply::Deleted(reply, reply_of(self.delete_product(product, &expected))?)
            }
            Command::SetSale { on, reply, _permit } => Reply::SaleSet(reply, self.set_sale(on)?),
            Command::SetPaused { paused, reply, _permit } => {
                self.set_paused(paused)?;
                Reply::Paused(reply)
            }
            Command::Stop => return Ok(()),
        };
        self.effects.replies.push(reply);
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

    /// Stores an admitted order, and its response if it has a key. Its stock stays taken from here on.
    fn place(&mut self, pending: PendingOrder, key: Option<IdempotencyKey>) -> Applied<Receipt> {
        let PendingOrder { user, attached, priority, reservation, slot, claim, epoch } = pending;
        if epoch != self.books.epoch {
            // Checked against a store that has failed since: neither its stock nor its responses are known to be right.
            return Err(Refusal::StorageUnavailable.into());
        }
        let product = reservation.item().id();
        let stocked = self.books.products.get_mut(&product).ok_or(Refusal::ProductNotFound)?;
        let terms = &stocked.product.terms;
        if !terms.flash_sale_active {
            // The product left the sale while the order was on its way.
            return Err(Refusal::SaleNotActive.into());
        }
        let hold = terms.hold_seconds.map(|seconds| Duration::from_secs(seconds.into()));
        let order = Order {
            id: self.books.head.next_order(),
            product,
            user,
            quantity: reservation.quantity(),
            unit_price: terms.price,
            attached,
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
        let response = key.map(|key| stored_response(key, &receipt));
        let order = Arc::new(order);
        self.effects.note(&order);
        let job = Job::of(&order, self.now);
        self.effects.queue.push(QueueChange::Put(job));
        let effect = OrderEffect::placed(Arc::clone(&order), response);
        self.record_order(Change::OrderPlaced { order: Arc::clone(&order), response }, effect)?;
        let kind = SlotKind::of(&order);
        // Whether the product is held may have been edited since the slot was taken.
        let slot = if slot.kind() == kind { slot } else { self.deps.queue.force_slot(kind) };
        self.books.open.insert(order.id, OpenOrder { order, job, _slot: slot });
        Ok(receipt)
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
    fn move_for_operator(
        &mut self,
        id: OrderId,
        to: OperatorMove,
        failed_before: Option<Timestamp>,
    ) -> Applied<Arc<Order>> {
        let dead = matches!(to, OperatorMove::Retry | OperatorMove::Forget);
        if dead && !self.is_dead_letter(id, failed_before)? {
            return Err(Refusal::JobNotFound.into());
        }
        let transition = match to {
            OperatorMove::Confirm | OperatorMove::Cancel => {
                let order = self.order(id)?.ok_or(Refusal::OrderNotFound)?;
                // A held order is paid now: its job stays open until the fulfilment service has it.
                let post = self.deps.posts_confirmed && order.expires_at.is_some();
                match (to, order.status) {
                    // Repeated: the order is where it is wanted.
                    (OperatorMove::Confirm, OrderStatus::Confirmed)
                    | (OperatorMove::Cancel, OrderStatus::Cancelled) => {
                        return Ok(order);
                    }
                    (OperatorMove::Cancel, _) => Transition::Cancelled,
                    _ if order.is_expired() => Transition::ConfirmedLate { post },
                    _ => Transition::Confirmed { post },
                }
            }
            OperatorMove::Retry => Transition::Reopened,
            OperatorMove::Forget => {
                self.record(Change::DeadLetterDeleted(id))?;
                return Ok(self.order(id)?.ok_or(Refusal::JobNotFound)?);
            }
        };
        self.move_order(id, transition, Actor::Operator)
    }

    /// Whether an order's job is a dead letter, and failed at `failed_before` or earlier.
    fn is_dead_letter(&mut self, id: OrderId, failed_before: Option<Timestamp>) -> Result<bool, StoreError> {
        Ok(self.draft.is_dead_letter(id)?
            && match failed_before {
                Some(bound) => self.order(id)?.is_some_and(|order| order.failed_by(bound)),
                None => true,
            })
    }

    /// Follows a report. Where it is refused the order has mostly moved on, and the report counts nothing. One that is
    /// still open was woken too early, by a clock that has stepped back since: it goes back to wait. A hold that was
    /// confirmed as it ended is in line by then, or with a worker.
    fn settle(&mut self, settlement: Settlement) -> Result<(), StoreError> {
        let Settlement { order, transition, actor } = settlement;
        let rejected =
            self.is_early(order, &transition) || reply_of(self.move_order(order, transition, actor))?.is_err();
        if rejected
            && let Some(OpenOrder { job, .. }) = self.books.open.get(&order)
            && !(job.paid && actor == Actor::Clock)
        {
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
        let before = self.order(id)?.ok_or(Refusal::OrderNotFound)?;
        let effect = OrderEffect::moved(&before, &transition, self.at)?;
        let (order, units) = (Arc::clone(&effect.order), effect.units);
        let slot = match (before.job, order.job) {
            (JobOutcome::Completed | JobOutcome::Failed, JobOutcome::Open) => Some(self.slot_again(&order)?),
            _ => None,
        };
        if let Some(units) = units {
            self.move_units(&order, &transition, units)?;
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
        // A paid order that could not be delivered is not to be any more.
        let undelivered = before.status == OrderStatus::Confirmed && before.job == JobOutcome::Failed;
        if transition == Transition::Cancelled && undelivered && self.draft.is_dead_letter(id)? {
            self.record(Change::DeadLetterDeleted(id))?;
        }
        let (product, quantity) = (order.product, order.quantity);
        let change = Change::OrderMoved { order: id, product, quantity, transition, units, actor };
        self.record_order(change, effect)?;
        Ok(order)
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
            let what = format!("order {} is for a product that is not there", order.id);
            return Err(StoreError::Damaged(what).into());
        };
        let limit = stocked.product.terms.per_user_limit;
        let quantity = u64::from(order.quantity);
        if *transition == Transition::Reopened {
            stocked.product.terms.check_open(self.at)?;
        }
        if units.takes_stock() && !self.effects.keep_back(order.id) {
            let claim = limit.zip(stocked.item.purchases()).map(|(limit, purchases)| {
                purchases.claim(&order.user, order.quantity, limit).map_err(|error| match error {
                    LimitError::Exceeded { left } => Refusal::PurchaseLimitExceeded { limit, left },
                    // The limit came since the users of this command were counted.
                    LimitError::Uncounted => Refusal::Overloaded { retry_after: USER_RETRY_AFTER },
                })
            });
            let claim = claim.transpose()?;
            if !stocked.item.try_take(quantity) {
                return Err(too_few_units(transition).into());
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
        Ok(())
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

const fn stored_response(key: IdempotencyKey, receipt: &Receipt) -> StoredResponse {
    let Receipt { queue_position, estimated_wait, .. } = *receipt;
    StoredResponse { key, queue_position, estimated_wait }
}

/// The refusal of a move whose units are not there.
const fn too_few_units(transition: &Transition) -> Refusal {
    match transition {
        Transition::ConfirmedLate { .. } => Refusal::HoldExpired,
        _ => Refusal::SoldOut,
    }
}
