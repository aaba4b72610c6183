//! The files of a store that is open: opened and locked once for as long as the process has the store, and lent to each
//! opening of it in turn.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use redb::StorageBackend;
use redb::backends::FileBackend;
use rustix::fs::Access;

use crate::limits::REOPEN_ROOM_BYTES;

use crate::store::error::OpenError;
use crate::store::medium::{directory_of, wal_beside};

use super::create;

/// What is kept of a store's files from one opening to the next. Empty for a store that is not in files.
#[derive(Debug, Default)]
pub(in crate::store) struct Files(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    tables: Option<Tables>,
    /// Open, so that no other file can come by its number.
    log: Option<File>,
}

#[derive(Debug)]
struct Tables {
    file: Arc<FileBackend>,
    id: FileId,
}

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Whether this name leads to it. A name that cannot be followed for another reason than that it is gone says
    /// nothing.
    fn is_at(self, path: &Path) -> bool {
        match fs::metadata(path) {
            Ok(found) => Self::of(&found) == self,
            Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        }
    }
}

impl Files {
    /// The tables' file, made before if there was none when the process opened the store, and locked since then. A
    /// later opening gets the same file, or none: another one in its place may be older than what was acknowledged.
    pub(in crate::store) fn tables(&self, path: &Path) -> Result<Arc<FileBackend>, OpenError> {
        let mut kept = self.0.lock();
        let failed = |error| OpenError::Io(path.display().to_string(), error);
        let tables = match kept.tables.take() {
            Some(tables) => tables,
            None => Tables::open(path)?,
        };
        let (file, id) = (Arc::clone(&tables.file), tables.id);
        kept.tables = Some(tables);
        if !id.is_at(path) {
            return Err(OpenError::Misplaced(path.display().to_string()));
        }
        // redb would make a new database of it.
        match file.len().map_err(failed)? {
            0 => Err(OpenError::Damaged(path.display().to_string(), "it is empty".to_owned())),
            _ => Ok(file),
        }
    }

    /// Rejects a log that is not the one of the opening before: the last orders are in that one.
    pub(in crate::store) fn check_wal(&self, tables: &Path) -> Result<(), OpenError> {
        match self.misplaced_wal(tables) {
            Some(log) => Err(OpenError::Misplaced(log.display().to_string())),
            None => Ok(()),
        }
    }

    /// Remembers the log that is there.
    pub(in crate::store) fn keep_wal(&self, tables: &Path) -> io::Result<()> {
        self.0.lock().log = Some(File::open(wal_beside(tables))?);
        Ok(())
    }

    /// A file of the store that is open and that its name does not lead to: it was deleted, renamed or replaced.
    pub(in crate::store) fn misplaced(&self, tables: &Path) -> Option<PathBuf> {
        let away = self.0.lock().tables.as_ref().is_some_and(|open| !open.id.is_at(tables));
        if away { Some(tables.to_owned()) } else { self.misplaced_wal(tables) }
    }

    /// Whether the log was deleted, and the tables are in their place.
    pub(in crate::store) fn has_lost_its_wal(&self, tables: &Path) -> bool {
        let log = wal_beside(tables);
        self.misplaced(tables).is_some_and(|file| file == log) && !log.exists()
    }

    fn misplaced_wal(&self, tables: &Path) -> Option<PathBuf> {
        let log = wal_beside(tables);
        let open = self.0.lock().log.as_ref().and_then(|open| open.metadata().ok());
        open.is_some_and(|open| !FileId::of(&open).is_at(&log)).then_some(log)
    }

    /// Gives the files and their lock back.
    pub(in crate::store) fn release(&self) {
        *self.0.lock() = Kept::default();
    }
}

/// Whether the disk of a file that could not grow has room again, as far as that can be known without writing.
pub(in crate::store) fn has_room(path: &Path) -> bool {
    free_bytes(directory_of(path)).is_none_or(|bytes| bytes >= REOPEN_ROOM_BYTES)
}

/// Bytes that the disk of a directory has free for this process, if the system says. Blocks while the disk hangs.
pub fn free_bytes(directory: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(directory).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether this process may make files in a directory, without making one.
pub fn check_writable(directory: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
}

impl Tables {
    fn open(path: &Path) -> Result<Self, OpenError> {
        let name = || path.display().to_string();
        let failed = |error| OpenError::Io(name(), error);
        create::make_if_missing(path)?;
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(name())),
            // A file system without locks; redb does without as well.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let id = FileId::of(&file.metadata().map_err(failed)?);
        let file = FileBackend::new(file).map_err(|error| failed(io::Error::other(error)))?;
        Ok(Self { file: Arc::new(file), id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_misplaced_while_its_name_leads_elsewhere_or_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join("store"), dir.path().join("aside"));
        let files = Files::default();
        files.tables(&path).unwrap();
        fs::write(wal_beside(&path), "log").unwrap();
        files.keep_wal(&path).unwrap();
        assert_eq!(files.misplaced(&path), None);
        fs::rename(&path, &aside).unwrap();
        assert_eq!(files.misplaced(&path), Some(path.clone()));
        fs::copy(&aside, &path).unwrap();
        assert_eq!(files.misplaced(&path), Some(path.clone()));
        assert!(matches!(files.tables(&path), Err(OpenError::Misplaced(_))), "a copy was taken for the file");
        fs::rename(&aside, &path).unwrap();
        assert!(files.misplaced(&path).is_none() && files.tables(&path).is_ok());
        fs::remove_file(wal_beside(&path)).unwrap();
        assert!(files.has_lost_its_wal(&path) && files.check_wal(&path).is_err());
        fs::write(wal_beside(&path), "log").unwrap();
        assert!(!files.has_lost_its_wal(&path) && files.check_wal(&path).is_err());
    }

    #[test]
    fn a_file_is_locked_until_it_is_released() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let (first, second) = (Files::default(), Files::default());
        first.tables(&path).unwrap();
        assert!(matches!(second.tables(&path), Err(OpenError::InUse(_))));
        first.release();
        second.tables(&path).unwrap();
    }
}
