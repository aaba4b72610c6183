//! Jobs and what they are doing.

use crate::clock::Timestamp;
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
    pub placed_at: Timestamp,
}

/// Why and until when a job is delayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The next attempt.
    Attempt(Timestamp),
    /// The end of its hold.
    Expiry(Timestamp),
}

impl Due {
    pub(super) const fn at(self) -> Timestamp {
        match self {
            Self::Attempt(at) | Self::Expiry(at) => at,
        }
    }
}

impl Job {
    /// The job of a pending order.
    pub fn of(order: &Order) -> Self {
        let due = order.expires_at.map(Due::Expiry).or(order.retry_at.map(Due::Attempt));
        Self { order: order.id, priority: order.priority, due, placed_at: order.created_at }
    }
}

/// The word for a job in line at this priority.
pub(super) const fn ready_state(priority: Priority) -> JobState {
    match priority {
        Priority::Normal => JobState::Waiting,
        Priority::Low | Priority::High | Priority::Critical => JobState::Prioritized,
    }
}
