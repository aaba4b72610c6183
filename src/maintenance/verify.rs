//! `flashsale verify`.

use std::path::Path;

use crate::store::archive::Contents;
use crate::store::{Access, Store};

use super::error::MaintenanceError;
use super::place::lock;
use super::progress::Bar;
use super::report::Report;
use super::unpacked::{Unpacked, unpack};

/// Checks the store in a data directory without changing it. The working file is made in `scratch_dir`; if that is
/// `None`, beside the store.
pub fn verify(data_dir: &Path, scratch_dir: Option<&Path>) -> Result<Report, MaintenanceError> {
    let (_lock, file) = lock(data_dir, Access::Reading)?;
    let mut bar = Bar::new();
    bar.show("checking the pages of the file", 0, 0);
    let store = Store::inspect(&file)?;
    let scratch_dir = scratch_dir.unwrap_or(data_dir);
    let found = store.verify(scratch_dir, &mut |what, done, of| bar.show(what, done, of));
    Ok(Report::new(found.map_err(|error| MaintenanceError::checking(scratch_dir, error))?))
}

/// Checks a backup: every byte of the file, and then its store as [`verify`] does, which is unpacked for that into
/// `scratch_dir`; if that is `None`, beside the backup. Returns which moment it holds, and what was found.
pub fn verify_backup(backup: &Path, scratch_dir: Option<&Path>) -> Result<(Contents, Report), MaintenanceError> {
    let beside = backup.parent().filter(|parent| !parent.as_os_str().is_empty());
    let scratch_dir = scratch_dir.or(beside).unwrap_or(Path::new("."));
    let mut bar = Bar::new();
    let Unpacked { store, contents } = unpack(backup, scratch_dir, &mut bar)?;
    let found = store.verify(scratch_dir, &mut |what, done, of| bar.show(what, done, of));
    let mut found = found.map_err(|error| MaintenanceError::checking(scratch_dir, error))?;
    // The last record and fork are those of the unpacking.
    found.records = found.records.saturating_sub(1);
    found.forks.pop();
    found.history = contents.history;
    Ok((contents, Report::new(found)))
}
