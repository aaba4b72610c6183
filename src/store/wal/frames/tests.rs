use std::sync::Arc;

use proptest::prelude::*;
use redb::backends::InMemoryBackend;

use crate::domain::change::Change;
use crate::domain::clock::Timestamp;

use crate::store::head::Head;
use crate::store::lease::Lease;

use super::*;

const SEGMENT: u64 = 16 * BLOCK as u64;
const LOG: WalHead = WalHead { instance: [7; 8], id: [1; 16], from: 0 };

/// The records of a log that is whole.
fn read(log: &Wal, id: &[u8; 16], sequence: u64, hash: [u8; 32]) -> Result<Vec<WalRecord>, String> {
    let Found { records, damage, .. } = log.find(id, sequence, hash).unwrap();
    damage.map_or(Ok(records), Err)
}

/// A log and the history that is written to it.
struct Written {
    /// Outlives the log which writes it.
    memory: Lease,
    log: Wal,
    head: Head,
    rows: Vec<Vec<u8>>,
}

impl Written {
    fn new() -> Self {
        let memory = Lease::new(Arc::new(InMemoryBackend::new()));
        let mut log = Wal::new(Box::new(memory.clone()), SEGMENT);
        log.start(&LOG).unwrap();
        Self { memory, log, head: Head::default(), rows: Vec::new() }
    }

    /// Appends a record of `changes` changes.
    fn append(&mut self, changes: usize, in_tables: u64) -> Appended {
        let mut row = Vec::new();
        let mut head = self.head.clone();
        let at = Timestamp::from_millis(1_700_000_000_000);
        let sequence = record::append(&mut head, at, &vec![Change::QueuePaused; changes], &mut row).unwrap();
        let appended = self.log.append(sequence, head.hash, &row, in_tables).unwrap();
        if !matches!(appended, Appended::Full(_)) {
            self.head = head;
            self.rows.push(row);
        }
        appended
    }

    /// The head after so many records.
    fn head_at(&self, sequence: u64) -> [u8; 32] {
        sequence.checked_sub(1).map_or([0; 32], |at| record::hash(&self.rows[at as usize]))
    }

    /// What another opening reads after the tables' last record.
    fn read(&self, after: u64) -> Result<Vec<u64>, String> {
        let log = Wal::new(Box::new(self.memory.clone()), SEGMENT);
        assert_eq!(log.head().unwrap(), Some(LOG));
        let records = read(&log, &LOG.id, after, self.head_at(after))?;
        assert!(records.iter().all(|logged| logged.row == self.rows[logged.sequence as usize - 1]));
        Ok(records.iter().map(|logged| logged.sequence).collect())
    }

