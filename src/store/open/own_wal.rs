//! Which log belongs to the tables. They keep the id of the log that was started last, and whether they are closed:
//! then they have everything that it had. A log of another id, in its place, is somebody's last orders or an older
//! copy: it is neither read nor written over, and neither are the tables opened as if nothing were missing.

use std::io;
use std::path::Path;

use redb::{Database, WriteTransaction};

use crate::limits::WAL_SEGMENT_BYTES;
use crate::regular_file;
use crate::store::error::{OpenError, StoreError};
use crate::store::medium::{Medium, Part, wal_beside};
use crate::store::random::random;
use crate::store::rows::encoding;
use crate::store::rows::wal_mark::WalMark;
use crate::store::tables::definitions;
use crate::store::wal::file::WalFile;
use crate::store::wal::frames::{Wal, WalHead, WalRecord};

use super::identity::Identity;
use super::redo;

/// Opens the log beside the tables, made empty where there is none.
pub(in crate::store) fn open(medium: &Medium) -> Result<Wal, OpenError> {
    match medium {
        Medium::File(path) => {
            let path = wal_beside(path);
            let file = WalFile::open(&path).map_err(|error| unopened(&path, error))?;
            Ok(Wal::new(Box::new(file), WAL_SEGMENT_BYTES))
        }
        Medium::Backend { open, wal_segment_bytes } => Ok(Wal::new(open(Part::Wal), *wal_segment_bytes)),
    }
}

/// Writes the mark for good.
fn put(database: &Database, mark: WalMark) -> Result<(), StoreError> {
    let mut row = Vec::new();
    encoding::encode(&mark, &mut row)?;
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    transaction.open_table(definitions::STATE)?.insert(definitions::STATE_WAL, row.as_slice())?;
    Ok(transaction.commit()?)
}

/// Notes for good that the tables have everything of their log.
pub(in crate::store) fn close(database: &Database, mark: &WalMark) -> Result<(), StoreError> {
    put(database, WalMark { open: false, ..*mark })
}

/// Lets the tables forget their log, in a transaction under way.
pub(in crate::store) fn forget(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(definitions::STATE)?.remove(definitions::STATE_WAL)?;
    Ok(())
}

/// Starts a log for tables that have everything of the one before, up to the record `from`; returns its mark. The
/// tables know of it only when it is on disk: until then they are closed, and whatever is in its place may go.
pub(in crate::store) fn start(
    database: &Database,
    wal: &mut Wal,
    medium: &Medium,
    instance: [u8; 8],
    from: u64,
) -> Result<WalMark, OpenError> {
    let reading = |error| OpenError::reading(&medium.to_string(), error);
    let mark = WalMark { id: random().map_err(reading)?, from, open: true };
    let head = WalHead { instance, id: mark.id, from };
    wal.start(&head).map_err(|error| OpenError::io(&medium.wal_name(), error))?;
    put(database, mark).map_err(reading)?;
    Ok(mark)
}

/// Brings the tables up to the end of their log, on disk, and closes them; rejects what is in the place of their log
/// and is not theirs. Returns the last record that the tables have then.
pub(in crate::store) fn redo(
    database: &Database,
    identity: &Identity,
    wal: &Wal,
    medium: &Medium,
) -> Result<u64, OpenError> {
    let store = medium.to_string();
    let reading = |error| OpenError::reading(&store, error);
    let Some(mark) = identity.open_mark() else {
        return match strange(identity, wal).map_err(reading)? {
            None => Ok(identity.head.sequence),
            Some(what) => Err(OpenError::LogInTheWay { store, log: medium.wal_name(), what }),
        };
    };
    let records = match own(identity, wal, mark).map_err(reading)? {
        Own::Whole(records) => records,
        Own::Foreign(what) => return Err(OpenError::ForeignLog { store, log: medium.wal_name(), what }),
        Own::Damaged(what, _) => return Err(OpenError::LogDamaged { store, log: medium.wal_name(), what }),
    };
    let last = records.last().map_or(identity.head.sequence, |record| record.sequence);
    redo::redo(database, records).map_err(reading)?;
    close(database, mark).map_err(reading)?;
    Ok(last)
}

