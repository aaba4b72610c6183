//! The row of a stored response.

use serde::{Deserialize, Serialize, Serializer};

use crate::domain::change::StoredResponse;
use crate::domain::idempotency_key::IdempotencyKey;

/// A stored response; the order is in the row's place or beside it. The key is random: as a number it would be longer.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(in crate::store) struct StoredResponseRow {
    #[serde(serialize_with = "at_once")]
    key: [u8; 16],
    queue_position: u64,
    estimated_wait: u64,
}

impl StoredResponseRow {
    pub(in crate::store) const fn of(response: &StoredResponse) -> Self {
        let StoredResponse { key, queue_position, estimated_wait } = *response;
        Self { key: key.to_bytes(), queue_position, estimated_wait }
    }

    pub(in crate::store) const fn response(self) -> StoredResponse {
        let Self { key, queue_position, estimated_wait } = self;
        StoredResponse { key: IdempotencyKey::from_bytes(key), queue_position, estimated_wait }
    }
}

/// Writes the bytes in two steps, and not in sixteen: postcard writes a float as the eight bytes that it is.
fn at_once<S: Serializer>(key: &[u8; 16], serializer: S) -> Result<S::Ok, S::Error> {
    let (halves, _) = key.as_chunks();
    [halves[0], halves[1]].map(f64::from_le_bytes).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Also those that are no numbers as floats, quiet and signalling.
    #[test]
    fn a_key_is_written_as_its_bytes_whatever_they_are() {
        let (ones, signalling) = ([255; 16], [1, 0, 0, 0, 0, 0, 0xf0, 0x7f, 1, 0, 0, 0, 0, 0, 0xf0, 0xff]);
        for key in [[0; 16], ones, signalling, std::array::from_fn(|at| at as u8)] {
            let row = StoredResponseRow { key, queue_position: 3, estimated_wait: 9 };
            assert_eq!(postcard::to_allocvec(&row).unwrap(), [key.as_slice(), &[3, 9]].concat());
        }
    }
}
