//! The version of the store's tables and rows.

/// The format that this program writes. A store of a later one is rejected.
///
/// Rows have grown since without a new one, as every store that was written before reads as it was: that a stop of the
/// whole sale took a product out is a third word where there were two, and its changes are behind all other kinds.
pub const FORMAT: u32 = 3;
