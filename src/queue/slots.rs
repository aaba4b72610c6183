//! The queue's capacity: unfinished jobs that workers are for, and holds, each with a bound of its own. A hold is no
//! work: it waits for its buyer, and takes no slot from orders that workers wait for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::domain::order::Order;

/// What a slot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotKind {
    /// A job for workers.
    Work,
    /// A held order.
    Hold,
}

impl SlotKind {
    /// What a pending order takes.
    pub const fn of(order: &Order) -> Self {
        if order.expires_at.is_some() { Self::Hold } else { Self::Work }
    }
}

/// The slots of one kind.
#[derive(Debug)]
pub(super) struct Slots {
    kind: SlotKind,
    taken: AtomicUsize,
    pub(super) capacity: usize,
}

/// A slot of the queue: taken before the stock, given back when the job is done.
#[derive(Debug)]
#[must_use = "dropping a slot gives it back"]
pub struct Slot(Arc<Slots>);

impl Slot {
    /// What it is for.
    pub fn kind(&self) -> SlotKind {
        self.0.kind
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Slots {
    pub(super) fn new(kind: SlotKind, capacity: usize) -> Arc<Self> {
        Arc::new(Self { kind, taken: AtomicUsize::new(0), capacity })
    }

    /// A slot, or none where all are taken.
    pub(super) fn take(self: &Arc<Self>) -> Option<Slot> {
        let mut taken = self.taken.load(Ordering::Relaxed);
        while taken < self.capacity {
            match self.taken.compare_exchange_weak(taken, taken + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(Slot(Arc::clone(self))),
                Err(now) => taken = now,
            }
        }
        None
    }

    /// A slot, whatever the capacity.
    pub(super) fn force(self: &Arc<Self>) -> Slot {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Slot(Arc::clone(self))
    }
}
