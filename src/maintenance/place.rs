//! Where a store is, and what its files are called.

use std::path::{Path, PathBuf};

use crate::domain::clock::Timestamp;
use crate::store::{self, Access, DirectoryLock};

use super::error::MaintenanceError;

/// Locks a data directory in which there is a store. Gives the store's file as well.
pub(super) fn lock(data_dir: &Path, access: Access) -> Result<(DirectoryLock, PathBuf), MaintenanceError> {
    let lock = DirectoryLock::take(data_dir, access);
    let lock = lock.map_err(|error| MaintenanceError::locking(data_dir, error))?;
    Ok((lock, existing_store(data_dir)?))
}

/// The same to read the store in a command that also reads a running server.
pub(super) fn lock_instead_of_server(data_dir: &Path) -> Result<(DirectoryLock, PathBuf), MaintenanceError> {
    lock(data_dir, Access::Reading).map_err(|error| match error {
        MaintenanceError::InUse(name) => MaintenanceError::Running(name),
        other => other,
    })
}

/// The store's file in a data directory, if it exists.
fn existing_store(data_dir: &Path) -> Result<PathBuf, MaintenanceError> {
    let file = store::file_in(data_dir);
    match file.is_file() {
        true => Ok(file),
        false => Err(MaintenanceError::Missing(file.display().to_string())),
    }
}

/// The name under which a file of a store is kept when it is replaced: what happened to it, and when.
pub(super) fn dated(file: &Path, what: &str, now: Timestamp) -> PathBuf {
    let now: String = now.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    store::with_suffix(file, &format!(".{what}-{now}"))
}
