//! The receipt of an accepted order.

use crate::domain::clock::Timestamp;
use crate::domain::order::OrderId;

/// What the buyer of an accepted order learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The order's number.
    pub order: OrderId,
    /// Its place in the line, counted from 1; 0 for a hold, which is not in line.
    pub queue_position: u64,
    /// Whole seconds until a worker is expected to take it.
    pub estimated_wait: u64,
    /// Until when it can be confirmed, if it is held.
    pub expires_at: Option<Timestamp>,
}

impl Receipt {
    /// Its place in the line, if it is in one.
    pub fn position(&self) -> Option<u64> {
        Some(self.queue_position).filter(|position| *position > 0)
    }
}
