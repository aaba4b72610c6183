//! The version of the store's tables and rows.

/// The format that this program writes. A store of a later one is rejected.
pub const FORMAT: u32 = 3;
