//! A working file that no one else sees: tables for what does not fit into memory, gone with the process.

use std::io;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{Database, StorageBackend, TableDefinition};

use crate::store::error::StoreError;
use crate::store::open::create::private_file;
use crate::store::random::random;
use crate::store::tables::database::builder;

/// Order number → the order, as in the store.
pub(in crate::store) const ORDERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("orders");
/// Order number → the errors of its attempts, as in the store.
pub(in crate::store) const ATTEMPTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("attempts");
/// Numbers of the orders whose jobs are dead letters.
pub(in crate::store) const DEAD_LETTERS: TableDefinition<'_, u64, ()> = TableDefinition::new("dead_letters");
/// Order number → the response stored for a repeated request.
pub(in crate::store) const RESPONSES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("answers");

/// A file that is never synced: it does not outlive the process.
#[derive(Debug)]
struct Unsynced(FileBackend);

impl StorageBackend for Unsynced {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

/// Makes empty tables in a file in `directory` that has no name any more, so that nothing of it is left behind.
pub(in crate::store) fn create(directory: &Path) -> Result<Database, StoreError> {
    let number = u64::from_le_bytes(random()?);
    let path = directory.join(format!("flashsale-scratch-{number:016x}"));
    let file = private_file(&path).map_err(|error| StoreError::Scratch(path.display().to_string(), error))?;
    std::fs::remove_file(&path).map_err(|error| StoreError::Scratch(path.display().to_string(), error))?;
    let database = builder().create_with_backend(Unsynced(FileBackend::new(file)?))?;
    let transaction = database.begin_write()?;
    transaction.open_table(ORDERS)?;
    transaction.open_table(ATTEMPTS)?;
    transaction.open_table(DEAD_LETTERS)?;
    transaction.open_table(RESPONSES)?;
    transaction.commit()?;
    Ok(database)
}
