//! The write-ahead log: what was committed and is not in the tables for good yet.
//!
//! A commit appends one frame and syncs; that is all that a response waits for. The file has two segments that are
//! filled in turn. A segment is written over once the tables have everything of it on disk, so the file stays small,
//! its blocks stay allocated, and a sync has no more to write than the frame itself.
//!
//! A frame is a head of 64 bytes, the journal's record as it will be in the tables, and zeros up to the next block:
//! frames never share a block, so writing one cannot tear another that was acknowledged. A record carries the hash of
//! the one before it, and so a frame can only be read where it follows.
//!
//! The first block of the file is its head: whose log this is. Each opening of a store starts a log of its own, with a
//! new id that its frames carry, so that what an earlier one has left in the file is never read: see `own_wal`.

use std::io;

use redb::StorageBackend;

use crate::limits::WAL_GROWTH_BYTES;

use crate::store::error::StoreError;
use crate::store::journal::record;

/// Frames begin at multiples of this many bytes.
const BLOCK: usize = 4096;
/// What every frame begins with.
const MAGIC: [u8; 4] = *b"FSw1";
/// Bytes of a frame before its record.
const HEAD: usize = 64;
/// What a log begins with.
pub const WAL_MAGIC: [u8; 4] = *b"FSwL";
/// The version of the log's form.
const WAL_VERSION: u32 = 1;
/// Bytes of the log's head before its hash; the rest of the block is zeros.
const WAL_HEAD: usize = 48;

/// The head of a log: whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct WalHead {
    /// The tables that it belongs to.
    pub(in crate::store) instance: [u8; 8],
    /// Chosen anew at each start of a log.
    pub(in crate::store) id: [u8; 16],
    /// The last record that the tables had on disk when it was started.
    pub(in crate::store) from: u64,
}

/// The log of one opening of the store. Written by the committer's thread only.
#[derive(Debug)]
pub(in crate::store) struct Wal {
    medium: Box<dyn StorageBackend>,
    /// What its frames carry of its id.
    tag: [u8; 8],
    segment_bytes: u64,
    segment: usize,
    /// Where the next frame goes, from the beginning of the segment.
    at: u64,
    /// How far each segment was written before, so that its blocks are allocated.
    grown: [u64; 2],
    /// The last record in each segment.
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
pub(in crate::store) enum Appended {
    /// It is on disk.
    Synced,
    /// It is on disk, the first in its segment: the other one is full, with this record as its last.
    Rotated(u64),
    /// Nothing was written: first the tables must have everything through this record on disk.
    Full(u64),
}

/// What was found in a log.
#[derive(Debug)]
pub(in crate::store) struct Found {
    /// The records that follow on the tables.
    pub(in crate::store) records: Vec<WalRecord>,
    /// The last record of which there is a whole frame.
    pub(in crate::store) newest: Option<u64>,
    /// Why there may be more than `records`.
    pub(in crate::store) damage: Option<String>,
}

/// A record that was read from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct WalRecord {
    pub(in crate::store) sequence: u64,
    pub(in crate::store) row: Vec<u8>,
}

impl Wal {
    /// A log whose segments have `segment_bytes` each, a multiple of a block. Reads nothing yet.
    pub(in crate::store) fn new(medium: Box<dyn StorageBackend>, segment_bytes: u64) -> Self {
        debug_assert_eq!(segment_bytes % BLOCK as u64, 0);
        Self {
            medium,
            tag: [0; 8],
            segment_bytes,
            segment: 0,
            at: 0,
            grown: [0; 2],
            last: [0; 2],
            frame: Aligned::default(),
        }
    }

    /// Its first block; none where that is not the head of a log.
    pub(in crate::store) fn head(&self) -> io::Result<Option<WalHead>> {
        let mut block = [0; WAL_HEAD + 32];
        if self.medium.len()? < BLOCK as u64 {
            return Ok(None);
        }
        self.medium.read(0, &mut block)?;
        Ok(self.read_head(&block))
    }

    fn read_head(&self, block: &[u8; WAL_HEAD + 32]) -> Option<WalHead> {
        let (head, hash) = block.split_at(WAL_HEAD);
        let number = |at: usize| Some(u64::from_le_bytes(head[at..at + 8].try_into().ok()?));
        let known = head[..4] == WAL_MAGIC
            && head[4..8] == WAL_VERSION.to_le_bytes()
            && *blake3::hash(head).as_bytes() == *hash
            && number(40) == Some(self.segment_bytes);
        let head =
            WalHead { instance: head[8..16].try_into().ok()?, id: head[16..32].try_into().ok()?, from: number(32)? };
        known.then_some(head)
    }

