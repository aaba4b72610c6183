//! The indexes of orders: by user, and by idempotency key. Both are written behind the orders.
//!
//! A row for a random name touches a page of its own, which in a small commit costs more than the order itself. So the
//! newest entries stay in memory: a run of them is sorted when it is full and written in key order, slice by slice, in
//! the transactions that follow, where neighbours share pages (the idea of a log-structured merge tree: O'Neil et al.,
//! 1996). Filters in memory say which runs need not be read, and of most names that are new that there is nothing.
//!
//! The head says up to which order each index goes. What is above it is read again when the store is opened and, if it
//! is enough, written as a run at once; a run that was begun is removed.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::limits::{INDEX_ROW, INDEX_RUN, INDEX_SLICE};

pub(in crate::store) mod entry;
pub(in crate::store) mod filter;
mod filters;
mod recent;
pub(in crate::store) mod runs;

use entry::Entry;
use filter::Filter;
use filters::Filters;
use recent::Recent;

/// An index: what is not in the tables, or not surely, and what is known of the runs that are.
#[derive(Debug, Default)]
pub(in crate::store) struct Index {
    recent: Recent,
    sealed: Option<Sealed>,
    filters: Filters,
}

/// A full run on its way to disk.
#[derive(Debug)]
struct Sealed {
    /// As they came, to be looked up.
    entries: Arc<Recent>,
    /// To be written; empty until they are sorted.
    sorted: Vec<Entry>,
    /// The last order.
    run: u64,
    /// The run's own filter, made with them.
    filter: Filter,
    /// How many of `sorted` are in the tables.
    written: usize,
}

/// What is due of an index.
#[derive(Debug, Default)]
pub(in crate::store) struct Slice {
    /// The run that the rows belong to.
    pub(in crate::store) run: u64,
    /// Whether they are its first.
    pub(in crate::store) first: bool,
    pub(in crate::store) rows: Vec<Entry>,
    /// The number up to which all orders are in the index with these rows, if that moves.
    pub(in crate::store) through: Option<u64>,
}

/// What is due of both.
#[derive(Debug, Default)]
pub(in crate::store) struct Slices {
    pub(in crate::store) users: Slice,
    pub(in crate::store) keys: Slice,
}

/// Where orders of a name may be.
#[derive(Debug, Default)]
pub(in crate::store) struct Candidates {
    /// In memory, newest first; all are younger than those in the runs.
    pub(in crate::store) orders: Vec<u64>,
    /// Runs in the tables, newest first.
    pub(in crate::store) runs: Vec<u64>,
}

impl Candidates {
    pub(in crate::store) const fn is_empty(&self) -> bool {
        self.orders.is_empty() && self.runs.is_empty()
    }
}

impl Index {
    /// Starts over with the entries that are not in whole runs, and with the runs, oldest first.
    pub(in crate::store) fn recovered(entries: Vec<Entry>, runs: Vec<u64>) -> Self {
        let mut index = Self { filters: Filters::none_of(runs), ..Self::default() };
        index.add(entries);
        index
    }

    /// Orders that were just accepted, by their numbers.
    pub(in crate::store) fn add(&mut self, placed: impl IntoIterator<Item = Entry>) {
        let before = self.recent.len();
        self.recent.add(placed);
        self.filters.add(&self.recent.entries()[before..]);
    }

    /// The next rows to write: as many as have come in, so that a run is on disk before the next one is full, but none
    /// until there are enough of them to share pages. A run that is longer goes faster by as much.
    pub(in crate::store) fn slice_to_write(&self) -> Slice {
        let Some(sealed) = &self.sealed else { return Slice::default() };
        let all = sealed.sorted.len();
        let wanted = self.recent.len() * all.div_ceil(INDEX_RUN);
        // In whole rows, but for the last one.
        let end = if wanted < all { (wanted / INDEX_ROW * INDEX_ROW).max(sealed.written) } else { all };
        let due = end - sealed.written;
        if due == 0 || (due < INDEX_SLICE && end < all) {
            return Slice::default();
        }
        Slice {
            run: sealed.run,
            first: sealed.written == 0,
            rows: sealed.sorted[sealed.written..end].to_vec(),
            through: (end == all).then_some(sealed.run),
        }
    }