    fn flip(&self, offset: u64) {
        let mut byte = [0];
        self.memory.read(offset, &mut byte).unwrap();
        self.memory.write(offset, &[byte[0] ^ 0x10]).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Records of any length, tables that follow late: another opening reads exactly what they do not have.
    #[test]
    fn what_the_tables_do_not_have_is_read_back(
        lengths in prop::collection::vec(1..30_000usize, 1..60),
        lag in 0..40u64,
    ) {
        let mut written = Written::new();
        let mut in_tables = 0;
        for length in lengths {
            if let Appended::Full(through) = written.append(length, in_tables) {
                prop_assert!(through > in_tables, "full of what the tables have");
                in_tables = through;
                let appended = written.append(length, in_tables);
                prop_assert!(matches!(appended, Appended::Rotated(_)), "{:?}", appended);
            }
            let last = written.head.sequence;
            let after = in_tables.max(last.saturating_sub(lag));
            prop_assert_eq!(written.read(after).unwrap(), (after + 1..=last).collect::<Vec<_>>());
        }
    }

    /// Whatever byte of the last frame did not reach the disk, what was there before it is read.
    #[test]
    fn an_unfinished_last_frame_hides_nothing_before_it(records in 1..12u64, byte in 0..(HEAD + 40) as u64) {
        let mut written = Written::new();
        (0..records).for_each(|_| assert_eq!(written.append(40, 0), Appended::Synced));
        let offset = records * BLOCK as u64 + byte;
        let padding = byte >= (HEAD + written.rows.last().unwrap().len()) as u64;
        written.flip(offset);
        let last = if padding { records } else { records - 1 };
        prop_assert_eq!(written.read(0).unwrap(), (1..=last).collect::<Vec<_>>());
    }
}

#[test]
fn an_altered_frame_with_others_behind_it_is_damage() {
    let mut written = Written::new();
    (0..5).for_each(|_| assert_eq!(written.append(40, 0), Appended::Synced));
    written.flip(3 * BLOCK as u64 + 90);
    let damage = "record 3 is missing or altered, and record 5 is there";
    assert!(written.read(0).unwrap_err().ends_with(damage));
    assert_eq!(written.read(5), Ok(vec![]), "the tables have all of it");
}

#[test]
fn a_segment_is_not_written_over_before_the_tables_have_it() {
    let mut written = Written::new();
    // Sixteen frames of a block fill a segment.
    (1..=16).for_each(|_| assert_eq!(written.append(40, 0), Appended::Synced));
    assert_eq!(written.append(40, 0), Appended::Rotated(16));
    (18..=32).for_each(|_| assert_eq!(written.append(40, 0), Appended::Synced));
    assert_eq!(written.append(40, 15), Appended::Full(16));
    assert_eq!(written.append(40, 15), Appended::Full(16));
    assert_eq!(written.append(40, 16), Appended::Rotated(32));
    assert_eq!(written.read(16).unwrap(), (17..=33).collect::<Vec<_>>());
}

#[test]
fn a_log_that_starts_in_the_place_of_another_one_reads_nothing_of_it() {
    let mut written = Written::new();
    (0..20).for_each(|_| assert_ne!(written.append(40, 0), Appended::Full(0)));
    let mut next = Wal::new(Box::new(written.memory.clone()), SEGMENT);
    next.start(&WalHead { id: [2; 16], from: 20, ..LOG }).unwrap();
    assert_eq!(read(&next, &[2; 16], 20, written.head_at(20)).unwrap(), []);
    assert_eq!(read(&next, &[2; 16], 0, [0; 32]).unwrap(), [], "what the other one had");
    written.log = next;
    assert_eq!(written.append(40, 20), Appended::Synced);
    let found = read(&written.log, &[2; 16], 20, written.head_at(20)).unwrap();
    assert_eq!(found.iter().map(|logged| logged.sequence).collect::<Vec<_>>(), [21]);
    assert!(written.log.has_frames_of_others(Some(&[2; 16])).unwrap());
}

#[test]
fn a_head_that_is_torn_altered_or_missing_is_none() {
    let written = Written::new();
    for byte in 0..(WAL_HEAD + 32) as u64 {
        written.flip(byte);
        assert_eq!(written.log.head().unwrap(), None, "byte {byte}");
        written.flip(byte);
    }
    assert_eq!(written.log.head().unwrap(), Some(LOG));
    let other_size = Wal::new(Box::new(written.memory.clone()), SEGMENT / 2);
    assert_eq!(other_size.head().unwrap(), None);
    written.memory.set_len(100).unwrap();
    assert_eq!(written.log.head().unwrap(), None);
}

#[test]
fn what_can_be_read_of_a_damaged_log_is_what_is_before_the_damage() {
    let mut written = Written::new();
    (0..5).for_each(|_| assert_eq!(written.append(40, 0), Appended::Synced));
    written.flip(4 * BLOCK as u64 + 90);
    let found = written.log.find(&LOG.id, 1, written.head_at(1)).unwrap();
    assert_eq!(found.records.iter().map(|logged| logged.sequence).collect::<Vec<_>>(), [2, 3]);
    assert!(found.damage.is_some() && found.newest == Some(5));
}

#[test]
fn a_log_that_was_cut_off_does_not_have_its_length() {
    let written = Written::new();
    assert!(written.log.has_its_length().unwrap());
    written.memory.set_len(written.log.bytes() - 1).unwrap();
    assert!(!written.log.has_its_length().unwrap());
}

#[test]
fn a_record_that_is_longer_than_a_segment_is_refused() {
    let mut written = Written::new();
    let row = vec![0; SEGMENT as usize];
    assert!(written.log.append(1, [0; 32], &row, 0).is_err());
}