    /// Whether it has the length that [`Self::start`] gave it.
    pub(in crate::store) fn has_its_length(&self) -> io::Result<bool> {
        Ok(self.medium.len()? == self.bytes())
    }

    const fn bytes(&self) -> u64 {
        BLOCK as u64 + 2 * self.segment_bytes
    }

    /// Begins a log of its own in the file, for good when this returns. The file gets its full length, with its blocks
    /// allocated where the medium can, so that no commit finds the disk full. What is in it stays and is never read
    /// again: the tables must have it on disk.
    pub(in crate::store) fn start(&mut self, head: &WalHead) -> io::Result<()> {
        self.medium.set_len(self.bytes())?;
        let segment_bytes = self.segment_bytes.to_le_bytes();
        let block = self.frame.bytes(BLOCK);
        block.fill(0);
        block[..4].copy_from_slice(&WAL_MAGIC);
        block[4..8].copy_from_slice(&WAL_VERSION.to_le_bytes());
        block[8..16].copy_from_slice(&head.instance);
        block[16..32].copy_from_slice(&head.id);
        block[32..40].copy_from_slice(&head.from.to_le_bytes());
        block[40..WAL_HEAD].copy_from_slice(&segment_bytes);
        let hash = blake3::hash(&block[..WAL_HEAD]);
        block[WAL_HEAD..WAL_HEAD + 32].copy_from_slice(hash.as_bytes());
        self.medium.write(0, block)?;
        self.medium.sync_data()?;
        self.tag = tag(&head.id);
        Ok(())
    }

    /// The records of the log `id` that follow the last one in the tables, given by its sequence and its hash; where it
    /// is damaged, up to there. It may end in an unfinished frame, which was never acknowledged; any other gap
    /// is damage.
    pub(in crate::store) fn find(
        &self,
        id: &[u8; 16],
        mut sequence: u64,
        mut hash: [u8; 32],
    ) -> Result<Found, StoreError> {
        let tag = tag(id);
        let segments = [self.read_segment(0)?, self.read_segment(1)?];
        let mut newest = None;
        for segment in &segments {
            let blocks = (0..segment.len()).step_by(BLOCK);
            newest =
                newest.max(blocks.filter_map(|at| frame_at(segment, at, &tag).map(|(sequence, _)| sequence)).max());
        }
        let mut runs: Vec<_> = segments.iter().map(|segment| run(segment, &tag)).collect();
        runs.sort_by_key(|run| run.first().map(|logged| logged.sequence));
        let (mut records, mut damage) = (Vec::new(), None);
        for logged in runs.into_iter().flatten() {
            if logged.sequence <= sequence {
                continue;
            }
            if logged.sequence != sequence + 1 {
                break;
            }
            if record::link(&logged.row)?.0 != hash {
                damage = Some(format!("record {} does not follow from the one before it", logged.sequence));
                break;
            }
            (sequence, hash) = (logged.sequence, record::hash(&logged.row));
            records.push(logged);
        }
        // A whole frame behind an unreadable one: that one was not the last, and so it was acknowledged.
        if let Some(newest) = newest.filter(|newest| *newest > sequence && damage.is_none()) {
            damage = Some(format!("record {} is missing or altered, and record {newest} is there", sequence + 1));
        }
        Ok(Found { records, newest, damage })
    }

