//! Making a store where there is none.
//!
//! It is made beside its place and put there whole, so that a file in the place that is empty or unfinished was damaged
//! and is never taken for a new one.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::regular_file;

use crate::store::error::OpenError;
use crate::store::medium::{sync_directory_of, wal_beside, with_suffix};
use crate::store::tables;

use super::left_overs;

/// Creates a file that only its owner can read; one that is there is an error.
pub(in crate::store) fn private_file(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Makes an empty store in `path` if nothing is there. The caller holds the lock of the directory: two may not make
/// one at the same time.
pub(in crate::store) fn make_if_missing(path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::io(&path.display().to_string(), error);
    match fs::symlink_metadata(path) {
        Ok(_) => {
            check(path)?;
            return match fs::metadata(path).map_err(failed)?.len() {
                0 => Err(OpenError::Damaged(path.display().to_string(), "it is empty".to_owned())),
                _ => Ok(()),
            };
        }
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        Err(_) => {}
    }
    let log = wal_beside(path);
    if log.exists() {
        return Err(OpenError::TablesMissing { store: path.display().to_string(), log: log.display().to_string() });
    }
    let fresh = with_suffix(path, &format!("{}{}", left_overs::NEW, std::process::id()));
    let made = make(&fresh).and_then(|()| fs::rename(&fresh, path).map_err(failed));
    if made.is_err() {
        // Half a store is of no use; the next start removes it where this cannot.
        let _ = fs::remove_file(&fresh);
    }
    made.and_then(|()| sync_directory_of(path).map_err(failed))
}

/// Rejects what is not a file of its own: a link may lead to the store of another directory, whose lock is another one.
pub(in crate::store) fn check(path: &Path) -> Result<(), OpenError> {
    let name = || path.display().to_string();
    regular_file::check_own(path).map_err(|error| match regular_file::is_unfit(&error) {
        true => OpenError::NotItsOwn(name(), error),
        false => OpenError::io(&name(), error),
    })
}

fn make(fresh: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::io(&fresh.display().to_string(), error);
    // What is left is of a process that had this number before and was killed.
    if let Err(error) = fs::remove_file(fresh)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(failed(error));
    }
    private_file(fresh).map_err(failed)?;
    let name = fresh.display().to_string();
    let database = tables::database::builder().create(fresh).map_err(|error| OpenError::database(&name, error))?;
    tables::create::create(&database).map_err(|error| OpenError::reading(&name, error))
}
