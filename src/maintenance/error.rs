//! Why a maintenance command failed.

use std::io;
use std::path::Path;

use crate::client::ClientError;
use crate::domain::product::ProductId;
use crate::store::archive::ArchiveError;
use crate::store::{self, OpenError, StoreError, is_full};

use super::report::Report;

/// Why a command failed. Each message says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// There is no store.
    #[error("there is no store at {0}; give its directory with --data-dir or DATA_DIR")]
    Missing(String),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(OpenError),
    /// Another process uses the store.
    #[error("a server or another command is using the store {0}; stop it first")]
    InUse(String),
    /// Another process uses the store, and the server does as well.
    #[error("a server or another command is using the store {0}; stop it first, or name the server with --server URL")]
    Running(String),
    /// Nothing is lost.
    #[error("the store {0} and its log are whole, so there is nothing to drop; start the server")]
    LogIsWhole(String),
    /// Records are lost on purpose only.
    #[error("nothing was changed; to continue without the lost records, copy the directory of {0}, then add --yes")]
    NotConfirmed(String),
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Read(#[from] StoreError),
    /// The working file cannot be made.
    #[error("cannot make the working file {0}: {1}; choose another directory with --scratch-dir")]
    Scratch(String, io::Error),
    /// The working file fills its disk.
    #[error("there is no space left for the working file in {0}; free some, or choose another --scratch-dir")]
    ScratchFull(String),
    /// The file to write exists.
    #[error("{0} already exists; choose another name, or add --force to replace it")]
    Exists(String),
    /// The file to write is part of a store, or would be taken for a part of one.
    #[error("{0} is the place of a store or its log and is never replaced, not even with --force; choose another name")]
    PartOfAStore(String),
    /// The path to write is a directory, a device, a pipe or a link.
    #[error("{0} is not a regular file; choose another name")]
    NotAFile(String),
    /// Another process writes the same file.
    #[error("another command is writing {0}; wait until it has ended")]
    BeingWritten(String),
    /// The disk is full.
    #[error("there is no space left for {0}; free some, or choose another disk")]
    Full(String),
    /// The file cannot be written.
    #[error("cannot write {0}: {1}")]
    Write(String, io::Error),
    /// The backup cannot be used.
    #[error("the backup {0} cannot be used: {1}")]
    Backup(String, ArchiveError),
    /// The new store is built under the name that the backup has.
    #[error("a restore builds the new store at {0}, where the backup is; give the backup another name")]
    InTheWay(String),
    /// The data directory has a store.
    #[error("there is a store at {0}; add --force to replace it: the old one is renamed and kept")]
    StoreExists(String),
    /// The restored store does not add up.
    #[error("the store in the backup does not add up, and nothing was replaced; use another backup\n{0}")]
    Unsound(Report),
    /// An analysis of one product that the store does not have.
    #[error("there is no product {0}; flashsale products list shows those of a running server")]
    NoProduct(ProductId),
    /// The server gave no backup.
    #[error("cannot get a backup from the server at {0}: {1}")]
    Server(String, ClientError),
    /// The server gave something else than a whole backup.
    #[error("the backup from the server at {0} cannot be used: {1}")]
    Received(String, ArchiveError),
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
    /// Why a data directory cannot be locked.
    pub(super) fn locking(data_dir: &Path, error: OpenError) -> Self {
        match error {
            OpenError::Io(_, error) if error.kind() == io::ErrorKind::NotFound => {
                Self::Missing(store::file_in(data_dir).display().to_string())
            }
            other => other.into(),
        }
    }

    /// Why a check failed that has its working file in `scratch_dir`. The store itself is only read.
    pub(super) fn checking(scratch_dir: &Path, error: StoreError) -> Self {
        match error {
            StoreError::Scratch(name, error) => Self::Scratch(name, error),
            error if error.is_out_of_space() => Self::ScratchFull(scratch_dir.display().to_string()),
            other => other.into(),
        }
    }

    /// Why `path` cannot be written.
    pub(super) fn writing(path: &Path, error: io::Error) -> Self {
        let name = path.display().to_string();
        match error.kind() {
            kind if is_full(kind) => Self::Full(name),
            _ => Self::Write(name, error),
        }
    }
}
