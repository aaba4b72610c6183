//! The filters of an index: few large ones to look for a name in, and a small one for each run.
//!
//! Entries are added as they come, so a filter has those in memory as well, and one look says of a name that it is new.
//! What a look costs is the wait for a line of each filter. So there are few: each is for more entries than there are
//! when it is made, up to a bound, and what was there when the store was opened goes into the one that takes what comes.
//!
//! Many runs share a filter, so each has a small one of its own beside it: of those runs that a filter points to, it
//! says which to read.

use std::collections::BTreeMap;

use crate::domain::scatter;
use crate::limits::{FILTER_ENTRIES, INDEX_RUN, MAX_FILTER_ENTRIES, MAX_FILTERED_ENTRIES};

use super::entry::Entry;
use super::filter::{AT_ONCE, Filter, Mark};

/// A filter, and what it has.
#[derive(Debug)]
struct Group {
    filter: Filter,
    /// The whole runs of which it has entries, oldest first.
    runs: Vec<u64>,
    entries: usize,
    /// The first and the last order that it has of those that came since the store was opened; 0 if none.
    orders: (u64, u64),
}

impl Group {
    fn for_entries(capacity: usize) -> Self {
        Self { filter: Filter::for_entries(capacity), runs: Vec::new(), entries: 0, orders: (0, 0) }
    }

    /// For how many more entries it has room.
    fn room(&self) -> usize {
        self.filter.capacity() - self.entries
    }
}

