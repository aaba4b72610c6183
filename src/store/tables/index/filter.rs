//! Filters in memory that say of most runs that a hash is not in them, so that nobody reads these.
//!
//! A filter is a split block Bloom filter (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters",
//! 2007; the form is that of Apache Parquet): an entry sets one bit in each of the eight words of one block, so a look
//! touches one cache line. One filter has the entries of several runs. With [`FILTER_BITS`] bits an entry about one
//! look in five thousand says "perhaps" of a filter that does not have the hash.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::limits::{FILTER_BITS, FILTER_ENTRIES, MAX_FILTERS};

const WORDS: usize = 8;
const BLOCKS: usize = FILTER_ENTRIES * FILTER_BITS / (WORDS * 32);
/// Odd numbers, one for each word, that pick its bit.
const SALTS: [u32; WORDS] =
    [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x1656_67b1, 0xd3a2_646d, 0xfd70_46c5, 0xb55a_4f09];

#[derive(Default)]
#[repr(align(32))]
struct Block([AtomicU32; WORDS]);

/// One filter. Entries are added while others look.
pub(in crate::store) struct Filter(Box<[Block]>);

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Filter")
    }
}

impl Filter {
    pub(in crate::store) fn new() -> Self {
        Self((0..BLOCKS).map(|_| Block::default()).collect())
    }

    fn block(&self, hash: u64) -> &Block {
        &self.0[(((hash >> 32) * BLOCKS as u64) >> 32) as usize]
    }

