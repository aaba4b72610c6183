//! Entries in memory, found by their hash.
//!
//! Nearly all names are new, and the filters say so. So entries are only put into chains when someone looks for one:
//! those that have come since the last look, which is little for each if looks are frequent.

use parking_lot::Mutex;

use crate::domain::scatter::Scatter;

use super::entry::Entry;

/// Chains by hash: about two for each entry of a run.
const CHAINS: usize = 128 * 1024;

/// The newest entries of an index, in the order of acceptance.
#[derive(Debug, Default)]
pub(super) struct Recent {
    entries: Vec<Entry>,
    chains: Mutex<Chains>,
}

/// The first so many entries by their hashes.
#[derive(Debug, Default)]
struct Chains {
    /// For each entry the place of the one before it in its chain, counted from 1; 0 where there is none.
    before: Vec<u32>,
    /// The last entry of each chain, counted in the same way; empty as long as there are no entries.
    last: Vec<u32>,
    scatter: Scatter,
}

impl Recent {
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn add(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.entries.extend(entries);
    }

    /// The orders with this hash, newest first.
    pub(super) fn find(&self, hash: u64) -> Vec<u64> {
        let mut chains = self.chains.lock();
        chains.extend(&self.entries);
        chains.find(hash).map(|at| self.entries[at]).filter(|entry| entry.0 == hash).map(|entry| entry.1).collect()
    }
}

impl Chains {
    /// Puts those of all entries that are not in chains yet into theirs.
    fn extend(&mut self, entries: &[Entry]) {
        if self.last.is_empty() && !entries.is_empty() {
            self.last = vec![0; CHAINS];
        }
        for (hash, _) in &entries[self.before.len()..] {
            let chain = self.chain(*hash);
            self.before.push(self.last[chain]);
            // Far fewer than a `u32` can count: a run and what comes in while it is written.
            self.last[chain] = self.before.len() as u32;
        }
    }

    /// The places of the entries in the chain of a hash, newest first.
    fn find(&self, hash: u64) -> impl Iterator<Item = usize> {
        let first = if self.last.is_empty() { 0 } else { self.last[self.chain(hash)] };
        let place = |place: u32| (place as usize).checked_sub(1);
        std::iter::successors(place(first), move |at| place(self.before[*at]))
    }

    fn chain(&self, hash: u64) -> usize {
        self.scatter.place(hash, CHAINS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_their_hash_newest_first() {
        let mut recent = Recent::default();
        assert!(recent.find(3).is_empty());
        // Some are in chains when others come.
        for last in [400, 400, 1_000] {
            recent.add((recent.len() as u64 + 1..=last).map(|order| (order % 7, order)));
            for hash in 0..7 {
                let own = (1..=last).rev().filter(|order| order % 7 == hash);
                assert_eq!(recent.find(hash), own.collect::<Vec<_>>());
            }
        }
        assert!(recent.find(7).is_empty());
        assert_eq!(recent.len(), 1_000);
    }
}
