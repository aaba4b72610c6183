//! Randomness from the system.

use super::error::StoreError;

/// Random bytes.
pub(in crate::store) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::System("randomness", error.to_string()))?;
    Ok(bytes)
}
