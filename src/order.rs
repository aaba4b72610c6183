//! An order and the one state machine that moves it, without I/O.
//!
//! The committer, the replay of the journal and the tests all move orders through [`Order::apply`], so there is one
//! answer to which moves exist and what each does to the stock.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::money::Money;
use crate::names;
use crate::product::{ProductId, StockMove};

/// The number of an order, counted from 1 in the order of acceptance. Its job carries the same number inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A map by order. The numbers are given out here and not by callers, so a hash that is not proof against chosen keys
/// does, at a fraction of the cost.
pub type OrderMap<V> = HashMap<OrderId, V, foldhash::fast::RandomState>;

/// The most units of one order.
pub const MAX_QUANTITY: u32 = 1_000_000_000;

/// A buyer, as the caller names them: what [`names::check_user_id`] lets pass. Ids are compared character by character,
/// so case counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Checks and keeps an id; the error says what is wrong with it.
    pub fn new(id: &str) -> Result<Self, &'static str> {
        names::check_user_id(id)?;
        Ok(Self(id.into()))
    }

    /// An id that a store already holds: it was checked by the rule of its time, and stays what it is.
    pub fn stored(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which order a worker takes first; later ones are higher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// After everything else.
    Low,
    /// Where nothing is said.
    #[default]
    Normal,
    /// Before normal ones.
    High,
    /// Before all others.
    Critical,
}

impl Priority {
    /// All of them, lowest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Critical];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Where an order stands for its buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderStatus {
    /// Its units are held.
    Pending,
    /// Its units are sold.
    Confirmed,
    /// It could not be fulfilled; its units went back.
    Failed,
    /// Called off or expired; its units went back.
    Cancelled,
}

impl OrderStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Confirmed, Self::Failed, Self::Cancelled];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether its units count against the purchase limit: those that are held or sold.
    pub const fn counts_as_purchase(self) -> bool {
        matches!(self, Self::Pending | Self::Confirmed)
    }
}

/// Where the job of an order stands in the store. What an open job is doing at the moment, the queue knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// Not finished.
    Open,
    /// The order was confirmed, whatever came later.
    Completed,
    /// The order failed, expired or was cancelled before it was confirmed.
    Failed,
}

/// Why an order failed or was cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody confirmed it in time.
    Expired,
    /// An operator cancelled it.
    CancelledByOperator,
    /// The fulfilment service refused it for good; its words.
    Rejected(String),
    /// Every attempt failed; the last error.
    AttemptsExhausted(String),
}

impl Failure {
    /// The closed word for this kind of failure.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::CancelledByOperator => "cancelled",
            Self::Rejected(_) => "rejected",
            Self::AttemptsExhausted(_) => "attempts_exhausted",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired | Self::CancelledByOperator => f.write_str(self.code()),
            Self::Rejected(error) | Self::AttemptsExhausted(error) => write!(f, "{}: {error}", self.code()),
        }
    }
}

/// An order as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// What is bought.
    pub product: ProductId,
    /// Who buys.
    pub user: UserId,
    /// How many units.
    pub quantity: u32,
    /// The price of one unit when the order was accepted.
    pub unit_price: Money,
    /// Its rank in the queue.
    pub priority: Priority,
    /// Where it stands.
    pub status: OrderStatus,
    /// Where its job stands.
    pub job: JobEnd,
    /// Fulfilment attempts made since it was last placed in the queue.
    pub attempts: u32,
    /// Why it is failed or cancelled.
    pub failure: Option<Failure>,
    /// When its units were last reserved.
    pub reserved_at: Timestamp,
    /// Until when a held order can be confirmed; without it a worker fulfils the order.
    pub expires_at: Option<Timestamp>,
    /// When the next attempt is due, after one has failed.
    pub retry_at: Option<Timestamp>,
    /// When the last attempt was answered.
    pub processed_at: Option<Timestamp>,
    /// When its job ended.
    pub finished_at: Option<Timestamp>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it last moved.
    pub updated_at: Timestamp,
}

/// Something that happened to an order after it was placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// A worker fulfilled it.
    Fulfilled,
    /// An operator confirmed it.
    Confirmed,
    /// An operator confirmed it after its hold had expired; its units were reserved again.
    ConfirmedLate,
    /// An attempt failed and another follows.
    AttemptFailed {
        /// What went wrong.
        error: String,
        /// How long after this the next attempt is due.
        retry_after: Duration,
    },
    /// The fulfilment service refused it for good.
    Rejected {
        /// What it said.
        error: String,
    },
    /// The last attempt failed.
    AttemptsExhausted {
        /// What went wrong last.
        error: String,
    },
    /// An operator cancelled it.
    Cancelled,
    /// Its hold ran out.
    Expired,
    /// Taken back from the dead letters; its units were reserved again.
    Reopened,
}

