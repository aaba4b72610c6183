//! `flashsale restore`.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use crate::change::Fork;
use crate::clock::Clock;
use crate::store::archive::{self, ArchiveError, Contents, Reader};
use crate::store::{self, Given, Medium, OpenError, Store, StoreError, sync_directory_of, with_suffix};

use super::progress::Bar;
use super::verify::Report;
use super::{MaintenanceError, StoppedStore};

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    /// What the backup held.
    pub contents: Contents,
    /// Where the restored store's history begins.
    pub fork: Fork,
    /// Where the store is that was there before, or what was left of one, if anything was.
    pub kept: Option<PathBuf>,
}

/// Puts the store of a backup into a data directory. The backup is checked to its end before anything is written; the
/// new store is built beside and verified, and put in place by a rename. A store that is there is refused, or with
/// `force` kept under another name.
pub fn restore(backup: &Path, data_dir: &Path, force: bool) -> Result<Restored, MaintenanceError> {
    let mut bar = Bar::new();
    let unusable = |error| MaintenanceError::Backup(backup.display().to_string(), error);
    let reader = open(backup).map_err(unusable)?;
    let contents = reader.contents();
    archive::check(reader, &mut |what, done, of| bar.show(what, done, of)).map_err(unusable)?;
    std::fs::create_dir_all(data_dir).map_err(|error| MaintenanceError::writing(data_dir, error))?;
    let _only = only_restore(data_dir)?;
    let file = store::file_in(data_dir);
    let fresh = with_suffix(&file, ".restoring");
    if is_same(backup, &fresh) {
        return Err(MaintenanceError::InTheWay(backup.display().to_string()));
    }
    // Held until the end, so that no server starts on the store that goes.
    let held = hold(&file, force)?;
    let fresh = Fresh(fresh);
    fresh.remove().map_err(|error| MaintenanceError::writing(&fresh.0, error))?;
    // What the store that goes has given is never given again, even where the clock is wrong.
    let head = held.as_ref().and_then(|store| store.snapshot().and_then(|snapshot| snapshot.head()).ok());
    let given = head.map_or_else(Given::default, |head| Given::by(&head));
    let now = Clock::system().now();
    let built = open(backup).and_then(|reader| {
        archive::build(reader, &fresh.0, given, now, &mut |what, done, of| bar.show(what, done, of))
    });
    let fork = built.map_err(|error| match error {
        ArchiveError::Store(error) if error.is_out_of_space() => MaintenanceError::Full(fresh.0.display().to_string()),
        ArchiveError::Store(error) => error.into(),
        other => unusable(other),
    })?;
    check(&fresh.0, data_dir, &mut bar)?;
    let kept = put_in_place(&fresh.0, &file).map_err(|error| MaintenanceError::writing(&file, error))?;
    drop(held);
    Ok(Restored { contents, fork, kept })
}

/// Whether two paths lead to the same name.
fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn open(backup: &Path) -> Result<Reader<BufReader<File>>, ArchiveError> {
    Reader::new(BufReader::with_capacity(BUFFER_BYTES, File::open(backup)?))
}

/// The one restore into a directory at a time.
fn only_restore(data_dir: &Path) -> Result<File, MaintenanceError> {
    let failed = |error| MaintenanceError::writing(data_dir, error);
    let directory = File::open(data_dir).map_err(failed)?;
    match directory.try_lock() {
        Ok(()) => Ok(directory),
        Err(std::fs::TryLockError::WouldBlock) => Err(MaintenanceError::BeingWritten(data_dir.display().to_string())),
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Takes hold of the store that is there, if there is one and it may go. A damaged one may go as well.
fn hold(file: &Path, force: bool) -> Result<Option<StoppedStore>, MaintenanceError> {
    if !file.exists() {
        return Ok(None);
    }
    match Store::inspect(file) {
        Err(OpenError::InUse(name)) => Err(OpenError::InUse(name).into()),
        _ if !force => Err(MaintenanceError::StoreExists(file.display().to_string())),
        Ok(store) if store::log_beside(file).exists() => {
            // It was killed. What is only in its log goes into its tables, so that the one file is all that is kept.
            drop(store);
            Store::open(Medium::File(file.to_owned()))?.0.close();
            Ok(Some(Store::inspect(file)?))
        }
        Ok(store) => Ok(Some(store)),
        Err(_) => Ok(None),
    }
}

/// Verifies the new store before anyone relies on it.
fn check(fresh: &Path, data_dir: &Path, bar: &mut Bar) -> Result<(), MaintenanceError> {
    bar.show("checking the restored store", 0, 0);
    let findings = Store::inspect(fresh)?.verify(data_dir, &mut |what, done, of| bar.show(what, done, of));
    let report = Report::new(findings.map_err(|error| match error {
        StoreError::Scratch(name, error) => MaintenanceError::writing(Path::new(&name), error),
        error if error.is_out_of_space() => MaintenanceError::Full(fresh.display().to_string()),
        other => other.into(),
    })?);
    if report.is_sound() { Ok(()) } else { Err(MaintenanceError::Unsound(report)) }
}

/// At no moment is there no store in the place, so that a server that is started meanwhile does not begin an empty
/// one.
fn put_in_place(fresh: &Path, file: &Path) -> std::io::Result<Option<PathBuf>> {
    let now: String = Clock::system().now().to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    let kept = with_suffix(file, &format!(".before-restore-{now}"));
    let (log, kept_log) = (store::log_beside(file), store::log_beside(&kept));
    let kept = match (file.exists(), log.exists()) {
        (true, killed) => {
            std::fs::hard_link(file, &kept)?;
            // Only a damaged store still has one, and what can be rescued of it may need both.
            if killed {
                std::fs::hard_link(&log, &kept_log)?;
            }
            std::fs::rename(fresh, file)?;
            if killed {
                std::fs::remove_file(&log)?;
            }
            Some(kept)
        }
        (false, orphaned) => {
            // The last orders of a store that is gone may be in its log alone. Put aside first, so that it is never
            // beside a store that it does not belong to.
            if orphaned {
                std::fs::hard_link(&log, &kept_log)?;
                std::fs::remove_file(&log)?;
            }
            // Unlike a rename, this fails where a server has begun a store meanwhile.
            std::fs::hard_link(fresh, file)?;
            std::fs::remove_file(fresh)?;
            orphaned.then_some(kept_log)
        }
    };
    sync_directory_of(file)?;
    Ok(kept)
}

/// The new store until it is in its place; given up, it is removed.
struct Fresh(PathBuf);

impl Fresh {
    fn remove(&self) -> std::io::Result<()> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}
