//! Jobs and what they are doing.

use crate::clock::{Deadline, Moment, Steady};
use crate::order::{Order, OrderId, Priority};

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Ready, at normal priority.
    Waiting,
    /// Ready, at another priority.
    Prioritized,
    /// Waits for its next attempt or for the end of its hold.
    Delayed,
    /// A worker has it.
    Active,
    /// Done: its order was confirmed.
    Completed,
    /// Done: its order was not.
    Failed,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Prioritized, Self::Delayed, Self::Active, Self::Completed, Self::Failed];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Prioritized => "prioritized",
            Self::Delayed => "delayed",
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

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
    /// The job of a pending order, which was placed or moved at this moment, or found in the store.
    pub fn of(order: &Order, now: Moment) -> Self {
        let expiry = order.expires_at.map(|at| Due::Expiry(now.deadline(at)));
        let due = expiry.or_else(|| order.retry_at.map(|at| Due::Attempt(now.deadline(at))));
        Self { order: order.id, priority: order.priority, due, placed: now.steady_at(order.created_at) }
    }

    /// The job as it goes on when its order has moved. What was due at a time of day stays due when it was.
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

/// The word for a job in line at this priority.
pub(super) const fn ready_state(priority: Priority) -> JobState {
    match priority {
        Priority::Normal => JobState::Waiting,
        Priority::Low | Priority::High | Priority::Critical => JobState::Prioritized,
    }
}