    pub(in crate::store) fn add(&self, hash: u64) {
        for (word, bit) in self.block(hash).0.iter().zip(bits(hash)) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Whether the hash may be in it; false is sure.
    fn may_have(&self, hash: u64) -> bool {
        self.block(hash).0.iter().zip(bits(hash)).all(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }
}

fn bits(hash: u64) -> [u32; WORDS] {
    let low = hash as u32;
    SALTS.map(|salt| 1 << (low.wrapping_mul(salt) >> 27))
}

/// A filter and the whole runs that it has.
#[derive(Debug)]
struct Group {
    filter: Arc<Filter>,
    /// Oldest first.
    runs: Vec<u64>,
    entries: usize,
}

/// The whole runs of an index and their filters.
#[derive(Debug, Default)]
pub(super) struct Filters {
    /// Full ones, by their first run.
    full: Vec<Group>,
    /// The one that takes the next run.
    open: Option<Group>,
    /// Runs without a filter, oldest first: those that were there at the opening and whose filters are not made yet,
    /// and those beyond [`MAX_FILTERS`].
    bare: Vec<u64>,
}

impl Filters {
    /// Those of runs that have none yet, oldest first.
    pub(super) fn none_of(bare: Vec<u64>) -> Self {
        Self { bare, ..Self::default() }
    }

    /// The filter for a run of so many entries, which comes next.
    pub(super) fn of_next_run(&mut self, entries: usize) -> Arc<Filter> {
        if let Some(full) = self.open.take_if(|open| open.entries + entries > FILTER_ENTRIES) {
            self.full.push(full);
        }
        if self.open.is_none() && self.full.len() >= MAX_FILTERS {
            let oldest = self.full.remove(0);
            let later = self.bare.partition_point(|run| *run < oldest.runs[0]);
            self.bare.splice(later..later, oldest.runs);
        }
        let fresh = || Group { filter: Arc::new(Filter::new()), runs: Vec::new(), entries: 0 };
        Arc::clone(&self.open.get_or_insert_with(fresh).filter)
    }

    /// The run whose filter was asked for last is whole, and all of its entries are in it.
    pub(super) fn add_run(&mut self, run: u64, entries: usize) {
        if let Some(open) = &mut self.open {
            open.runs.push(run);
            open.entries += entries;
        }
    }

    /// The newest run without a filter below `before`, if there is room for a filter.
    pub(super) fn next_bare(&self, before: u64) -> Option<u64> {
        let room = self.full.len() + usize::from(self.open.is_some()) < MAX_FILTERS;
        let below = self.bare.partition_point(|run| *run < before);
        self.bare[..below].last().copied().filter(|_| room)
    }

    /// A filter that has these runs, oldest first, which had none.
    pub(super) fn add_filter(&mut self, filter: Filter, mut runs: Vec<u64>) {
        // Some may have been removed meanwhile.
        runs.retain(|run| self.bare.contains(run));
        let Some(first) = runs.first().copied() else { return };
        self.bare.retain(|run| !runs.contains(run));
        let at = self.full.partition_point(|group| group.runs[0] < first);
        self.full.insert(at, Group { filter: Arc::new(filter), runs, entries: FILTER_ENTRIES });
    }

    /// Forgets the runs below this one, which are gone.
    pub(super) fn forget_below(&mut self, first: u64) {
        for group in self.full.iter_mut().chain(&mut self.open) {
            group.runs.retain(|run| *run >= first);
        }
        self.full.retain(|group| !group.runs.is_empty());
        self.bare.retain(|run| *run >= first);
    }

    /// Whether the hash may be in a whole run; false is sure.
    pub(super) fn may_have(&self, hash: u64) -> bool {
        !self.bare.is_empty() || self.groups().any(|group| group.filter.may_have(hash))
    }

    /// The whole runs that may have the hash, newest first.
    pub(super) fn runs_with(&self, hash: u64) -> Vec<u64> {
        let groups = self.groups().filter(|group| group.filter.may_have(hash));
        let mut runs: Vec<u64> = groups.flat_map(|group| &group.runs).chain(&self.bare).copied().collect();
        runs.sort_unstable_by(|a, b| b.cmp(a));
        runs
    }

    fn groups(&self) -> impl Iterator<Item = &Group> {
        self.full.iter().chain(&self.open)
    }

    #[cfg(test)]
    pub(super) fn run_count(&self) -> usize {
        self.groups().map(|group| group.runs.len()).sum::<usize>() + self.bare.len()
    }
}

#[cfg(test)]
mod tests {
    use crate::limits::INDEX_RUN;

    use super::*;

    /// Spreads numbers as the hashes of names are.
    fn hash(number: u64) -> u64 {
        let digest = blake3::hash(&number.to_le_bytes());
        u64::from_le_bytes(*digest.as_bytes().first_chunk().unwrap())
    }

    #[test]
    fn a_full_filter_has_its_entries_and_hardly_any_other() {
        let filter = Filter::new();
        (0..FILTER_ENTRIES as u64).for_each(|n| filter.add(hash(n)));
        assert!((0..FILTER_ENTRIES as u64).all(|n| filter.may_have(hash(n))));
        let others = FILTER_ENTRIES as u64..FILTER_ENTRIES as u64 + 200_000;
        let wrong = others.filter(|n| filter.may_have(hash(*n))).count();
        assert!(wrong < 200, "{wrong} of 200,000");
    }

    #[test]
    fn every_whole_run_is_looked_into_where_its_filter_may_have_the_hash_or_it_has_none() {
        let mut filters = Filters::none_of(vec![10, 20]);
        assert_eq!(filters.runs_with(hash(1)), [20, 10]);
        filters.of_next_run(INDEX_RUN).add(hash(1));
        assert_eq!(filters.runs_with(hash(2)), [20, 10], "the run is not whole yet");
        filters.add_run(30, INDEX_RUN);
        assert_eq!(filters.runs_with(hash(1)), [30, 20, 10]);
        let filter = Filter::new();
        filter.add(hash(2));
        filters.add_filter(filter, vec![10, 20]);
        assert_eq!(filters.runs_with(hash(1)), [30]);
        assert_eq!(filters.runs_with(hash(2)), [20, 10]);
        assert!(!filters.may_have(hash(3)));
        filters.forget_below(20);
        assert_eq!(filters.runs_with(hash(2)), [20]);
        filters.forget_below(31);
        assert_eq!((filters.run_count(), filters.full.len()), (0, 0));
    }

    #[test]
    fn a_filter_for_a_run_that_was_removed_meanwhile_is_not_kept() {
        let mut filters = Filters::none_of(vec![10]);
        filters.forget_below(11);
        filters.add_filter(Filter::new(), vec![10]);
        assert_eq!(filters.full.len(), 0);
    }

    #[test]
    fn filters_are_bounded_and_the_oldest_runs_go_without() {
        let mut filters = Filters::default();
        let runs = (1..).take((MAX_FILTERS + 2) * FILTER_ENTRIES / INDEX_RUN);
        for run in runs.clone() {
            filters.of_next_run(INDEX_RUN);
            filters.add_run(run, INDEX_RUN);
            assert!(filters.full.len() <= MAX_FILTERS);
        }
        assert_eq!(filters.bare[..2], [1, 2]);
        assert_eq!(filters.run_count(), runs.count());
        assert_eq!(filters.next_bare(u64::MAX), None, "there is no room for more");
    }
}
