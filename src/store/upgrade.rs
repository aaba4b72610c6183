//! Upgrading a store of an earlier format: a backup of it first, then one transaction. Killed at any moment, it is
//! begun again by the next start.

use std::fs;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase};

use super::archive::ArchiveError;
use super::error::{OpenError, StoreError};
use super::format::OLDEST_FORMAT;
use super::medium::{directory_of, sync_directory_of, wal_beside, with_suffix};
use super::open::create::private_file;
use super::open::files::free_bytes;
use super::open::inspect;
use super::snapshot::Snapshot;
use super::tables::create;
use super::tables::database::builder;
use super::tables::definitions;

/// What an upgrade did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgraded {
    /// The format before.
    pub from: u32,
    /// The backup of the store as it was.
    pub backup: PathBuf,
}

/// Upgrades the store in `file`, of which an opening said [`OpenError::OlderFormat`]. The caller holds the lock of its
/// directory.
pub fn upgrade(file: &Path) -> Result<Upgraded, OpenError> {
    let name = file.display().to_string();
    let (database, identity) = inspect::inspect(file, OLDEST_FORMAT)?;
    let from = identity.format;
    let backup = with_suffix(file, &format!(".format-{from}.backup"));
    check_room(file)?;
    back_up(&database, &backup)?;
    // It was read through an overlay: the file is still as it was.
    drop(database);
    let database = builder().open(file).map_err(|error| OpenError::database(&name, error))?;
    set_format(&database, from).map_err(|error| OpenError::reading(&name, error))?;
    Ok(Upgraded { from, backup })
}

/// A backup has the rows of the tables and of the log once, so it is no larger than both files.
fn check_room(file: &Path) -> Result<(), OpenError> {
    let length = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    let needed = length(file) + length(&wal_beside(file));
    match free_bytes(directory_of(file)).filter(|free| *free < needed) {
        Some(free) => Err(OpenError::NoRoomToUpgrade { store: file.display().to_string(), needed, free }),
        None => Ok(()),
    }
}

/// Writes the backup, which has its name once it is whole and on disk. One of an upgrade that was killed is replaced:
/// the earlier program may have written the store since.
fn back_up(database: &Database, backup: &Path) -> Result<(), OpenError> {
    let unfinished = with_suffix(backup, ".new");
    let write = || -> Result<(), ArchiveError> {
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let snapshot = Snapshot::new(database.begin_read().map_err(StoreError::from)?);
        let mut out = snapshot.back_up(BufWriter::new(private_file(&unfinished)?), &mut |_, _, _| {})?;
        out.flush()?;
        out.into_inner().map_err(io::Error::from)?.sync_all()?;
        fs::rename(&unfinished, backup)?;
        Ok(sync_directory_of(backup)?)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&unfinished);
        OpenError::UpgradeBackup { backup: backup.display().to_string(), error: error.to_string() }
    })
}

fn set_format(database: &Database, from: u32) -> Result<(), StoreError> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    create::set_format(&mut transaction.open_table(definitions::STATE)?, from)?;
    Ok(transaction.commit()?)
}
