//! Entries in memory, found by their hash.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::entry::Entry;

/// Chains by hash: about two for each entry of a run.
const CHAINS: usize = 128 * 1024;

/// The newest entries of an index, in the order of acceptance.
#[derive(Debug)]
pub(super) struct Recent {
    entries: Vec<Entry>,
    /// For each entry the place of the one before it in its chain, counted from 1; 0 where there is none.
    before: Vec<u32>,
    /// The last entry of each chain, counted in the same way; empty as long as there are no entries.
    last: Vec<u32>,
    /// Odd, and chosen anew each time, so that no one can choose names that all fall into one chain.
    multiplier: u64,
}

impl Default for Recent {
    fn default() -> Self {
        let multiplier = RandomState::new().hash_one(0_u8) | 1;
        Self { entries: Vec::new(), before: Vec::new(), last: Vec::new(), multiplier }
    }
}

impl Recent {
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn add(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            if self.last.is_empty() {
                self.last = vec![0; CHAINS];
            }
            let chain = self.chain(entry.0);
            self.entries.push(entry);
            self.before.push(self.last[chain]);
            // Far fewer than a `u32` can count: a run and what comes in while it is written.
            self.last[chain] = self.entries.len() as u32;
        }
    }

    /// The orders with this hash, newest first.
    pub(super) fn find(&self, hash: u64) -> impl Iterator<Item = u64> {
        let first = if self.last.is_empty() { 0 } else { self.last[self.chain(hash)] };
        let place = |place: u32| (place as usize).checked_sub(1);
        let chain = std::iter::successors(place(first), move |at| place(self.before[*at]));
        chain.map(|at| self.entries[at]).filter(move |entry| entry.0 == hash).map(|entry| entry.1)
    }

    fn chain(&self, hash: u64) -> usize {
        (hash.wrapping_mul(self.multiplier) >> (64 - CHAINS.ilog2())) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_their_hash_newest_first() {
        let mut recent = Recent::default();
        assert_eq!(recent.find(3).count(), 0);
        recent.add((1..=1_000).map(|order| (order % 7, order)));
        for hash in 0..7 {
            let found: Vec<u64> = recent.find(hash).collect();
            assert_eq!(found, (1..=1_000).rev().filter(|order| order % 7 == hash).collect::<Vec<_>>());
        }
        assert_eq!(recent.find(7).count(), 0);
        assert_eq!(recent.len(), 1_000);
    }
}
