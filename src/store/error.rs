//! Why a store cannot be opened, read or written.

use std::io;

use redb::DatabaseError;

use crate::domain::clock::Timestamp;

use super::format::{FORMAT, OLDEST_FORMAT};

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "another server is using {0}, or a command is at work on it; stop it first, or choose another data directory"
    )]
    InUse(String),
    /// A later program wrote it.
    #[error("the store has format {found}, and this program knows {FORMAT} at most; use a newer flashsale")]
    NewerFormat {
        /// The format in the file.
        found: u32,
    },
    /// An earlier program wrote it.
    #[error(
        "the store has format {found}, and this program works with {FORMAT}; start `flashsale serve` on it once, which \
         makes a backup and upgrades it"
    )]
    OlderFormat {
        /// The format in the file.
        found: u32,
    },
    /// A program from before the first release wrote it.
    #[error(
        "the store has format {found}, which no released flashsale wrote, and this program reads {OLDEST_FORMAT} to \
         {FORMAT}; begin anew"
    )]
    UnknownFormat {
        /// The format in the file.
        found: u32,
    },
    /// There is no room for the backup that an upgrade makes first.
    #[error(
        "upgrading {store} makes a backup beside it first, which can take {needed} bytes, and its disk has {free} \
         bytes free; free some and start again, nothing was changed"
    )]
    NoRoomToUpgrade {
        /// The tables' file.
        store: String,
        /// Bytes that the backup takes at most.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The backup that an upgrade makes first could not be written.
    #[error("upgrading the store makes a backup first, and {backup} cannot be written: {error}; nothing was changed")]
    UpgradeBackup {
        /// The backup.
        backup: String,
        /// Why.
        error: String,
    },
    /// It is not ours, or it is damaged.
    #[error("{0} is not a whole flashsale store: {1}; restore a backup or choose another data directory")]
    Damaged(String, String),
    /// It was not closed, and the log that belongs to it is not there.
    #[error(
        "{store} was not closed, and its log {log} is not there: the last orders are in it; put it back, restore a \
         backup, or ask `flashsale drop-log` what is lost without it"
    )]
    LogMissing {
        /// The tables' file.
        store: String,
        /// Where the log should be.
        log: String,
    },
    /// It was not closed, and its log is not whole.
    #[error(
        "{store} was not closed, and its log {log} is damaged: {what}; the last orders are in it: put the whole one \
         back, restore a backup, or ask `flashsale drop-log` what is lost without it"
    )]
    LogDamaged {
        /// The tables' file.
        store: String,
        /// The log.
        log: String,
        /// What is wrong with it.
        what: String,
    },
    /// It was not closed, and another log is in the place of its own.
    #[error(
        "{store} was not closed, and {log} is not its log: {what}; the last orders are in its own log: put that one \
         back, restore a backup, or ask `flashsale drop-log` what is lost without it"
    )]
    ForeignLog {
        /// The tables' file.
        store: String,
        /// What is in the place of its log.
        log: String,
        /// Whose it is.
        what: String,
    },
    /// It was closed, and a log is in its place that it does not know.
    #[error(
        "{log} is not the log of {store}: {what}; the last orders of a store may be in it: put it back where it \
         belongs, or move it away"
    )]
    LogInTheWay {
        /// The tables' file.
        store: String,
        /// The log.
        log: String,
        /// Whose it is.
        what: String,
    },
    /// There is a log and not the tables that it belongs to.
    #[error("{log} is there, and {store}, which it belongs to, is not; put it back, or restore a backup")]
    TablesMissing {
        /// Where the tables' file should be.
        store: String,
        /// The log.
        log: String,
    },
    /// It was deleted, renamed or replaced while the server was running.
    #[error("{0} was deleted, renamed or replaced while the server was running; put it back, or stop the server")]
    Misplaced(String),
    /// It is a link, or has another name.
    #[error("{0} is not the store's own file: {1}; put the file itself, or a copy of it, there")]
    NotItsOwn(String, io::Error),
    /// The disk is full.
    #[error("there is no space left to open {0}; free some on its disk and start again, nothing is lost")]
    Full(String),
    /// The operating system failed.
    #[error("cannot open {0}: {1}")]
    Io(String, io::Error),
    /// The store could be opened and not be used.
    #[error("cannot open {0}: {1}")]
    Failed(String, StoreError),
}

