//! The one state machine that moves an order, without I/O.
//!
//! The committer, the replay of the journal and the tests all move orders through [`Order::apply`], so one function
//! says which moves exist and what each does to the stock.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::job::JobOutcome;
use crate::domain::order::{Failure, Order, OrderStatus};
use crate::domain::product::StockMove;

/// Something that happened to an order after it was placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// A worker fulfilled it; an order that is confirmed already was delivered to the fulfilment service.
    Fulfilled,
    /// An operator confirmed it.
    Confirmed {
        /// Whether its job stays open until the fulfilment service has the order.
        post: bool,
    },
    /// An operator confirmed it after its hold had expired; its units were reserved again.
    ConfirmedLate {
        /// See [`Transition::Confirmed`].
        post: bool,
    },
    /// An attempt failed and another follows.
    AttemptFailed {
        /// What went wrong.
        error: String,
        /// How long after this the next attempt is due.
        retry_after: Duration,
        /// Whether the order was confirmed before, as a paid one is.
        paid: bool,
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
    /// Taken back from the dead letters; the units of a failed order were reserved again.
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

    /// Why the order is failed or cancelled after it, or its job is, if one is.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Rejected { error } => Some(Failure::Rejected(error.clone())),
            Self::AttemptsExhausted { error } => Some(Failure::AttemptsExhausted(error.clone())),
            Self::Cancelled => Some(Failure::CancelledByOperator),
            Self::Expired => Some(Failure::Expired),
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

    /// The statuses before and after it, where it moved `units`: what [`Order::apply`] decided, derived from
    /// what the history keeps of it.
    pub const fn statuses(&self, units: Option<StockMove>) -> [OrderStatus; 2] {
        use OrderStatus::{Cancelled, Confirmed, Failed, Pending};
        match (self, units) {
            (Self::Fulfilled | Self::Rejected { .. } | Self::AttemptsExhausted { .. } | Self::Reopened, None)
            | (Self::AttemptFailed { paid: true, .. }, _) => [Confirmed, Confirmed],
            (Self::Fulfilled | Self::Confirmed { .. }, _) => [Pending, Confirmed],
            (Self::ConfirmedLate { .. }, _) => [Cancelled, Confirmed],
            (Self::AttemptFailed { paid: false, .. }, _) => [Pending, Pending],
            (Self::Rejected { .. } | Self::AttemptsExhausted { .. }, _) => [Pending, Failed],
            (Self::Cancelled, Some(StockMove::TakeBack)) => [Confirmed, Cancelled],
            (Self::Cancelled | Self::Expired, _) => [Pending, Cancelled],
            (Self::Reopened, _) => [Failed, Pending],
        }
    }
}

/// A transition that does not exist from the order's status; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the order is {}", .0.as_str())]
pub struct NotPossible(pub OrderStatus);

impl Order {
    /// Moves the order and says what happens to its units, if anything.
    pub fn apply(&mut self, transition: &Transition, at: Timestamp) -> Result<Option<StockMove>, NotPossible> {
        use OrderStatus::{Cancelled, Confirmed, Failed, Pending};
        let next = match (self.status, transition) {
            (Pending, Transition::Fulfilled | Transition::Confirmed { .. }) => (Confirmed, Some(StockMove::Sell)),
            (Pending, Transition::AttemptFailed { paid: false, .. }) => (Pending, None),
            // It is paid: whatever the fulfilment service says, the buyer keeps the units.
            (Confirmed, Transition::AttemptFailed { paid: true, .. }) if self.job == JobOutcome::Open => {
                (Confirmed, None)
            }
            (Confirmed, Transition::Fulfilled | Transition::Rejected { .. } | Transition::AttemptsExhausted { .. })
                if self.job == JobOutcome::Open =>
            {
                (Confirmed, None)
            }
            (Confirmed, Transition::Reopened) if self.job == JobOutcome::Failed => (Confirmed, None),
            (Pending, Transition::Rejected { .. } | Transition::AttemptsExhausted { .. }) => {
                (Failed, Some(StockMove::Release))
            }
            (Pending, Transition::Cancelled) => (Cancelled, Some(StockMove::Release)),
            // `at` alone does not say whether its end has come, as the wall clock can be set: the committer knows.
            (Pending, Transition::Expired) if self.expires_at.is_some() => (Cancelled, Some(StockMove::Release)),
            (Confirmed, Transition::Cancelled) => (Cancelled, Some(StockMove::TakeBack)),
            (Failed, Transition::Reopened) => (Pending, Some(StockMove::Hold)),
            (Cancelled, Transition::ConfirmedLate { .. }) if self.is_expired() => (Confirmed, Some(StockMove::Resell)),
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
            Transition::ConfirmedLate { .. } => self.reserved_at = at,
            Transition::Reopened if self.status == OrderStatus::Pending => self.reserved_at = at,
            Transition::Reopened | Transition::Confirmed { .. } | Transition::Cancelled | Transition::Expired => {}
        }
        self.retry_at = match transition {
            Transition::AttemptFailed { retry_after, .. } => Some(at.after(*retry_after)),
            _ => None,
        };
        self.failure = transition.failure();
        let end = self.outcome_after(transition);
        match end {
            JobOutcome::Open => self.finished_at = None,
            _ if end != self.job => self.finished_at = Some(at),
            _ => {}
        }
        if *transition == Transition::Reopened {
            self.attempts = 0;
        }
        self.job = end;
    }

