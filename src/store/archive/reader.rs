//! Reading a backup: every byte is checked before it is believed.

use std::io::{self, Read};

use crate::domain::change::HistoryId;
use crate::domain::clock::Timestamp;

use crate::store::format::{FORMAT, OLDEST_FORMAT};
use crate::store::tables::definitions::NAMES;

use super::error::ArchiveError;
use super::form::{Contents, END, FRAME_HEAD_BYTES, HASH_BYTES, HEAD_BYTES, MAGIC, MAX_FRAME_BYTES, ROWS, VERSION};

/// Reads a backup from its beginning to its end.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    /// Over everything read so far.
    whole: blake3::Hasher,
    /// Bytes read so far.
    at: u64,
    contents: Contents,
    frames: u32,
    last_table: u8,
    counts: [u64; NAMES.len()],
    buffer: Vec<u8>,
}

/// The checked rows of one frame.
#[derive(Debug)]
pub(super) struct Frame<'r> {
    pub(super) table: u8,
    pub(super) rows: Rows<'r>,
}

/// Rows, one after the other: key and value.
#[derive(Debug)]
pub(super) struct Rows<'r>(&'r [u8]);

impl<'r> Iterator for Rows<'r> {
    type Item = (&'r [u8], &'r [u8]);

    /// The next row; none at the end, and none where the lengths lead beyond it.
    fn next(&mut self) -> Option<Self::Item> {
        let (key_len, rest) = self.0.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*key_len)))?;
        let (value_len, rest) = rest.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*value_len)).ok()?)?;
        self.0 = rest;
        Some((key, value))
    }
}

/// A number out of checked bytes; there are enough of them.
fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut number = [0; N];
    number.copy_from_slice(&bytes[at..at + N]);
    number
}

impl<R: Read> Reader<R> {
    /// Reads and checks the head.
    pub fn new(input: R) -> Result<Self, ArchiveError> {
        let (at, history) = (Timestamp::default(), HistoryId::default());
        let contents = Contents { format: FORMAT, sequence: 0, at, rows: 0, history };
        let whole = blake3::Hasher::new();
        let counts = [0; NAMES.len()];
        let mut reader = Self { input, whole, at: 0, contents, frames: 0, last_table: 0, counts, buffer: Vec::new() };
        let mut head = [0; HEAD_BYTES];
        let (magic, rest) = head.split_at_mut(MAGIC.len());
        match reader.fill(magic) {
            Ok(()) if magic == MAGIC => {}
            Ok(()) | Err(ArchiveError::CutOff { .. }) => return Err(ArchiveError::NotABackup),
            Err(error) => return Err(error),
        }
        reader.fill(rest)?;
        let checked = HEAD_BYTES - HASH_BYTES;
        if blake3::hash(&head[..checked]) != number::<HASH_BYTES>(&head, checked) {
            return Err(ArchiveError::Damaged { at: 0, what: "its head does not fit its hash" });
        }
        let (version, format) = (u32::from_le_bytes(number(&head, 16)), u32::from_le_bytes(number(&head, 20)));
        if version > VERSION {
            return Err(ArchiveError::NewerForm { found: version });
        }
        if !(OLDEST_FORMAT..=FORMAT).contains(&format) {
            return Err(ArchiveError::OtherFormat { found: format });
        }
        reader.contents = Contents {
            format,
            sequence: u64::from_le_bytes(number(&head, 24)),
            at: Timestamp::from_millis(i64::from_le_bytes(number(&head, 32))),
            rows: u64::from_le_bytes(number(&head, 40)),
            history: HistoryId(number(&head, 48)),
        };
        Ok(reader)
    }

    /// What the head says.
    pub const fn contents(&self) -> Contents {
        self.contents
    }

    /// Rows read so far.
    pub fn rows_read(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The next frame of rows; none at the end, when all of the backup was there and nothing follows.
    pub(super) fn next(&mut self) -> Result<Option<Frame<'_>>, ArchiveError> {
        let begin = self.at;
        let damaged = |what| Err(ArchiveError::Damaged { at: begin, what });
        let mut head = [0; FRAME_HEAD_BYTES];
        self.fill(&mut head)?;
        if blake3::hash(&head[..16]).as_bytes()[..16] != head[16..] {
            return damaged("the head of a frame does not fit its hash");
        }
        let (kind, table) = (head[0], head[1]);
        let rows = u32::from_le_bytes(number(&head, 4));
        let bytes = u32::from_le_bytes(number(&head, 8));
        if u32::from_le_bytes(number(&head, 12)) != self.frames || bytes > MAX_FRAME_BYTES {
            return damaged("a frame is out of its place");
        }
        self.frames += 1;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(bytes as usize, 0);
        let filled = self.fill(&mut buffer);
        self.buffer = buffer;
        filled?;
        let mut hash = [0; HASH_BYTES];
        self.fill(&mut hash)?;
        if blake3::hash(&self.buffer) != hash {
            return damaged("rows do not fit their hash");
        }
        match kind {
            ROWS if usize::from(table) < NAMES.len() && table >= self.last_table => {
                if Rows(&self.buffer).count() != rows as usize {
                    return damaged("a frame has another number of rows than it says");
                }
                self.last_table = table;
                self.counts[usize::from(table)] += u64::from(rows);
                Ok(Some(Frame { table, rows: Rows(&self.buffer) }))
            }
            END => self.end(begin).map(|()| None),
            _ => damaged("a frame of an unknown kind"),
        }
    }

    /// Checks what only the end can show.
    fn end(&mut self, begin: u64) -> Result<(), ArchiveError> {
        let damaged = |what| Err(ArchiveError::Damaged { at: begin, what });
        let counts: Vec<u8> = self.counts.iter().flat_map(|count| count.to_le_bytes()).collect();
        if self.buffer != counts || self.rows_read() != self.contents.rows {
            return damaged("rows are missing");
        }
        let whole = self.whole.finalize();
        let mut hash = [0; HASH_BYTES];
        self.fill(&mut hash)?;
        if whole != hash {
            return damaged("the whole does not fit its hash");
        }
        match self.input.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(ArchiveError::Damaged { at: self.at, what: "something follows its end" }),
        }
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<(), ArchiveError> {
        let mut filled = 0;
        while filled < out.len() {
            match self.input.read(&mut out[filled..]) {
                Ok(0) => return Err(ArchiveError::CutOff { at: self.at + filled as u64 }),
                Ok(more) => filled += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.at += out.len() as u64;
        self.whole.update(out);
        Ok(())
    }
}
