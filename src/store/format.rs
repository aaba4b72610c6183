//! The version of the store's tables and rows.

/// The format that this program writes. A store of a later one is rejected, one of an earlier one upgraded by `serve`.
///
/// - 3: the first that a released program wrote.
/// - 4: what is attached to an order, and a product's stock-keeping unit and whether it is hidden, follow a byte of
///   their rows that says so. Rows without them are the same bytes.
/// - 5: idempotency keys are kept as numbers that a secret of their own makes. A store that was made before has none,
///   and keeps its keys as before.
pub const FORMAT: u32 = 5;

/// The first format whose stores say how they keep idempotency keys.
pub(in crate::store) const KEY_SECRET_FORMAT: u32 = 5;

/// The earliest format that can be upgraded.
pub const OLDEST_FORMAT: u32 = 3;