    /// Whether there is a whole frame, of whatever log, that does not carry this id.
    pub(in crate::store) fn has_frames_of_others(&self, id: Option<&[u8; 16]>) -> Result<bool, StoreError> {
        let own = id.map(tag);
        for segment in [self.read_segment(0)?, self.read_segment(1)?] {
            let mut tags = (0..segment.len())
                .step_by(BLOCK)
                .filter_map(|at| segment.get(at + 8..at + 16)?.try_into().ok().map(|tag: [u8; 8]| (at, tag)));
            if tags.any(|(at, tag)| Some(tag) != own && frame_at(&segment, at, &tag).is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Appends a record with its hash and syncs. `in_tables` is the last record that the tables have on disk. After an
    /// error its outcome is unknown.
    pub(in crate::store) fn append(
        &mut self,
        sequence: u64,
        hash: [u8; 32],
        row: &[u8],
        in_tables: u64,
    ) -> Result<Appended, StoreError> {
        let bytes = (HEAD + row.len()).next_multiple_of(BLOCK) as u64;
        if bytes > self.segment_bytes {
            return Err(StoreError::Damaged(format!("record {sequence} is longer than the log: {} bytes", row.len())));
        }
        let turn = self.at + bytes > self.segment_bytes;
        if turn {
            let other = 1 - self.segment;
            if self.last[other] > in_tables {
                return Ok(Appended::Full(self.last[other]));
            }
            (self.segment, self.at) = (other, 0);
        }
        self.grow(self.at + bytes)?;
        let length = u32::try_from(row.len()).map_err(|_| StoreError::Damaged("a long record".to_owned()))?;
        let offset = self.begin(self.segment) + self.at;
        let frame = self.frame.bytes(bytes as usize);
        let (head, rest) = frame.split_at_mut(HEAD);
        let (record, padding) = rest.split_at_mut(row.len());
        head[..4].copy_from_slice(&MAGIC);
        head[4..8].copy_from_slice(&length.to_le_bytes());
        head[8..16].copy_from_slice(&self.tag);
        head[16..24].copy_from_slice(&sequence.to_le_bytes());
        head[24..56].copy_from_slice(&hash);
        let check = check(&head[..56]);
        head[56..].copy_from_slice(&check);
        record.copy_from_slice(row);
        padding.fill(0);
        self.medium.write(offset, frame)?;
        self.medium.sync_data()?;
        self.at += bytes;
        self.last[self.segment] = sequence;
        Ok(if turn { Appended::Rotated(self.last[1 - self.segment]) } else { Appended::Synced })
    }

    const fn begin(&self, segment: usize) -> u64 {
        BLOCK as u64 + segment as u64 * self.segment_bytes
    }

    /// Writes zeros ahead, so that the blocks of the frames to come are allocated: then their syncs need not write the
    /// file system's own records.
    fn grow(&mut self, end: u64) -> Result<(), StoreError> {
        let grown = self.grown[self.segment];
        if end <= grown {
            return Ok(());
        }
        let to = end.next_multiple_of(WAL_GROWTH_BYTES).min(self.segment_bytes);
        let from = self.begin(self.segment) + grown;
        let zeros = self.frame.bytes((to - grown) as usize);
        zeros.fill(0);
        self.medium.write(from, zeros)?;
        self.grown[self.segment] = to;
        Ok(())
    }

    fn read_segment(&self, segment: usize) -> Result<Vec<u8>, StoreError> {
        let begin = self.begin(segment);
        let there = self.medium.len()?.saturating_sub(begin).min(self.segment_bytes);
        let mut bytes = vec![0; there as usize];
        if !bytes.is_empty() {
            self.medium.read(begin, &mut bytes)?;
        }
        Ok(bytes)
    }
}

/// The frames from the beginning of a segment on, as long as each follows the one before it.
fn run(segment: &[u8], tag: &[u8; 8]) -> Vec<WalRecord> {
    let mut run: Vec<WalRecord> = Vec::new();
    let mut at = 0;
    while let Some((sequence, row)) = frame_at(segment, at, tag) {
        if run.last().is_some_and(|last| last.sequence + 1 != sequence) {
            break;
        }
        at += (HEAD + row.len()).next_multiple_of(BLOCK);
        run.push(WalRecord { sequence, row: row.to_vec() });
    }
    run
}

/// The whole frame with this tag that begins here, if one does: its sequence and its record.
fn frame_at<'h>(segment: &'h [u8], at: usize, tag: &[u8; 8]) -> Option<(u64, &'h [u8])> {
    let (head, rest) = segment.get(at..)?.split_at_checked(HEAD)?;
    if head[..4] != MAGIC || head[8..16] != *tag || head[56..] != check(&head[..56]) {
        return None;
    }
    let length = u32::from_le_bytes(head[4..8].try_into().ok()?) as usize;
    let sequence = u64::from_le_bytes(head[16..24].try_into().ok()?);
    let row = rest.get(..length)?;
    (record::hash(row) == head[24..56]).then_some((sequence, row))
}

/// What frames carry of the id of their log.
fn tag(id: &[u8; 16]) -> [u8; 8] {
    let mut tag = [0; 8];
    tag.copy_from_slice(&id[..8]);
    tag
}

/// The first bytes of the hash of a frame's head.
fn check(head: &[u8]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(head).as_bytes()[..8]);
    first
}

#[cfg(test)]
mod tests;
