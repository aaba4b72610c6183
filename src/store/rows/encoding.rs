//! How a row is written: a version byte, then postcard.

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::store::error::StoreError;

/// The version that every row starts with.
const VERSION: u8 = 1;

/// Writes a row.
pub(in crate::store) fn encode(row: &impl Serialize, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
    buffer.clear();
    append(row, buffer)
}

/// Writes a row behind what the buffer holds.
pub(in crate::store) fn append(row: &impl Serialize, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
    buffer.push(VERSION);
    let written = postcard::serialize_with_flavor(row, Behind(buffer));
    written.map_err(|error| StoreError::Damaged(format!("a row cannot be written: {error}")))
}

/// Bytes go behind those that are there. Postcard's own extends any collection, and so byte by byte.
struct Behind<'b>(&'b mut Vec<u8>);

impl Flavor for Behind<'_> {
    type Output = ();

    /// Mostly one to three bytes of a number: a call to copy any count of bytes takes longer than to push those.
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        match bytes.len() {
            ..8 => bytes.iter().for_each(|byte| self.0.push(*byte)),
            _ => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Reads a row.
pub(in crate::store) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, StoreError> {
    postcard::from_bytes(body(bytes)?).map_err(unreadable)
}

/// Reads the first fields of a row.
pub(in crate::store) fn decode_start<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, StoreError> {
    postcard::take_from_bytes(body(bytes)?).map(|(start, _)| start).map_err(unreadable)
}

fn body(bytes: &[u8]) -> Result<&[u8], StoreError> {
    match bytes.split_first() {
        Some((&VERSION, row)) => Ok(row),
        Some((version, _)) => Err(StoreError::Damaged(format!("unknown row version {version}"))),
        None => Err(StoreError::Damaged("an empty row".to_owned())),
    }
}

fn unreadable(error: postcard::Error) -> StoreError {
    StoreError::Damaged(format!("unreadable: {error}"))
}

/// The word with this number in a closed list.
pub(in crate::store) fn one_of<T: Copy>(all: &[T], number: u8) -> Result<T, StoreError> {
    all.get(usize::from(number)).copied().ok_or_else(|| StoreError::Damaged(format!("unknown word number {number}")))
}
