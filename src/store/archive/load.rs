//! The rows of a backup on their way into a store.

use std::io::Read;
use std::path::Path;

use redb::{Database, Key, Table, TableDefinition, Value, WriteTransaction};

use crate::domain::change::Fork;
use crate::domain::clock::Timestamp;

use crate::store::error::StoreError;
use crate::store::open::create::private_file;
use crate::store::open::fork::{self, Given};
use crate::store::open::own_wal;
use crate::store::progress::OnProgress;
use crate::store::random::random;
use crate::store::tables::create::set_format;
use crate::store::tables::database::builder;
use crate::store::tables::definitions::{self, VisitTable};

use super::error::ArchiveError;
use super::reader::{Frame, Reader};

/// Bytes of rows in one transaction.
const TRANSACTION_BYTES: usize = 32 * 1024 * 1024;

/// Reads a backup to its end and checks every byte.
pub fn check<R: Read>(mut reader: Reader<R>, progress: &mut OnProgress<'_>) -> Result<(), ArchiveError> {
    let total = reader.contents().rows;
    while reader.next()?.is_some() {
        progress("checking the backup", reader.rows_read(), total);
    }
    Ok(())
}

/// Makes a store of a backup in `file`, which must not exist. Its history forks, and its numbers continue above those
/// that are known to be `given`. What is left after an error is no store.
pub fn build<R: Read>(
    mut reader: Reader<R>,
    file: &Path,
    given: Given,
    now: Timestamp,
    progress: &mut OnProgress<'_>,
) -> Result<Fork, ArchiveError> {
    let total = reader.contents().rows;
    // Made first, so that a file that is there is never opened.
    private_file(file).map_err(StoreError::from)?;
    let database = builder().create(file).map_err(StoreError::from)?;
    let mut ended = false;
    while !ended {
        ended = load_some(&mut reader, &database)?;
        progress("restoring", reader.rows_read(), total);
    }
    Ok(make_own(&database, reader.contents().format, given, now)?)
}

/// Makes the store, of a backup with this format, one of its own: with a history of its own, and without a log, as one
/// that lies beside its place is another's.
fn make_own(database: &Database, format: u32, given: Given, now: Timestamp) -> Result<Fork, StoreError> {
    let transaction = database.begin_write()?;
    let fork = fork::fork(&transaction, given, now)?;
    let instance: [u8; 8] = random()?;
    {
        let mut state = transaction.open_table(definitions::STATE)?;
        state.insert(definitions::STATE_INSTANCE, instance.as_slice())?;
        set_format(&mut state, format)?;
    }
    own_wal::forget(&transaction)?;
    transaction.commit()?;
    Ok(fork)
}

/// Loads frames in one transaction, a bounded number of bytes; true at the end of the backup.
fn load_some<R: Read>(reader: &mut Reader<R>, database: &Database) -> Result<bool, ArchiveError> {
    let transaction = database.begin_write().map_err(StoreError::from)?;
    let mut ended = true;
    {
        let mut all = All::open(&transaction)?;
        let mut bytes = 0;
        while let Some(frame) = reader.next()? {
            bytes += all.insert(frame)?;
            if bytes >= TRANSACTION_BYTES {
                ended = false;
                break;
            }
        }
    }
    transaction.commit().map_err(StoreError::from)?;
    Ok(ended)
}

/// All tables, open in one transaction, by their numbers.
struct All<'t> {
    transaction: &'t WriteTransaction,
    tables: Vec<Box<dyn Insert + 't>>,
}

impl<'t> All<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        let mut all = Self { transaction, tables: Vec::new() };
        definitions::each(&mut all)?;
        Ok(all)
    }

    /// Inserts the rows of a frame; the bytes that they had.
    fn insert(&mut self, frame: Frame<'_>) -> Result<usize, StoreError> {
        let mut bytes = 0;
        let Some(table) = self.tables.get_mut(usize::from(frame.table)) else {
            return Err(StoreError::Damaged(format!("a backup has rows of table {}", frame.table)));
        };
        for (key, value) in frame.rows {
            bytes += key.len() + value.len();
            table.insert(key, value)?;
        }
        Ok(bytes)
    }
}

impl VisitTable for All<'_> {
    type Error = StoreError;

    fn visit<K: Key + 'static, V: Value + 'static>(
        &mut self,
        _: u8,
        table: TableDefinition<'static, K, V>,
    ) -> Result<(), StoreError> {
        self.tables.push(Box::new(self.transaction.open_table(table)?));
        Ok(())
    }
}

/// A table that takes rows as bytes.
trait Insert {
    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError>;
}

impl<K: Key + 'static, V: Value + 'static> Insert for Table<'_, K, V> {
    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        // Text is the only kind of key without a fixed width; bytes are the only such kind of value.
        let key_fits = K::fixed_width().map_or_else(|| std::str::from_utf8(key).is_ok(), |width| width == key.len());
        if !key_fits || V::fixed_width().is_some_and(|width| width != value.len()) {
            return Err(StoreError::Damaged("a row of a backup does not fit its table".to_owned()));
        }
        Table::insert(self, K::from_bytes(key), V::from_bytes(value))?;
        Ok(())
    }
}
