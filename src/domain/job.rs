//! The job of an order: what it is doing, how it ends, and what went wrong in its attempts.

use crate::domain::clock::Timestamp;

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

/// What became of the job of an order, as the store has it. What an open job is doing now, the queue knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// Not finished.
    Open,
    /// The order was confirmed, and delivered where a fulfilment service is to have it; whatever came later.
    Completed,
    /// The order failed, expired or was cancelled before that; or it is confirmed, and could not be delivered.
    Failed,
}

/// One failed attempt to fulfil an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptError {
    /// Counted from 1.
    pub attempt: u32,
    /// When it failed.
    pub at: Timestamp,
    /// What went wrong.
    pub error: String,
}
