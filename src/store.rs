//! The store: one redb file. Opening it is recovering it; writing it is the committer's alone; reading it is anyone's.
//!
//! Each commit is one transaction and adds one record to the journal. The other tables say the same in the shape in
//! which it is asked for; they can be rebuilt from the journal.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageBackend};
use tokio::sync::Semaphore;

use crate::limits;
use crate::order::{Order, OrderId};
use crate::product::Product;

pub mod archive;
mod chain;
mod check_index;
mod compare;
mod findings;
mod head;
mod inspect;
mod journal;
mod read;
mod record;
mod replay;
mod scratch;
mod tables;
pub mod tally;
mod unfinished;
mod user_index;
mod verify;
mod write;

pub use findings::Findings;
pub use head::{Cut, Head, Totals};
pub use read::{AttemptError, Page, Snapshot};
pub use verify::OnProgress;
pub use write::Tables;

use user_index::UserIndex;

/// The name of the store's file in the data directory.
pub const FILE_NAME: &str = "flashsale.redb";

/// The format that this program writes. A store of a later one is refused.
pub const FORMAT: u32 = 1;

/// How often a reader lets others go first until a commit is shown.
const MAX_PUBLISH_YIELDS: usize = 1_000;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("another server is using {0}; stop it first, or choose another data directory")]
    InUse(String),
    /// A later program wrote it.
    #[error("the store has format {found}, and this program knows {FORMAT} at most; use a newer flashsale")]
    NewerFormat {
        /// The format in the file.
        found: u32,
    },
    /// It is not ours, or it is damaged.
    #[error("{0} is not a whole flashsale store: {1}; restore a backup or choose another data directory")]
    Damaged(String, String),
    /// The operating system refused.
    #[error("cannot open {0}: {1}")]
    Io(String, std::io::Error),
}

/// Why the store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It failed and has not been opened again yet.
    #[error("the store is closed")]
    Closed,
    /// The operating system or the file failed.
    #[error("the store failed: {0}")]
    Failed(#[source] Box<redb::Error>),
    /// A row does not say what its table promises.
    #[error("the store holds a damaged row: {0}")]
    Damaged(String),
    /// There is no room for a working file.
    #[error("cannot make the working file {0}: {1}")]
    Scratch(String, std::io::Error),
}

impl StoreError {
    /// Whether it failed for want of space.
    pub fn is_out_of_space(&self) -> bool {
        let Self::Failed(error) = self else { return false };
        matches!(error.as_ref(), redb::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull)
    }
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error.into()))
    }
}

/// Where the bytes are: a file, or what a test puts in its place.
#[derive(Clone)]
pub enum Medium {
    /// A file, created where there is none.
    File(PathBuf),
    /// A backend of the caller's making; called again for every opening.
    Backend(Arc<dyn Fn() -> Box<dyn StorageBackend> + Send + Sync>),
}

impl std::fmt::Debug for Medium {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Backend(_) => f.write_str("a backend of the caller's"),
        }
    }
}

/// What was found in the store when it was opened.
#[derive(Debug)]
pub struct Recovered {
    /// The end of the history and the totals.
    pub head: Head,
    /// All products.
    pub products: Vec<Product>,
    /// All pending orders, oldest first.
    pub open: Vec<Order>,
    /// Whether the file had been left without a clean close and was repaired.
    pub repaired: bool,
}

/// The store. Cheap to share; readers never wait for the writer.
#[derive(Debug)]
pub struct Store {
    medium: Medium,
    /// Empty from a failure until the store is opened again.
    database: RwLock<Option<Database>>,
    user_index: RwLock<UserIndex>,
    /// The secret that job numbers are made with.
    secret: [u8; 32],
    readers: Semaphore,
    /// The last record whose changes can be seen everywhere.
    published: AtomicU64,
}

impl Store {
    /// Opens or creates the store in `medium`, repairs it where it was not closed, and reads what a start needs.
    pub fn open(medium: Medium) -> Result<(Self, Recovered), OpenError> {
        let opened = read::open(&medium)?;
        let store = Self {
            medium,
            database: RwLock::new(Some(opened.database)),
            user_index: RwLock::new(opened.user_index),
            secret: opened.secret,
            readers: Semaphore::new(limits::MAX_READER_THREADS),
            published: AtomicU64::new(opened.recovered.head.sequence),
        };
        Ok((store, opened.recovered))
    }

    /// Closes what is left of a failed store and opens it again.
    pub fn reopen(&self) -> Result<Recovered, OpenError> {
        let mut database = self.database.write();
        // The file is locked as long as the failed one is not dropped.
        *database = None;
        let opened = read::open(&self.medium)?;
        *database = Some(opened.database);
        *self.user_index.write() = opened.user_index;
        self.publish_through(opened.recovered.head.sequence);
        Ok(opened.recovered)
    }

    /// Closes the store; whatever comes later is refused.
    pub fn close(&self) {
        *self.database.write() = None;
    }

