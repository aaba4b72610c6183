//! Jobs and what they are doing.

use crate::domain::clock::{Deadline, Moment, Steady};
use crate::domain::order::{Order, OrderId, OrderStatus, Priority};

/// An open job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// The order it is about; the lower number goes first within a priority.
    pub order: OrderId,
    /// Which ready jobs it goes before.
    pub priority: Priority,
    /// When it is to be looked at, if not at once.
    pub due: Option<Due>,
    /// When its order was accepted.
    pub placed: Steady,
    /// Whether its order is confirmed already, and waits to be delivered to the fulfilment service.
    pub paid: bool,
}

/// Why and until when a job is delayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The next attempt.
    Attempt(Deadline),
    /// The end of its hold.
    Expiry(Deadline),
}

impl Due {
    /// Until when.
    pub const fn deadline(self) -> Deadline {
        match self {
            Self::Attempt(at) | Self::Expiry(at) => at,
        }
    }
}

impl Job {
    /// The open job of an order, which was placed or moved at this moment, or found in the store.
    pub fn of(order: &Order, now: Moment) -> Self {
        let expiry = order.hold_ends_at().map(|at| Due::Expiry(now.deadline(at)));
        let due = expiry.or_else(|| order.retry_at.map(|at| Due::Attempt(now.deadline(at))));
        let placed = now.steady_at(order.created_at);
        Self { order: order.id, priority: order.priority, due, placed, paid: order.status == OrderStatus::Confirmed }
    }

    /// The job after its order has moved. What was due at a time of day stays due when it was.
    pub fn moved(&self, after: &Order, now: Moment) -> Self {
        let moved = Self { placed: self.placed, ..Self::of(after, now) };
        match (self.due, moved.due) {
            (Some(before), Some(due)) if before.deadline().wall == due.deadline().wall => {
                Self { due: self.due, ..moved }
            }
            _ => moved,
        }
    }

    /// Whether what it waits for has come; it waits for nothing if it is not delayed.
    pub fn is_due(&self, now: Moment) -> bool {
        self.due.is_none_or(|due| due.deadline().is_reached(now))
    }
}
