//! `flashsale drop-log`.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::domain::change::Fork;
use crate::domain::clock::Clock;
use crate::store::{self, Access, DirectoryLock, FoundLog, WithoutLog};

use super::{MaintenanceError, counted, dated, existing_store};

/// What a store without its log still has, and what is lost.
#[derive(Debug)]
pub struct Loss(WithoutLog);

/// What going on without a log did.
#[derive(Debug)]
pub struct Dropped {
    /// Where the store's history begins.
    pub fork: Fork,
    /// Where the log is that was there, if one was.
    pub kept: Option<PathBuf>,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WithoutLog { history, sequence, at, from_log, orders, products, log } = &self.0;
        let (orders, products) = (counted(*orders, "order"), counted(*products, "product"));
        writeln!(f, "there: the history {history} up to record {sequence}, {at}, with {orders} and {products}")?;
        if *from_log > 0 {
            writeln!(f, "       {} of it can be read from the log", counted(*from_log, "record"))?;
        }
        match log {
            FoundLog::Missing => writeln!(f, "log:   it is not there")?,
            FoundLog::Foreign(what) => writeln!(f, "log:   what is in its place is another one: {what}")?,
            FoundLog::Damaged(what) => writeln!(f, "log:   it is damaged: {what}")?,
        }
        write!(
            f,
            "lost:  every record after {sequence}: orders, confirmations, cancellations and changes of stock that were \
             acknowledged after {at}; nobody knows how many"
        )
    }
}

/// Says what is lost without the log of the store in a data directory, to `tell`. With `yes` the store goes on without
/// it: what is in the log's place is kept under another name, and the history forks.
pub fn drop_log(data_dir: &Path, yes: bool, tell: impl FnOnce(&Loss)) -> Result<Dropped, MaintenanceError> {
    let _lock =
        DirectoryLock::take(data_dir, Access::Writing).map_err(|error| MaintenanceError::locking(data_dir, error))?;
    let file = existing_store(data_dir)?;
    let Some(found) = store::look_without_log(&file)? else {
        return Err(MaintenanceError::LogIsWhole(file.display().to_string()));
    };
    tell(&Loss(found));
    if !yes {
        return Err(MaintenanceError::NotSaid(file.display().to_string()));
    }
    let now = Clock::system().now();
    let (fork, kept) = store::drop_log(&file, &dated(&file, "dropped", now), now)?;
    Ok(Dropped { fork, kept })
}