impl Transition {
    /// What went wrong in the attempt that it reports, if it reports a failed one.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::AttemptFailed { error, .. } | Self::Rejected { error } | Self::AttemptsExhausted { error } => {
                Some(error)
            }
            _ => None,
        }
    }

    /// Whether it puts the order's job on the list of dead letters or strikes it from there; most do neither.
    pub const fn dead_letter(&self) -> Option<bool> {
        match self {
            Self::Rejected { .. } | Self::AttemptsExhausted { .. } => Some(true),
            Self::Reopened => Some(false),
            _ => None,
        }
    }

    /// The statuses before and after it, where it moved `units`: what [`Order::apply`] decided, told from what the
    /// history keeps of it.
    pub const fn statuses(&self, units: Option<StockMove>) -> [OrderStatus; 2] {
        use OrderStatus::{Cancelled, Confirmed, Failed, Pending};
        match (self, units) {
            (Self::Fulfilled | Self::Confirmed, _) => [Pending, Confirmed],
            (Self::ConfirmedLate, _) => [Cancelled, Confirmed],
            (Self::AttemptFailed { .. }, _) => [Pending, Pending],
            (Self::Rejected { .. } | Self::AttemptsExhausted { .. }, _) => [Pending, Failed],
            (Self::Cancelled, Some(StockMove::TakeBack)) => [Confirmed, Cancelled],
            (Self::Cancelled | Self::Expired, _) => [Pending, Cancelled],
            (Self::Reopened, _) => [Failed, Pending],
        }
    }
}

/// A transition that does not exist from where the order stands; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the order is {}", .0.as_str())]
pub struct NotPossible(pub OrderStatus);

impl Order {
    /// What the order costs.
    pub fn total(&self) -> Money {
        self.unit_price.times(u64::from(self.quantity))
    }

    /// Whether its hold ran out, so that it may be confirmed late.
    pub fn is_expired(&self) -> bool {
        self.status == OrderStatus::Cancelled && self.failure == Some(Failure::Expired)
    }

    /// When the queue has to look at it again: the end of its hold, or its next attempt.
    pub fn due_at(&self) -> Option<Timestamp> {
        self.expires_at.or(self.retry_at)
    }

    /// Moves the order and says what happens to its units, if anything.
    pub fn apply(&mut self, transition: &Transition, at: Timestamp) -> Result<Option<StockMove>, NotPossible> {
        use OrderStatus::{Cancelled, Confirmed, Failed, Pending};
        let next = match (self.status, transition) {
            (Pending, Transition::Fulfilled | Transition::Confirmed) => (Confirmed, Some(StockMove::Sell)),
            (Pending, Transition::AttemptFailed { .. }) => (Pending, None),
            (Pending, Transition::Rejected { .. } | Transition::AttemptsExhausted { .. }) => {
                (Failed, Some(StockMove::Release))
            }
            (Pending, Transition::Cancelled) => (Cancelled, Some(StockMove::Release)),
            // Whether its end has come is not told by `at` alone, as the wall clock can be set: the committer knows.
            (Pending, Transition::Expired) if self.expires_at.is_some() => (Cancelled, Some(StockMove::Release)),
            (Confirmed, Transition::Cancelled) => (Cancelled, Some(StockMove::TakeBack)),
            (Failed, Transition::Reopened) => (Pending, Some(StockMove::Hold)),
            (Cancelled, Transition::ConfirmedLate) if self.is_expired() => (Confirmed, Some(StockMove::Resell)),
            (status, _) => return Err(NotPossible(status)),
        };
        self.status = next.0;
        self.updated_at = at;
        self.note(transition, at);
        Ok(next.1)
    }

    /// Writes down what the transition says beside the status.
    fn note(&mut self, transition: &Transition, at: Timestamp) {
        match transition {
            Transition::Fulfilled | Transition::AttemptFailed { .. } => self.note_attempt(at),
            Transition::Rejected { .. } | Transition::AttemptsExhausted { .. } => self.note_attempt(at),
            Transition::ConfirmedLate | Transition::Reopened => self.reserved_at = at,
            Transition::Confirmed | Transition::Cancelled | Transition::Expired => {}
        }
        self.retry_at = match transition {
            Transition::AttemptFailed { retry_after, .. } => Some(at.after(*retry_after)),
            _ => None,
        };
        self.failure = match transition {
            Transition::Rejected { error } => Some(Failure::Rejected(error.clone())),
            Transition::AttemptsExhausted { error } => Some(Failure::AttemptsExhausted(error.clone())),
            Transition::Cancelled => Some(Failure::CancelledByOperator),
            Transition::Expired => Some(Failure::Expired),
            _ => None,
        };
        let end = match (self.status, self.job) {
            (OrderStatus::Pending, _) => JobEnd::Open,
            (OrderStatus::Confirmed, _) | (OrderStatus::Cancelled, JobEnd::Completed) => JobEnd::Completed,
            (OrderStatus::Failed | OrderStatus::Cancelled, _) => JobEnd::Failed,
        };
        match end {
            JobEnd::Open => self.finished_at = None,
            _ if end != self.job => self.finished_at = Some(at),
            _ => {}
        }
        if *transition == Transition::Reopened {
            self.attempts = 0;
        }
        self.job = end;
    }

