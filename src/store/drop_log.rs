//! Going on without a log that is gone: what is known to be there, and what is lost.

use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase};

use crate::domain::change::{Fork, HistoryId};
use crate::domain::clock::Timestamp;

use super::log::Logged;
use super::log_mark::{self, Own};
use super::{
    Given, Medium, OpenError, Snapshot, StoreError, catch_up, checking, fork, inspect, log_beside, open_error, read,
    sync_directory_of, with_suffix,
};

/// A store that cannot be opened, as its log is gone or is another one.
#[derive(Debug)]
pub struct WithoutLog {
    /// The id of its history.
    pub history: HistoryId,
    /// The last record that is there.
    pub sequence: u64,
    /// When that was written.
    pub at: Timestamp,
    /// How many of the records that are there are in the log alone.
    pub from_log: u64,
    /// Orders that are there.
    pub orders: u64,
    /// Products that are there.
    pub products: u64,
    /// What is in the place of the log.
    pub log: FoundLog,
}

/// What is in the place of the log of a store that cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundLog {
    /// Nothing.
    Missing,
    /// A log that is another one: whose.
    Foreign(String),
    /// Its own, and it is damaged: how.
    Damaged(String),
}

/// Looks at the store in `file` and changes nothing; none where it can be opened as it is. Whoever calls holds the lock
/// of its directory, here and below.
pub fn look(file: &Path) -> Result<Option<WithoutLog>, OpenError> {
    let name = file.display().to_string();
    let (database, _) = inspect::open_tables(file)?;
    let reading = |error: StoreError| OpenError::reading(&name, error);
    let Some((log, records)) = find(file, &database)? else { return Ok(None) };
    let from_log = records.len() as u64;
    if !records.is_empty() {
        catch_up::catch_up(&database, records).map_err(reading)?;
    }
    let read = || -> Result<_, StoreError> {
        let snapshot = Snapshot::new(database.begin_read()?);
        Ok((snapshot.head()?, snapshot.products()?.len() as u64))
    };
    let (head, products) = read().map_err(reading)?;
    Ok(Some(WithoutLog {
        history: head.history(),
        sequence: head.sequence,
        at: head.at(),
        from_log,
        orders: head.totals.all_orders(),
        products,
        log,
    }))
}

/// Makes the store in `file`, of which [`look`] said what is lost, one that can be opened. What can be read of its log
/// goes into its tables, its history forks, and what is in the place of the log is kept as the log of `kept`: its path,
/// if there was anything.
pub fn drop_log(file: &Path, kept: &Path, now: Timestamp) -> Result<(Fork, Option<PathBuf>), OpenError> {
    let name = file.display().to_string();
    let reading = |error: StoreError| OpenError::reading(&name, error);
    let medium = Medium::File(file.to_owned());
    let database = checking().open(file).map_err(|error| open_error(&medium, error))?;
    if let Some((_, records)) = find(file, &database)?
        && !records.is_empty()
    {
        catch_up::catch_up(&database, records).map_err(reading)?;
    }
    // The tables first: from then on they do not know the log, and refuse what is in its place until it is moved.
    let forked = || -> Result<Fork, StoreError> {
        let mut transaction = database.begin_write()?;
        transaction.set_quick_repair(true);
        let fork = fork::fork(&transaction, Given::default(), now)?;
        log_mark::forget(&transaction)?;
        transaction.commit()?;
        Ok(fork)
    };
    let fork = forked().map_err(reading)?;
    drop(database);
    let (log, kept) = (log_beside(file), log_beside(kept));
    let moved = match log.exists() {
        true => std::fs::rename(&log, &kept).and_then(|()| sync_directory_of(&log)).map(|()| Some(kept)),
        false => Ok(None),
    };
    moved
        .map(|kept| (fork, kept))
        .map_err(|error| OpenError::io(&with_suffix(file, "'s log").display().to_string(), error))
}

/// What is in the place of a log that cannot be used, and the records that can be read of it; none where nothing is
/// wrong.
fn find(file: &Path, database: &Database) -> Result<Option<(FoundLog, Vec<Logged>)>, OpenError> {
    let reading = |error: StoreError| OpenError::reading(&file.display().to_string(), error);
    match read::format(database).map_err(reading)? {
        Some(super::FORMAT) => {}
        Some(found) => return Err(OpenError::other_format(found)),
        None => return Err(reading(read::no_tables())),
    }
    let mark = log_mark::get(database).map_err(reading)?;
    let open = mark.filter(|mark| mark.open);
    let Some(log) = log_mark::look_at(file)? else {
        return Ok(open.map(|_| (FoundLog::Missing, Vec::new())));
    };
    let Some(open) = open else {
        let strange = log_mark::strange(database, &log, mark.as_ref()).map_err(reading)?;
        return Ok(strange.map(|what| (FoundLog::Foreign(what), Vec::new())));
    };
    Ok(match log_mark::own(database, &log, &open).map_err(reading)? {
        Own::Whole(_) => None,
        Own::Foreign(what) => Some((FoundLog::Foreign(what), Vec::new())),
        Own::Damaged(what, records) => Some((FoundLog::Damaged(what), records)),
    })
}
