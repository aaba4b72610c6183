//! The tables of a new store, its secrets and its head; and what is changed in those of an earlier format.

use redb::{Database, Key, Table, TableDefinition, Value, WriteTransaction};

use crate::domain::change::HistoryId;
use crate::store::error::StoreError;
use crate::store::format::{FORMAT, KEY_SECRET_FORMAT};
use crate::store::head::Head;
use crate::store::random::random;

use super::definitions::{self, VisitTable};
use super::head_row;

/// Opens a table, and so makes it.
struct Make<'t>(&'t WriteTransaction);

impl VisitTable for Make<'_> {
    type Error = StoreError;

    fn visit<K: Key + 'static, V: Value + 'static>(
        &mut self,
        _: u8,
        table: TableDefinition<'static, K, V>,
    ) -> Result<(), StoreError> {
        self.0.open_table(table)?;
        Ok(())
    }
}

/// Makes the tables of a new store, its secrets and its head.
pub(in crate::store) fn create(database: &Database) -> Result<(), StoreError> {
    let (secret, key_secret, instance) = (random::<32>()?, random::<16>()?, random::<8>()?);
    let head = Head::of_new(HistoryId(random()?));
    let transaction = database.begin_write()?;
    definitions::each(&mut Make(&transaction))?;
    {
        let mut state = transaction.open_table(definitions::STATE)?;
        set_format(&mut state, FORMAT)?;
        state.insert(definitions::STATE_SECRET, secret.as_slice())?;
        state.insert(definitions::STATE_KEY_SECRET, key_secret.as_slice())?;
        state.insert(definitions::STATE_INSTANCE, instance.as_slice())?;
        head_row::put(&mut state, &head, &mut Vec::new())?;
    }
    transaction.commit()?;
    Ok(())
}

/// Says that the rows of a store which had the format `from` are of the present one. Rows of all formats since
/// [`OLDEST_FORMAT`](crate::store::format::OLDEST_FORMAT) read the same, in the tables and in the log, so this is all
/// that an upgrade changes.
pub(in crate::store) fn set_format(
    state: &mut Table<'_, &'static str, &'static [u8]>,
    from: u32,
) -> Result<(), StoreError> {
    if from < KEY_SECRET_FORMAT {
        state.insert(definitions::STATE_KEY_SECRET, [].as_slice())?;
    }
    state.insert(definitions::STATE_FORMAT, FORMAT.to_le_bytes().as_slice())?;
    Ok(())
}
