//! Which log belongs to the tables. They keep the id of the log that was started last, and whether they are closed:
//! then they have everything that it had. A log of another id, in its place, is somebody's last orders or an older
//! copy: it is neither read nor written over, and neither are the tables opened as if nothing were missing.

use std::io;
use std::path::Path;

use redb::{Database, ReadableDatabase, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::regular_file;

use super::log::{Log, LogHead, Logged};
use super::log_file::LogFile;
use super::{Medium, OpenError, Snapshot, StoreError, catch_up, log_beside, read, record, tables};

/// What the tables keep of the log that was started last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogMark {
    id: [u8; 16],
    /// The last record that the tables had on disk when it was started.
    from: u64,
    /// Whether it may have records that the tables do not have.
    pub(super) open: bool,
}

/// The mark in the tables; none where no log was ever started.
pub(super) fn get(database: &Database) -> Result<Option<LogMark>, StoreError> {
    let state = database.begin_read()?.open_table(tables::STATE)?;
    let Some(row) = state.get(tables::STATE_LOG)? else { return Ok(None) };
    record::decode(row.value()).map(Some)
}

/// Writes the mark for good.
fn put(database: &Database, mark: &LogMark) -> Result<(), StoreError> {
    let mut row = Vec::new();
    record::encode(mark, &mut row)?;
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    transaction.open_table(tables::STATE)?.insert(tables::STATE_LOG, row.as_slice())?;
    Ok(transaction.commit()?)
}

/// Notes for good that the tables have everything of their log.
pub(super) fn close(database: &Database) -> Result<(), StoreError> {
    match get(database)? {
        Some(mark) if mark.open => put(database, &LogMark { open: false, ..mark }),
        _ => Ok(()),
    }
}

/// Lets the tables forget their log, in a transaction under way.
pub(super) fn forget(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(tables::STATE)?.remove(tables::STATE_LOG)?;
    Ok(())
}

/// Starts a log for tables that have everything of the one before. The tables know of it only when it is on disk: until
/// then they are closed, and whatever is in its place may go.
pub(super) fn start(database: &Database, log: &mut Log, medium: &Medium) -> Result<(), OpenError> {
    let name = &medium.to_string();
    let begun = || -> Result<LogMark, StoreError> {
        let head = Snapshot::new(database.begin_read()?).head()?;
        Ok(LogMark { id: read::random()?, from: head.sequence, open: true })
    };
    let mark = begun().map_err(|error| OpenError::reading(name, error))?;
    let instance = read::instance(database).map_err(|error| OpenError::reading(name, error))?;
    let head = LogHead { instance, id: mark.id, from: mark.from };
    log.start(&head).map_err(|error| OpenError::io(&medium.log_name(), error))?;
    put(database, &mark).map_err(|error| OpenError::reading(name, error))
}

/// Brings the tables up to the end of their log, on disk, and closes them; refuses what is in the place of their log
/// and is not theirs.
pub(super) fn follow(database: &Database, log: &Log, medium: &Medium) -> Result<(), OpenError> {
    let name = medium.to_string();
    let reading = |error| OpenError::reading(&name, error);
    let mark = get(database).map_err(reading)?;
    let Some(mark) = mark.filter(|mark| mark.open) else {
        return match strange(database, log, mark.as_ref()).map_err(reading)? {
            None => Ok(()),
            Some(what) => Err(OpenError::LogInTheWay { store: name, log: medium.log_name(), what }),
        };
    };
    let logged = match own(database, log, &mark).map_err(reading)? {
        Own::Whole(logged) => logged,
        Own::Foreign(what) => return Err(OpenError::ForeignLog { store: name, log: medium.log_name(), what }),
        Own::Damaged(what, _) => return Err(OpenError::LogDamaged { store: name, log: medium.log_name(), what }),
    };
    if !logged.is_empty() {
        catch_up::catch_up(database, logged).map_err(reading)?;
    }
    close(database).map_err(reading)
}

