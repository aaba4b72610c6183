//! Following the journal.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use crate::domain::change::{Change, Record};
use crate::domain::clock::{Bounds, Timestamp};
use crate::limits::{MAX_TRIMMED_PER_RECORD, TAIL_RECORDS};
use crate::store::{FellBehind, Head, Medium, Scan, Store, StoreError, TailError, file_in};

/// After this a test is stuck.
const PATIENCE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_hours(24);

fn in_memory() -> Medium {
    let open = Arc::new(|_| Box::new(InMemoryBackend::new()) as Box<dyn StorageBackend>);
    Medium::Backend { open, wal_segment_bytes: 1 << 20 }
}

/// A store in memory that records can be committed to.
struct Written {
    store: Store,
    head: Mutex<Head>,
}

impl Written {
    fn open(medium: Medium) -> Self {
        let (store, recovered) = Store::open(medium).unwrap();
        Self { store, head: Mutex::new(recovered.head) }
    }

    /// Commits a record on the day of its sequence, and trims what is older than `keep`.
    fn commit_keeping(&self, keep: Option<Duration>) {
        let mut head = self.head.lock();
        let at = Timestamp::default().after(DAY * u32::try_from(head.sequence + 1).unwrap());
        let change = if head.paused { Change::QueueResumed } else { Change::QueuePaused };
        head.paused = !head.paused;
        let committed = self.store.commit(|draft| {
            draft.remove_old(Bounds::exactly(at), keep);
            draft.conclude(&mut head, at, vec![change])
        });
        self.store.publish(committed.unwrap().unwrap());
    }

    fn commit(&self, records: u64) {
        (0..records).for_each(|_| self.commit_keeping(None));
    }

    /// The whole history as the tables have it.
    fn records(&self) -> Vec<Record> {
        self.store.snapshot().unwrap().records().unwrap().map(|record| record.unwrap().0).collect()
    }
}

fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("it is stuck") });
}

/// Everything behind a position, through a record, asked for so many at a time.
async fn followed(store: &Store, after: u64, through: u64, most: usize) -> Vec<Record> {
    let (mut tail, mut records) = (store.tail(after), Vec::new());
    while tail.position() < through {
        let next = tail.next(most).await.unwrap();
        assert!((1..=most).contains(&next.len()));
        records.extend(next.iter().map(|record| Record::clone(record)));
        assert_eq!(tail.position(), records.last().unwrap().sequence);
    }
    records
}

#[test]
fn followers_get_every_record_once_and_in_order_while_others_commit() {
    block_on(async {
        let written = Arc::new(Written::open(in_memory()));
        let (all, threads) = (3_000, 3);
        let following = [1, 3, 64, 4_096].map(|most| {
            let written = Arc::clone(&written);
            tokio::spawn(async move { followed(&written.store, 0, all, most).await })
        });
        let committing: Vec<_> = (0..threads)
            .map(|_| {
                let written = Arc::clone(&written);
                std::thread::spawn(move || written.commit(all / threads))
            })
            .collect();
        let mut found = Vec::new();
        for follower in following {
            found.push(follower.await.unwrap());
        }
        committing.into_iter().for_each(|thread| thread.join().unwrap());
        let history = written.records();
        assert_eq!(history.len() as u64, all);
        assert!(found.iter().all(|found| *found == history));
    });
}

#[test]
fn a_record_that_is_given_is_in_what_is_read_of_the_store_afterwards() {
    block_on(async {
        let written = Arc::new(Written::open(in_memory()));
        let committing = Arc::clone(&written);
        let committing = std::thread::spawn(move || committing.commit(2_000));
        let mut tail = written.store.tail(0);
        while tail.position() < 2_000 {
            tail.next(64).await.unwrap();
            assert!(written.store.head().sequence >= tail.position());
            let read = written.store.scan(Scan::Page, |reader| reader.snapshot()?.head()).await.unwrap();
            assert!(read.sequence >= tail.position());
        }
        committing.join().unwrap();
    });
}

#[test]
fn a_follower_slower_than_memory_finds_older_records_in_the_tables() {
    block_on(async {
        let written = Written::open(in_memory());
        let slow = written.store.tail(2);
        let all = TAIL_RECORDS as u64 + 700;
        written.commit(all);
        assert_eq!(slow.lag(), all - 2);
        // The last ones that left memory are hardly in the tables yet.
        for after in [2, 650, 699, 700, 701, all - 1] {
            let found = followed(&written.store, after, all, 500).await;
            assert!(found == written.records()[after as usize..], "behind {after}");
        }
    });
}

#[test]
fn a_follower_that_may_lose_records_skips_to_the_head() {
    block_on(async {
        let written = Written::open(in_memory());
        let mut tail = written.store.tail(0);
        written.commit(50);
        tail.skip_to_head();
        assert_eq!((tail.position(), tail.lag()), (50, 0));
        written.commit(1);
        assert_eq!(tail.lag(), 1);
        assert_eq!(tail.next(9).await.unwrap()[0].sequence, 51);
    });
}

