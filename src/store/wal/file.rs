//! The log's file. What was written to it is on disk when the write returns.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use redb::StorageBackend;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::limits::WAL_GROWTH_BYTES;
use crate::regular_file;

/// Synchronous writes (`O_DSYNC`) that do not pass through the page cache (`O_DIRECT`): one call and one wait for the
/// disk where a write and a sync after it need two, and no page that a failed sync has left behind as if it were
/// written.
#[cfg(target_os = "linux")]
const DIRECT: i32 = libc::O_DIRECT | SYNCHRONOUS;
#[cfg(not(target_os = "linux"))]
const DIRECT: i32 = SYNCHRONOUS;
/// For file systems that know no direct writes.
const SYNCHRONOUS: i32 = libc::O_DSYNC;

/// An open log file. Writes must begin and end at multiples of a block, from memory that does so as well.
#[derive(Debug)]
pub(in crate::store) struct WalFile {
    /// For everything but writing.
    file: File,
    /// None where it is only looked at.
    writer: Option<File>,
    /// In its place where the file system opens files for direct writes and then rejects them.
    indirect: OnceLock<File>,
    path: PathBuf,
}

impl WalFile {
    /// Opens the file, or makes an empty one.
    pub(in crate::store) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = regular_file::open_own(path, &mut options, 0)?;
        let writer = match open_writer(path, DIRECT) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => open_writer(path, SYNCHRONOUS)?,
            other => other?,
        };
        Ok(Self { file, writer: Some(writer), indirect: OnceLock::new(), path: path.to_owned() })
    }

    /// Opens a file that is there, only to read it.
    pub(in crate::store) fn look_at(path: &Path) -> io::Result<Self> {
        regular_file::check_own(path)?;
        let file = regular_file::open(path)?;
        Ok(Self { file, writer: None, indirect: OnceLock::new(), path: path.to_owned() })
    }

    /// Writes zeros where a file system cannot allocate otherwise. What was there is not needed any more.
    fn fill(&self, len: u64) -> io::Result<()> {
        let zeros = vec![0; WAL_GROWTH_BYTES as usize];
        for at in (0..len).step_by(zeros.len()) {
            let part = zeros.len().min((len - at) as usize);
            self.file.write_all_at(&zeros[..part], at)?;
        }
        Ok(())
    }

    fn indirect(&self) -> io::Result<&File> {
        match self.indirect.get() {
            Some(file) => Ok(file),
            None => {
                let file = open_writer(&self.path, SYNCHRONOUS)?;
                Ok(self.indirect.get_or_init(|| file))
            }
        }
    }
}

fn open_writer(path: &Path, flags: i32) -> io::Result<File> {
    regular_file::open_own(path, OpenOptions::new().write(true), flags)
}

impl StorageBackend for WalFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    /// Allocates every block up to there, so that no write finds the disk full. Where there is no room, the file is as
    /// it was.
    fn set_len(&self, len: u64) -> io::Result<()> {
        let before = self.len()?;
        let allocated = match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, len) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self.fill(len),
            other => other.map_err(io::Error::from),
        };
        let allocated = allocated.and_then(|()| self.file.set_len(len));
        if allocated.is_err() {
            self.file.set_len(before)?;
        }
        allocated?;
        self.file.sync_all()
    }

    /// Nothing is left to do: lengths and writes are on disk already.
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let writer = self.writer.as_ref().ok_or(io::ErrorKind::PermissionDenied)?;
        match writer.write_all_at(data, offset) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.indirect()?.write_all_at(data, offset),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_all_its_blocks_from_the_beginning() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let log = WalFile::open(&dir.path().join("log")).unwrap();
        log.set_len(3 << 20).unwrap();
        let found = log.file.metadata().unwrap();
        assert!(found.len() == 3 << 20 && found.blocks() * 512 >= 3 << 20, "{} blocks", found.blocks());
        log.write(4096, &[7; 4096]).unwrap();
        log.set_len(3 << 20).unwrap();
        let mut read = [0; 2];
        log.read(4096, &mut read).unwrap();
        assert_eq!(read, [7; 2], "what was there is gone");
        log.fill(1 << 20).unwrap();
        log.read(4096, &mut read).unwrap();
        assert_eq!((read, log.len().unwrap()), ([0; 2], 3 << 20));
    }

    #[test]
    fn what_the_file_system_refuses_to_write_directly_is_written_synchronously() {
        let dir = tempfile::tempdir().unwrap();
        let log = WalFile::open(&dir.path().join("log")).unwrap();
        // A write of less than a block is rejected in the way in which a file system rejects all direct writes.
        log.write(3, b"not a block").unwrap();
        log.write(14, b", and more").unwrap();
        let mut read = [0; 21];
        log.read(3, &mut read).unwrap();
        assert_eq!(&read, b"not a block, and more");
        // Where the file system knows direct writes at all.
        let knows = OpenOptions::new().write(true).custom_flags(DIRECT).open(&log.path);
        let refused = knows.is_ok_and(|file| file.write_at(b"x", 1).is_err());
        assert_eq!(log.indirect.get().is_some(), refused);
    }
}
