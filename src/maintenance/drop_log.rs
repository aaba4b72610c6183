//! `flashsale drop-log`.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::domain::change::Fork;
use crate::domain::clock::Clock;
use crate::store::{self, Access, DirectoryLock, FoundLog, WithoutLog};

use super::error::MaintenanceError;
use super::place::{dated, lock};
use super::words::counted;

/// A stopped store whose log is missing or damaged, and locked as long as this lives. Displays as what is kept and what
/// is lost without the log.
#[derive(Debug)]
pub struct LostLog {
    found: WithoutLog,
    file: PathBuf,
    _lock: DirectoryLock,
}

/// What dropping a log did.
#[derive(Debug)]
pub struct Dropped {
    /// Where the store's history begins.
    pub fork: Fork,
    /// Where the old log is, if there was one.
    pub kept: Option<PathBuf>,
}

impl fmt::Display for LostLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WithoutLog { history, sequence, at, from_log, orders, products, log } = &self.found;
        let (orders, products) = (counted(*orders, "order"), counted(*products, "product"));
        let (up_to, since) = match sequence {
            // No record, so no time of one.
            0 => (String::new(), String::new()),
            _ => (format!(" up to record {sequence}, {at}"), format!(" after {at}")),
        };
        writeln!(f, "kept:  the history {history}{up_to}, with {orders} and {products}")?;
        if *from_log > 0 {
            writeln!(f, "       ({} of it can be read from the log)", counted(*from_log, "record"))?;
        }
        match log {
            FoundLog::Missing => writeln!(f, "log:   it is missing")?,
            FoundLog::Foreign(what) => writeln!(f, "log:   the one in its place is not the store's: {what}")?,
            FoundLog::Damaged(what) => writeln!(f, "log:   it is damaged: {what}")?,
        }
        write!(
            f,
            "lost:  every record after {sequence}: orders, confirmations, cancellations and changes of stock that were \
             acknowledged{since}; their number is unknown"
        )
    }
}

impl LostLog {
    /// Looks at the store in a data directory and changes nothing. A store that can be opened as it is, is an error.
    pub fn find(data_dir: &Path) -> Result<Self, MaintenanceError> {
        let (lock, file) = lock(data_dir, Access::Writing)?;
        match store::look_without_log(&file)? {
            Some(found) => Ok(Self { found, file, _lock: lock }),
            None => Err(MaintenanceError::LogIsWhole(file.display().to_string())),
        }
    }

    /// The store's file.
    pub fn store(&self) -> &Path {
        &self.file
    }

    /// Makes the store whole without its log: what is in the log's place is kept under another name, and the history
    /// forks.
    pub fn drop_log(self) -> Result<Dropped, MaintenanceError> {
        let now = Clock::system().now();
        let (fork, kept) = store::drop_log(&self.file, &dated(&self.file, "dropped", now), now)?;
        Ok(Dropped { fork, kept })
    }
}