    /// So many more rows of the run are in the tables. Returns the entries of the next run if there is one to be
    /// sorted.
    fn mark_written(&mut self, written: usize) -> Option<Arc<Recent>> {
        if let Some(sealed) = &mut self.sealed {
            sealed.written += written;
            if sealed.sorted.is_empty() || sealed.written < sealed.sorted.len() {
                return None;
            }
            let first = sealed.entries.entries().first().map_or(sealed.run, |entry| entry.1);
            self.filters.add_run(first, sealed.run, std::mem::take(&mut sealed.filter));
            self.sealed = None;
        }
        let (_, run) = self.recent.entries().last().copied().filter(|_| self.recent.len() >= INDEX_RUN)?;
        let entries = Arc::new(std::mem::take(&mut self.recent));
        let (sorted, filter) = (Vec::new(), Filter::default());
        self.sealed = Some(Sealed { entries: Arc::clone(&entries), sorted, run, filter, written: 0 });
        Some(entries)
    }

    /// Forgets the runs before this one, which were removed.
    pub(in crate::store) fn forget_below(&mut self, run: u64) {
        self.filters.forget_below(run);
    }

    /// Whether there may be orders of this name; false is sure.
    pub(in crate::store) fn may_have(&self, hash: u64) -> bool {
        !self.may_have_of(&[hash]).is_empty()
    }

    /// The places of those of the names of which there may be orders; that there are none of the others is sure.
    pub(in crate::store) fn may_have_of(&self, hashes: &[u64]) -> Vec<usize> {
        self.filters.may_have(hashes)
    }

    /// Where orders of this name may be.
    pub(in crate::store) fn find(&self, hash: u64) -> Candidates {
        let mut orders = Vec::new();
        if self.filters.may_be_in_memory(hash) {
            orders = self.recent.find(hash);
            orders.extend(self.sealed.iter().flat_map(|sealed| sealed.entries.find(hash)));
        }
        Candidates { orders, runs: self.filters.runs_with(hash) }
    }

    /// The newest run without a filter below `before`, if there is room for one.
    pub(in crate::store) fn next_bare(&self, before: u64) -> Option<u64> {
        self.filters.next_bare(before)
    }

    /// A run whose entries the filter that takes what comes should have, as those of an older one that is smaller fit
    /// into it.
    pub(in crate::store) fn next_outgrown(&self) -> Option<u64> {
        self.filters.next_outgrown()
    }

    /// Begins to add the entries of a run without a filter, of which the newest comes first, or of a filter that is
    /// outgrown. Whether it is the first kind, which lacks a filter of its own as well.
    pub(in crate::store) fn begin_adding(&mut self, run: u64) -> bool {
        self.filters.begin_adding(run)
    }

    /// Adds some of them. False if there is no room, or if the run or entries of it were removed meanwhile.
    pub(in crate::store) fn add_some(&mut self, hashes: &[u64]) -> bool {
        self.filters.add_some(hashes)
    }

    /// All of them were added; this filter is the run's own, if it had none.
    pub(in crate::store) fn end_adding(&mut self, own: Option<Filter>) {
        self.filters.end_adding(own);
    }

    /// Entries in memory beside those of a run that is being written.
    #[cfg(test)]
    pub(in crate::store) fn recent_len(&self) -> usize {
        self.recent.len()
    }

    /// Whole runs.
    #[cfg(test)]
    pub(in crate::store) fn run_count(&self) -> usize {
        self.filters.run_count()
    }
}

/// Notes that a slice is in the tables. What takes long is done without the lock.
pub(in crate::store) fn mark_written(index: &RwLock<Index>, slice: &Slice) {
    let full = index.write().mark_written(slice.rows.len());
    if let Some(full) = full {
        let sorted = sort(full.entries());
        let filter = Filter::of_run(sorted.iter().map(|entry| entry.0));
        if let Some(sealed) = &mut index.write().sealed {
            (sealed.sorted, sealed.filter) = (sorted, filter);
        }
    }
}

/// The entries by their hashes, and those that share one by their orders. The hashes are spread evenly, as they are
/// those of names: each goes to its part first, and what is in a part is near, and little.
fn sort(entries: &[Entry]) -> Vec<Entry> {
    /// So many that each mostly has a dozen or two entries of a run.
    const PARTS: usize = 4096;
    let part = |(hash, _): &Entry| (hash >> (u64::BITS - PARTS.ilog2())) as usize;
    let mut ends = [0; PARTS];
    entries.iter().for_each(|entry| ends[part(entry)] += 1);
    let mut end = 0;
    for part in &mut ends {
        // Where the part begins, and when it is full, where it ends.
        end += std::mem::replace(part, end);
    }
    let mut sorted = vec![(0, 0); entries.len()];
    for entry in entries {
        let at = &mut ends[part(entry)];
        sorted[*at] = *entry;
        *at += 1;
    }
    let mut begin = 0;
    for end in ends {
        // As one number each, which is compared without a branch.
        sorted[begin..end].sort_unstable_by_key(|(hash, order)| u128::from(*hash) << 64 | u128::from(*order));
        begin = end;
    }
    sorted
}

#[cfg(test)]
mod tests;
