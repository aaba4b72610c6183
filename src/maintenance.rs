//! What can be done to a store beside running a server on it: check it, back it up, restore it, export it.

use std::io;
use std::path::{Path, PathBuf};

use crate::store::archive::ArchiveError;
use crate::store::{self, OpenError, Store, StoreError};

mod backup;
mod export;
mod output;
mod progress;
mod remote;
mod restore;
mod verify;

pub use backup::{Source, backup};
pub use export::{Filter, Format, Subject, export};
pub use restore::{Restored, restore};
pub use verify::{Report, verify};

/// A store that is locked against servers as long as this lives.
type StoppedStore = Store;

/// Why something could not be done to a store. Each is a sentence with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// There is none.
    #[error("there is no store at {0}; set DATA_DIR to where it is")]
    Missing(String),
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A server runs on it.
    #[error("a server is using the store; stop it, or back up through it with --server")]
    Running,
    /// It could not be read.
    #[error("the store cannot be read: {0}")]
    Read(#[from] StoreError),
    /// Something is where it would go.
    #[error("{0} is there already; choose another name, or add --force to replace it")]
    Exists(String),
    /// What is there is no file.
    #[error("{0} is not a regular file; choose another name")]
    NotAFile(String),
    /// Another run is at it.
    #[error("{0} is being written by another run; wait for it to end")]
    BeingWritten(String),
    /// The disk is full.
    #[error("there is no space left for {0}; free some or choose another disk")]
    Full(String),
    /// The operating system refused.
    #[error("cannot write {0}: {1}")]
    Write(String, io::Error),
    /// The backup cannot be used.
    #[error("the backup {0} cannot be used: {1}")]
    Backup(String, ArchiveError),
    /// There is a store already.
    #[error("there is a store at {0}; add --force to replace it, and it is kept under another name")]
    StoreExists(String),
    /// What was restored does not add up.
    #[error("the store in the backup does not add up, and nothing was replaced; use another backup\n{0}")]
    Unsound(Report),
    /// Not the address of a server.
    #[error("{0:?} is not the address of a server; it is one such as http://127.0.0.1:3000")]
    NotAServer(String),
    /// The server gave no backup.
    #[error("no backup could be had from the server at {0}: {1}")]
    Server(String, String),
}

impl MaintenanceError {
    /// Why `path` could not be written.
    fn writing(path: &Path, error: io::Error) -> Self {
        let name = path.display().to_string();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(name),
            _ => Self::Write(name, error),
        }
    }
}

/// The store's file in a data directory, if it is there.
fn existing_store(data_dir: &Path) -> Result<PathBuf, MaintenanceError> {
    let file = store::file_in(data_dir);
    match file.is_file() {
        true => Ok(file),
        false => Err(MaintenanceError::Missing(file.display().to_string())),
    }
}
