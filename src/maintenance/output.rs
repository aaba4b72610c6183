//! A file that appears whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::regular_file;
use crate::store::{TABLES_MAGIC, WAL_MAGIC, sync_directory_of, wal_beside, with_suffix};

use super::error::MaintenanceError;

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 256 * 1024;

/// A file that is being written beside its place, and is renamed when it is finished. Removed when dropped before.
#[derive(Debug)]
pub struct Output {
    out: BufWriter<File>,
    path: PathBuf,
    partial: PathBuf,
    force: bool,
    /// Whether the partial file is not ours to remove: not yet, or not any more.
    placed: bool,
}

/// Writes a file that appears whole or not at all, and that only its owner can read.
///
/// # Errors
///
/// If it exists, unless it may be replaced with `force`; if it would be part of a store; or if it cannot be written.
pub fn write(path: &Path, bytes: &[u8], force: bool) -> Result<(), MaintenanceError> {
    Output::create(path, force)?.finish_with(bytes)
}

impl Output {
    /// Begins a file that only its owner can read. A file in its place is an error; with `force` it is replaced at the
    /// end.
    pub fn create(path: &Path, force: bool) -> Result<Self, MaintenanceError> {
        check_free(path, force)?;
        let partial = with_suffix(path, ".partial");
        let failed = |error| MaintenanceError::writing(&partial, error);
        let file = loop {
            // One that a killed run left is used again; one that is being written is locked.
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).mode(0o600);
            let file = regular_file::open_own(&partial, &mut options, 0).map_err(failed)?;
            match file.try_lock() {
                // Between the opening and the lock, another run may have ended and have renamed or removed its file.
                Ok(()) if !is_named(&file, &partial).map_err(failed)? => {}
                Ok(()) => break file,
                Err(std::fs::TryLockError::WouldBlock) => {
                    return Err(MaintenanceError::BeingWritten(partial.display().to_string()));
                }
                Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
            }
        };
        let out = BufWriter::with_capacity(BUFFER_BYTES, file);
        let mut output = Self { out, path: path.to_owned(), partial, force, placed: true };
        check_free(&output.partial, true)?;
        output.placed = false;
        // That run may also have put a file in place.
        check_free(path, force)?;
        output.out.get_ref().set_len(0).map_err(|error| MaintenanceError::writing(&output.partial, error))?;
        Ok(output)
    }

    /// Writes all of the file, and puts it into its place.
    pub fn finish_with(mut self, bytes: &[u8]) -> Result<(), MaintenanceError> {
        self.write_all(bytes).map_err(|error| MaintenanceError::writing(&self.path, error))?;
        self.finish()
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
            // An unfinished file is of no use. If it cannot be removed, its name says so.
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}

/// Whether a path is the name of an open file.
fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a file can be put at a path. A store is never replaced, even with `force`.
fn check_free(path: &Path, force: bool) -> Result<(), MaintenanceError> {
    let name = || path.display().to_string();
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(MaintenanceError::NotAFile(name())),
        _ if is_of_a_store(path) => Err(MaintenanceError::PartOfAStore(name())),
        Ok(_) if !force => Err(MaintenanceError::Exists(name())),
        _ => Ok(()),
    }
}

/// Whether a path is that of a store's tables or log, or one at which a store would look for them: beside one of the
/// two, any file in the place of the other would be taken for it.
fn is_of_a_store(path: &Path) -> bool {
    let tables = path.with_extension("");
    begins_with(path, &[TABLES_MAGIC, WAL_MAGIC])
        || begins_with(&wal_beside(path), &[WAL_MAGIC])
        || (wal_beside(&tables) == path && begins_with(&tables, &[TABLES_MAGIC]))
}

/// Whether there is a file that begins with one of these.
fn begins_with(path: &Path, magics: &[[u8; 4]]) -> bool {
    // Opening a pipe may wait without end.
    let mut begin = [0; 4];
    path.is_file()
        && File::open(path).is_ok_and(|mut file| file.read_exact(&mut begin).is_ok())
        && magics.contains(&begin)
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

    #[test]
    fn a_partial_file_that_is_a_link_or_a_store_is_refused_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("store"), b"redb and the tables").unwrap();
        std::fs::write(path("text"), b"mine").unwrap();
        std::os::unix::fs::symlink(path("text"), path("a.partial")).unwrap();
        std::fs::hard_link(path("store"), path("b.partial")).unwrap();
        std::fs::copy(path("store"), path("c.partial")).unwrap();
        for name in ["a", "b", "c"] {
            assert!(Output::create(&path(name), true).is_err(), "{name}");
        }
        assert_eq!(std::fs::read(path("store")).unwrap(), b"redb and the tables");
        assert_eq!(std::fs::read(path("text")).unwrap(), b"mine");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 5);
    }

    #[test]
    fn nothing_of_a_store_is_replaced_and_nothing_put_where_a_store_would_look() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("a"), b"redb\x1a\x0a and the tables").unwrap();
        std::fs::write(path("b.wal"), b"FSwL and the frames").unwrap();
        std::fs::write(path("c"), "no store").unwrap();
        for (name, of_a_store) in [
            ("a", true),
            ("a.wal", true),
            ("b", true),
            ("b.wal", true),
            ("c", false),
            ("c.wal", false),
            ("a.csv", false),
        ] {
            let output = Output::create(&path(name), true);
            assert_eq!(matches!(output, Err(MaintenanceError::PartOfAStore(_))), of_a_store, "{name}: {output:?}");
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 3);
        // Nor is one that came while the file was written.
        let mut output = Output::create(&path("late"), true).unwrap();
        output.write_all(b"new").unwrap();
        std::fs::rename(path("a"), path("late")).unwrap();
        assert!(matches!(output.finish(), Err(MaintenanceError::PartOfAStore(_))));
        assert!(std::fs::read(path("late")).unwrap().starts_with(b"redb"));
    }

    #[test]
    fn of_many_runs_at_once_one_writes_the_file_and_no_other_touches_it() {
        let directory = tempfile::tempdir().unwrap();
        for round in 0..200 {
            let path = directory.path().join(round.to_string());
            let write = |run: u8| {
                let mut output = Output::create(&path, false)?;
                output.write_all(&[run; 100]).unwrap();
                output.finish()
            };
            let done: Vec<_> = std::thread::scope(|scope| {
                let runs: Vec<_> = (0..8).map(|run| scope.spawn(move || (run, write(run)))).collect();
                runs.into_iter().map(|run| run.join().unwrap()).collect()
            });
            let winners: Vec<_> = done.iter().filter(|(_, done)| done.is_ok()).map(|(run, _)| *run).collect();
            let [winner] = winners[..] else { panic!("{done:?}") };
            assert_eq!(std::fs::read(&path).unwrap(), [winner; 100]);
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 200);
    }
}
