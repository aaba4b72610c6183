//! Opening a store is recovering it: its tables are brought up to the end of its log, and a new log is started.

use redb::Database;

use super::error::{OpenError, StoreError};
use super::lease::Lease;
use super::medium::{Medium, Part, sync_directory_of};
use super::rows::wal_mark::WalMark;
use super::tables;
use super::tables::database::checking;
use super::tables::index::Index;
use super::wal::frames::Wal;

pub(super) mod create;
pub(super) mod drop_log;
pub(super) mod files;
pub(super) mod fork;
pub(super) mod identity;
pub(super) mod inspect;
pub(super) mod left_overs;
pub(super) mod lock;
pub(super) mod own_wal;
pub(super) mod recover;
pub(super) mod redo;
pub(super) mod settle;

use files::Files;
use identity::{Identity, Secrets};
use recover::{Recovered, recover};
use settle::settle;

/// A store that was just opened.
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) users: Index,
    pub(super) keys: Index,
    pub(super) secrets: Secrets,
    pub(super) recovered: Recovered,
    /// With nothing in it that the tables do not have.
    pub(super) wal: Wal,
    /// What the tables know of that log.
    pub(super) mark: WalMark,
    pub(super) lease: Lease,
}

/// Opens the files, creates what is missing, brings the tables up to the end of the log, and reads what a start needs.
pub(super) fn open(medium: &Medium, files: &Files) -> Result<Opened, OpenError> {
    let name = medium.to_string();
    let reading = |error: StoreError| OpenError::reading(&name, error);
    let (database, lease) = open_database(medium, files)?;
    let identity = match medium {
        // A file is made whole before it is opened.
        Medium::File(_) => Identity::expect(&database, &name)?,
        Medium::Backend { .. } => made(&database, &name)?,
    };
    let unclosed = identity.open_mark().is_some();
    own_wal::check_is_there(&identity, medium)?;
    if let Medium::File(path) = medium
        && unclosed
    {
        files.check_wal(path)?;
    }
    let new_wal = !medium.has_wal();
    let mut wal = own_wal::open(medium)?;
    let last = own_wal::redo(&database, &identity, &wal, medium)?;
    if let Medium::File(path) = medium {
        // The name of a new file is on disk only when its directory is.
        let kept = files.keep_wal(path).and_then(|()| sync_directory_of(path));
        kept.map_err(|error| OpenError::io(&name, error))?;
    }
    let started = own_wal::start(&database, &mut wal, medium, identity.instance, last);
    if started.is_err() && new_wal {
        medium.remove_wal();
    }
    let mark = started?;
    let (recovered, users, keys) = recover(&database, unclosed).map_err(reading)?;
    let (users, keys) = settle(&database, users, keys).map_err(reading)?;
    Ok(Opened { database, users, keys, secrets: identity.secrets, recovered, wal, mark, lease })
}

/// What the tables say about themselves, made before in an empty file.
fn made(database: &Database, name: &str) -> Result<Identity, OpenError> {
    if let Some(identity) = Identity::read(database, name)? {
        return Ok(identity);
    }
    tables::create::create(database).map_err(|error| OpenError::reading(name, error))?;
    Identity::expect(database, name)
}

/// Opens the tables, made before where there are none, after every page was checked against its checksum.
fn open_database(medium: &Medium, files: &Files) -> Result<(Database, Lease), OpenError> {
    let lease = Lease::new(match medium {
        Medium::File(path) => files.tables(path)?,
        Medium::Backend { open, .. } => open(Part::Tables).into(),
    });
    let database = checking().create_with_backend(lease.clone());
    Ok((database.map_err(|error| OpenError::database(&medium.to_string(), error))?, lease))
}
