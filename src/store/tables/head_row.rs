//! The row of the head.

use redb::{ReadableTable, Table};

use crate::store::error::StoreError;
use crate::store::head::Head;
use crate::store::rows::encoding;

use super::definitions;

pub(in crate::store) fn get(state: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Head, StoreError> {
    let row = state.get(definitions::STATE_HEAD)?;
    encoding::decode(row.ok_or_else(|| StoreError::Damaged("there is no head".to_owned()))?.value())
}

/// The row is encoded in `buffer`.
pub(in crate::store) fn put(
    state: &mut Table<'_, &'static str, &'static [u8]>,
    head: &Head,
    buffer: &mut Vec<u8>,
) -> Result<(), StoreError> {
    encoding::encode(head, buffer)?;
    state.insert(definitions::STATE_HEAD, buffer.as_slice())?;
    Ok(())
}
