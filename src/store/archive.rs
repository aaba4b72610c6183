//! The form of a backup: one sequence of bytes, in which nothing can be missing or altered without being noticed.
//!
//! - The head: magic (16 bytes), version of this form (4), format of the store (4), sequence (8) and time (8) of the
//!   last record, rows in all (8), id of the history (16), BLAKE3 of these (32).
//! - Frames: kind (1), table (1), zero (2), rows (4), bytes of the rows (4), place among frames (4), half the BLAKE3 of
//!   these (16); the rows; BLAKE3 of the rows (32).
//! - A row: bytes of the key (2), the key, bytes of the value (4), the value.
//! - The end: a frame of the other kind, with the rows of each table counted (8 each); BLAKE3 of all before (32).
//!
//! Numbers are written little end first. Tables come in the order of [`TABLES`], rows in the order of their keys. The
//! head is the same in all versions, so that every program can tell that it is too old.

use std::io::{self, Write};

use crate::domain::change::HistoryId;
use crate::domain::clock::Timestamp;

use super::{FORMAT, StoreError};

mod load;
mod reader;
mod tables;

pub use load::{build, check};
pub use reader::Reader;

/// The version of the form.
const VERSION: u32 = 1;

const MAGIC: &[u8; 16] = b"flashsale backup";
const HEAD_BYTES: usize = 96;
const FRAME_HEAD_BYTES: usize = 32;
const HASH_BYTES: usize = 32;

/// The names of the tables, by their number in a frame.
const TABLES: [&str; 9] = [
    "state",
    "products",
    "orders",
    "journal",
    "orders_by_user",
    "attempts",
    "dead_letters",
    "answers",
    "orders_by_key",
];

/// A frame is full when its rows have this many bytes.
const FRAME_BYTES: usize = 256 * 1024;

/// The most bytes that the rows of one frame can have: a full one and the largest record of the history.
const MAX_FRAME_BYTES: u32 = 64 * 1024 * 1024;

const ROWS: u8 = 1;
const END: u8 = 2;

/// Why a backup could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Another kind of file.
    #[error("it is not a backup of flashsale, or its first bytes are damaged")]
    NotABackup,
    /// A later program wrote it.
    #[error("it has form {found}, and this program knows {VERSION} at most; use a newer flashsale")]
    NewerForm {
        /// The form in the file.
        found: u32,
    },
    /// A store that another program wrote is in it.
    #[error("the store in it has format {found}, and this program reads {FORMAT}; use the flashsale that wrote it")]
    OtherFormat {
        /// The format of the store.
        found: u32,
    },
    /// Its end is missing.
    #[error("it is cut off after {at} bytes")]
    CutOff {
        /// Bytes that are there.
        at: u64,
    },
    /// Bytes were altered.
    #[error("it is damaged near byte {at}: {what}")]
    Damaged {
        /// Where the damaged part begins.
        at: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// It could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a backup holds, as its head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The last record of the history.
    pub sequence: u64,
    /// When that was written.
    pub at: Timestamp,
    /// Rows of all tables together.
    pub rows: u64,
    /// The id of the history.
    pub history: HistoryId,
}

/// Writes a backup, frame by frame.
pub(super) struct Writer<W> {
    out: W,
    /// Over everything written so far.
    whole: blake3::Hasher,
    frames: u32,
    table: u8,
    rows: u32,
    buffer: Vec<u8>,
    counts: [u64; TABLES.len()],
}

impl<W: Write> Writer<W> {
    /// Writes the head.
    pub(super) fn new(out: W, contents: Contents) -> io::Result<Self> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        head.extend(MAGIC);
        head.extend(VERSION.to_le_bytes());
        head.extend(FORMAT.to_le_bytes());
        head.extend(contents.sequence.to_le_bytes());
        head.extend(contents.at.millis().to_le_bytes());
        head.extend(contents.rows.to_le_bytes());
        head.extend(contents.history.0);
        head.extend(blake3::hash(&head).as_bytes());
        let (whole, buffer) = (blake3::Hasher::new(), Vec::with_capacity(FRAME_BYTES));
        let mut writer = Self { out, whole, frames: 0, table: 0, rows: 0, buffer, counts: [0; TABLES.len()] };
        writer.put(&head)?;
        Ok(writer)
    }

    /// Goes on with a later table.
    pub(super) fn begin(&mut self, table: u8) -> io::Result<()> {
        self.flush(ROWS)?;
        self.table = table;
        Ok(())
    }

    /// Adds a row to the table under way. A key has at most 64 KiB.
    pub(super) fn row(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let too_long = || io::Error::other("a row is too long for a backup");
        let key_len = u16::try_from(key.len()).map_err(|_| too_long())?;
        let value_len =
            u32::try_from(value.len()).ok().filter(|len| *len < MAX_FRAME_BYTES / 2).ok_or_else(too_long)?;
        self.buffer.extend(key_len.to_le_bytes());
        self.buffer.extend(key);
        self.buffer.extend(value_len.to_le_bytes());
        self.buffer.extend(value);
        self.rows += 1;
        self.counts[usize::from(self.table)] += 1;
        if self.buffer.len() >= FRAME_BYTES { self.flush(ROWS) } else { Ok(()) }
    }

    /// Writes the end, without which a backup is none.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.flush(ROWS)?;
        self.table = 0;
        self.buffer.extend(self.counts.iter().flat_map(|count| count.to_le_bytes()));
        self.flush(END)?;
        let whole = self.whole.finalize();
        self.out.write_all(whole.as_bytes())?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn flush(&mut self, kind: u8) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let bytes = u32::try_from(self.buffer.len()).map_err(io::Error::other)?;
        let mut head = Vec::with_capacity(FRAME_HEAD_BYTES);
        head.extend([kind, self.table, 0, 0]);
        head.extend(self.rows.to_le_bytes());
        head.extend(bytes.to_le_bytes());
        head.extend(self.frames.to_le_bytes());
        head.extend(&blake3::hash(&head).as_bytes()[..16]);
        let mut rows = std::mem::take(&mut self.buffer);
        let hash = blake3::hash(&rows);
        self.put(&head)?;
        self.put(&rows)?;
        self.put(hash.as_bytes())?;
        rows.clear();
        self.buffer = rows;
        self.frames += 1;
        self.rows = 0;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.whole.update(bytes);
        self.out.write_all(bytes)
    }
}

#[cfg(test)]
mod tests;
