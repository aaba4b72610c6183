//! A record of the journal: its row, its hash, and its link to the one before it.

use crate::domain::change::{Change, Record};
use crate::domain::clock::Timestamp;

use crate::store::error::StoreError;
use crate::store::head::Head;
use crate::store::rows::encoding;
use crate::store::rows::record::{ChangeRows, NewRecordRow, RecordRow};

/// The hash of a record: BLAKE3 over its row as written.
pub(in crate::store) fn hash(row: &[u8]) -> [u8; 32] {
    *blake3::hash(row).as_bytes()
}

/// Encodes the record that follows `head` and moves `head` to it.
pub(in crate::store) fn append(
    head: &mut Head,
    at: Timestamp,
    changes: &[Change],
    buffer: &mut Vec<u8>,
) -> Result<u64, StoreError> {
    let row = NewRecordRow { previous: head.hash, at: at.millis(), changes: ChangeRows(changes) };
    encoding::encode(&row, buffer)?;
    let sequence = head.sequence + 1;
    head.advance(sequence, hash(buffer), at);
    Ok(sequence)
}

/// The hash of the record before and the time of a record, without reading what happened.
pub(in crate::store) fn link(row: &[u8]) -> Result<([u8; 32], Timestamp), StoreError> {
    let (previous, at) = encoding::decode_start::<([u8; 32], i64)>(row)?;
    Ok((previous, Timestamp::from_millis(at)))
}

/// Reads a record.
pub(in crate::store) fn decode(sequence: u64, row: &[u8]) -> Result<Record, StoreError> {
    encoding::decode::<RecordRow<'_>>(row)?.record(sequence)
}
