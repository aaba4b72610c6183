//! What a failed read of the store becomes for those who asked.

use std::time::Duration;

use crate::domain::refusal::Refusal;
use crate::store::StoreError;

/// When to ask again for a list that too many ask for.
const READERS_RETRY_AFTER: Duration = Duration::from_secs(2);

/// A read that failed: the log has the reason.
impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed | StoreError::Misplaced(_) => Self::StorageUnavailable,
            StoreError::TooManyReaders => Self::Overloaded { retry_after: READERS_RETRY_AFTER },
            _ => {
                tracing::error!(%error, "the store could not be read");
                Self::StorageUnavailable
            }
        }
    }
}
