//! The store's files, with an eye on what the log gets.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flashsale::limits::WAL_SEGMENT_BYTES;
use flashsale::store::{self, Medium, Part};
use parking_lot::Mutex;
use redb::StorageBackend;
use redb::backends::FileBackend;

/// What every frame of the log begins with; zeros that are written ahead do not.
const MAGIC: &[u8] = b"FSw1";
/// Bytes of a frame before its record. Its bytes 4 to 8 are the record's length, little-endian.
const HEAD: usize = 64;

/// What was seen of the log.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    log: Mutex<Option<Arc<FileBackend>>>,
    /// Nanoseconds in writes and syncs.
    busy: AtomicU64,
    /// Where the last frame is, and how long it is.
    last: Mutex<(u64, usize)>,
}

/// One commit as the log has it.
pub(crate) struct Frame {
    pub(crate) record: Vec<u8>,
    /// Bytes that it takes, up to where the next one begins.
    pub(crate) len: usize,
}

impl Tap {
    /// The store's two files in a directory, as a server has them.
    pub(crate) fn medium(self: &Arc<Self>, directory: &Path) -> Medium {
        let (tap, tables) = (Arc::clone(self), store::file_in(directory));
        let open = move |part| -> Box<dyn StorageBackend> {
            match part {
                Part::Tables => Box::new(backend(&tables)),
                Part::Wal => {
                    let file = Arc::new(backend(&store::wal_beside(&tables)));
                    *tap.log.lock() = Some(Arc::clone(&file));
                    Box::new(Tapped { file, tap: Arc::clone(&tap) })
                }
            }
        };
        Medium::Backend { open: Arc::new(open), wal_segment_bytes: WAL_SEGMENT_BYTES }
    }

    /// Time spent in writing and syncing the log so far.
    pub(crate) fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy.load(Ordering::Relaxed))
    }

    /// The last commit, read back.
    pub(crate) fn last_frame(&self) -> Frame {
        let (offset, len) = *self.last.lock();
        let mut frame = vec![0; len];
        let log = self.log.lock().clone().expect("an open log");
        log.read(offset, &mut frame).expect("the last frame");
        let record = u32::from_le_bytes(frame[4..8].try_into().expect("four bytes")) as usize;
        Frame { record: frame[HEAD..][..record].to_vec(), len }
    }

    fn timed(&self, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let start = Instant::now();
        let done = work();
        self.busy.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        done
    }
}

fn backend(path: &Path) -> FileBackend {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
    FileBackend::new(file.expect("a file")).expect("nobody else has it")
}

/// The log's file, watched.
#[derive(Debug)]
struct Tapped {
    file: Arc<FileBackend>,
    tap: Arc<Tap>,
}

impl StorageBackend for Tapped {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.tap.timed(|| self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if data.starts_with(MAGIC) {
            *self.tap.last.lock() = (offset, data.len());
        }
        self.tap.timed(|| self.file.write(offset, data))
    }
}