/// Rejects tables that are not closed and whose log is gone: the last orders that were acknowledged were in it.
pub(in crate::store) fn check_is_there(identity: &Identity, medium: &Medium) -> Result<(), OpenError> {
    match medium {
        Medium::File(path) if identity.open_mark().is_some() && !wal_beside(path).exists() => {
            Err(OpenError::LogMissing { store: medium.to_string(), log: medium.wal_name() })
        }
        Medium::File(_) | Medium::Backend { .. } => Ok(()),
    }
}

/// What is in the place of the log of tables that are not closed.
pub(in crate::store) enum Own {
    /// Their log, and the records of it that they do not have.
    Whole(Vec<WalRecord>),
    /// Another one.
    Foreign(String),
    /// Their log, of which something is missing, and the records that can be read.
    Damaged(String, Vec<WalRecord>),
}

/// Looks whether what is in the place of the log is the one that `mark` names.
pub(in crate::store) fn own(identity: &Identity, wal: &Wal, mark: &WalMark) -> Result<Own, StoreError> {
    let Identity { head, .. } = identity;
    match wal.head()? {
        Some(found) if found.id != mark.id => return Ok(Own::Foreign(whose(identity, &found, mark.from))),
        Some(_) => {}
        None if wal.has_its_length()? => {
            let what = "it is no log of flashsale, or its first block is damaged";
            return Ok(Own::Foreign(what.to_owned()));
        }
        None => return Ok(Own::Damaged("it was cut off".to_owned(), Vec::new())),
    }
    let found = wal.find(&mark.id, head.sequence, head.hash)?;
    if !wal.has_its_length()? {
        return Ok(Own::Damaged("it was cut off".to_owned(), found.records));
    }
    // The tables get what the log has, so its newest record is never behind theirs.
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
pub(in crate::store) fn strange(identity: &Identity, wal: &Wal) -> Result<Option<String>, StoreError> {
    let mark = identity.mark.as_ref();
    let Some(head) = wal.head()? else {
        let strange = wal.has_frames_of_others(mark.map(|mark| &mark.id))?;
        return Ok(strange.then(|| "its first block is damaged, and it has records".to_owned()));
    };
    if mark.is_some_and(|mark| mark.id == head.id) {
        return Ok(None);
    }
    let sequence = identity.head.sequence;
    let ours = head.instance == identity.instance && head.from == sequence;
    // Ours from a start that was cut off before the tables knew of it: nothing was acknowledged from there.
    if ours && wal.find(&head.id, sequence, [0; 32])?.newest.is_none() {
        return Ok(None);
    }
    Ok(Some(whose(identity, &head, sequence)))
}

/// Says whose log it is, beside tables whose own would begin after record `from`.
fn whose(identity: &Identity, head: &WalHead, from: u64) -> String {
    match head.instance == identity.instance {
        false => "it belongs to another store".to_owned(),
        true => format!(
            "it was started after record {} of this store, whose own log begins after record {from}: one of the two is \
             an older copy",
            head.from
        ),
    }
}

/// The log of tables in a file, only to be read; none where there is none.
pub(in crate::store) fn look_at(file: &Path) -> Result<Option<Wal>, OpenError> {
    let path = wal_beside(file);
    match WalFile::look_at(&path) {
        Ok(file) => Ok(Some(Wal::new(Box::new(file), WAL_SEGMENT_BYTES))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unopened(&path, error)),
    }
}

fn unopened(path: &Path, error: io::Error) -> OpenError {
    let name = path.display().to_string();
    if regular_file::is_unfit(&error) { OpenError::NotItsOwn(name, error) } else { OpenError::io(&name, error) }
}
