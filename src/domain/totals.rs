//! Counts of orders and jobs by their state.

use serde::{Deserialize, Serialize};

use crate::domain::job::JobOutcome;
use crate::domain::order::OrderStatus;

/// How many orders and jobs are in which state.
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

    /// Counts an order in its state.
    pub const fn count(&mut self, status: OrderStatus, job: JobOutcome) {
        self.orders[status as usize] += 1;
        match job {
            JobOutcome::Open => {}
            JobOutcome::Completed => self.completed_jobs += 1,
            JobOutcome::Failed => self.failed_jobs += 1,
        }
    }

    /// Stops counting an order in the state that it leaves. It was counted there.
    pub const fn uncount(&mut self, status: OrderStatus, job: JobOutcome) {
        self.orders[status as usize] -= 1;
        match job {
            JobOutcome::Open => {}
            JobOutcome::Completed => self.completed_jobs -= 1,
            JobOutcome::Failed => self.failed_jobs -= 1,
        }
    }

    /// Counts a job that came on the list of dead letters, or left it. A list that is shorter than its count is damage,
    /// which `verify` finds, and no reason to fail here.
    pub const fn count_dead_letter(&mut self, listed: bool) {
        self.dead_letters = if listed { self.dead_letters + 1 } else { self.dead_letters.saturating_sub(1) };
    }
}
