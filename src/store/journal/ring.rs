//! The newest records of the journal in memory, and where the journal ends, for those who follow it.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::domain::change::Record;
use crate::limits::{TAIL_CHANGES, TAIL_RECORDS};

/// The newest records, without a gap, and a notice of each. A lock is held for a push or a copy of pointers only.
#[derive(Debug)]
pub(in crate::store) struct Ring {
    newest: Mutex<Newest>,
    /// Whether no record comes any more, with a notice of each that does. A notice without a record says that the store
    /// was opened again.
    closed: watch::Sender<bool>,
}

/// What the ring has behind a position.
#[derive(Debug)]
pub(in crate::store) enum Behind {
    /// The next records, at least one.
    Records(Vec<Arc<Record>>),
    /// Nothing yet: this is the last record.
    Nothing { last: u64 },
    /// The next record is older than all in the ring; this is the last one.
    Older { last: u64 },
}

#[derive(Debug)]
struct Newest {
    /// The last of them is `last`, if there are any.
    records: VecDeque<Arc<Record>>,
    /// Places for changes in all of them.
    changes: usize,
    last: u64,
}

impl Ring {
    /// Without records; the last one so far is `last`.
    pub(in crate::store) fn new(last: u64) -> Self {
        let newest = Newest { records: VecDeque::with_capacity(TAIL_RECORDS), changes: 0, last };
        Self { newest: Mutex::new(newest), closed: watch::Sender::new(false) }
    }

    /// Moves the oldest records to `out`, as many as must go for the record that is pushed next. Freeing them is left
    /// to the caller.
    pub(in crate::store) fn make_room(&self, next: &Record, out: &mut Vec<Arc<Record>>) {
        let mut newest = self.newest.lock();
        let changes = next.changes.capacity();
        while newest.records.len() == TAIL_RECORDS || newest.changes + changes > TAIL_CHANGES {
            let Some(oldest) = newest.records.pop_front() else { return };
            newest.changes -= oldest.changes.capacity();
            out.push(oldest);
        }
    }

    /// Adds the record after the last one, which every reader sees by now, and wakes those who wait for it.
    pub(in crate::store) fn push(&self, record: Arc<Record>) {
        {
            let mut newest = self.newest.lock();
            newest.changes += record.changes.capacity();
            newest.last = record.sequence;
            newest.records.push_back(record);
        }
        self.notify();
    }

    /// The next records behind `position`, at most `most`.
    pub(in crate::store) fn behind(&self, position: u64, most: usize) -> Behind {
        let newest = self.newest.lock();
        let last = newest.last;
        if position >= last {
            return Behind::Nothing { last };
        }
        match newest.records.front().and_then(|first| (position + 1).checked_sub(first.sequence)) {
            Some(skipped) => {
                let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
                Behind::Records(newest.records.iter().skip(skipped).take(most).map(Arc::clone).collect())
            }
            None => Behind::Older { last },
        }
    }

    /// Starts over behind `last`: the store was opened again, and what is not published yet may be in its tables.
    pub(in crate::store) fn restart(&self, last: u64) {
        let before = {
            let mut newest = self.newest.lock();
            (newest.changes, newest.last) = (0, last);
            std::mem::take(&mut newest.records)
        };
        drop(before);
        self.closed.send_replace(false);
    }

    /// Says that a store which was away can be read again.
    pub(in crate::store) fn notify(&self) {
        self.closed.send_modify(|_| {});
    }

    /// Says that no record comes any more.
    pub(in crate::store) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// The last record that is published.
    pub(in crate::store) fn last(&self) -> u64 {
        self.newest.lock().last
    }

    /// Whether no record comes any more, with a notice of each that does.
    pub(in crate::store) fn closed(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::change::Change;
    use crate::domain::clock::Timestamp;

    use super::*;

    fn record(sequence: u64, changes: usize) -> Arc<Record> {
        let changes = vec![Change::QueuePaused; changes];
        Arc::new(Record { sequence, previous: [0; 32], at: Timestamp::default(), changes })
    }

    fn push(ring: &Ring, record: Arc<Record>) -> usize {
        let mut gone = Vec::new();
        ring.make_room(&record, &mut gone);
        ring.push(record);
        gone.len()
    }

    fn sequences(found: Behind) -> Vec<u64> {
        match found {
            Behind::Records(records) => records.iter().map(|record| record.sequence).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_next_records_are_found_behind_every_position_that_the_ring_has() {
        let ring = Ring::new(7);
        assert!(matches!(ring.behind(6, 9), Behind::Older { last: 7 }));
        assert!(matches!(ring.behind(7, 9), Behind::Nothing { last: 7 }));
        (8..=20).for_each(|sequence| assert_eq!(push(&ring, record(sequence, 1)), 0));
        assert!(matches!(ring.behind(6, 9), Behind::Older { last: 20 }));
        assert_eq!(sequences(ring.behind(7, 3)), [8, 9, 10]);
        assert_eq!(sequences(ring.behind(18, 3)), [19, 20]);
        assert!(matches!(ring.behind(20, 3), Behind::Nothing { last: 20 }));
        assert_eq!(ring.last(), 20);
    }

    #[test]
    fn records_and_changes_are_bounded_and_the_newest_record_is_always_there() {
        let ring = Ring::new(0);
        let gone: usize = (1..=TAIL_RECORDS as u64 + 9).map(|sequence| push(&ring, record(sequence, 1))).sum();
        assert_eq!(gone, 9);
        assert!(matches!(ring.behind(8, 1), Behind::Older { .. }));
        assert_eq!(sequences(ring.behind(9, 1)), [10]);
        let next = TAIL_RECORDS as u64 + 10;
        assert_eq!(push(&ring, record(next, TAIL_CHANGES - 10)), TAIL_RECORDS - 10);
        assert_eq!(sequences(ring.behind(next - 3, 9)), [next - 2, next - 1, next]);
        assert_eq!(push(&ring, record(next + 1, 2 * TAIL_CHANGES)), 11);
        assert_eq!(sequences(ring.behind(next, 9)), [next + 1]);
        assert_eq!(push(&ring, record(next + 2, 1)), 1);
    }

    #[test]
    fn a_ring_that_starts_over_has_nothing_of_before() {
        let ring = Ring::new(0);
        (1..=5).for_each(|sequence| assert_eq!(push(&ring, record(sequence, 3)), 0));
        ring.restart(6);
        assert!(matches!(ring.behind(4, 9), Behind::Older { last: 6 }));
        push(&ring, record(7, 1));
        assert_eq!(sequences(ring.behind(6, 9)), [7]);
    }
}
