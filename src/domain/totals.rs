//! What orders add up to: their counts and those of jobs by their state, and the units of a product.

use serde::{Deserialize, Serialize};

use crate::domain::job::JobOutcome;
use crate::domain::order::{OrderFields, OrderStatus};
use crate::domain::product::Product;

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

/// What the orders of one product add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderSums {
    /// Orders, whatever their status.
    pub orders: u64,
    /// Units in pending orders.
    pub held: u64,
    /// Units in confirmed orders.
    pub sold: u64,
}

impl OrderSums {
    /// Adds an order.
    pub fn add(&mut self, order: &OrderFields<'_>) {
        self.orders += 1;
        match order.status {
            OrderStatus::Pending => self.held += u64::from(order.quantity),
            OrderStatus::Confirmed => self.sold += u64::from(order.quantity),
            OrderStatus::Failed | OrderStatus::Cancelled => {}
        }
    }

    /// Whether the product's own counts say the same.
    pub fn agrees_with(&self, product: &Product) -> bool {
        (self.orders, self.held, self.sold) == (product.orders, product.stock.held, product.stock.sold)
    }

    /// The conservation check: the product's stock is conserved, and its orders say the same.
    pub fn adds_up(&self, product: &Product) -> bool {
        product.stock.is_conserved() && self.agrees_with(product)
    }
}
