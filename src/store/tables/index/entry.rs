//! An entry of an index, and the hashes that it is found by.

use crate::domain::idempotency_key::IdempotencyKey;

/// One entry of an index: the hash of a name, and an order's number.
pub(in crate::store) type Entry = (u64, u64);

/// The hash of a user's name. Two users may share one: who reads compares the names.
pub(in crate::store) fn of_user(user: &str) -> u64 {
    let digest = blake3::hash(user.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// The part of a key that is in the index. Who reads compares the whole.
pub(in crate::store) const fn of_key(key: IdempotencyKey) -> u64 {
    key.hash().get()
}