    /// What becomes of its job by a transition that has set its status.
    const fn outcome_after(&self, transition: &Transition) -> JobOutcome {
        match (self.status, transition) {
            (OrderStatus::Pending, _) => JobOutcome::Open,
            (OrderStatus::Confirmed, Transition::Confirmed { post } | Transition::ConfirmedLate { post }) if *post => {
                JobOutcome::Open
            }
            (OrderStatus::Confirmed, Transition::AttemptFailed { .. } | Transition::Reopened) => JobOutcome::Open,
            (OrderStatus::Confirmed, Transition::Rejected { .. } | Transition::AttemptsExhausted { .. }) => {
                JobOutcome::Failed
            }
            (OrderStatus::Confirmed, _) => JobOutcome::Completed,
            (OrderStatus::Cancelled, _) if matches!(self.job, JobOutcome::Completed) => JobOutcome::Completed,
            (OrderStatus::Failed | OrderStatus::Cancelled, _) => JobOutcome::Failed,
        }
    }

    fn note_attempt(&mut self, at: Timestamp) {
        self.attempts += 1;
        self.processed_at = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Money;
    use crate::domain::order::OrderId;
    use crate::domain::product::Stock;
    use proptest::prelude::*;

    fn held_order(expires_at: Option<Timestamp>) -> Order {
        let order = Order::example(OrderId(1), "ada", Timestamp::from_millis(0));
        Order { quantity: 3, unit_price: Money::from_cents(999), expires_at, ..order }
    }

    fn transitions() -> Vec<Transition> {
        let error = || "it broke".to_owned();
        vec![
            Transition::Fulfilled,
            Transition::Confirmed { post: false },
            Transition::Confirmed { post: true },
            Transition::ConfirmedLate { post: false },
            Transition::ConfirmedLate { post: true },
            Transition::AttemptFailed { error: error(), retry_after: Duration::from_millis(9), paid: false },
            Transition::AttemptFailed { error: error(), retry_after: Duration::from_millis(9), paid: true },
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
                match order.status {
                    OrderStatus::Pending => prop_assert_eq!(order.job, JobOutcome::Open),
                    OrderStatus::Failed | OrderStatus::Cancelled => prop_assert_ne!(order.job, JobOutcome::Open),
                    OrderStatus::Confirmed => {}
                }
                prop_assert_eq!(order.job == JobOutcome::Open, order.finished_at.is_none());
            }
        }
    }

    #[test]
    fn what_the_history_keeps_of_a_move_tells_the_statuses_before_and_after_it() {
        let end = Timestamp::from_millis(5);
        for transition in transitions() {
            let mut possible = false;
            let jobs = [JobOutcome::Open, JobOutcome::Completed, JobOutcome::Failed];
            for (status, job) in OrderStatus::ALL.into_iter().flat_map(|status| jobs.map(|job| (status, job))) {
                let mut order = Order { status, job, failure: Some(Failure::Expired), ..held_order(Some(end)) };
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
    fn a_paid_order_stays_confirmed_until_it_is_cancelled_and_its_job_ends_once() {
        let (at, error) = (Timestamp::from_millis(1), || "no".to_owned());
        let mut order = held_order(Some(Timestamp::from_millis(5)));
        let mut step = |transition, units, status, job| {
            assert_eq!(order.apply(&transition, at), Ok(units), "{transition:?}");
            assert_eq!((order.status, order.job), (status, job), "{transition:?}");
            order.clone()
        };
        use JobOutcome::{Failed, Open};
        use OrderStatus::{Cancelled, Confirmed};
        step(Transition::Confirmed { post: true }, Some(StockMove::Sell), Confirmed, Open);
        let retry_after = Duration::from_millis(9);
        let again = step(Transition::AttemptFailed { error: error(), retry_after, paid: true }, None, Confirmed, Open);
        assert_eq!((again.attempts, again.due_at()), (1, Some(Timestamp::from_millis(10))));
        step(Transition::AttemptsExhausted { error: error() }, None, Confirmed, Failed);
        let again = step(Transition::Reopened, None, Confirmed, Open);
        assert_eq!((again.attempts, again.due_at(), again.failure), (0, None, None));
        step(Transition::Rejected { error: error() }, None, Confirmed, Failed);
        step(Transition::Reopened, None, Confirmed, Open);
        let mut delivered = step(Transition::Cancelled, Some(StockMove::TakeBack), Cancelled, Failed);
        assert!(delivered.apply(&Transition::Fulfilled, at).is_err(), "a report that comes too late");
    }

    #[test]
    fn the_next_attempt_is_due_so_long_after_the_one_that_failed() {
        let mut order = held_order(None);
        let retry_after = Duration::from_millis(9);
        let failed = Transition::AttemptFailed { error: String::new(), retry_after, paid: false };
        order.apply(&failed, Timestamp::from_millis(1_000)).unwrap();
        assert_eq!(order.retry_at, Some(Timestamp::from_millis(1_009)));
    }
}
