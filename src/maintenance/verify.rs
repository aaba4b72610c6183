//! `flashsale verify`.

use std::path::Path;

use crate::store::{Access, Store};

use super::error::MaintenanceError;
use super::place::lock;
use super::progress::Bar;
use super::report::Report;

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
