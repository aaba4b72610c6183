//! The version of the store's tables and rows.

/// The format that this program writes. A store of a later one is rejected, one of an earlier one upgraded by `serve`.
///
/// - 3: the first that a released program wrote.
/// - 4: what is attached to an order, and a product's stock-keeping unit and whether it is hidden, follow a byte of
///   their rows that says so. Rows without them are the same bytes.
pub const FORMAT: u32 = 4;

/// The earliest format that can be upgraded.
pub const OLDEST_FORMAT: u32 = 3;
