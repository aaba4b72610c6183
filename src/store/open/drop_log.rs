//! Opening a store without a log that is gone: what is known to be there, and what is lost.

use std::path::{Path, PathBuf};

use redb::ReadableDatabase;

use crate::domain::change::{Fork, HistoryId};
use crate::domain::clock::Timestamp;

use crate::store::error::{OpenError, StoreError};
use crate::store::format::FORMAT;
use crate::store::medium::{sync_directory_of, wal_beside, with_suffix};
use crate::store::snapshot::Snapshot;
use crate::store::tables::database::checking;
use crate::store::wal::frames::WalRecord;

use super::fork::{self, Given};
use super::identity::Identity;
use super::own_wal::{self, Own};
use super::{inspect, redo};

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

/// Looks at the store in `file` and changes nothing; none where it can be opened as it is. The caller holds the lock
/// of its directory, here and below.
pub fn look(file: &Path) -> Result<Option<WithoutLog>, OpenError> {
    let name = file.display().to_string();
    let (database, identity) = inspect::open_tables(file, FORMAT)?;
    let reading = |error: StoreError| OpenError::reading(&name, error);
    let Some((log, records)) = find(file, &identity)? else { return Ok(None) };
    let from_log = records.len() as u64;
    redo::redo(&database, records).map_err(reading)?;
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
    let database = checking().open(file).map_err(|error| OpenError::database(&name, error))?;
    let identity = Identity::expect(&database, &name)?;
    if let Some((_, records)) = find(file, &identity)? {
        redo::redo(&database, records).map_err(reading)?;
    }
    // The tables first: from then on they do not know the log, and reject what is in its place until it is moved.
    let forked = || -> Result<Fork, StoreError> {
        let mut transaction = database.begin_write()?;
        transaction.set_quick_repair(true);
        let fork = fork::fork(&transaction, Given::default(), now)?;
        own_wal::forget(&transaction)?;
        transaction.commit()?;
        Ok(fork)
    };
    let fork = forked().map_err(reading)?;
    drop(database);
    let (log, kept) = (wal_beside(file), wal_beside(kept));
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
fn find(file: &Path, identity: &Identity) -> Result<Option<(FoundLog, Vec<WalRecord>)>, OpenError> {
    let reading = |error: StoreError| OpenError::reading(&file.display().to_string(), error);
    let mark = identity.open_mark();
    let Some(wal) = own_wal::look_at(file)? else {
        return Ok(mark.map(|_| (FoundLog::Missing, Vec::new())));
    };
    let Some(mark) = mark else {
        let strange = own_wal::strange(identity, &wal).map_err(reading)?;
        return Ok(strange.map(|what| (FoundLog::Foreign(what), Vec::new())));
    };
    Ok(match own_wal::own(identity, &wal, mark).map_err(reading)? {
        Own::Whole(_) => None,
        Own::Foreign(what) => Some((FoundLog::Foreign(what), Vec::new())),
        Own::Damaged(what, records) => Some((FoundLog::Damaged(what), records)),
    })
}
