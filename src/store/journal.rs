//! The journal: one record for each commit, each carrying the hash of the one before it.

use crate::domain::change::{Change, Record};
use crate::domain::clock::Timestamp;

use super::record::{self, ChangeRows, NewRecordRow, RecordRow};
use super::{Head, StoreError};

/// The hash of a record: BLAKE3 over its row as written.
pub(super) fn hash(row: &[u8]) -> [u8; 32] {
    *blake3::hash(row).as_bytes()
}

/// Encodes the record that follows `head` and moves `head` to it.
pub(super) fn append(
    head: &mut Head,
    at: Timestamp,
    changes: &[Change],
    buffer: &mut Vec<u8>,
) -> Result<u64, StoreError> {
    let row = NewRecordRow { previous: head.hash, at: at.millis(), changes: ChangeRows(changes) };
    record::encode(&row, buffer)?;
    let sequence = head.sequence + 1;
    head.advance(sequence, hash(buffer), at);
    Ok(sequence)
}

/// The hash of the record before and the time of a record, without reading what happened.
pub(super) fn link(row: &[u8]) -> Result<([u8; 32], Timestamp), StoreError> {
    let (previous, at) = record::decode_start::<([u8; 32], i64)>(row)?;
    Ok((previous, Timestamp::from_millis(at)))
}

/// Reads a record.
pub(super) fn decode(sequence: u64, row: &[u8]) -> Result<Record, StoreError> {
    record::decode::<RecordRow<'_>>(row)?.record(sequence)
}
