//! `flashsale restore`.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use crate::domain::change::Fork;
use crate::domain::clock::{Clock, Timestamp};
use crate::regular_file;
use crate::store::archive::{self, ArchiveError, Contents, Reader};
use crate::store::{
    self, Access, DirectoryLock, Given, Head, Medium, OpenError, Store, StoreError, sync_directory_of, with_suffix,
};

use super::error::MaintenanceError;
use super::place::dated;
use super::progress::Bar;
use super::report::Report;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    /// What the backup held.
    pub contents: Contents,
    /// Where the restored store's history begins.
    pub fork: Fork,
    /// Where the store that was replaced is kept, or what was left of one, if there was any.
    pub kept: Option<PathBuf>,
}

/// Puts the store of a backup into a data directory. The backup is checked to its end before anything is written; the
/// new store is built beside its place, verified, and renamed. A store that is there is an error; with `force` it is
/// kept under another name.
pub fn restore(backup: &Path, data_dir: &Path, force: bool) -> Result<Restored, MaintenanceError> {
    let mut bar = Bar::new();
    let unusable = |error| MaintenanceError::Backup(backup.display().to_string(), error);
    let reader = open(backup).map_err(unusable)?;
    let contents = reader.contents();
    archive::check(reader, &mut |what, done, of| bar.show(what, done, of)).map_err(unusable)?;
    regular_file::make_directory(data_dir).map_err(|error| MaintenanceError::writing(data_dir, error))?;
    // Held until the end, so that no server starts meanwhile.
    let _lock = DirectoryLock::take(data_dir, Access::Writing)?;
    let file = store::file_in(data_dir);
    let fresh = with_suffix(&file, store::RESTORING);
    if is_same(backup, &fresh) {
        return Err(MaintenanceError::InTheWay(backup.display().to_string()));
    }
    store::tidy(data_dir).map_err(|error| MaintenanceError::writing(data_dir, error))?;
    // Numbers that the replaced store has given are never given again, even if the clock is wrong.
    let given = gather(&file, force)?.map_or_else(Given::default, |head| Given::by(&head));
    let fresh = Fresh(fresh);
    fresh.remove().map_err(|error| MaintenanceError::writing(&fresh.0, error))?;
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
    let kept = put_in_place(&fresh.0, &file, now).map_err(|error| MaintenanceError::writing(&file, error))?;
    Ok(Restored { contents, fork, kept })
}

/// Whether two paths lead to the same name.
fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn open(backup: &Path) -> Result<Reader<BufReader<File>>, ArchiveError> {
    Reader::new(BufReader::with_capacity(BUFFER_BYTES, regular_file::open(backup)?))
}

/// Makes one file of the store that is to be replaced, if there is one, and gives its head. A damaged one may be
/// replaced as well.
fn gather(file: &Path, force: bool) -> Result<Option<Head>, MaintenanceError> {
    if !file.exists() {
        return Ok(None);
    }
    if !force {
        return Err(MaintenanceError::StoreExists(file.display().to_string()));
    }
    let store = match Store::inspect(file) {
        Ok(store) => store,
        // It is whole, and its numbers count.
        Err(error @ (OpenError::OlderFormat { .. } | OpenError::NewerFormat { .. })) => return Err(error.into()),
        Err(_) => return Ok(None),
    };
    let head = store.snapshot()?.head()?;
    drop(store);
    if store::wal_beside(file).exists() {
        // Its server was killed. What is only in its log goes into its tables, so that one file is all that is kept.
        Store::open(Medium::File(file.to_owned()))?.0.close();
    }
    Ok(Some(head))
}

/// Verifies the new store before anyone relies on it.
fn check(fresh: &Path, data_dir: &Path, bar: &mut Bar) -> Result<(), MaintenanceError> {
    bar.show("checking the restored store", 0, 0);
    let found = Store::inspect(fresh)?.verify(data_dir, &mut |what, done, of| bar.show(what, done, of));
    let report = Report::new(found.map_err(|error| match error {
        StoreError::Scratch(name, error) => MaintenanceError::writing(Path::new(&name), error),
        error if error.is_out_of_space() => MaintenanceError::Full(fresh.display().to_string()),
        other => other.into(),
    })?);
    if report.is_sound() { Ok(()) } else { Err(MaintenanceError::Unsound(report)) }
}

/// Puts the new store in its place, and gives the name under which the old one is kept. At every moment there is a
/// store in the place, or one that [`store::tidy`] puts there.
fn put_in_place(fresh: &Path, file: &Path, now: Timestamp) -> io::Result<Option<PathBuf>> {
    let (kept, log) = (dated(file, "before-restore", now), store::wal_beside(file));
    let kept_log = store::wal_beside(&kept);
    let (replaced, logged) = (file.exists(), log.exists());
    if replaced {
        store::exchange(fresh, file, &kept)?;
    }
    if logged {
        // The log of a damaged store, of which both may be needed, or of a missing one, whose last orders may be in the
        // log alone. It is never left beside a store that it does not belong to.
        std::fs::rename(&log, &kept_log)?;
    }
    if !replaced {
        std::fs::rename(fresh, file)?;
    }
    sync_directory_of(file)?;
    Ok(if replaced { Some(kept) } else { logged.then_some(kept_log) })
}

/// The new store until it is in its place. Removed when dropped before.
struct Fresh(PathBuf);

impl Fresh {
    fn remove(&self) -> io::Result<()> {
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
