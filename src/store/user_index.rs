//! The index of orders by user, written behind the orders.
//!
//! A row for a random user touches a page of its own, which in a small commit costs more than the order itself. So the
//! newest orders stay in memory: a run of them is sorted when it is full and written in key order, slice by slice, in
//! the transactions that follow, where neighbours share pages (the idea of a log-structured merge tree: O'Neil et al.,
//! 1996). After a crash the orders above `indexed_through` are read again; a run that was begun is removed and written
//! anew.

use crate::limits::{INDEX_RUN, INDEX_SLICE};
use crate::order::OrderId;

use super::write::IndexSlice;

/// One row of the index: the hash of the user's name, and the order's number.
pub(super) type Entry = (u64, u64);

/// The part of the index that is not in the tables, or not surely.
#[derive(Debug, Default)]
pub(super) struct UserIndex {
    /// In the order of acceptance.
    recent: Vec<Entry>,
    /// Sorted; on its way to disk.
    sealed: Vec<Entry>,
    /// The last order in `sealed`.
    run: u64,
    /// How many of `sealed` are in the tables.
    written: usize,
}

/// The index's hash of a user's name. Two users may share one: who reads compares the names.
pub(super) fn hash(user: &str) -> u64 {
    let digest = blake3::hash(user.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

impl UserIndex {
    /// Starts over with the orders that are not surely on disk.
    pub(super) fn recovered(recent: Vec<Entry>) -> Self {
        Self { recent, ..Self::default() }
    }

    /// Orders that were just accepted.
    pub(super) fn add(&mut self, placed: Vec<Entry>) {
        self.recent.extend(placed);
    }

    /// The next rows to write: as many as have come in, so that a run is on disk before the next one is full, but none
    /// until there are enough of them to share pages. A run that is longer, as after a crash, goes faster by as much.
    pub(super) fn slice_to_write(&self) -> IndexSlice {
        let rows = self.due().to_vec();
        let done = !self.sealed.is_empty() && self.written + rows.len() == self.sealed.len();
        IndexSlice { run: self.run, first: self.written == 0, through: done.then_some(self.run), rows }
    }

    fn due(&self) -> &[Entry] {
        let end = self.sealed.len().min(self.recent.len() * self.sealed.len().div_ceil(INDEX_RUN));
        match end - self.written.min(end) {
            due if due >= INDEX_SLICE || (due > 0 && end == self.sealed.len()) => &self.sealed[self.written..end],
            _ => &[],
        }
    }

    /// So many more rows of the run are in the tables.
    pub(super) fn follow(&mut self, written: usize) {
        self.written += written;
        if self.written == self.sealed.len() {
            self.sealed = Vec::new();
            self.written = 0;
            if self.recent.len() >= INDEX_RUN {
                self.sealed = std::mem::take(&mut self.recent);
                self.run = self.sealed.iter().map(|(_, order)| *order).max().unwrap_or_default();
                self.sealed.sort_unstable();
            }
        }
    }

    /// Orders in memory of this user, or of one with the same hash, below `before`; newest first.
    pub(super) fn find(&self, user: &str, before: Option<OrderId>) -> Vec<u64> {
        let hash = hash(user);
        let before = before.map_or(u64::MAX, |order| order.0);
        let run = self.sealed.partition_point(|entry| *entry < (hash, 0));
        let sealed = self.sealed[run..].iter().take_while(|entry| entry.0 == hash);
        let recent = self.recent.iter().filter(|entry| entry.0 == hash);
        let mut orders: Vec<u64> = sealed.chain(recent).map(|entry| entry.1).filter(|order| *order < before).collect();
        orders.sort_unstable_by(|a, b| b.cmp(a));
        orders
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_in_the_new_and_in_the_sealed_run_newest_first() {
        let mut index = UserIndex::default();
        let entry = |order: u64| (hash(if order.is_multiple_of(1_000) { "ada" } else { "eve" }), order);
        index.add((1..=INDEX_RUN as u64).map(entry).collect());
        index.follow(0);
        assert_eq!(index.sealed.len(), INDEX_RUN);
        index.add(vec![entry(70_000), entry(70_001)]);
        let found = index.find("ada", Some(OrderId(64_001)));
        assert_eq!(found[..2], [64_000, 63_000]);
        assert_eq!(index.find("ada", None)[0], 70_000);
    }

    #[test]
    fn a_run_is_done_when_its_last_slice_is_written() {
        let mut index = UserIndex::default();
        index.add((1..=INDEX_RUN as u64).map(|n| (n % 7, n)).collect());
        index.follow(0);
        assert_eq!(index.slice_to_write().through, None);
        let mut rows = 0;
        for order in (INDEX_RUN as u64 + 1..).step_by(300) {
            index.add((order..order + 300).map(|n| (n % 7, n)).collect());
            let IndexSlice { rows: slice, through, first, .. } = index.slice_to_write();
            let slice = slice.len();
            assert!(slice == 0 || slice >= INDEX_SLICE || rows + slice == INDEX_RUN, "{slice}");
            assert_eq!(first, rows == 0);
            rows += slice;
            index.follow(slice);
            if let Some(through) = through {
                assert_eq!((through, rows), (INDEX_RUN as u64, INDEX_RUN));
                break;
            }
        }
        let younger = index.sealed.iter().chain(&index.recent).all(|(_, order)| *order > INDEX_RUN as u64);
        assert!(younger && index.written == 0, "what came meanwhile is the next run");
    }
}
