//! Filters in memory that say of most entries that they are not there, so that nobody looks for these.
//!
//! A filter is a split block Bloom filter (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters",
//! 2007; the form is that of Apache Parquet): an entry sets one bit in each of the eight words of one block, so a look
//! touches one cache line. Entries are added as they come, so a filter has those in memory as well, and one look says
//! of a name that it is new. With [`FILTER_BITS`] bits an entry about one look in five thousand says "perhaps" of a
//! filter that does not have the hash.

use crate::limits::{FILTER_BITS, FILTER_ENTRIES, MAX_FILTERS};

use super::entry::Entry;

const WORDS: usize = 8;
const BLOCKS: usize = FILTER_ENTRIES * FILTER_BITS / (WORDS * 32);
/// Odd numbers, one for each word, that pick its bit.
const SALTS: [u32; WORDS] =
    [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x1656_67b1, 0xd3a2_646d, 0xfd70_46c5, 0xb55a_4f09];

/// So many hashes are looked for or added at once: first where each is, then all of them. Where little is done between
/// two looks into memory the processor has several of them under way.
const AT_ONCE: usize = 64;

type Block = [u32; WORDS];

/// One filter.
pub(in crate::store) struct Filter(Vec<Block>);

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Filter")
    }
}

/// Where a hash is in any filter.
#[derive(Clone, Copy)]
struct Mark {
    block: usize,
    bits: Block,
}

impl Mark {
    fn of(hash: u64) -> Self {
        let low = hash as u32;
        let block = (((hash >> 32) * BLOCKS as u64) >> 32) as usize;
        Self { block, bits: SALTS.map(|salt| 1 << (low.wrapping_mul(salt) >> 27)) }
    }
}

impl Filter {
    /// Its memory comes as zeros from the system and is taken page by page as entries come.
    pub(in crate::store) fn new() -> Self {
        Self(vec![[0; WORDS]; BLOCKS])
    }

    pub(in crate::store) fn add(&mut self, hashes: impl Iterator<Item = u64>) {
        let mut marks = Vec::with_capacity(AT_ONCE);
        let mut hashes = hashes.peekable();
        while hashes.peek().is_some() {
            marks.clear();
            marks.extend(hashes.by_ref().take(AT_ONCE).map(Mark::of));
            for Mark { block, bits } in &marks {
                self.0[*block].iter_mut().zip(bits).for_each(|(word, bit)| *word |= bit);
            }
        }
    }

    /// Whether the hash may be in it; false is sure. Looks at all words: a branch for each would be guessed wrong.
    fn may_have(&self, Mark { block, bits }: &Mark) -> bool {
        self.0[*block].iter().zip(bits).fold(0, |missing, (word, bit)| missing | (bit & !word)) == 0
    }
}

/// A filter, and what it has.
#[derive(Debug)]
struct Group {
    filter: Filter,
    /// The whole runs of which it has entries, oldest first.
    runs: Vec<u64>,
    entries: usize,
    /// The first and the last order that it has.
    orders: (u64, u64),
}

/// The filters of an index: of its whole runs, and of what is in memory.
#[derive(Debug, Default)]
pub(super) struct Filters {
    /// Full ones, the oldest first.
    full: Vec<Group>,
    /// The one that takes what comes.
    open: Option<Group>,
    /// Runs that have a part in no filter, oldest first: those that were there at the opening and whose filters are not
    /// made yet, and those beyond [`MAX_FILTERS`].
    bare: Vec<u64>,
    /// The last whole run.
    through: u64,
}

impl Filters {
    /// Those of runs that have none yet, oldest first.
    pub(super) fn none_of(bare: Vec<u64>) -> Self {
        let through = bare.last().copied().unwrap_or_default();
        Self { bare, through, ..Self::default() }
    }

