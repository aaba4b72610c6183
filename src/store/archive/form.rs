//! The form of a backup: one sequence of bytes, in which nothing can be missing or altered without being noticed.
//!
//! - The head: magic (16 bytes), version of this form (4), format of the store (4), sequence (8) and time (8) of the
//!   last record, rows in all (8), id of the history (16), BLAKE3 of these (32).
//! - Frames: kind (1), table (1), zero (2), rows (4), bytes of the rows (4), place among frames (4), half the BLAKE3 of
//!   these (16); the rows; BLAKE3 of the rows (32).
//! - A row: bytes of the key (2), the key, bytes of the value (4), the value.
//! - The end: a frame of the other kind, with the rows of each table counted (8 each); BLAKE3 of all before (32).
//!
//! Numbers are written little end first. Tables come in the order of their numbers, rows in the order of their keys.
//! The head is the same in all versions, so that every program can see that it is too old.

use crate::domain::change::HistoryId;
use crate::domain::clock::Timestamp;

/// The version of the form.
pub(super) const VERSION: u32 = 1;

pub(super) const MAGIC: &[u8; 16] = b"flashsale backup";
pub(super) const HEAD_BYTES: usize = 96;
pub(super) const FRAME_HEAD_BYTES: usize = 32;
pub(super) const HASH_BYTES: usize = 32;

/// A frame is full when its rows have this many bytes.
pub(super) const FRAME_BYTES: usize = 256 * 1024;

/// The most bytes that the rows of one frame can have: a full one and the largest record of the history.
pub(super) const MAX_FRAME_BYTES: u32 = 64 * 1024 * 1024;

pub(super) const ROWS: u8 = 1;
pub(super) const END: u8 = 2;

/// What a backup holds, as its head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The format of the store.
    pub format: u32,
    /// The last record of the history.
    pub sequence: u64,
    /// When that was written.
    pub at: Timestamp,
    /// Rows of all tables together.
    pub rows: u64,
    /// The id of the history.
    pub history: HistoryId,
}
