//! The tables of the file.

use redb::TableDefinition;

use super::index::runs::BlockKey;

/// Number of a group → its orders: see `order_groups`.
pub(super) const ORDERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("orders");
/// Product number → the product.
pub(super) const PRODUCTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("products");
/// Sequence → the record of one commit.
pub(super) const JOURNAL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal");
/// A run of the index by user and the first entry of a block of it → the block. Written behind: see `index`.
pub(super) const ORDERS_BY_USER: TableDefinition<'_, BlockKey, &[u8]> = TableDefinition::new("orders_by_user");
/// Order number → the errors of its attempts.
pub(super) const ATTEMPTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("attempts");
/// Numbers of the orders whose jobs are dead letters.
pub(super) const DEAD_LETTERS: TableDefinition<'_, u64, ()> = TableDefinition::new("dead_letters");
/// Number of a group of orders → what those who repeat their requests are answered: see `order_groups`.
pub(super) const ANSWERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("answers");
/// The same for the index by idempotency key, in which the name is the key's hash.
pub(super) const ORDERS_BY_KEY: TableDefinition<'_, BlockKey, &[u8]> = TableDefinition::new("orders_by_key");
/// The few single values, by name: the ones below.
pub(super) const STATE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");

/// The format version, four bytes, little end first.
pub(super) const STATE_FORMAT: &str = "format";
/// The store's secret, 32 bytes.
pub(super) const STATE_SECRET: &str = "secret";
/// Tells this file from others that were or will be in its place, 8 bytes: see `log`.
pub(super) const STATE_INSTANCE: &str = "instance";
/// Which log was started last, and whether the tables may lack something of it: see `log_mark`.
pub(super) const STATE_LOG: &str = "log";
/// What says which file this is and nothing of what is in it.
pub(super) const STATE_OF_THE_FILE: [&str; 2] = [STATE_INSTANCE, STATE_LOG];
/// The head: the end of the history and the totals.
pub(super) const STATE_HEAD: &str = "head";
