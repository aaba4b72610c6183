//! A history that was trimmed stays verifiable, as far as it is there.

use std::time::Duration;

use redb::ReadableTable;

use crate::domain::change::Change;
use crate::domain::clock::{Bounds, Timestamp};
use crate::limits::MAX_TRIMMED_PER_RECORD;

use crate::store::tables::definitions;
use crate::store::{Head, Medium, Report, Store, file_in};

const DAY: Duration = Duration::from_hours(24);

fn day(n: u64) -> Timestamp {
    Timestamp::default().after(DAY * u32::try_from(n).unwrap())
}

/// One commit, on its day, that pauses or resumes the queue.
fn commit(store: &Store, head: &mut Head, keep: Option<Duration>) {
    let at = day(head.sequence + 1);
    let change = if head.paused { Change::QueueResumed } else { Change::QueuePaused };
    head.paused = !head.paused;
    head.oldest_open = 1;
    let committed = store.commit(|draft| {
        draft.remove_old(Bounds::exactly(at), keep);
        draft.conclude(head, at, vec![change])
    });
    store.publish(committed.unwrap().unwrap());
    // One transaction for each, so that what is trimmed can be counted.
    *head = store.snapshot().unwrap().head().unwrap();
}

fn verified(store: &Store, directory: &tempfile::TempDir) -> Report {
    store.verify(directory.path(), &mut |_, _, _| {}).unwrap()
}

/// A store with a record for each of a hundred days.
fn hundred_days(directory: &tempfile::TempDir) -> (Store, Head) {
    let (store, recovered) = Store::open(Medium::File(file_in(directory.path()))).unwrap();
    let mut head = recovered.head;
    (0..100).for_each(|_| commit(&store, &mut head, None));
    (store, head)
}

#[test]
fn old_records_are_trimmed_a_few_at_a_time_and_the_rest_is_verified() {
    let directory = tempfile::tempdir().unwrap();
    let (store, mut head) = hundred_days(&directory);
    let history = head.history();
    assert_eq!(verified(&store, &directory), Report { history, records: 100, ..Report::default() });
    commit(&store, &mut head, Some(DAY * 30));
    assert_eq!(head.cut.sequence, MAX_TRIMMED_PER_RECORD);
    (0..20).for_each(|_| commit(&store, &mut head, Some(DAY * 30)));
    // The hundred and twenty-first day, less thirty.
    assert_eq!(head.cut.sequence, 91);
    let found = verified(&store, &directory);
    assert_eq!(found, Report { history, records: 30, trimmed_through: Some(91), ..Report::default() });
    drop(store);
    let (_, recovered) = Store::open(Medium::File(file_in(directory.path()))).unwrap();
    assert_eq!(recovered.head, head);
}

#[test]
fn a_record_that_is_gone_behind_the_cut_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (store, mut head) = hundred_days(&directory);
    commit(&store, &mut head, Some(DAY * 30));
    let first = head.cut.sequence + 1;
    remove_record(&store, first);
    let problems = verified(&store, &directory).problems;
    assert_eq!(problems, [format!("the history: record {first} was removed")]);
}

#[test]
fn trimming_stops_before_a_record_that_is_not_as_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let (store, mut head) = hundred_days(&directory);
    alter_record(&store, 3);
    (0..5).for_each(|_| commit(&store, &mut head, Some(DAY)));
    assert_eq!(head.cut.sequence, 2);
    let problems = verified(&store, &directory).problems;
    assert!(problems[0].contains("record 3 was altered"), "{problems:?}");
}

fn remove_record(store: &Store, sequence: u64) {
    let transaction = store.current.reader().unwrap().database.begin_write().unwrap();
    transaction.open_table(definitions::JOURNAL).unwrap().remove(sequence).unwrap();
    transaction.commit().unwrap();
}

fn alter_record(store: &Store, sequence: u64) {
    let transaction = store.current.reader().unwrap().database.begin_write().unwrap();
    {
        let mut journal = transaction.open_table(definitions::JOURNAL).unwrap();
        let mut row = journal.get(sequence).unwrap().unwrap().value().to_owned();
        *row.last_mut().unwrap() ^= 1;
        journal.insert(sequence, row.as_slice()).unwrap();
    }
    transaction.commit().unwrap();
}
