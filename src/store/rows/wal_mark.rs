//! The row in which the tables keep which log was started last.

use serde::{Deserialize, Serialize};

/// What the tables keep of the log that was started last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct WalMark {
    pub(in crate::store) id: [u8; 16],
    /// The last record that the tables had on disk when it was started.
    pub(in crate::store) from: u64,
    /// Whether it may have records that the tables do not have.
    pub(in crate::store) open: bool,
}
