//! One record of the history, built again and again.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use flashsale::domain::change::Record;
use flashsale::limits::MEMTABLE_FLUSH_ROWS;
use flashsale::store::{Head, Store, StoreError};
use redb::{Database, Durability, TableDefinition};

use crate::tap::Frame;

/// How long each part is timed.
const TIMED: Duration = Duration::from_millis(100);
/// Repetitions between two looks at the time.
const REPEATS: u32 = 16;
/// The shape of the history's table.
const HISTORY: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal");

/// A record as changes, and as the log has it.
pub(crate) struct Recorded {
    record: Record,
    hash: [u8; 32],
    frame: Frame,
}

/// What one record costs each of its orders: microseconds and bytes.
pub(crate) struct Costs {
    pub(crate) encode: f64,
    pub(crate) hash: f64,
    table: f64,
    record_bytes: f64,
    log_bytes: f64,
}

/// The last two records, newest first, which must be those of these frames.
pub(crate) fn last_two(store: &Store, frames: [Frame; 2]) -> [Recorded; 2] {
    let snapshot = store.snapshot().expect("the store is open");
    let mut records = snapshot.records_back(None).expect("the history");
    frames.map(|frame| {
        let record = records.next().expect("a record").expect("a whole record");
        let hash = *blake3::hash(&frame.record).as_bytes();
        Recorded { record, hash, frame }
    })
}

impl Recorded {
    /// How many changes it has.
    pub(crate) fn changes(&self) -> usize {
        self.record.changes.len()
    }

    pub(crate) fn costs(&self, store: &Store, orders: usize) -> Costs {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / orders as f64;
        let (conclude, hash) = (self.time_of_concluding(store), self.time_of_hashing());
        Costs {
            encode: each(conclude.saturating_sub(hash)),
            hash: each(hash),
            table: each(self.time_in_table(orders)),
            record_bytes: self.frame.record.len() as f64 / orders as f64,
            log_bytes: self.frame.len as f64 / orders as f64,
        }
    }

    /// Encoding and hashing, as the committer does for each commit.
    fn time_of_concluding(&self, store: &Store) -> Duration {
        let Record { sequence, previous, at, ref changes } = self.record;
        let mut before = Head::default();
        before.advance(sequence - 1, previous, at);
        repeated(|| {
            let mut taken = Duration::ZERO;
            for _ in 0..REPEATS {
                let (mut head, changes) = (before.clone(), changes.clone());
                // Nothing of it is committed: the draft ends in an error.
                let abandoned = store.commit(|draft| {
                    let start = Instant::now();
                    draft.conclude(&mut head, at, changes)?;
                    taken += start.elapsed();
                    Err(StoreError::Closed)
                });
                assert!(abandoned.is_err());
                assert_eq!(head.hash, self.hash, "this is not the record that the log has");
            }
            taken
        })
    }

    fn time_of_hashing(&self) -> Duration {
        repeated(|| {
            let start = Instant::now();
            for _ in 0..REPEATS {
                black_box(blake3::hash(black_box(&self.frame.record)));
            }
            start.elapsed()
        })
    }

    /// A row of the history's table, from the beginning of its transaction to the end.
    fn time_in_table(&self, orders: usize) -> Duration {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let database = Database::create(directory.path().join("history")).expect("a file");
        // The tables' thread counts orders and records as rows.
        let records = (MEMTABLE_FLUSH_ROWS / (orders + 1)).max(1) as u64;
        let (mut sequence, mut taken) = (0, Duration::ZERO);
        while taken < TIMED {
            let start = Instant::now();
            let mut transaction = database.begin_write().expect("a transaction");
            transaction.set_durability(Durability::None).expect("no sync");
            {
                let mut table = transaction.open_table(HISTORY).expect("a table");
                for _ in 0..records {
                    sequence += 1;
                    table.insert(sequence, self.frame.record.as_slice()).expect("a row");
                }
            }
            transaction.commit().expect("a commit");
            taken += start.elapsed();
        }
        taken.div_f64(sequence as f64)
    }
}

/// The time of one repetition, from as many as fill the time.
fn repeated(mut repetitions: impl FnMut() -> Duration) -> Duration {
    let (mut taken, mut count) = (Duration::ZERO, 0);
    while taken < TIMED {
        taken += repetitions();
        count += REPEATS;
    }
    taken / count
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { encode, hash, table, record_bytes, log_bytes } = self;
        write!(f, "{encode:>9.3} {hash:>8.3} {table:>8.3} {record_bytes:>10.1} {log_bytes:>10.1}")
    }
}
