//! The lock of a data directory. A process that works in one takes it before anything there is looked at and holds it
//! to the end: servers and commands that write alone, commands that only read together. It is the system's lock
//! (`flock`) on the directory itself, so it ends with the process, leaves no file behind, and holds whatever happens to
//! the files.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use crate::store::error::OpenError;
use crate::store::medium::file_in;

/// What the holder of a lock is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Others may read as well.
    Reading,
    /// Nobody else may do anything.
    Writing,
}

/// The lock, held as long as this lives.
#[derive(Debug)]
pub struct DirectoryLock {
    _directory: Option<File>,
}

impl DirectoryLock {
    /// Takes the lock of a directory, or says that it is in use.
    pub fn take(data_dir: &Path, access: Access) -> Result<Self, OpenError> {
        let failed = |error| OpenError::io(&data_dir.display().to_string(), error);
        let directory = File::open(data_dir).map_err(failed)?;
        let taken = match access {
            Access::Reading => directory.try_lock_shared(),
            Access::Writing => directory.try_lock(),
        };
        match taken {
            Ok(()) => Ok(Self { _directory: Some(directory) }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(file_in(data_dir).display().to_string())),
            // Where nothing can be written, nobody writes meanwhile.
            Err(TryLockError::Error(error))
                if access == Access::Reading
                    && matches!(error.kind(), ErrorKind::ReadOnlyFilesystem | ErrorKind::Unsupported) =>
            {
                Ok(Self { _directory: None })
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_share_a_directory_and_a_writer_has_it_alone() {
        let directory = tempfile::tempdir().unwrap();
        let take = |access| DirectoryLock::take(directory.path(), access);
        let readers = (take(Access::Reading).unwrap(), take(Access::Reading).unwrap());
        assert!(matches!(take(Access::Writing), Err(OpenError::InUse(_))));
        drop(readers);
        let writer = take(Access::Writing).unwrap();
        assert!(matches!(take(Access::Reading), Err(OpenError::InUse(_))));
        assert!(matches!(take(Access::Writing), Err(OpenError::InUse(_))));
        drop(writer);
        take(Access::Writing).unwrap();
    }
}
