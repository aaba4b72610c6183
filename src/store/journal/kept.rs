//! Followers that must not lose records: trimming of the journal stops at the slowest of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// The positions of all kept tails.
#[derive(Debug, Default)]
pub(in crate::store) struct KeptTails(Mutex<Positions>);

#[derive(Debug, Default)]
struct Positions {
    next: u64,
    /// By the tail's number.
    through: BTreeMap<u64, u64>,
}

impl KeptTails {
    /// Registers a follower that has everything through a record.
    pub(in crate::store) fn keep(self: &Arc<Self>, through: u64) -> KeptTail {
        let mut positions = self.0.lock();
        let number = positions.next;
        positions.next += 1;
        positions.through.insert(number, through);
        KeptTail { number, kept: Arc::clone(self) }
    }

    /// The last record that every follower has; the highest number where there are no followers.
    pub(in crate::store) fn slowest(&self) -> u64 {
        self.0.lock().through.values().min().copied().unwrap_or(u64::MAX)
    }
}

/// Keeps the records of the journal behind a position from being trimmed, as long as it lives. Those that are trimmed
/// already do not come back. A follower that never advances keeps all later records, without a bound on the disk.
#[derive(Debug)]
#[must_use = "records are kept as long as this lives"]
pub struct KeptTail {
    number: u64,
    kept: Arc<KeptTails>,
}

impl KeptTail {
    /// The follower has everything through this record. A lower one than before changes nothing.
    pub fn advance(&self, through: u64) {
        let mut positions = self.kept.0.lock();
        let position = positions.through.entry(self.number).or_default();
        *position = through.max(*position);
    }
}

impl Drop for KeptTail {
    fn drop(&mut self) {
        self.kept.0.lock().through.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_follower_counts_until_it_is_dropped() {
        let kept = Arc::new(KeptTails::default());
        assert_eq!(kept.slowest(), u64::MAX);
        let (slow, fast) = (kept.keep(3), kept.keep(9));
        assert_eq!(kept.slowest(), 3);
        slow.advance(7);
        slow.advance(5);
        assert_eq!(kept.slowest(), 7);
        drop(slow);
        assert_eq!(kept.slowest(), 9);
        fast.advance(12);
        assert_eq!(kept.slowest(), 12);
        drop(fast);
        assert_eq!(kept.slowest(), u64::MAX);
    }
}
