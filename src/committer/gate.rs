//! What the intake and the committer's thread share: whether orders are taken, how many are on their way, and how long
//! the commit under way has taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::limits::{COMMIT_STALL, INTAKE_ORDERS};

/// Whether orders are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// They are.
    Open,
    /// The server is on its way down.
    ShuttingDown,
    /// A commit failed, and the store is not open again yet.
    StorageUnavailable,
    /// A file of the store was deleted, renamed or replaced.
    StorageMissing,
    /// The commit under way takes too long.
    StorageSlow,
}

/// The state that the intake and the committer's thread share.
#[derive(Debug)]
pub(super) struct Gate {
    /// Never [`Status::StorageSlow`], which follows from `commit`.
    status: AtomicU8,
    /// Orders on their way; at most [`INTAKE_ORDERS`].
    orders: AtomicUsize,
    epoch: AtomicU64,
    /// 0 between commits; else when the one under way began, in milliseconds after `born`, plus 1, times 2; odd where
    /// it has stalled.
    commit: AtomicU64,
    born: Instant,
    /// Changed when commits have stalled, and again for as long as they are.
    pub(super) stalls: watch::Sender<()>,
}

/// Room on the way to the committer for a number of orders. Taken before the stock, so that submitting cannot fail.
#[derive(Debug)]
#[must_use = "dropping a permit gives its room back"]
pub struct OrderPermit {
    gate: Arc<Gate>,
    orders: usize,
}

impl Drop for OrderPermit {
    fn drop(&mut self) {
        self.gate.orders.fetch_sub(self.orders, Ordering::Relaxed);
    }
}

/// In [`Gate::commit`].
const STALLED: u64 = 1;

impl Default for Gate {
    fn default() -> Self {
        Self {
            status: AtomicU8::new(Status::Open as u8),
            orders: AtomicUsize::new(0),
            epoch: AtomicU64::new(0),
            commit: AtomicU64::new(0),
            born: Instant::now(),
            stalls: watch::Sender::default(),
        }
    }
}

impl Gate {
    pub(super) fn status(&self) -> Status {
        match self.status.load(Ordering::Acquire) {
            0 if self.is_stalled() => Status::StorageSlow,
            0 => Status::Open,
            1 => Status::ShuttingDown,
            2 => Status::StorageUnavailable,
            _ => Status::StorageMissing,
        }
    }

    pub(super) fn set_status(&self, status: Status) {
        // A server on its way down does not open again.
        let change = |now| (now != Status::ShuttingDown as u8).then_some(status as u8);
        let _ = self.status.fetch_update(Ordering::AcqRel, Ordering::Acquire, change);
    }

    /// Room for `orders` orders; `None` if too many are on their way.
    pub(super) fn order_permit(self: &Arc<Self>, orders: usize) -> Option<OrderPermit> {
        let fits = |taken: usize| taken.checked_add(orders).filter(|taken| *taken <= INTAKE_ORDERS);
        self.orders.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(OrderPermit { gate: Arc::clone(self), orders })
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Counts an epoch of the store. Called when everything is rebuilt from it.
    pub(super) fn next_epoch(&self) -> u64 {
        self.epoch.fetch_add(1, Ordering::AcqRel) + 1
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.commit.load(Ordering::Acquire) & STALLED != 0
    }

    /// Notes that a commit begins.
    pub(super) fn begin_commit(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX >> 2);
        self.commit.store((now + 1) << 1, Ordering::Release);
    }

    /// Notes that it has ended, and everything that follows from it is there for all to see. If it had stalled, the
    /// books are of the epoch that is returned from here on: orders that were given up meanwhile are rejected, as they
    /// may come again with the same key.
    pub(super) fn end_commit(&self) -> Option<u64> {
        let began = self.commit.load(Ordering::Acquire) & !STALLED;
        if self.commit.compare_exchange(began, 0, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return None;
        }
        let epoch = self.next_epoch();
        self.commit.store(0, Ordering::Release);
        Some(epoch)
    }

    /// Notes when the commit under way takes too long, and wakes those who wait for it. True when it has just come to
    /// that.
    pub(super) fn look_for_stall(&self) -> bool {
        self.look_for_stall_at(self.born.elapsed())
    }

    fn look_for_stall_at(&self, now: Duration) -> bool {
        let commit = self.commit.load(Ordering::Acquire);
        if commit == 0 {
            return false;
        }
        let began = Duration::from_millis((commit >> 1) - 1);
        if commit & STALLED == 0 {
            let long = now.saturating_sub(began) >= COMMIT_STALL;
            // It may just have ended.
            let set = |word| self.commit.compare_exchange(word, word | STALLED, Ordering::AcqRel, Ordering::Acquire);
            if !long || set(commit).is_err() {
                return false;
            }
        }
        self.stalls.send_modify(|()| {});
        commit & STALLED == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_stalls_at_the_bound_and_its_end_opens_the_gate_in_another_epoch() {
        let gate = Gate::default();
        let mut stalls = gate.stalls.subscribe();
        gate.begin_commit();
        let began = gate.born.elapsed();
        assert!(!gate.look_for_stall_at(began + COMMIT_STALL / 2));
        assert_eq!((gate.status(), gate.end_commit()), (Status::Open, None));
        assert!(!gate.look_for_stall_at(began + 9 * COMMIT_STALL), "no commit is under way");
        gate.begin_commit();
        let began = gate.born.elapsed();
        assert!(!stalls.has_changed().unwrap());
        assert!(gate.look_for_stall_at(began + COMMIT_STALL));
        assert!(stalls.has_changed().unwrap() && gate.status() == Status::StorageSlow);
        stalls.mark_unchanged();
        assert!(!gate.look_for_stall_at(began + COMMIT_STALL), "it is said once");
        assert!(stalls.has_changed().unwrap(), "and those who wait are woken again");
        assert_eq!((gate.end_commit(), gate.status()), (Some(1), Status::Open));
        gate.set_status(Status::ShuttingDown);
        gate.begin_commit();
        gate.look_for_stall_at(began + 9 * COMMIT_STALL);
        gate.set_status(Status::Open);
        assert_eq!(gate.status(), Status::ShuttingDown);
    }
}
