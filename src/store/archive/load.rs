//! The rows of a backup on their way into a store.

use std::io::Read;
use std::path::Path;

use redb::{Database, Key, Table, Value, WriteTransaction};

use crate::domain::change::Fork;
use crate::domain::clock::Timestamp;

use super::super::index::runs::BlockKey;
use super::super::verify::OnProgress;
use super::super::{Given, StoreError, builder, fork, new, read, tables};
use super::reader::Frame;
use super::{ArchiveError, Reader};

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

/// Makes a store of a backup in `file`, which must not exist. Its history forks, and its numbers go on above those that
/// are known to be `given`. What is left after an error is no store.
pub fn build<R: Read>(
    mut reader: Reader<R>,
    file: &Path,
    given: Given,
    now: Timestamp,
    progress: &mut OnProgress<'_>,
) -> Result<Fork, ArchiveError> {
    let total = reader.contents().rows;
    // Made first, so that a file that is there is never opened.
    new::private_file(file).map_err(StoreError::from)?;
    let database = builder().create(file).map_err(StoreError::from)?;
    let mut ended = false;
    while !ended {
        ended = load_some(&mut reader, &database)?;
        progress("restoring", reader.rows_read(), total);
    }
    Ok(make_own(&database, given, now)?)
}

/// Makes the store one of its own: with a history of its own, and without a log, as one that lies beside its place is
/// another's.
fn make_own(database: &Database, given: Given, now: Timestamp) -> Result<Fork, StoreError> {
    let transaction = database.begin_write()?;
    let fork = fork::fork(&transaction, given, now)?;
    let instance: [u8; 8] = read::random()?;
    {
        let mut state = transaction.open_table(tables::STATE)?;
        state.insert(tables::STATE_INSTANCE, instance.as_slice())?;
        state.remove(tables::STATE_LOG)?;
    }
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

type Rows<'t, K> = Table<'t, K, &'static [u8]>;

struct All<'t> {
    state: Rows<'t, &'static str>,
    products: Rows<'t, u64>,
    orders: Rows<'t, u64>,
    journal: Rows<'t, u64>,
    orders_by_user: Rows<'t, BlockKey>,
    attempts: Rows<'t, u64>,
    dead_letters: Table<'t, u64, ()>,
    answers: Rows<'t, u64>,
    orders_by_key: Rows<'t, BlockKey>,
}

impl<'t> All<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            state: transaction.open_table(tables::STATE)?,
            products: transaction.open_table(tables::PRODUCTS)?,
            orders: transaction.open_table(tables::ORDERS)?,
            journal: transaction.open_table(tables::JOURNAL)?,
            orders_by_user: transaction.open_table(tables::ORDERS_BY_USER)?,
            attempts: transaction.open_table(tables::ATTEMPTS)?,
            dead_letters: transaction.open_table(tables::DEAD_LETTERS)?,
            answers: transaction.open_table(tables::ANSWERS)?,
            orders_by_key: transaction.open_table(tables::ORDERS_BY_KEY)?,
        })
    }

    /// Inserts the rows of a frame; the bytes that they had.
    fn insert(&mut self, frame: Frame<'_>) -> Result<usize, StoreError> {
        let mut bytes = 0;
        for (key, value) in frame.rows {
            bytes += key.len() + value.len();
            match frame.table {
                0 => insert(&mut self.state, key, value)?,
                1 => insert(&mut self.products, key, value)?,
                2 => insert(&mut self.orders, key, value)?,
                3 => insert(&mut self.journal, key, value)?,
                4 => insert(&mut self.orders_by_user, key, value)?,
                5 => insert(&mut self.attempts, key, value)?,
                6 => insert(&mut self.dead_letters, key, value)?,
                7 => insert(&mut self.answers, key, value)?,
                _ => insert(&mut self.orders_by_key, key, value)?,
            }
        }
        Ok(bytes)
    }
}

fn insert<K: Key + 'static, V: Value + 'static>(
    table: &mut Table<'_, K, V>,
    key: &[u8],
    value: &[u8],
) -> Result<(), StoreError> {
    // Text is the only kind of key without a fixed width; bytes are the only such kind of value.
    let key_fits = K::fixed_width().map_or_else(|| std::str::from_utf8(key).is_ok(), |width| width == key.len());
    if !key_fits || V::fixed_width().is_some_and(|width| width != value.len()) {
        return Err(StoreError::Damaged("a row of a backup does not fit its table".to_owned()));
    }
    table.insert(K::from_bytes(key), V::from_bytes(value))?;
    Ok(())
}