#[test]
fn trimming_stops_at_the_slowest_kept_tail_and_others_learn_what_is_gone() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let written = Written::open(Medium::File(file_in(directory.path())));
        written.commit(100);
        let (slow, fast) = (written.store.keep(5), written.store.keep(80));
        let cut = || written.store.snapshot().unwrap().head().unwrap().cut.sequence;
        // One transaction for each, so that what is trimmed can be counted.
        let trim = |commits: u64| {
            for _ in 0..commits {
                written.commit_keeping(Some(DAY));
                cut();
            }
        };
        trim(100 / MAX_TRIMMED_PER_RECORD + 5);
        assert_eq!(cut(), 5);
        slow.advance(40);
        trim(20);
        assert_eq!(cut(), 40);
        drop(slow);
        trim(20);
        assert_eq!(cut(), 80);
        // From a new opening nothing is in memory.
        written.store.reopen().unwrap();
        let trimmed = written.store.tail(79).next(9).await;
        assert!(matches!(trimmed, Err(TailError::Trimmed { through: 80 })), "{trimmed:?}");
        assert_eq!(written.store.tail(80).next(9).await.unwrap()[0].sequence, 81);
        drop(fast);
        trim(30);
        assert!(cut() > 80);
    });
}

#[test]
fn a_position_from_before_a_restart_goes_through_the_tables_to_the_newest_record() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let medium = || Medium::File(file_in(directory.path()));
        let before = Written::open(medium());
        before.commit(20);
        let history = before.records();
        drop(before);
        let written = Written::open(medium());
        assert!(followed(&written.store, 7, 20, 6).await == history[7..]);
        let mut tail = written.store.tail(18);
        written.commit(2);
        let next: Vec<_> = tail.next(2).await.unwrap().iter().map(|record| record.sequence).collect();
        assert_eq!(next, [19, 20]);
        assert_eq!(tail.next(9).await.unwrap()[0].sequence, 21);
    });
}

#[test]
fn followers_of_a_store_that_closes_get_what_is_in_memory_and_then_the_end() {
    block_on(async {
        let written = Written::open(in_memory());
        written.commit(3);
        let mut waiting = written.store.tail(3);
        let waiting = tokio::spawn(async move { waiting.next(9).await });
        tokio::task::yield_now().await;
        let mut behind = written.store.tail(1);
        written.store.close();
        assert!(matches!(waiting.await.unwrap(), Err(TailError::Closed)));
        assert_eq!(behind.next(9).await.unwrap().len(), 2);
        assert!(matches!(behind.next(9).await, Err(TailError::Closed)));
        drop(written);
        assert!(matches!(behind.next(9).await, Err(TailError::Closed)));
    });
}

#[test]
fn a_position_of_another_history_is_an_error() {
    block_on(async {
        let written = Written::open(in_memory());
        written.commit(3);
        let ahead = written.store.tail(4).next(9).await;
        assert!(matches!(ahead, Err(TailError::Ahead { last: 3 })), "{ahead:?}");
    });
}

#[test]
fn what_is_in_memory_is_given_without_waiting_and_the_rest_is_skipped() {
    let written = Written::open(in_memory());
    let mut tail = written.store.tail(0);
    assert_eq!(tail.next_in_memory(9), Ok(Vec::new()));
    written.commit(3);
    let found = tail.next_in_memory(2).unwrap();
    assert_eq!(found.iter().map(|record| record.sequence).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((tail.next_in_memory(9).unwrap().len(), tail.position()), (1, 3));
    assert_eq!(tail.next_in_memory(9), Ok(Vec::new()));
    // Of another history.
    assert_eq!(written.store.tail(9).next_in_memory(9), Err(FellBehind));
    written.commit(TAIL_RECORDS as u64 + 1);
    assert_eq!(tail.next_in_memory(9), Err(FellBehind));
    tail.skip_to_head();
    assert_eq!(tail.next_in_memory(9), Ok(Vec::new()));
}

#[test]
fn what_is_not_published_is_not_given() {
    block_on(async {
        let written = Written::open(in_memory());
        let mut head = written.head.lock().clone();
        let mut tail = written.store.tail(0);
        let committed = written.store.commit(|draft| {
            head.paused = true;
            draft.conclude(&mut head, Timestamp::default(), vec![Change::QueuePaused])
        });
        let early = tokio::time::timeout(Duration::from_millis(50), tail.next(1)).await;
        assert!(early.is_err(), "{early:?}");
        written.store.publish(committed.unwrap().unwrap());
        assert_eq!(tail.next(1).await.unwrap()[0].changes, [Change::QueuePaused]);
        let abandoned = written.store.commit(|draft| {
            draft.conclude(&mut head, Timestamp::default(), vec![Change::QueueResumed])?;
            Err(StoreError::Closed)
        });
        assert!(abandoned.is_err());
        let early = tokio::time::timeout(Duration::from_millis(50), tail.next(1)).await;
        assert!(early.is_err(), "{early:?}");
    });
}
