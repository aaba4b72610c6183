//! Counts of orders and jobs by their state.

use serde::{Deserialize, Serialize};

use crate::domain::job::JobOutcome;
use crate::domain::order::{Order, OrderStatus};

/// How many orders and jobs stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Orders by status, in the order of [`OrderStatus::ALL`].
    orders: [u64; 4],
    /// Jobs that ended well.
    pub completed_jobs: u64,
    /// Jobs that did not.
    pub failed_jobs: u64,
    /// Failed jobs that wait for an operator.
    pub dead_letters: u64,
}

impl Totals {
    /// Orders with this status.
    pub const fn orders(&self, status: OrderStatus) -> u64 {
        self.orders[status as usize]
    }

    /// All orders.
    pub fn all_orders(&self) -> u64 {
        self.orders.iter().sum()
    }

    /// Counts an order where it stands.
    pub const fn count(&mut self, order: &Order) {
        self.orders[order.status as usize] += 1;
        match order.job {
            JobOutcome::Open => {}
            JobOutcome::Completed => self.completed_jobs += 1,
            JobOutcome::Failed => self.failed_jobs += 1,
        }
    }

    /// Stops counting an order, before it moves on. The order was counted.
    pub const fn uncount(&mut self, order: &Order) {
        self.orders[order.status as usize] -= 1;
        match order.job {
            JobOutcome::Open => {}
            JobOutcome::Completed => self.completed_jobs -= 1,
            JobOutcome::Failed => self.failed_jobs -= 1,
        }
    }
}
