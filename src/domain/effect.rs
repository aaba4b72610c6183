//! What one change of the history does: one function, for the committer, for a start after a crash, and for `verify`.
//!
//! The second opinion is in the tests, which have an auditor and a model of their own.

use std::sync::Arc;

use crate::domain::change::{Change, Fork, StoredResponse};
use crate::domain::clock::Timestamp;
use crate::domain::job::{AttemptError, JobOutcome};
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::domain::product::{BelowZero, Product, ProductId, StockMove};
use crate::domain::totals::Totals;
use crate::domain::transition::{NotPossible, Transition};

/// What a change does to the state before it.
#[derive(Debug)]
pub enum Effect<'c> {
    /// The row of a product is written; the first one where it was created.
    ProductPut(&'c Product),
    /// The row of a product is removed.
    ProductRemoved(ProductId),
    /// A product leaves the sale with all others, or comes back.
    ProductSale {
        /// Which.
        product: ProductId,
        /// Whether it is back.
        on: bool,
    },
    /// An order is placed or moves.
    Order(OrderEffect),
    /// A job leaves the list of dead letters; its order stays as it is.
    DeadLetterRemoved(OrderId),
    /// Workers stop or take jobs again.
    Paused(bool),
    /// Numbers jump ahead, under another history's id.
    Forked(&'c Fork),
}

/// What a change does to one order, and with it to its product, the totals and the lists.
#[derive(Debug)]
pub struct OrderEffect {
    /// The row afterwards.
    pub order: Arc<Order>,
    /// The state of the order and its job before, as the totals count it; `None` for a new order.
    pub before: Option<(OrderStatus, JobOutcome)>,
    /// What happens to its units.
    pub units: Option<StockMove>,
    /// The error that is added to those of its attempts.
    pub attempt: Option<AttemptError>,
    /// Whether its job is put on the list of dead letters (true) or removed from it (false).
    pub dead_letter: Option<bool>,
    /// The response that is stored under its idempotency key.
    pub response: Option<StoredResponse>,
}

/// Why a change cannot follow the state before it: the history contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// It moves an order that was never placed.
    #[error("moves order {0}, which was not placed")]
    NoOrder(OrderId),
    /// The state machine has no such move.
    #[error("moves order {0} in a way that is not possible: {1}")]
    NotPossible(OrderId, NotPossible),
    /// It records other units, or another product, than the order's.
    #[error("moves other units than those of order {0}")]
    OtherUnits(OrderId),
}

impl<'c> Effect<'c> {
    /// What a change at this time does. `before` is the order that it moves, if it moves one.
    pub fn of(change: &'c Change, before: Option<&Order>, at: Timestamp) -> Result<Self, Contradiction> {
        Ok(match change {
            Change::ProductCreated(product) => Self::ProductPut(product),
            Change::ProductEdited { after, .. } => Self::ProductPut(after),
            Change::ProductDeleted(product) => Self::ProductRemoved(product.id),
            Change::ProductStopped(product) => Self::ProductSale { product: *product, on: false },
            Change::ProductStarted(product) => Self::ProductSale { product: *product, on: true },
            Change::OrderPlaced { order, response } => Self::Order(OrderEffect::placed(Arc::clone(order), *response)),
            Change::OrderMoved { order: id, product, quantity, transition, units, .. } => {
                let before = before.ok_or(Contradiction::NoOrder(*id))?;
                let effect = OrderEffect::moved(before, transition, at);
                let effect = effect.map_err(|not_possible| Contradiction::NotPossible(*id, not_possible))?;
                if (effect.units, before.product, before.quantity) != (*units, *product, *quantity) {
                    return Err(Contradiction::OtherUnits(*id));
                }
                Self::Order(effect)
            }
            Change::DeadLetterDeleted(order) => Self::DeadLetterRemoved(*order),
            Change::QueuePaused => Self::Paused(true),
            Change::QueueResumed => Self::Paused(false),
            Change::HistoryForked(fork) => Self::Forked(fork),
        })
    }
}

impl OrderEffect {
    /// What placing an order does.
    pub const fn placed(order: Arc<Order>, response: Option<StoredResponse>) -> Self {
        let units = Some(StockMove::Hold);
        Self { order, before: None, units, attempt: None, dead_letter: None, response }
    }

    /// What moving an order does.
    pub fn moved(before: &Order, transition: &Transition, at: Timestamp) -> Result<Self, NotPossible> {
        let mut order = before.clone();
        let units = order.apply(transition, at)?;
        let attempt =
            transition.error().map(|error| AttemptError { attempt: order.attempts, at, error: error.to_owned() });
        Ok(Self {
            order: Arc::new(order),
            before: Some((before.status, before.job)),
            units,
            attempt,
            dead_letter: transition.dead_letter(),
            response: None,
        })
    }
}

