//! Where the bytes of a store are, and what its files are called.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::StorageBackend;

/// The name of the store's file in the data directory.
pub(in crate::store) const FILE_NAME: &str = "flashsale.redb";

/// What the tables' file of every store begins with, as any file of redb.
pub const TABLES_MAGIC: [u8; 4] = *b"redb";

/// What the log's name has after that of the tables' file.
const WAL_SUFFIX: &str = ".wal";

/// Where the bytes are: files, or what a test puts in their place.
#[derive(Clone)]
pub enum Medium {
    /// The tables' file, created where there is none; the log is beside it.
    File(PathBuf),
    /// Backends of the caller's making; called again for every opening.
    Backend {
        /// Makes the backend of a part.
        open: Arc<dyn Fn(Part) -> Box<dyn StorageBackend> + Send + Sync>,
        /// Bytes of each segment of the log: a multiple of 4096, and enough for the longest record.
        wal_segment_bytes: u64,
    },
}

/// What a store is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The redb database.
    Tables,
    /// The write-ahead log.
    Wal,
}

impl std::fmt::Debug for Medium {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for Medium {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Backend { .. } => f.write_str("the store"),
        }
    }
}

impl Medium {
    /// Whether anything is in the place of the log.
    pub(in crate::store) fn has_wal(&self) -> bool {
        matches!(self, Self::File(path) if wal_beside(path).exists())
    }

    /// Removes a log that is not needed any more. One that stays is written over by the next start.
    pub(in crate::store) fn remove_wal(&self) {
        if let Self::File(path) = self
            && let Err(error) = std::fs::remove_file(wal_beside(path))
        {
            tracing::warn!(%error, "the log could not be removed; the next start writes over it");
        }
    }

    /// What the log is called in messages.
    pub(in crate::store) fn wal_name(&self) -> String {
        match self {
            Self::File(path) => wal_beside(path).display().to_string(),
            Self::Backend { .. } => "the log".to_owned(),
        }
    }
}

/// The directory of `path`.
pub(in crate::store) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes sure that the names of files in the directory of `path` are on disk.
pub fn sync_directory_of(path: &Path) -> std::io::Result<()> {
    std::fs::File::open(directory_of(path))?.sync_all()
}

/// A path with something added to its name.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The log of the store in `file`.
pub fn wal_beside(file: &Path) -> PathBuf {
    with_suffix(file, WAL_SUFFIX)
}

/// The store's file in a data directory.
pub fn file_in(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE_NAME)
}