/// Refuses tables that are not closed and whose log is gone: the last orders that were acknowledged were in it.
pub(super) fn check_log_is_there(database: &Database, medium: &Medium) -> Result<(), OpenError> {
    let mark = get(database).map_err(|error| OpenError::reading(&medium.to_string(), error))?;
    match medium {
        Medium::File(path) if mark.is_some_and(|mark| mark.open) && !log_beside(path).exists() => {
            Err(OpenError::LogMissing { store: medium.to_string(), log: medium.log_name() })
        }
        Medium::File(_) | Medium::Backend { .. } => Ok(()),
    }
}

/// What is in the place of the log of tables that are not closed.
pub(super) enum Own {
    /// Their log, and the records of it that they do not have.
    Whole(Vec<Logged>),
    /// Another one.
    Foreign(String),
    /// Their log, of which something is missing, and the records that can be read.
    Damaged(String, Vec<Logged>),
}

/// Looks whether what is in the place of the log is the one that `mark` names.
pub(super) fn own(database: &Database, log: &Log, mark: &LogMark) -> Result<Own, StoreError> {
    match log.head()? {
        Some(head) if head.id != mark.id => return Ok(Own::Foreign(whose(database, &head, mark.from)?)),
        Some(_) => {}
        None if log.has_its_length()? => {
            let what = "it is no log of flashsale, or its first block is damaged";
            return Ok(Own::Foreign(what.to_owned()));
        }
        None => return Ok(Own::Damaged("it was cut off".to_owned(), Vec::new())),
    }
    let head = Snapshot::new(database.begin_read()?).head()?;
    let found = log.find(&mark.id, head.sequence, head.hash)?;
    if !log.has_its_length()? {
        return Ok(Own::Damaged("it was cut off".to_owned(), found.records));
    }
    // The tables follow the log, so its newest record is never behind theirs.
    if head.sequence > mark.from && found.newest.is_none_or(|newest| newest < head.sequence) {
        let newest = found.newest.unwrap_or(mark.from);
        let what =
            format!("it ends with record {newest}, and the store has record {}: it is an older copy", head.sequence);
        return Ok(Own::Damaged(what, found.records));
    }
    Ok(match found.damage {
        Some(what) => Own::Damaged(what, found.records),
        None => Own::Whole(found.records),
    })
}

/// What is strange about the log beside tables that are closed: what is not theirs may be the last orders of another
/// store, or of a newer state of this one.
pub(super) fn strange(database: &Database, log: &Log, mark: Option<&LogMark>) -> Result<Option<String>, StoreError> {
    let Some(head) = log.head()? else {
        let strange = log.has_frames_of_others(mark.map(|mark| &mark.id))?;
        return Ok(strange.then(|| "its first block is damaged, and it has records".to_owned()));
    };
    if mark.is_some_and(|mark| mark.id == head.id) {
        return Ok(None);
    }
    let sequence = Snapshot::new(database.begin_read()?).head()?.sequence;
    let ours = head.instance == read::instance(database)? && head.from == sequence;
    // Ours from a start that was cut off before the tables knew of it: nothing was acknowledged from there.
    if ours && log.find(&head.id, sequence, [0; 32])?.newest.is_none() {
        return Ok(None);
    }
    whose(database, &head, sequence).map(Some)
}

/// Says whose log it is, beside tables whose own would begin after record `from`.
fn whose(database: &Database, head: &LogHead, from: u64) -> Result<String, StoreError> {
    Ok(match head.instance == read::instance(database)? {
        false => "it belongs to another store".to_owned(),
        true => format!(
            "it was started after record {} of this store, whose own log begins after record {from}: one of the two is \
             an older copy",
            head.from
        ),
    })
}

/// The log of tables in a file, only to be read; none where there is none.
pub(super) fn look_at(file: &Path) -> Result<Option<Log>, OpenError> {
    let path = log_beside(file);
    match LogFile::look_at(&path) {
        Ok(file) => Ok(Some(Log::new(Box::new(file), limits::LOG_HALF_BYTES))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unopened(&path, error)),
    }
}

pub(super) fn unopened(path: &Path, error: io::Error) -> OpenError {
    let name = path.display().to_string();
    if regular_file::is_unfit(&error) { OpenError::NotItsOwn(name, error) } else { OpenError::io(&name, error) }
}
