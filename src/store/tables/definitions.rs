//! The tables of the file: the list, once.

use redb::{Key, TableDefinition, Value};

/// A row of an index: the run, and the first entry in the row.
pub(in crate::store) type BlockKey = (u64, u64, u64);

/// Something that is done with every table.
pub(in crate::store) trait VisitTable {
    type Error;

    /// Does it with one table. `number` is that of the table in a backup.
    fn visit<K: Key + 'static, V: Value + 'static>(
        &mut self,
        number: u8,
        table: TableDefinition<'static, K, V>,
    ) -> Result<(), Self::Error>;
}

/// Declares the tables, their names in the order of their numbers, and a walk over them.
macro_rules! tables {
    ($($(#[$about:meta])* $table:ident = $number:literal $name:literal: $key:ty => $value:ty;)+) => {
        $($(#[$about])* pub(in crate::store) const $table: TableDefinition<'static, $key, $value> =
            TableDefinition::new($name);)+

        /// The names of the tables, by their number in a backup.
        pub(in crate::store) const NAMES: [&str; [$($name),+].len()] = [$($name),+];

        /// Visits every table, in the order of their numbers.
        pub(in crate::store) fn each<V: VisitTable>(visitor: &mut V) -> Result<(), V::Error> {
            $(visitor.visit($number, $table)?;)+
            Ok(())
        }
    };
}

tables! {
    /// The few single values, by name: the ones below.
    STATE = 0 "state": &'static str => &'static [u8];
    /// Product number → the product.
    PRODUCTS = 1 "products": u64 => &'static [u8];
    /// Number of a group → its orders: see `order_groups`.
    ORDERS = 2 "orders": u64 => &'static [u8];
    /// Sequence → the record of one commit.
    JOURNAL = 3 "journal": u64 => &'static [u8];
    /// A run of the index by user and the first entry of a block of it → the block. Written behind: see `index`.
    ORDERS_BY_USER = 4 "orders_by_user": BlockKey => &'static [u8];
    /// Order number → the errors of its attempts.
    ATTEMPTS = 5 "attempts": u64 => &'static [u8];
    /// Numbers of the orders whose jobs are dead letters.
    DEAD_LETTERS = 6 "dead_letters": u64 => ();
    /// Number of a group of orders → the responses that repeated requests get: see `order_groups`.
    RESPONSES = 7 "answers": u64 => &'static [u8];
    /// The same as the index by user, by idempotency key: the name is the key's hash.
    ORDERS_BY_KEY = 8 "orders_by_key": BlockKey => &'static [u8];
}

/// The number of the table of single values.
pub(in crate::store) const STATE_NUMBER: u8 = 0;

/// The format version, four bytes, little end first.
pub(in crate::store) const STATE_FORMAT: &str = "format";
/// The store's secret, 32 bytes.
pub(in crate::store) const STATE_SECRET: &str = "secret";
/// The secret that makes the numbers of idempotency keys, 16 bytes; empty in a store that was made before it had one.
pub(in crate::store) const STATE_KEY_SECRET: &str = "key secret";
/// Tells this file from others that were or will be in its place, 8 bytes: see `own_wal`.
pub(in crate::store) const STATE_INSTANCE: &str = "instance";
/// Which log was started last, and whether the tables may lack something of it: see `wal_mark`.
pub(in crate::store) const STATE_WAL: &str = "log";
/// What says which file this is and nothing of what is in it.
pub(in crate::store) const STATE_OF_THE_FILE: [&str; 2] = [STATE_INSTANCE, STATE_WAL];
/// The head: the end of the history and the totals.
pub(in crate::store) const STATE_HEAD: &str = "head";

#[cfg(test)]
mod tests {
    use super::*;

    /// Each table's number is its place in the list.
    struct Numbers(u8);

    impl VisitTable for Numbers {
        type Error = String;

        fn visit<K: Key + 'static, V: Value + 'static>(
            &mut self,
            number: u8,
            table: TableDefinition<'static, K, V>,
        ) -> Result<(), String> {
            use redb::TableHandle;
            let place = self.0;
            self.0 += 1;
            match (number, table.name()) == (place, NAMES[usize::from(place)]) {
                true => Ok(()),
                false => Err(format!("{} has number {number} in place {place}", table.name())),
            }
        }
    }

    #[test]
    fn tables_are_numbered_by_their_places() {
        let mut numbers = Numbers(0);
        each(&mut numbers).unwrap();
        assert_eq!(usize::from(numbers.0), NAMES.len());
        assert_eq!(NAMES[usize::from(STATE_NUMBER)], "state");
    }
}
