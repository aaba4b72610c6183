//! The rows of a store on their way into a backup.

use std::io::Write;

use redb::{Key, ReadableTable, ReadableTableMetadata, TableDefinition, Value};

use super::super::verify::{OnProgress, PROGRESS_STEP};
use super::super::{Snapshot, StoreError, tables};
use super::{ArchiveError, Contents, Writer};

/// The number of the table of single values.
const STATE: u8 = 0;

impl Snapshot {
    /// What a backup of this snapshot holds.
    pub fn contents(&self) -> Result<Contents, StoreError> {
        let head = self.head()?;
        Ok(Contents { sequence: head.sequence, at: head.at(), rows: self.rows()?, history: head.history() })
    }

    fn rows(&self) -> Result<u64, StoreError> {
        let all = &self.transaction;
        let state = all.open_table(tables::STATE)?;
        let mut left_out = 0;
        for name in tables::STATE_OF_THE_FILE {
            left_out += u64::from(state.get(name)?.is_some());
        }
        Ok(state.len()? - left_out
            + all.open_table(tables::PRODUCTS)?.len()?
            + all.open_table(tables::ORDERS)?.len()?
            + all.open_table(tables::JOURNAL)?.len()?
            + all.open_table(tables::ORDERS_BY_USER)?.len()?
            + all.open_table(tables::ATTEMPTS)?.len()?
            + all.open_table(tables::DEAD_LETTERS)?.len()?
            + all.open_table(tables::ANSWERS)?.len()?
            + all.open_table(tables::ORDERS_BY_KEY)?.len()?)
    }

    /// Writes a backup of everything. It holds the store's secret and the buyers' names.
    pub fn back_up<W: Write>(&self, out: W, progress: &mut OnProgress<'_>) -> Result<W, ArchiveError> {
        let contents = self.contents()?;
        let mut copy =
            Copy { snapshot: self, writer: Writer::new(out, contents)?, done: 0, total: contents.rows, progress };
        copy.table(STATE, tables::STATE)?;
        copy.table(1, tables::PRODUCTS)?;
        copy.table(2, tables::ORDERS)?;
        copy.table(3, tables::JOURNAL)?;
        copy.table(4, tables::ORDERS_BY_USER)?;
        copy.table(5, tables::ATTEMPTS)?;
        copy.table(6, tables::DEAD_LETTERS)?;
        copy.table(7, tables::ANSWERS)?;
        copy.table(8, tables::ORDERS_BY_KEY)?;
        Ok(copy.writer.finish()?)
    }
}

struct Copy<'c, 'p, W> {
    snapshot: &'c Snapshot,
    writer: Writer<W>,
    done: u64,
    total: u64,
    progress: &'c mut OnProgress<'p>,
}

impl<W: Write> Copy<'_, '_, W> {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        number: u8,
        table: TableDefinition<'_, K, V>,
    ) -> Result<(), ArchiveError> {
        self.writer.begin(number)?;
        let table = self.snapshot.transaction.open_table(table).map_err(StoreError::from)?;
        for row in table.iter().map_err(StoreError::from)? {
            let (key, value) = row.map_err(StoreError::from)?;
            let (key, value) = (key.value(), value.value());
            let key = K::as_bytes(&key);
            // A restored store is another file.
            if number == STATE && tables::STATE_OF_THE_FILE.iter().any(|name| key.as_ref() == name.as_bytes()) {
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
