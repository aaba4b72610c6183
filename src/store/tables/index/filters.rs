//! The filters of an index: few large ones to look for a name in, and a small one for each run.
//!
//! Entries are added as they come, so a filter has those in memory as well, and one look says of a name that it is new.
//! What a look costs is the wait for a line of each filter. So there are few: each is for more entries than there are
//! when it is made, up to a bound. What was there when the store was opened, and what a smaller filter has, goes into
//! the one that takes what comes.
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
    /// The run whose entries are being added, as long as the filters have all that were: one of these, or one of a
    /// filter that is outgrown.
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
    fn room(&self) -> usize {
        self.groups().next().map_or(0, Group::room) + (MAX_FILTERED_ENTRIES - self.capacity())
    }

    /// A run whose entries the filter that takes what comes should have, as those of an older one that is smaller fit
    /// into it.
    pub(super) fn next_outgrown(&self) -> Option<u64> {
        let (open, oldest) = (self.open.as_ref()?, self.full.first()?);
        let is_outgrown = self.bare.is_empty()
            && oldest.filter.capacity() < open.filter.capacity()
            && oldest.runs.len() * INDEX_RUN <= open.room()
            && oldest.orders.1 <= self.through;
        oldest.runs.last().copied().filter(|_| is_outgrown)
    }

    /// Begins to add the entries of a run without a filter, of which the newest comes first, or of a filter that is
    /// outgrown. Whether it is the first kind, which lacks a filter of its own as well.
    pub(super) fn begin_adding(&mut self, run: u64) -> bool {
        let is_bare = self.is_bare(run);
        self.adding = Some(run).filter(|run| is_bare || self.next_outgrown() == Some(*run));
        is_bare
    }

    fn is_bare(&self, run: u64) -> bool {
        self.bare.binary_search(&run).is_ok()
    }

    /// Adds some of them. False if there is no room, or if the run or entries of it were removed meanwhile.
    pub(super) fn add_some(&mut self, mut hashes: &[u64]) -> bool {
        let Some(run) = self.adding else { return false };
        while !hashes.is_empty() {
            let group = match self.is_bare(run) {
                true => self.oldest_with_room(),
                false => self.open.as_mut().filter(|open| open.room() > 0),
            };
            let Some(group) = group else { return false };
            let (now, later) = hashes.split_at(hashes.len().min(group.room()));
            group.filter.add(now.iter().copied());
            group.entries += now.len();
            if let Err(at) = group.runs.binary_search(&run) {
                group.runs.insert(at, run);
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

    /// All of them were added; this filter is the run's own, if it had none.
    pub(super) fn end_adding(&mut self, own: Option<Filter>) {
        let Some(run) = self.adding.take() else { return };
        self.of_runs.extend(own.map(|own| (run, own)));
        if self.is_bare(run) {
            self.bare.retain(|other| *other != run);
        } else if let Some(outgrown) = self.full.first_mut() {
            outgrown.runs.retain(|other| *other != run);
        }
        self.drop_empty();
    }

    /// Forgets the runs below this one, which are gone.
    pub(super) fn forget_below(&mut self, first: u64) {
        for group in self.full.iter_mut().chain(&mut self.open) {
            group.runs.retain(|run| *run >= first);
        }
        self.drop_empty();
        self.bare.retain(|run| *run >= first);
        self.adding = self.adding.filter(|run| *run >= first);
        self.of_runs = self.of_runs.split_off(&first);
    }

    /// Drops filters without a run, but for those with entries that are in memory.
    fn drop_empty(&mut self) {
        self.full.retain(|group| !group.runs.is_empty() || group.orders.1 > self.through);
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
mod tests;