    fn note_attempt(&mut self, at: Timestamp) {
        self.attempts += 1;
        self.processed_at = Some(at);
    }
}

/// How many units an order asks for: 1 to [`MAX_QUANTITY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity(NonZeroU32);

impl Quantity {
    /// Checks a number of units.
    pub fn new(units: u32) -> Option<Self> {
        NonZeroU32::new(units).filter(|units| units.get() <= MAX_QUANTITY).map(Self)
    }

    /// The number of units.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

#[cfg(test)]
impl Order {
    /// A pending order of one unit as it is when it was placed, for tests.
    pub(crate) fn example(id: OrderId, user: &str, at: Timestamp) -> Self {
        Self {
            id,
            product: ProductId(1),
            user: UserId::new(user).unwrap(),
            quantity: 1,
            unit_price: Money::from_cents(100),
            priority: Priority::Normal,
            status: OrderStatus::Pending,
            job: JobEnd::Open,
            attempts: 0,
            failure: None,
            reserved_at: at,
            expires_at: None,
            retry_at: None,
            processed_at: None,
            finished_at: None,
            created_at: at,
            updated_at: at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::Stock;
    use proptest::prelude::*;

    fn held_order(expires_at: Option<Timestamp>) -> Order {
        let order = Order::example(OrderId(1), "ada", Timestamp::from_millis(0));
        Order { quantity: 3, unit_price: Money::from_cents(999), expires_at, ..order }
    }

    fn transitions() -> Vec<Transition> {
        let error = || "it broke".to_owned();
        vec![
            Transition::Fulfilled,
            Transition::Confirmed,
            Transition::ConfirmedLate,
            Transition::AttemptFailed { error: error(), retry_after: Duration::from_millis(9) },
            Transition::Rejected { error: error() },
            Transition::AttemptsExhausted { error: error() },
            Transition::Cancelled,
            Transition::Expired,
            Transition::Reopened,
        ]
    }

    proptest! {
        /// Units are where the status says, whatever is thrown at the order.
        #[test]
        fn every_interleaving_keeps_the_units_where_the_status_says(
            holds in any::<bool>(),
            transitions in prop::collection::vec(prop::sample::select(transitions()), 0..40),
        ) {
            let mut order = held_order(holds.then_some(Timestamp::from_millis(5)));
            let mut stock = Stock::new(10, 10);
            stock.apply(StockMove::Hold, 3).unwrap();
            for (step, transition) in transitions.iter().enumerate() {
                let before = order.clone();
                match order.apply(transition, Timestamp::from_millis(step as i64)) {
                    Ok(Some(change)) => stock.apply(change, 3).unwrap(),
                    Ok(None) => {}
                    Err(_) => prop_assert_eq!(&before, &order, "a refused transition changes nothing"),
                }
                let expected = match order.status {
                    OrderStatus::Pending => (7, 3, 0),
                    OrderStatus::Confirmed => (7, 0, 3),
                    OrderStatus::Failed | OrderStatus::Cancelled => (10, 0, 0),
                };
                prop_assert_eq!((stock.current, stock.held, stock.sold), expected);
                prop_assert_eq!(order.job == JobEnd::Open, order.status == OrderStatus::Pending);
                prop_assert_eq!(order.job == JobEnd::Open, order.finished_at.is_none());
            }
        }
    }

    #[test]
    fn what_the_history_keeps_of_a_move_tells_the_statuses_before_and_after_it() {
        let end = Timestamp::from_millis(5);
        for transition in transitions() {
            let mut possible = false;
            for status in OrderStatus::ALL {
                let mut order = Order { status, failure: Some(Failure::Expired), ..held_order(Some(end)) };
                let Ok(units) = order.apply(&transition, end) else { continue };
                assert_eq!(transition.statuses(units), [status, order.status], "{transition:?}, {units:?}");
                possible = true;
            }
            assert!(possible, "{transition:?} was possible from nowhere");
        }
    }

    #[test]
    fn a_hold_expires_whatever_the_wall_clock_says_by_then_and_an_order_without_one_never_does() {
        let end = Timestamp::from_millis(100);
        assert!(held_order(Some(end)).apply(&Transition::Expired, Timestamp::from_millis(7)).is_ok());
        assert!(held_order(None).apply(&Transition::Expired, end).is_err());
    }

    #[test]
    fn the_next_attempt_is_due_so_long_after_the_one_that_failed() {
        let mut order = held_order(None);
        let failed = Transition::AttemptFailed { error: String::new(), retry_after: Duration::from_millis(9) };
        order.apply(&failed, Timestamp::from_millis(1_000)).unwrap();
        assert_eq!(order.retry_at, Some(Timestamp::from_millis(1_009)));
    }
}
