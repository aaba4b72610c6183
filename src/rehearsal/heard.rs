//! What buyers heard: the half of the truth that a server cannot change afterwards.

use crate::limits::{MAX_REMEMBERED_ORDERS, MAX_REMEMBERED_REJECTIONS};

use super::name::User;

/// A response 201. Times are microseconds from the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    pub(super) order: u64,
    pub(super) user: User,
    /// Which of the user's orders: one number for each idempotency key.
    pub(super) nth: u16,
    /// The place of the product in the scenario.
    pub(super) product: u16,
    pub(super) quantity: u32,
    /// When its key was sent for the first time: the order may be there since then.
    pub(super) sent: u64,
    pub(super) received: u64,
}

/// A response `sold_out`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SoldOut {
    pub(super) product: u16,
    pub(super) quantity: u32,
    pub(super) sent: u64,
    pub(super) received: u64,
}

/// What was done with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Confirmed,
    Cancelled,
}

/// Everything that was heard, within bounds.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    pub(super) acknowledged: Vec<Acknowledged>,
    pub(super) sold_out: Vec<SoldOut>,
    /// Rejections as sold out, also those that are not remembered.
    pub(super) all_sold_out: u64,
    /// Orders that a buyer asked for without hearing whether there is one.
    pub(super) unsure: Vec<(User, u16)>,
    /// Acts that were acknowledged.
    pub(super) acts: Vec<(u64, Act)>,
}

impl Heard {
    /// Whether as many orders are remembered as may be.
    pub(super) fn is_full(&self) -> bool {
        self.acknowledged.len().max(self.unsure.len()).max(self.acts.len()) >= MAX_REMEMBERED_ORDERS
    }

    pub(super) fn sold_out(&mut self, rejection: SoldOut) {
        self.all_sold_out += 1;
        if self.sold_out.len() < MAX_REMEMBERED_REJECTIONS {
            self.sold_out.push(rejection);
        }
    }

    /// When the first rejection as sold out came, in microseconds.
    pub(super) fn first_sold_out(&self) -> Option<u64> {
        self.sold_out.iter().map(|rejection| rejection.received).min()
    }

    /// Adds what was heard elsewhere.
    pub(super) fn append(&mut self, mut other: Self) {
        self.acknowledged.append(&mut other.acknowledged);
        self.sold_out.append(&mut other.sold_out);
        self.all_sold_out += other.all_sold_out;
        self.unsure.append(&mut other.unsure);
        self.acts.append(&mut other.acts);
    }
}
