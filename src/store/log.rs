//! The write-ahead log: what was committed and is not in the tables for good yet.
//!
//! A commit appends one frame and syncs; that is all that an answer waits for. The file has two halves that are filled
//! in turn. A half is written over once the tables have everything of it on disk, so the file stays small, its blocks
//! stay allocated, and a sync has no more to write than the frame itself.
//!
//! A frame is a head of 64 bytes, the journal's record as it will stand in the tables, and zeros up to the next block:
//! frames never share a block, so writing one cannot tear another that was acknowledged. A record carries the hash of
//! the one before it, and so a frame can only be read where it follows.

use redb::StorageBackend;

use crate::limits::LOG_GROWTH_BYTES;

use super::{StoreError, journal};

/// Frames begin at multiples of this many bytes.
const BLOCK: usize = 4096;
/// What every frame begins with.
const MAGIC: [u8; 4] = *b"FSw1";
/// Bytes of a frame before its record.
const HEAD: usize = 64;

/// The log of one opening of the store. Written by the committer's thread only.
#[derive(Debug)]
pub(super) struct Log {
    medium: Box<dyn StorageBackend>,
    /// Tells this store's frames from those of a store that was in the same place before.
    instance: [u8; 8],
    half_bytes: u64,
    half: usize,
    /// Where the next frame goes, from the beginning of the half.
    at: u64,
    /// How far each half was written before, so that its blocks are allocated.
    grown: [u64; 2],
    /// The last record in each half.
    last: [u64; 2],
    frame: Aligned,
}

/// Memory that begins at a multiple of a block, as direct writes need it.
#[derive(Debug, Default)]
struct Aligned(Vec<u8>);

impl Aligned {
    fn bytes(&mut self, len: usize) -> &mut [u8] {
        if self.0.len() < len + BLOCK {
            self.0.resize(len + BLOCK, 0);
        }
        let begin = self.0.as_ptr().align_offset(BLOCK);
        &mut self.0[begin..begin + len]
    }
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appended {
    /// It is on disk.
    Synced,
    /// It is on disk, the first in its half: the other one is full, with this record as its last.
    Turned(u64),
    /// Nothing was written: first the tables must have everything through this record on disk.
    Full(u64),
}

/// A record that was read from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Logged {
    pub(super) sequence: u64,
    pub(super) row: Vec<u8>,
}

impl Log {
    /// A log whose halves have `half_bytes` each, a multiple of a block. Reads nothing yet.
    pub(super) fn new(medium: Box<dyn StorageBackend>, instance: [u8; 8], half_bytes: u64) -> Self {
        debug_assert_eq!(half_bytes % BLOCK as u64, 0);
        Self { medium, instance, half_bytes, half: 0, at: 0, grown: [0; 2], last: [0; 2], frame: Aligned::default() }
    }

    /// The records that follow the last one in the tables, given by its sequence and its hash. The log may end in an
    /// unfinished frame, which nobody was told of. Any other gap is damage.
    pub(super) fn read(&self, mut sequence: u64, mut hash: [u8; 32]) -> Result<Vec<Logged>, StoreError> {
        let halves = [self.read_half(0)?, self.read_half(1)?];
        let mut runs: Vec<_> = halves.iter().map(|half| self.run(half)).collect();
        runs.sort_by_key(|run| run.first().map(|logged| logged.sequence));
        let mut records = Vec::new();
        for logged in runs.into_iter().flatten().filter(|logged| logged.sequence > sequence).collect::<Vec<_>>() {
            if logged.sequence != sequence + 1 {
                return Err(missing(sequence + 1, logged.sequence));
            }
            if journal::link(&logged.row)?.0 != hash {
                return Err(StoreError::Damaged(format!("record {} of the log does not follow", logged.sequence)));
            }
            (sequence, hash) = (logged.sequence, journal::hash(&logged.row));
            records.push(logged);
        }
        // A whole frame behind an unreadable one: that one was not the last, and so it was acknowledged.
        for half in &halves {
            for at in (0..half.len()).step_by(BLOCK) {
                if let Some((later, ..)) = self.frame_at(half, at)
                    && later > sequence
                {
                    return Err(missing(sequence + 1, later));
                }
            }
        }
        Ok(records)
    }

    /// Whether it has the length that [`Self::start`] gave it.
    pub(super) fn has_its_length(&self) -> std::io::Result<bool> {
        Ok(self.medium.len()? == 2 * self.half_bytes)
    }

    /// Gives it its full length, for good when this returns: whoever finds a shorter one knows that it was cut off. The
    /// blocks are not allocated yet. What is in it stays, and the tables must have it on disk: a record that does not
    /// follow from theirs is never read.
    pub(super) fn start(&self) -> std::io::Result<()> {
        if self.has_its_length()? {
            return Ok(());
        }
        self.medium.set_len(2 * self.half_bytes)?;
        self.medium.sync_data()
    }