impl Product {
    /// Leaves the sale with all others, or comes back; false where that is not possible.
    pub const fn set_on_sale(&mut self, on: bool, at: Timestamp) -> bool {
        if on { self.start(at) } else { self.stop(at) }
    }

    /// Applies what happens to an order of this product: its units move, and a new order counts.
    pub fn apply(&mut self, effect: &OrderEffect) -> Result<(), BelowZero> {
        if let Some(units) = effect.units {
            self.stock.apply(units, effect.order.quantity.into())?;
        }
        if effect.before.is_none() {
            self.orders += 1;
        }
        Ok(())
    }
}

impl Totals {
    /// Counts what a change did. The state before it was counted.
    pub fn apply(&mut self, effect: &Effect<'_>) {
        match effect {
            Effect::Order(effect) => self.apply_order(effect),
            Effect::DeadLetterRemoved(_) => self.count_dead_letter(false),
            Effect::ProductPut(_) | Effect::ProductRemoved(_) | Effect::ProductSale { .. } => {}
            Effect::Paused(_) | Effect::Forked(_) => {}
        }
    }

    fn apply_order(&mut self, effect: &OrderEffect) {
        if let Some((status, job)) = effect.before {
            self.uncount(status, job);
        }
        self.count(effect.order.status, effect.order.job);
        if let Some(listed) = effect.dead_letter {
            self.count_dead_letter(listed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::Actor;

    const AT: Timestamp = Timestamp::from_millis(7);

    fn order() -> Order {
        Order::example(OrderId(1), "ada", AT)
    }

    fn moved(order: &Order, transition: Transition, units: Option<StockMove>) -> Change {
        let (id, product, quantity) = (order.id, order.product, order.quantity);
        Change::OrderMoved { order: id, product, quantity, transition, units, actor: Actor::Worker }
    }

    fn rejection() -> Transition {
        Transition::Rejected { error: "no".to_owned() }
    }

    #[test]
    fn an_order_that_is_rejected_returns_its_units_and_is_a_dead_letter_until_it_is_reopened() {
        let (mut product, mut totals) = (Product::example(1, 5), Totals::default());
        let placed = Change::OrderPlaced { order: Arc::new(order()), response: None };
        let mut now = order();
        for (change, stock, dead, pending) in [
            (placed, (4, 1, 0), 0, 1),
            (moved(&now, rejection(), Some(StockMove::Release)), (5, 0, 0), 1, 0),
            (moved(&now, Transition::Reopened, Some(StockMove::Hold)), (4, 1, 0), 0, 1),
            (moved(&now, Transition::Fulfilled, Some(StockMove::Sell)), (4, 0, 1), 0, 0),
        ] {
            let effect = Effect::of(&change, Some(&now), AT).unwrap();
            totals.apply(&effect);
            let Effect::Order(effect) = effect else { panic!("{change:?} is about an order") };
            product.apply(&effect).unwrap();
            now = Order::clone(&effect.order);
            assert_eq!((product.stock.current, product.stock.held, product.stock.sold), stock, "{change:?}");
            assert_eq!((totals.dead_letters, totals.orders(OrderStatus::Pending)), (dead, pending), "{change:?}");
        }
        assert_eq!((product.orders, totals.all_orders(), totals.completed_jobs, totals.failed_jobs), (1, 1, 1, 0));
    }

    #[test]
    fn a_failed_attempt_keeps_its_error_under_its_number() {
        let failed =
            Transition::AttemptFailed { error: "503".to_owned(), retry_after: std::time::Duration::ZERO, paid: false };
        let effect = OrderEffect::moved(&order(), &failed, AT).unwrap();
        assert_eq!(effect.attempt, Some(AttemptError { attempt: 1, at: AT, error: "503".to_owned() }));
        assert_eq!((effect.units, effect.dead_letter), (None, None));
    }

    #[test]
    fn a_change_that_contradicts_the_order_before_it_has_no_effect() {
        let placed = order();
        let sold = Some(StockMove::Sell);
        let confirmed = Order { status: OrderStatus::Confirmed, job: JobOutcome::Completed, ..order() };
        let change = moved(&placed, Transition::Fulfilled, sold);
        let contradiction = |change: &Change, before: Option<&Order>| Effect::of(change, before, AT).unwrap_err();
        assert_eq!(contradiction(&change, None), Contradiction::NoOrder(OrderId(1)));
        let not_possible = Contradiction::NotPossible(OrderId(1), NotPossible(OrderStatus::Confirmed));
        assert_eq!(contradiction(&change, Some(&confirmed)), not_possible);
        let other_units = moved(&placed, Transition::Fulfilled, None);
        assert_eq!(contradiction(&other_units, Some(&placed)), Contradiction::OtherUnits(OrderId(1)));
        let more = Order { quantity: 2, ..order() };
        assert_eq!(contradiction(&change, Some(&more)), Contradiction::OtherUnits(OrderId(1)));
    }
}
