//! The tables of a new store, its secret and its head.

use redb::{Database, Key, TableDefinition, Value, WriteTransaction};

use crate::domain::change::HistoryId;
use crate::store::error::StoreError;
use crate::store::format::FORMAT;
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

/// Makes the tables of a new store, its secret and its head.
pub(in crate::store) fn create(database: &Database) -> Result<(), StoreError> {
    let (secret, instance) = (random::<32>()?, random::<8>()?);
    let head = Head::of_new(HistoryId(random()?));
    let transaction = database.begin_write()?;
    definitions::each(&mut Make(&transaction))?;
    {
        let mut state = transaction.open_table(definitions::STATE)?;
        state.insert(definitions::STATE_FORMAT, FORMAT.to_le_bytes().as_slice())?;
        state.insert(definitions::STATE_SECRET, secret.as_slice())?;
        state.insert(definitions::STATE_INSTANCE, instance.as_slice())?;
        head_row::put(&mut state, &head, &mut Vec::new())?;
    }
    transaction.commit()?;
    Ok(())
}
