//! The row of a stored response.

use serde::{Deserialize, Serialize};

use crate::domain::change::StoredResponse;

/// A stored response; the order is in the row's place or beside it. The key is random: as a number it would be longer.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(in crate::store) struct StoredResponseRow {
    key: [u8; 16],
    queue_position: u64,
    estimated_wait: u64,
}

impl StoredResponseRow {
    pub(in crate::store) const fn of(response: &StoredResponse) -> Self {
        let StoredResponse { key, queue_position, estimated_wait } = *response;
        Self { key: key.to_le_bytes(), queue_position, estimated_wait }
    }

    pub(in crate::store) const fn response(self) -> StoredResponse {
        let Self { key, queue_position, estimated_wait } = self;
        StoredResponse { key: u128::from_le_bytes(key), queue_position, estimated_wait }
    }
}