/// The filters of an index: of its whole runs, and of what is in memory.
#[derive(Debug, Default)]
pub(super) struct Filters {
    /// Those that take nothing more, the oldest first.
    full: Vec<Group>,
    /// The one that takes what comes.
    open: Option<Group>,
    /// Runs that have a part in no filter, oldest first: those that were there at the opening and whose filters are not
    /// made yet, and those beyond [`MAX_FILTERED_ENTRIES`].
    bare: Vec<u64>,
    /// The one of these whose entries are being added, as long as the filters have all that were.
    adding: Option<u64>,
    /// The small filters of the runs that have a part in one of the others.
    of_runs: BTreeMap<u64, Filter>,
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
        while !entries.is_empty() {
            if self.open.as_ref().is_none_or(|open| open.room() == 0) {
                self.open_next();
            }
            let Some(open) = &mut self.open else { return };
            let (now, later) = entries.split_at(entries.len().min(open.room()));
            open.filter.add(now.iter().map(|entry| entry.0));
            open.entries += now.len();
            open.orders.0 = if open.orders.0 == 0 { now[0].1 } else { open.orders.0 };
            open.orders.1 = now[now.len() - 1].1;
            entries = later;
        }
    }

    /// Opens a filter for more entries than there are, four times as many as a smaller one is for, up to a bound.
    fn open_next(&mut self) {
        self.full.extend(self.open.take());
        let there = self.capacity() + self.bare.len() * INDEX_RUN;
        let mut capacity = FILTER_ENTRIES;
        while capacity <= there && capacity < MAX_FILTER_ENTRIES {
            capacity *= 4;
        }
        while self.capacity() + capacity > MAX_FILTERED_ENTRIES {
            self.adding = None;
            self.bare.extend(self.full.remove(0).runs);
            self.bare.sort_unstable();
            self.bare.dedup();
            // One that a later filter has a part of stays without its own as well.
            self.bare.iter().for_each(|run| drop(self.of_runs.remove(run)));
        }
        self.open = Some(Group::for_entries(capacity));
    }

    /// How many entries all filters are for.
    fn capacity(&self) -> usize {
        self.groups().map(|group| group.filter.capacity()).sum()
    }

    /// A run of orders from `first` on is whole. Its entries are in one filter or in two that follow each other, and in
    /// a small one of its own.
    pub(super) fn add_run(&mut self, first: u64, run: u64, own: Filter) {
        self.through = run;
        self.of_runs.insert(run, own);
        for group in self.full.iter_mut().chain(&mut self.open) {
            if group.orders.0 <= run && group.orders.1 >= first {
                group.runs.push(run);
            }
        }
    }

    /// The newest run without a filter below `before`, if there is room for one.
    pub(super) fn next_bare(&self, before: u64) -> Option<u64> {
        let below = self.bare.partition_point(|run| *run < before);
        self.bare[..below].last().copied().filter(|_| self.room() > 0)
    }

    /// For how many more entries of runs without a filter there is room: in the oldest filter, or in one before it.
    pub(super) fn room(&self) -> usize {
        self.groups().next().map_or(0, Group::room) + (MAX_FILTERED_ENTRIES - self.capacity())
    }

    /// Begins to add the entries of a run without a filter; runs come newest first.
    pub(super) fn begin_bare(&mut self, run: u64) {
        self.adding = Some(run).filter(|run| self.bare.contains(run));
    }

    /// Adds some of them. False if there is no room, or if the run or entries of it were removed meanwhile.
    pub(super) fn add_bare(&mut self, mut hashes: &[u64]) -> bool {
        let Some(run) = self.adding else { return false };
        while !hashes.is_empty() {
            let Some(oldest) = self.oldest_with_room() else { return false };
            let (now, later) = hashes.split_at(hashes.len().min(oldest.room()));
            oldest.filter.add(now.iter().copied());
            oldest.entries += now.len();
            if oldest.runs.first() != Some(&run) {
                oldest.runs.insert(0, run);
            }
            hashes = later;
        }
        true
    }

    /// The oldest filter, at first the one that takes what comes; if it is full, a new one before it.
    fn oldest_with_room(&mut self) -> Option<&mut Group> {
        if self.groups().next().is_none() {
            self.open_next();
        }
        if self.groups().next().is_some_and(|oldest| oldest.room() == 0) {
            // Runs are mostly little longer than they must be.
            let wanted = (self.bare.len() * INDEX_RUN).next_multiple_of(FILTER_ENTRIES);
            let capacity = wanted.min(MAX_FILTER_ENTRIES).min(MAX_FILTERED_ENTRIES - self.capacity());
            if capacity == 0 {
                return None;
            }
            self.full.insert(0, Group::for_entries(capacity));
        }
        self.full.iter_mut().chain(&mut self.open).next()
    }

    /// All of them were added; this filter is the run's own.
    pub(super) fn end_bare(&mut self, own: Filter) {
        if let Some(run) = self.adding.take() {
            self.bare.retain(|bare| *bare != run);
            self.of_runs.insert(run, own);
        }
    }

    /// Forgets the runs below this one, which are gone.
    pub(super) fn forget_below(&mut self, first: u64) {
        for group in self.full.iter_mut().chain(&mut self.open) {
            group.runs.retain(|run| *run >= first);
        }
        // One without a run may have entries that are in memory.
        self.full.retain(|group| !group.runs.is_empty() || group.orders.1 > self.through);
        self.bare.retain(|run| *run >= first);
        self.adding = self.adding.filter(|run| *run >= first);
        self.of_runs = self.of_runs.split_off(&first);
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
            // From all filters at once: what is waited for is memory.
            scatter::fetch(marks.iter().flat_map(|mark| self.groups().map(|group| group.filter.first_word(*mark))));
            for group in self.groups() {
                let found = marks.iter().enumerate().filter(|(_, mark)| group.filter.may_have(**mark));
                places.extend(found.map(|(at, _)| part * AT_ONCE + at));
            }
        }
        // A hash may be in several filters.
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Whether the hash may be in memory, behind the last whole run; false is sure.
    pub(super) fn may_be_in_memory(&self, hash: u64) -> bool {
        let mark = Mark::of(hash);
        self.groups().any(|group| group.orders.1 > self.through && group.filter.may_have(mark))
    }

    /// The whole runs that may have the hash, newest first.
    pub(super) fn runs_with(&self, hash: u64) -> Vec<u64> {
        let mark = Mark::of(hash);
        let groups = self.groups().filter(|group| group.filter.may_have(mark));
        let mut runs: Vec<u64> = groups.flat_map(|group| &group.runs).chain(&self.bare).copied().collect();
        runs.sort_unstable_by(|a, b| b.cmp(a));
        runs.dedup();
        let runs: Vec<_> = runs.into_iter().map(|run| (run, self.of_runs.get(&run))).collect();
        scatter::fetch(runs.iter().filter_map(|(_, own)| own.map(|own| own.first_word(mark))));
        runs.into_iter().filter(|(_, own)| own.is_none_or(|own| own.may_have(mark))).map(|(run, _)| run).collect()
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
    use crate::store::tables::index::filter::tests::hash;

    use super::*;

    #[test]
    fn every_whole_run_is_looked_into_where_its_filter_may_have_the_hash_or_it_has_none() {
        let mut filters = Filters::none_of(vec![10, 20]);
        assert_eq!(filters.runs_with(hash(1)), [20, 10]);
        filters.add(&[(hash(1), 21)]);
        assert_eq!(filters.runs_with(hash(1)), [20, 10], "the run is not whole yet");
        assert!(filters.may_be_in_memory(hash(1)) && !filters.may_be_in_memory(hash(2)));
        filters.add_run(21, 30, own([1]));
        assert_eq!(filters.runs_with(hash(1)), [30, 20, 10]);
        assert!(!filters.may_be_in_memory(hash(1)), "the run is whole");
        assert_eq!(filters.runs_with(hash(2)), [20, 10]);
        add_bare(&mut filters, 20, [2, 3]);
        assert_eq!(filters.may_have(&[hash(9)]), [0], "one has none yet");
        add_bare(&mut filters, 10, [2]);
        assert_eq!(filters.runs_with(hash(1)), [30]);
        assert_eq!(filters.runs_with(hash(2)), [20, 10]);
        assert_eq!(filters.runs_with(hash(3)), [20]);
        assert_eq!(filters.may_have(&[4, 2, 1, 4].map(hash)), [1, 2]);
        filters.forget_below(20);
        assert_eq!(filters.runs_with(hash(2)), [20]);
        filters.forget_below(31);
        assert_eq!((filters.run_count(), filters.full.len()), (0, 0));
    }

    /// The filter of a run that has these.
    fn own<const N: usize>(numbers: [u64; N]) -> Filter {
        Filter::of_run(numbers.into_iter().map(hash))
    }

    /// Adds a run without a filter that has these.
    fn add_bare<const N: usize>(filters: &mut Filters, run: u64, numbers: [u64; N]) {
        filters.begin_bare(run);
        assert!(filters.add_bare(&numbers.map(hash)));
        filters.end_bare(own(numbers));
    }

    #[test]
    fn of_the_runs_of_a_filter_hardly_any_is_read_that_does_not_have_the_hash() {
        let (runs, each) = (16, INDEX_RUN as u64);
        let mut filters = Filters::default();
        for run in 1..=runs {
            let numbers = (run - 1) * each..run * each;
            filters.add(&numbers.clone().map(|number| (hash(number), 1 + number)).collect::<Vec<_>>());
            let hashes: Vec<_> = numbers.map(hash).collect();
            filters.add_run(1 + (run - 1) * each, run * each, Filter::of_run(hashes.into_iter()));
        }
        let numbers = (0..runs * each).step_by(997);
        let read = numbers.clone().map(|number| {
            let found = filters.runs_with(hash(number));
            assert!(found.contains(&((number / each + 1) * each)), "{number}");
            found.len()
        });
        let (read, all) = (read.sum::<usize>(), numbers.count());
        assert!(read < all + all / 8, "{read} runs for {all} hashes of {runs} runs");
        filters.forget_below(runs * each);
        assert_eq!((filters.of_runs.len(), filters.runs_with(hash(0)).len()), (1, 0));
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
        filters.add_run(1, last, own([0]));
        let (one, other) = (last + 1, last + INDEX_RUN as u64);
        filters.add(&[(hash(1), one)]);
        add_orders(&mut filters, one, INDEX_RUN - 2);
        filters.add(&[(hash(2), other)]);
        assert!(filters.full.len() == 1 && filters.may_have(&[1, 2].map(hash)) == [0, 1], "from memory");
        filters.add_run(one, other, own([0, 1, 2]));
        assert_eq!(filters.runs_with(hash(1)), [other], "the first filter has both runs, and one of them has it");
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
        filters.add_run(1, last, own([0]));
        filters.add(&[(hash(1), last + 1), (hash(0), last + 2)]);
        filters.forget_below(last + 1);
        assert!(filters.may_have(&[hash(1)]) == [0] && filters.run_count() == 0);
    }

    #[test]
    fn a_run_that_is_removed_while_it_gets_a_filter_is_forgotten() {
        let mut filters = Filters::none_of(vec![10, 20]);
        add_bare(&mut filters, 20, [1]);
        filters.begin_bare(10);
        assert!(filters.add_bare(&[hash(2)]));
        filters.forget_below(11);
        assert!(!filters.add_bare(&[hash(3)]));
        filters.end_bare(own([2, 3]));
        filters.begin_bare(10);
        assert!(!filters.add_bare(&[hash(2)]));
        assert_eq!((filters.run_count(), filters.of_runs.len()), (1, 1));
        assert!(filters.runs_with(hash(2)).is_empty());
    }

    #[test]
    fn a_run_that_loses_entries_while_it_gets_a_filter_stays_without() {
        let mut filters = Filters::none_of(vec![1]);
        filters.begin_bare(1);
        assert!(filters.add_bare(&[hash(1)]));
        let mut last = 1;
        while filters.groups().any(|group| group.filter.may_have(Mark::of(hash(1)))) {
            assert_eq!(filters.adding, Some(1));
            fill(&mut filters);
            last += 1;
            filters.add(&[(hash(last), last)]);
        }
        assert!(!filters.add_bare(&[hash(2)]));
        filters.end_bare(own([1, 2]));
        assert_eq!((filters.runs_with(hash(1)), filters.may_have(&[hash(1)])), (vec![1], vec![0]), "it is read");
    }

    /// Fills the filter that takes what comes, and gives its size.
    fn fill(filters: &mut Filters) -> usize {
        let open = filters.open.as_mut().unwrap();
        open.entries = open.filter.capacity();
        open.entries / FILTER_ENTRIES
    }

    #[test]
    fn filters_grow_to_a_bound_and_the_oldest_runs_go_without() {
        let mut filters = Filters::default();
        let (mut capacities, mut run) = (Vec::new(), 0);
        while filters.bare.is_empty() {
            run += 1;
            filters.add(&[(hash(run), run)]);
            capacities.push(fill(&mut filters));
            filters.add_run(run, run, own([run]));
            assert!(filters.capacity() <= MAX_FILTERED_ENTRIES);
        }
        assert_eq!(capacities, [1, 4, 16, 16, 16]);
        assert_eq!((filters.bare.as_slice(), filters.run_count()), ([1, 2, 3].as_slice(), capacities.len()));
    }

    #[test]
    fn the_runs_of_a_store_that_is_opened_share_the_filter_that_takes_what_comes() {
        for (runs, capacity) in [(1, 1), (15, 1), (16, 4), (16 * 4, 16), (16 * 15, 16)] {
            let mut filters = Filters::none_of((1..=runs).collect());
            while let Some(run) = filters.next_bare(u64::MAX) {
                add_bare(&mut filters, run, [run]);
            }
            filters.add(&[(hash(0), runs + 1)]);
            assert_eq!(
                filters.groups().map(|group| group.filter.capacity() / FILTER_ENTRIES).collect::<Vec<_>>(),
                [capacity]
            );
            let there: Vec<u64> = (0..=runs).map(hash).collect();
            assert_eq!(filters.may_have(&there).len(), there.len());
            assert!(filters.may_have(&[hash(runs + 1)]).is_empty());
        }
    }

    #[test]
    fn runs_that_find_the_filter_full_get_others_as_long_as_there_is_room() {
        let runs = 100;
        let mut filters = Filters::none_of((1..=runs).collect());
        filters.add(&[(hash(0), runs + 1)]);
        filters.open.as_mut().unwrap().entries = 16 * FILTER_ENTRIES - 1;
        // One entry in the filter that takes what comes, and one in the next.
        add_bare(&mut filters, runs, [1, 2]);
        assert_eq!(
            (filters.runs_with(hash(1)).first(), filters.runs_with(hash(2)).first()),
            (Some(&runs), Some(&runs))
        );
        let capacities = |filters: &Filters| -> Vec<usize> {
            filters.groups().map(|group| group.filter.capacity() / FILTER_ENTRIES).collect()
        };
        assert_eq!(capacities(&filters), [7, 16]);
        for _ in 0..2 {
            let oldest = &mut filters.full[0];
            oldest.entries = oldest.filter.capacity();
            assert_eq!(filters.next_bare(runs), Some(runs - 1));
            filters.begin_bare(runs - 1);
            assert!(filters.add_bare(&[hash(3)]));
        }
        assert_eq!(capacities(&filters), [7, 7, 7, 16]);
        let oldest = &mut filters.full[0];
        oldest.entries = oldest.filter.capacity();
        assert!(!filters.add_bare(&[hash(4)]) && filters.next_bare(runs).is_none());
        assert!(filters.bare.contains(&(runs - 1)), "it is read");
    }
}