impl OpenError {
    /// For a file of tables that redb does not open.
    pub(in crate::store) fn database(name: &str, error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen => Self::InUse(name.to_owned()),
            DatabaseError::Storage(redb::StorageError::Io(error)) => Self::io(name, error),
            DatabaseError::Storage(redb::StorageError::PreviousIo) => {
                Self::reading(name, redb::Error::PreviousIo.into())
            }
            other => Self::Damaged(name.to_owned(), other.to_string()),
        }
    }

    /// For an input or output that failed. What is missing or makes no sense in a file is damage; all else is not the
    /// file's fault.
    pub(in crate::store) fn io(name: &str, error: io::Error) -> Self {
        match error.kind() {
            kind if is_full(kind) => Self::Full(name.to_owned()),
            io::ErrorKind::InvalidData => Self::Damaged(name.to_owned(), error.to_string()),
            io::ErrorKind::UnexpectedEof => Self::Damaged(name.to_owned(), "its end is missing".to_owned()),
            _ => Self::Io(name.to_owned(), error),
        }
    }

    /// For tables that were opened and could then not be read or brought up to date.
    pub(in crate::store) fn reading(name: &str, error: StoreError) -> Self {
        match error {
            StoreError::Damaged(what) => Self::Damaged(name.to_owned(), what),
            StoreError::Failed(error) => match *error {
                redb::Error::Io(error) => Self::io(name, error),
                error @ (redb::Error::PreviousIo | redb::Error::LockPoisoned(_)) => {
                    Self::Failed(name.to_owned(), error.into())
                }
                error => Self::Damaged(name.to_owned(), error.to_string()),
            },
            other => Self::Failed(name.to_owned(), other),
        }
    }

    /// For a format that is not ours.
    pub(in crate::store) const fn other_format(found: u32) -> Self {
        match found {
            OLDEST_FORMAT..=FORMAT => Self::OlderFormat { found },
            0..OLDEST_FORMAT => Self::UnknownFormat { found },
            _ => Self::NewerFormat { found },
        }
    }
}

/// Whether an error says that there is no more room: on the disk, within a quota, or for a file of this length.
pub const fn is_full(error: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error, StorageFull | QuotaExceeded | FileTooLarge)
}

/// Why the store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It failed and has not been opened again yet.
    #[error("the store is closed")]
    Closed,
    /// As many reads wait for their turn as may.
    #[error("too many are waiting to read the store")]
    TooManyReaders,
    /// A file was deleted, renamed or replaced while it was open.
    #[error("{0} was deleted, renamed or replaced while the server was running")]
    Misplaced(String),
    /// The operating system or the file failed.
    #[error("the store failed: {0}")]
    Failed(#[source] Box<redb::Error>),
    /// A row does not say what its table promises.
    #[error("the store holds a damaged row: {0}")]
    Damaged(String),
    /// The system does not give what the store needs of it.
    #[error("the system gives no {0}: {1}")]
    System(&'static str, String),
    /// The clock cannot be right, and numbers are made from it.
    #[error("the clock of this machine says {0}, which cannot be; set it first")]
    Clock(Timestamp),
    /// There is no room for a working file.
    #[error("cannot make the working file {0}: {1}")]
    Scratch(String, io::Error),
}

impl StoreError {
    /// Whether it failed for want of space.
    pub fn is_out_of_space(&self) -> bool {
        let Self::Failed(error) = self else { return false };
        matches!(error.as_ref(), redb::Error::Io(error) if is_full(error.kind()))
    }
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error.into()))
    }
}