    /// Adds entries, which are in memory.
    pub(super) fn add(&mut self, mut entries: &[Entry]) {
        while let (Some(first), Some(last)) = (entries.first(), entries.last()) {
            if self.open.as_ref().is_none_or(|open| open.entries >= FILTER_ENTRIES) {
                self.open_next(first.1);
            }
            let Some(open) = &mut self.open else { return };
            let (now, later) = entries.split_at(entries.len().min(FILTER_ENTRIES - open.entries));
            open.filter.add(now.iter().map(|entry| entry.0));
            open.entries += now.len();
            open.orders.1 = now.last().unwrap_or(last).1;
            entries = later;
        }
    }

    fn open_next(&mut self, first: u64) {
        self.full.extend(self.open.take());
        if self.full.len() >= MAX_FILTERS {
            self.bare.extend(self.full.remove(0).runs);
            self.bare.sort_unstable();
            self.bare.dedup();
        }
        self.open = Some(Group { filter: Filter::new(), runs: Vec::new(), entries: 0, orders: (first, first) });
    }

    /// A run of orders from `first` on is whole. Its entries are in one filter or in two that follow each other.
    pub(super) fn add_run(&mut self, first: u64, run: u64) {
        self.through = run;
        for group in self.full.iter_mut().chain(&mut self.open) {
            if group.orders.0 <= run && group.orders.1 >= first {
                group.runs.push(run);
            }
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
        let (Some(first), Some(last)) = (runs.first().copied(), runs.last().copied()) else { return };
        self.bare.retain(|run| !runs.contains(run));
        let at = self.full.partition_point(|group| group.orders.0 < first);
        self.full.insert(at, Group { filter, runs, entries: FILTER_ENTRIES, orders: (first, last) });
    }

    /// Forgets the runs below this one, which are gone.
    pub(super) fn forget_below(&mut self, first: u64) {
        for group in self.full.iter_mut().chain(&mut self.open) {
            group.runs.retain(|run| *run >= first);
        }
        // One without a run may have entries that are in memory.
        self.full.retain(|group| !group.runs.is_empty() || group.orders.1 > self.through);
        self.bare.retain(|run| *run >= first);
    }

    /// The places of those of the hashes that the index may have, in memory or in a whole run; it surely has no other.
    pub(super) fn may_have(&self, hashes: &[u64]) -> Vec<usize> {
        if !self.bare.is_empty() {
            return (0..hashes.len()).collect();
        }
        let (mut places, mut marks) = (Vec::new(), Vec::with_capacity(AT_ONCE.min(hashes.len())));
        for (part, hashes) in hashes.chunks(AT_ONCE).enumerate() {
            marks.clear();
            marks.extend(hashes.iter().map(|hash| Mark::of(*hash)));
            for group in self.groups() {
                let found = marks.iter().enumerate().filter(|(_, mark)| group.filter.may_have(mark));
                places.extend(found.map(|(at, _)| part * AT_ONCE + at));
            }
        }
        // A hash may be in several filters.
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The whole runs that may have the hash, newest first.
    pub(super) fn runs_with(&self, hash: u64) -> Vec<u64> {
        let mark = Mark::of(hash);
        let groups = self.groups().filter(|group| group.filter.may_have(&mark));
        let mut runs: Vec<u64> = groups.flat_map(|group| &group.runs).chain(&self.bare).copied().collect();
        runs.sort_unstable_by(|a, b| b.cmp(a));
        runs.dedup();
        runs
    }

    fn groups(&self) -> impl Iterator<Item = &Group> {
        self.full.iter().chain(&self.open)
    }

    #[cfg(test)]
    pub(super) fn run_count(&self) -> usize {
        let mut runs: Vec<u64> = self.groups().flat_map(|group| &group.runs).chain(&self.bare).copied().collect();
        runs.sort_unstable();
        runs.dedup();
        runs.len()
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
        let mut filter = Filter::new();
        filter.add((0..FILTER_ENTRIES as u64).map(hash));
        assert!((0..FILTER_ENTRIES as u64).all(|n| filter.may_have(&Mark::of(hash(n)))));
        let others = FILTER_ENTRIES as u64..FILTER_ENTRIES as u64 + 200_000;
        let wrong = others.filter(|n| filter.may_have(&Mark::of(hash(*n)))).count();
        assert!(wrong < 200, "{wrong} of 200,000");
    }

    #[test]
    fn every_whole_run_is_looked_into_where_its_filter_may_have_the_hash_or_it_has_none() {
        let mut filters = Filters::none_of(vec![10, 20]);
        assert_eq!(filters.runs_with(hash(1)), [20, 10]);
        filters.add(&[(hash(1), 21)]);
        assert_eq!(filters.runs_with(hash(1)), [20, 10], "the run is not whole yet");
        filters.add_run(21, 30);
        assert_eq!(filters.runs_with(hash(1)), [30, 20, 10]);
        assert_eq!(filters.runs_with(hash(2)), [20, 10]);
        let mut filter = Filter::new();
        filter.add([hash(2)].into_iter());
        filters.add_filter(filter, vec![10, 20]);
        assert_eq!(filters.runs_with(hash(1)), [30]);
        assert_eq!(filters.runs_with(hash(2)), [20, 10]);
        assert_eq!(filters.may_have(&[3, 2, 1, 3].map(hash)), [1, 2]);
        filters.forget_below(20);
        assert_eq!(filters.runs_with(hash(2)), [20]);
        filters.forget_below(31);
        assert_eq!((filters.run_count(), filters.full.len()), (0, 0));
    }

    /// Adds the entries of so many orders after `last`, which share a hash; its new last.
    fn add_orders(filters: &mut Filters, last: u64, count: usize) -> u64 {
        let (hash, end) = (hash(0), last + count as u64);
        filters.add(&(last + 1..=end).map(|order| (hash, order)).collect::<Vec<_>>());
        end
    }

    #[test]
    fn a_run_that_begins_in_one_filter_and_ends_in_the_next_is_found_by_either() {
        let mut filters = Filters::default();
        let last = add_orders(&mut filters, 0, FILTER_ENTRIES - 2);
        filters.add_run(1, last);
        let (one, other) = (last + 1, last + INDEX_RUN as u64);
        filters.add(&[(hash(1), one)]);
        add_orders(&mut filters, one, INDEX_RUN - 2);
        filters.add(&[(hash(2), other)]);
        assert!(filters.full.len() == 1 && filters.may_have(&[1, 2].map(hash)) == [0, 1], "from memory");
        filters.add_run(one, other);
        assert_eq!(filters.runs_with(hash(1)), [other, last], "the first filter has both runs");
        assert_eq!(filters.runs_with(hash(2)), [other]);
        assert_eq!(filters.runs_with(hash(0)), [other, last]);
    }

    #[test]
    fn hashes_that_the_index_may_have_are_named_by_their_places_in_a_long_list() {
        let mut filters = Filters::default();
        let strange: Vec<u64> = (1_000..1_000 + 3 * AT_ONCE as u64).map(hash).collect();
        let (one, other) = (AT_ONCE + 6, 2 * AT_ONCE + 1);
        filters.add(&[(strange[other], 1), (strange[one], 2), (hash(0), 3)]);
        assert_eq!(filters.may_have(&strange), [one, other]);
        assert_eq!(Filters::none_of(vec![10]).may_have(&strange).len(), strange.len(), "runs without filters");
    }

    #[test]
    fn a_filter_stays_while_it_has_entries_in_memory_though_its_runs_are_gone() {
        let mut filters = Filters::default();
        let last = add_orders(&mut filters, 0, FILTER_ENTRIES - 1);
        filters.add_run(1, last);
        filters.add(&[(hash(1), last + 1), (hash(0), last + 2)]);
        filters.forget_below(last + 1);
        assert!(filters.may_have(&[hash(1)]) == [0] && filters.run_count() == 0);
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
        let runs = MAX_FILTERS as u64 + 3;
        for run in 1..=runs {
            filters.add(&[(hash(run), run)]);
            filters.open.as_mut().unwrap().entries = FILTER_ENTRIES;
            filters.add_run(run, run);
            assert!(filters.full.len() <= MAX_FILTERS);
        }
        assert_eq!((filters.bare.as_slice(), filters.run_count() as u64), ([1, 2, 3].as_slice(), runs));
        assert_eq!(filters.next_bare(u64::MAX), None, "there is no room for more");
    }
}
