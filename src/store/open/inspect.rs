//! Opening a store to read it: nothing is created, and not a byte of it is changed.
//!
//! A store that was not closed has to be repaired before it can be read, and its tables brought up to its log, and
//! both are writes. So the file lies below an overlay.

use std::path::Path;
use std::sync::Arc;

use redb::Database;

use crate::store::error::{OpenError, StoreError};
use crate::store::lease::Lease;
use crate::store::medium::Medium;
use crate::store::overlay::Overlay;
use crate::store::tables::database::{builder, checking};
use crate::store::tables::index::Index;

use super::create;
use super::identity::Identity;
use super::own_wal;
use super::recover::{Recovered, recover};
use super::settle::settle;

/// A store that is only read while its disk is full.
pub(in crate::store) struct Inspected {
    pub(in crate::store) database: Database,
    pub(in crate::store) users: Index,
    pub(in crate::store) keys: Index,
    pub(in crate::store) recovered: Recovered,
    pub(in crate::store) lease: Lease,
}

/// The store in `file` while its disk is full, so that requests that need no writing get a response: everything that
/// was acknowledged, and nobody can commit.
pub(in crate::store) fn below_overlay(file: &Path) -> Result<Inspected, OpenError> {
    let medium = Medium::File(file.to_owned());
    let name = medium.to_string();
    let reading = |error: StoreError| OpenError::reading(&name, error);
    let overlay = Overlay::over(file).map_err(|error| OpenError::io(&name, error))?;
    let lease = Lease::new(Arc::new(overlay));
    let database = builder().create_with_backend(lease.clone()).map_err(|error| OpenError::database(&name, error))?;
    redo(&database, &Identity::expect(&database, &name)?, file)?;
    let (recovered, users, keys) = recover(&database, true).map_err(reading)?;
    let (users, keys) = settle(&database, users, keys).map_err(reading)?;
    Ok(Inspected { database, users, keys, recovered, lease })
}

/// The whole store in `file`, after every page of it was checked against its checksum. Reads the whole file. The caller
/// holds the lock of its directory. Formats before `oldest` are errors.
pub(in crate::store) fn inspect(file: &Path, oldest: u32) -> Result<(Database, Identity), OpenError> {
    let (database, identity) = open_tables(file, oldest)?;
    redo(&database, &identity, file)?;
    Ok((database, identity))
}

/// Brings tables below an overlay up to the end of their log.
fn redo(database: &Database, identity: &Identity, file: &Path) -> Result<(), OpenError> {
    let medium = Medium::File(file.to_owned());
    own_wal::check_is_there(identity, &medium)?;
    match own_wal::look_at(file)? {
        Some(wal) => own_wal::redo(database, identity, &wal, &medium).map(drop),
        None => Ok(()),
    }
}

/// The tables in `file` as they are without their log, below an overlay. Formats before `oldest` are errors.
pub(in crate::store) fn open_tables(file: &Path, oldest: u32) -> Result<(Database, Identity), OpenError> {
    let name = file.display().to_string();
    create::check(file)?;
    let overlay = Overlay::over(file).map_err(|error| OpenError::io(&name, error))?;
    if overlay.is_empty() {
        return Err(OpenError::Damaged(name, "it is empty".to_owned()));
    }
    let database = checking().create_with_backend(overlay).map_err(|error| OpenError::database(&name, error))?;
    let identity = Identity::expect_since(&database, &name, oldest)?;
    Ok((database, identity))
}
