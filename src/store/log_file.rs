//! The log's file. What was written to it is on disk when the write returns.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use redb::StorageBackend;

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
pub(super) struct LogFile {
    /// For everything but writing.
    file: File,
    writer: File,
    /// In its place where the file system opens files for direct writes and then refuses them.
    indirect: OnceLock<File>,
    path: PathBuf,
}

impl LogFile {
    /// Opens the file, or makes an empty one.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let writer = match open_writer(path, DIRECT) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => open_writer(path, SYNCHRONOUS)?,
            other => other?,
        };
        Ok(Self { file, writer, indirect: OnceLock::new(), path: path.to_owned() })
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
    OpenOptions::new().write(true).custom_flags(flags).open(path)
}

impl StorageBackend for LogFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.file.sync_data()
    }

    /// Nothing is left to do: lengths and writes are on disk already.
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match self.writer.write_all_at(data, offset) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.indirect()?.write_all_at(data, offset),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_system_refuses_to_write_directly_is_written_synchronously() {
        let dir = tempfile::tempdir().unwrap();
        let log = LogFile::open(&dir.path().join("log")).unwrap();
        // Direct writes refuse what is no whole block in the way in which a file system refuses all of them.
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