    /// Appends a record with its hash and syncs. `in_tables` is the last record that the tables have on disk. After an
    /// error nobody knows whether the record is on disk.
    pub(super) fn append(
        &mut self,
        sequence: u64,
        hash: [u8; 32],
        row: &[u8],
        in_tables: u64,
    ) -> Result<Appended, StoreError> {
        let bytes = (HEAD + row.len()).next_multiple_of(BLOCK) as u64;
        if bytes > self.half_bytes {
            return Err(StoreError::Damaged(format!("record {sequence} is longer than the log: {} bytes", row.len())));
        }
        let turn = self.at + bytes > self.half_bytes;
        if turn {
            let other = 1 - self.half;
            if self.last[other] > in_tables {
                return Ok(Appended::Full(self.last[other]));
            }
            (self.half, self.at) = (other, 0);
        }
        self.grow(self.at + bytes)?;
        let length = u32::try_from(row.len()).map_err(|_| StoreError::Damaged("a long record".to_owned()))?;
        let offset = self.begin(self.half) + self.at;
        let frame = self.frame.bytes(bytes as usize);
        let (head, rest) = frame.split_at_mut(HEAD);
        let (record, padding) = rest.split_at_mut(row.len());
        head[..4].copy_from_slice(&MAGIC);
        head[4..8].copy_from_slice(&length.to_le_bytes());
        head[8..16].copy_from_slice(&self.instance);
        head[16..24].copy_from_slice(&sequence.to_le_bytes());
        head[24..56].copy_from_slice(&hash);
        let check = check(&head[..56]);
        head[56..].copy_from_slice(&check);
        record.copy_from_slice(row);
        padding.fill(0);
        self.medium.write(offset, frame)?;
        self.medium.sync_data()?;
        self.at += bytes;
        self.last[self.half] = sequence;
        Ok(if turn { Appended::Turned(self.last[1 - self.half]) } else { Appended::Synced })
    }

    const fn begin(&self, half: usize) -> u64 {
        half as u64 * self.half_bytes
    }

    /// Writes zeros ahead, so that the blocks of the frames to come are allocated: then their syncs need not write the
    /// file system's own records.
    fn grow(&mut self, end: u64) -> Result<(), StoreError> {
        let grown = self.grown[self.half];
        if end <= grown {
            return Ok(());
        }
        let to = end.next_multiple_of(LOG_GROWTH_BYTES).min(self.half_bytes);
        let from = self.begin(self.half) + grown;
        let zeros = self.frame.bytes((to - grown) as usize);
        zeros.fill(0);
        self.medium.write(from, zeros)?;
        self.grown[self.half] = to;
        Ok(())
    }

    fn read_half(&self, half: usize) -> Result<Vec<u8>, StoreError> {
        let begin = self.begin(half);
        let there = self.medium.len()?.saturating_sub(begin).min(self.half_bytes);
        let mut bytes = vec![0; there as usize];
        if !bytes.is_empty() {
            self.medium.read(begin, &mut bytes)?;
        }
        Ok(bytes)
    }

    /// The frames from the beginning of a half on, as long as each follows the one before it.
    fn run(&self, half: &[u8]) -> Vec<Logged> {
        let mut run: Vec<Logged> = Vec::new();
        let mut at = 0;
        while let Some((sequence, row)) = self.frame_at(half, at) {
            if run.last().is_some_and(|last| last.sequence + 1 != sequence) {
                break;
            }
            at += (HEAD + row.len()).next_multiple_of(BLOCK);
            run.push(Logged { sequence, row: row.to_vec() });
        }
        run
    }

    /// The whole frame that begins here, if one does: its sequence and its record.
    fn frame_at<'h>(&self, half: &'h [u8], at: usize) -> Option<(u64, &'h [u8])> {
        let (head, rest) = half.get(at..)?.split_at_checked(HEAD)?;
        if head[..4] != MAGIC || head[8..16] != self.instance || head[56..] != check(&head[..56]) {
            return None;
        }
        let length = u32::from_le_bytes(head[4..8].try_into().ok()?) as usize;
        let sequence = u64::from_le_bytes(head[16..24].try_into().ok()?);
        let row = rest.get(..length)?;
        (journal::hash(row) == head[24..56]).then_some((sequence, row))
    }
}

/// The first bytes of the hash of a frame's head.
fn check(head: &[u8]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(head).as_bytes()[..8]);
    first
}

fn missing(from: u64, later: u64) -> StoreError {
    StoreError::Damaged(format!("record {from} of the log is missing or altered, and record {later} is there"))
}

#[cfg(test)]
mod tests;
