//! What can be done to a store beside running a server on it: check it, back it up, restore it, export it.

use std::io;
use std::path::{Path, PathBuf};

use crate::domain::clock::Timestamp;
use crate::store::archive::ArchiveError;
use crate::store::{self, Access, DirectoryLock, OpenError, StoreError, is_full};

mod backup;
mod drop_log;
mod export;
mod output;
mod progress;
mod remote;
mod restore;
mod verify;

pub use backup::{Source, backup};
pub use drop_log::{Dropped, Loss, drop_log};
pub use export::{Format, Subject, export};
pub use restore::{Restored, restore};
pub use verify::{Report, verify};

/// Why something could not be done to a store. Each is a sentence with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// There is none.
    #[error("there is no store at {0}; name its directory with --data-dir (DATA_DIR)")]
    Missing(String),
    /// It could not be opened.
    #[error(transparent)]
    Open(OpenError),
    /// A server, or another of these commands, is at it.
    #[error("a server is using the store {0}, or another command is at work on it; stop it first")]
    InUse(String),
    /// The same, where there is another way.
    #[error(
        "a server is using the store {0}, or another command is at work on it; stop it first, or back up through the \
         server with --server"
    )]
    Running(String),
    /// Nothing is lost.
    #[error("the store {0} and its log are whole, and nothing has to be dropped; start the server")]
    LogIsWhole(String),
    /// What is lost is to be lost on purpose only.
    #[error("nothing was changed; copy the directory of {0} first, then add --yes to go on without what is lost")]
    NotSaid(String),
    /// It could not be read.
    #[error("the store cannot be read: {0}")]
    Read(#[from] StoreError),
    /// There is no place for a working file.
    #[error("cannot make the working file {0}: {1}; name another directory with --scratch-dir")]
    Scratch(String, io::Error),
    /// There is no room for a working file.
    #[error("there is no space left for the working file in {0}; free some or name another --scratch-dir")]
    ScratchFull(String),
    /// Something is where it would go.
    #[error("{0} is there already; choose another name, or add --force to replace it")]
    Exists(String),
    /// What would go is a store, or what is put there would be taken for one.
    #[error("{0} is the place of a store or its log, and nothing else is put there; choose another name")]
    PartOfAStore(String),
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
    /// The backup is where the new store is made.
    #[error("the new store would be made in the place of the backup {0}; give the backup another name")]
    InTheWay(String),
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

impl From<OpenError> for MaintenanceError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::InUse(name) => Self::InUse(name),
            other => Self::Open(other),
        }
    }
}

impl MaintenanceError {
    /// Why the lock of a data directory could not be had.
    fn locking(data_dir: &Path, error: OpenError) -> Self {
        match error {
            OpenError::Io(_, error) if error.kind() == io::ErrorKind::NotFound => {
                Self::Missing(store::file_in(data_dir).display().to_string())
            }
            other => other.into(),
        }
    }

    /// Why a check ended that has a working file in `scratch_dir`. The store itself is only read.
    fn checking(scratch_dir: &Path, error: StoreError) -> Self {
        match error {
            StoreError::Scratch(name, error) => Self::Scratch(name, error),
            error if error.is_out_of_space() => Self::ScratchFull(scratch_dir.display().to_string()),
            other => other.into(),
        }
    }

    /// Why `path` could not be written.
    fn writing(path: &Path, error: io::Error) -> Self {
        let name = path.display().to_string();
        match error.kind() {
            kind if is_full(kind) => Self::Full(name),
            _ => Self::Write(name, error),
        }
    }
}

/// A number of things, in words: `1 order`, `2 orders`.
pub fn counted(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Takes the lock of a data directory to read the store there, and gives its file as well.
fn lock_to_read(data_dir: &Path) -> Result<(DirectoryLock, PathBuf), MaintenanceError> {
    let lock = DirectoryLock::take(data_dir, Access::Reading);
    let lock = lock.map_err(|error| MaintenanceError::locking(data_dir, error))?;
    Ok((lock, existing_store(data_dir)?))
}

/// The store's file in a data directory, if it is there.
fn existing_store(data_dir: &Path) -> Result<PathBuf, MaintenanceError> {
    let file = store::file_in(data_dir);
    match file.is_file() {
        true => Ok(file),
        false => Err(MaintenanceError::Missing(file.display().to_string())),
    }
}

/// The name under which something of a store is kept that goes: what became of it, and when.
fn dated(file: &Path, what: &str, now: Timestamp) -> PathBuf {
    let now: String = now.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    store::with_suffix(file, &format!(".{what}-{now}"))
}
