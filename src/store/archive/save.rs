//! The rows of a store on their way into a backup.

use std::io::Write;

use redb::{Key, ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition, Value};

use crate::store::error::StoreError;
use crate::store::progress::{OnProgress, PROGRESS_STEP};
use crate::store::snapshot::Snapshot;
use crate::store::tables::definitions::{self, VisitTable};

use super::error::ArchiveError;
use super::form::Contents;
use super::writer::Writer;

impl Snapshot {
    /// What a backup of this snapshot holds.
    pub fn contents(&self) -> Result<Contents, StoreError> {
        let head = self.head()?;
        let mut count = Count { transaction: &self.transaction, rows: 0 };
        definitions::each(&mut count)?;
        let state = self.transaction.open_table(definitions::STATE)?;
        for name in definitions::STATE_OF_THE_FILE {
            count.rows -= u64::from(state.get(name)?.is_some());
        }
        let format = state.get(definitions::STATE_FORMAT)?.and_then(|row| row.value().try_into().ok());
        let no_format = || StoreError::Damaged("there is no format version".to_owned());
        let format = u32::from_le_bytes(format.ok_or_else(no_format)?);
        Ok(Contents { format, sequence: head.sequence, at: head.at(), rows: count.rows, history: head.history() })
    }

    /// Writes a backup of everything. It holds the store's secret and the buyers' names.
    pub fn back_up<W: Write>(&self, out: W, progress: &mut OnProgress<'_>) -> Result<W, ArchiveError> {
        let contents = self.contents()?;
        let writer = Writer::new(out, contents)?;
        let mut copy = Copy { transaction: &self.transaction, writer, done: 0, total: contents.rows, progress };
        definitions::each(&mut copy)?;
        Ok(copy.writer.finish()?)
    }
}

/// Counts the rows of all tables.
struct Count<'c> {
    transaction: &'c ReadTransaction,
    rows: u64,
}

impl VisitTable for Count<'_> {
    type Error = StoreError;

    fn visit<K: Key + 'static, V: Value + 'static>(
        &mut self,
        _: u8,
        table: TableDefinition<'static, K, V>,
    ) -> Result<(), StoreError> {
        self.rows += self.transaction.open_table(table)?.len()?;
        Ok(())
    }
}

/// Copies all rows.
struct Copy<'c, 'p, W> {
    transaction: &'c ReadTransaction,
    writer: Writer<W>,
    done: u64,
    total: u64,
    progress: &'c mut OnProgress<'p>,
}

impl<W: Write> VisitTable for Copy<'_, '_, W> {
    type Error = ArchiveError;

    fn visit<K: Key + 'static, V: Value + 'static>(
        &mut self,
        number: u8,
        table: TableDefinition<'static, K, V>,
    ) -> Result<(), ArchiveError> {
        self.writer.begin(number)?;
        let table = self.transaction.open_table(table).map_err(StoreError::from)?;
        for row in table.iter().map_err(StoreError::from)? {
            let (key, value) = row.map_err(StoreError::from)?;
            let (key, value) = (key.value(), value.value());
            let key = K::as_bytes(&key);
            // A restored store is another file.
            if number == definitions::STATE_NUMBER
                && definitions::STATE_OF_THE_FILE.iter().any(|name| key.as_ref() == name.as_bytes())
            {
                continue;
            }
            self.writer.row(key.as_ref(), V::as_bytes(&value).as_ref())?;
            self.done += 1;
            if self.done.is_multiple_of(PROGRESS_STEP) {
                (self.progress)("writing the backup", self.done, self.total);
            }
        }
        Ok(())
    }
}