    /// The secret of this store, made when it was created.
    pub const fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// Runs one transaction and commits it: when this returns without an error, it is on disk. After an error nobody
    /// knows whether it is, until the store was opened again. A transaction without [`Tables::conclude`] writes
    /// nothing.
    pub fn write<T>(&self, change: impl FnOnce(&mut Tables<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let database = self.database.read();
        let transaction = database.as_ref().ok_or(StoreError::Closed)?.begin_write()?;
        let (result, index_change) = {
            let index = self.user_index.read();
            let mut tables = Tables::open(&transaction, &index)?;
            let result = change(&mut tables)?;
            (result, tables.finish())
        };
        let Some(index_change) = index_change else {
            transaction.abort()?;
            return Ok(result);
        };
        transaction.commit()?;
        self.user_index.write().follow(index_change);
        Ok(result)
    }

    /// The store as last committed. Blocks on file reads: for handlers there is [`Store::query`].
    ///
    /// A commit can be read a moment before its counters are shown. Who reads that an order has moved must find its
    /// stock moved as well, so this waits for that moment to pass; not without end, as there may be no one to show it.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let snapshot = {
            // The committer also reads inside of a write, where it holds this lock already. That is safe as long as
            // only the committer takes it to write: by `reopen`, and by `close` once it has ended.
            let database = self.database.read();
            Snapshot::new(database.as_ref().ok_or(StoreError::Closed)?.begin_read()?)
        };
        let sequence = snapshot.head()?.sequence;
        for _ in 0..MAX_PUBLISH_YIELDS {
            if self.published.load(Ordering::Acquire) >= sequence {
                break;
            }
            std::thread::yield_now();
        }
        Ok(snapshot)
    }

    /// Says that what was committed up to this record can be seen everywhere.
    pub fn publish_through(&self, sequence: u64) {
        self.published.store(sequence, Ordering::Release);
    }

    /// Orders of one user that lie below `before`, newest first, at most `most`.
    pub fn orders_of_user(&self, user: &str, before: Option<OrderId>, most: usize) -> Result<Vec<Order>, StoreError> {
        let recent = self.user_index.read().find(user, before);
        // The snapshot comes after the look into memory: what has left memory by now is in the snapshot.
        self.snapshot()?.orders_of_user(user, before, recent, most)
    }

    /// Runs a read on a thread that may block; a bounded number at once.
    pub async fn query<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Ok(_permit) = self.readers.acquire().await else { return Err(StoreError::Closed) };
        let store = Arc::clone(self);
        match tokio::task::spawn_blocking(move || read(&store)).await {
            Ok(result) => result,
            Err(panic) => Err(StoreError::Damaged(panic.to_string())),
        }
    }
}

/// The words for a failed opening.
fn open_error(medium: &Medium, error: DatabaseError) -> OpenError {
    let name = match medium {
        Medium::File(path) => path.display().to_string(),
        Medium::Backend(_) => "the store".to_owned(),
    };
    match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(name),
        DatabaseError::Storage(redb::StorageError::Io(error)) => match error.kind() {
            std::io::ErrorKind::InvalidData => OpenError::Damaged(name, error.to_string()),
            std::io::ErrorKind::UnexpectedEof => OpenError::Damaged(name, "its end is missing".to_owned()),
            _ => OpenError::Io(name, error),
        },
        other => OpenError::Damaged(name, other.to_string()),
    }
}

/// Opens the database file itself.
fn open_database(medium: &Medium) -> Result<(Database, bool), OpenError> {
    let repaired = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let noticed = Arc::clone(&repaired);
    let mut builder = Builder::new();
    builder.set_cache_size(limits::STORE_CACHE_BYTES);
    builder.set_repair_callback(move |_| noticed.store(true, std::sync::atomic::Ordering::Relaxed));
    let create = || match medium {
        Medium::File(path) => builder.create(path),
        Medium::Backend(make) => builder.create_with_backend(BoxedBackend(make())),
    };
    let opened = match create() {
        Err(DatabaseError::Storage(redb::StorageError::Io(error)))
            if error.kind() == std::io::ErrorKind::InvalidData && unfinished::clear(medium).unwrap_or(false) =>
        {
            create()
        }
        other => other,
    };
    let database = opened.map_err(|error| open_error(medium, error))?;
    if let Medium::File(path) = medium {
        // A new file's name is on disk only when its directory is.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = std::fs::File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| OpenError::Io(directory.display().to_string(), error))?;
    }
    Ok((database, repaired.load(std::sync::atomic::Ordering::Relaxed)))
}

/// A backend behind a pointer, as redb takes backends by value.
#[derive(Debug)]
struct BoxedBackend(Box<dyn StorageBackend>);

impl StorageBackend for BoxedBackend {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
    fn close(&self) -> std::io::Result<()> {
        self.0.close()
    }
}

/// The store's file in a data directory.
pub fn file_in(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE_NAME)
}

#[cfg(test)]
mod tests;
