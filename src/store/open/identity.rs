//! What the tables say about themselves, read once at an opening.

use redb::{Database, ReadableDatabase, ReadableTable, TableError};

use crate::domain::idempotency_key::KeyHasher;
use crate::store::error::{OpenError, StoreError};
use crate::store::format::{FORMAT, KEY_SECRET_FORMAT};
use crate::store::head::Head;
use crate::store::rows::encoding;
use crate::store::rows::wal_mark::WalMark;
use crate::store::tables::{definitions, head_row};

/// What was made with the store, and stays.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Secrets {
    /// What job numbers are made with, and what the secrets of cursors and of sessions are derived from.
    pub(in crate::store) general: [u8; 32],
    /// What makes the numbers of idempotency keys.
    pub(in crate::store) keys: KeyHasher,
}

/// What the tables say about themselves.
#[derive(Debug)]
pub(in crate::store) struct Identity {
    /// The format of the tables.
    pub(in crate::store) format: u32,
    pub(in crate::store) secrets: Secrets,
    /// Tells this file from others that were or will be in its place.
    pub(in crate::store) instance: [u8; 8],
    /// The log that was started last; none where no log was ever started.
    pub(in crate::store) mark: Option<WalMark>,
    /// The end of the history as the tables have it, and its id. Their log may go further.
    pub(in crate::store) head: Head,
}

impl Identity {
    /// Reads it, in one transaction; none in an empty file. Another format is an error, before anything else is read.
    /// `name` is what the store is called in messages.
    pub(in crate::store) fn read(database: &Database, name: &str) -> Result<Option<Self>, OpenError> {
        Self::read_since(database, name, FORMAT)
    }

    fn read_since(database: &Database, name: &str, oldest: u32) -> Result<Option<Self>, OpenError> {
        match read(database, oldest).map_err(|error| OpenError::reading(name, error))? {
            Found::Nothing => Ok(None),
            Found::OtherFormat(found) => Err(OpenError::other_format(found)),
            Found::Ours(identity) => Ok(Some(*identity)),
        }
    }

    /// The same of a file that must be a store.
    pub(in crate::store) fn expect(database: &Database, name: &str) -> Result<Self, OpenError> {
        Self::expect_since(database, name, FORMAT)
    }

    /// The same where every format from `oldest` on will do, which is one that can be upgraded.
    pub(in crate::store) fn expect_since(database: &Database, name: &str, oldest: u32) -> Result<Self, OpenError> {
        let no_tables = || StoreError::Damaged("it has no tables".to_owned());
        Self::read_since(database, name, oldest)?.ok_or_else(|| OpenError::reading(name, no_tables()))
    }

    /// The mark of a log that may have records which the tables do not have; none where the tables are closed.
    pub(in crate::store) fn open_mark(&self) -> Option<&WalMark> {
        self.mark.as_ref().filter(|mark| mark.open)
    }
}

enum Found {
    Nothing,
    OtherFormat(u32),
    Ours(Box<Identity>),
}

fn read(database: &Database, oldest: u32) -> Result<Found, StoreError> {
    let transaction = database.begin_read()?;
    let state = match transaction.open_table(definitions::STATE) {
        Ok(state) => state,
        Err(TableError::TableDoesNotExist(_)) if transaction.list_tables()?.next().is_none() => {
            return Ok(Found::Nothing);
        }
        Err(error) => return Err(error.into()),
    };
    let row = state.get(definitions::STATE_FORMAT)?;
    let row = row.ok_or_else(|| StoreError::Damaged("there is no format version".to_owned()))?;
    let bytes = row.value().try_into().map_err(|_| StoreError::Damaged("a strange format version".to_owned()))?;
    let format = u32::from_le_bytes(bytes);
    if !(oldest..=FORMAT).contains(&format) {
        return Ok(Found::OtherFormat(format));
    }
    let mark = state.get(definitions::STATE_WAL)?.map(|row| encoding::decode(row.value())).transpose()?;
    let head = head_row::get(&state)?;
    let keys = match state.get(definitions::STATE_KEY_SECRET)? {
        None if format < KEY_SECRET_FORMAT => KeyHasher::Digest,
        Some(none) if none.value().is_empty() => KeyHasher::Digest,
        _ => KeyHasher::with_secret(&fixed(&state, definitions::STATE_KEY_SECRET)?),
    };
    let secrets = Secrets { general: fixed(&state, definitions::STATE_SECRET)?, keys };
    let instance = fixed(&state, definitions::STATE_INSTANCE)?;
    Ok(Found::Ours(Box::new(Identity { format, secrets, instance, mark, head })))
}

fn fixed<const N: usize>(
    state: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
) -> Result<[u8; N], StoreError> {
    let row = state.get(name)?;
    row.and_then(|row| row.value().try_into().ok()).ok_or_else(|| StoreError::Damaged(format!("there is no {name}")))
}
