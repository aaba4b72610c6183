//! The row of an order's attempts: their errors, oldest first.

use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;
use crate::domain::job::AttemptError;
use crate::limits::MAX_KEPT_ATTEMPTS;
use crate::store::error::StoreError;

use super::encoding;

/// One failed attempt in the row of an order.
#[derive(Serialize, Deserialize)]
struct AttemptRow<'a> {
    attempt: u32,
    at: i64,
    error: &'a str,
}

impl<'a> AttemptRow<'a> {
    fn of(attempt: &'a AttemptError) -> Self {
        Self { attempt: attempt.attempt, at: attempt.at.millis(), error: &attempt.error }
    }

    fn attempt(&self) -> AttemptError {
        AttemptError { attempt: self.attempt, at: Timestamp::from_millis(self.at), error: self.error.to_owned() }
    }
}

/// The errors in the row of an order.
pub(in crate::store) fn attempts(row: &[u8]) -> Result<Vec<AttemptError>, StoreError> {
    Ok(encoding::decode::<Vec<AttemptRow<'_>>>(row)?.iter().map(AttemptRow::attempt).collect())
}

/// Writes the row of an order with these errors, or the newest of them where there are too many.
pub(in crate::store) fn encode_attempts(attempts: &[AttemptError], buffer: &mut Vec<u8>) -> Result<(), StoreError> {
    let kept = &attempts[attempts.len().saturating_sub(MAX_KEPT_ATTEMPTS)..];
    encoding::encode(&kept.iter().map(AttemptRow::of).collect::<Vec<_>>(), buffer)
}
