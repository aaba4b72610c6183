//! The store of a backup, unpacked to be read and never to be served.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use crate::domain::clock::Clock;
use crate::regular_file;
use crate::store::archive::{self, ArchiveError, Contents, Reader};
use crate::store::{self, Given, Store};

use super::error::MaintenanceError;
use super::progress::Bar;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// The store of a backup. Its files have no name any more: they are gone with the process.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// The store; the last record of its journal, after those of the backup, says that it was restored.
    pub(super) store: Store,
    /// What the backup holds.
    pub(super) contents: Contents,
}

/// Checks a backup to its end, and unpacks it into a directory of its own in `scratch_dir`.
pub(super) fn unpack(backup: &Path, scratch_dir: &Path, bar: &mut Bar) -> Result<Unpacked, MaintenanceError> {
    let unusable = |error| MaintenanceError::Backup(backup.display().to_string(), error);
    let open = || -> Result<_, ArchiveError> {
        Reader::new(BufReader::<File>::with_capacity(BUFFER_BYTES, regular_file::open(backup)?))
    };
    let reader = open().map_err(unusable)?;
    let contents = reader.contents();
    archive::check(reader, &mut |what, done, of| bar.show(what, done, of)).map_err(unusable)?;
    let directory = Scratch::make(scratch_dir)?;
    let file = store::file_in(&directory.0);
    let now = Clock::system().now();
    let built = open().and_then(|reader| {
        archive::build(reader, &file, Given::default(), now, &mut |what, done, of| bar.show(what, done, of))
    });
    built.map_err(|error| match error {
        ArchiveError::Store(error) if error.is_out_of_space() => {
            MaintenanceError::ScratchFull(scratch_dir.display().to_string())
        }
        ArchiveError::Store(error) => error.into(),
        other => unusable(other),
    })?;
    // Open files outlive their names.
    Ok(Unpacked { store: Store::inspect(&file)?, contents })
}

/// A directory that is removed when dropped.
#[derive(Debug)]
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    /// Makes one in a directory, for its owner only.
    pub(super) fn make(parent: &Path) -> Result<Self, MaintenanceError> {
        let failed = |path: &Path, error| MaintenanceError::Scratch(path.display().to_string(), error);
        let number = getrandom::u64().map_err(|error| failed(parent, error.into()))?;
        let path = parent.join(format!("flashsale-scratch-{number:016x}"));
        regular_file::make_directory(&path).map_err(|error| failed(&path, error))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
