//! A file that is there whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::store::{sync_directory_of, with_suffix};

use super::MaintenanceError;

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 256 * 1024;

/// A file under way. It is written beside its place and put there when it is finished; given up, it is removed.
#[derive(Debug)]
pub(super) struct Output {
    out: BufWriter<File>,
    path: PathBuf,
    partial: PathBuf,
    force: bool,
    placed: bool,
}

impl Output {
    /// Begins a file that only its owner can read. One that is there is refused, or with `force` replaced at the end.
    pub(super) fn create(path: &Path, force: bool) -> Result<Self, MaintenanceError> {
        check_free(path, force)?;
        let partial = with_suffix(path, ".partial");
        let failed = |error| MaintenanceError::writing(&partial, error);
        // One that is left of a run that was killed is used again; one that is being written is locked.
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&partial).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => file.set_len(0).map_err(failed)?,
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(MaintenanceError::BeingWritten(partial.display().to_string()));
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
        let out = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(Self { out, path: path.to_owned(), partial, force, placed: false })
    }

    /// Syncs the file and puts it into its place.
    pub(super) fn finish(mut self) -> Result<(), MaintenanceError> {
        self.sync().map_err(|error| MaintenanceError::writing(&self.path, error))?;
        check_free(&self.path, self.force)?;
        let placed = std::fs::rename(&self.partial, &self.path).and_then(|()| sync_directory_of(&self.path));
        placed.map_err(|error| MaintenanceError::writing(&self.path, error))?;
        self.placed = true;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().sync_all()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.placed {
            // What is not finished is of no use. Where it cannot be removed, its name says so.
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}

/// Whether a file can be put at a path.
fn check_free(path: &Path, force: bool) -> Result<(), MaintenanceError> {
    let name = || path.display().to_string();
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(MaintenanceError::NotAFile(name())),
        Ok(_) if !force => Err(MaintenanceError::Exists(name())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_when_it_is_finished_and_not_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        let mut given_up = Output::create(&path, false).unwrap();
        given_up.write_all(b"half").unwrap();
        assert!(matches!(Output::create(&path, false), Err(MaintenanceError::BeingWritten(_))));
        drop(given_up);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        let mut output = Output::create(&path, false).unwrap();
        output.write_all(b"whole").unwrap();
        assert!(!path.exists());
        output.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_there_stays_unless_it_may_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(Output::create(&path, false), Err(MaintenanceError::Exists(_))));
        let mut output = Output::create(&path, true).unwrap();
        output.write_all(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        output.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert!(matches!(Output::create(directory.path(), true), Err(MaintenanceError::NotAFile(_))));
    }
}
