//! The store: a redb file with the tables, and a write-ahead log beside it. Opening it is recovering it; writing it is
//! the committer's alone; reading it is anyone's.
//!
//! Each commit is one record of the history. It is acknowledged when it is in the log and synced; then it is shown to
//! readers, and a thread brings the tables up to it. The journal is the table of these records; the other tables say
//! the same in the shape in which it is asked for, and can be rebuilt from the journal.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use redb::{Builder, Database, DatabaseError, ReadableDatabase};

use crate::domain::change::StoredResponse;
use crate::domain::order::{Order, OrderId};
use crate::domain::product::Product;
use crate::limits;

pub mod archive;
mod catch_up;
mod chain;
mod compare;
mod draft;
mod drop_log;
mod error;
mod files;
mod findings;
mod follow;
mod fork;
mod head;
mod index;
mod inspect;
mod journal;
mod left_overs;
mod lock;
mod log;
mod log_file;
mod log_mark;
mod medium;
mod new;
mod order_groups;
mod read;
mod readers;
mod record;
mod replay;
mod scratch;
mod tables;
pub mod tally;
mod times;
mod unapplied;
mod verify;
mod write;

pub use draft::Draft;
pub use drop_log::{FoundLog, WithoutLog, drop_log, look as look_without_log};
pub use error::{OpenError, StoreError, is_full};
pub use findings::Findings;
pub use fork::Given;
pub use head::{Cut, Head};
pub use left_overs::{RESTORING, exchange, tidy};
pub use lock::{Access, DirectoryLock};
pub use medium::{FILE_NAME, Medium, Part, file_in, log_beside, sync_directory_of, with_suffix};
pub use read::{Page, Snapshot};
pub use readers::{Reader, Scan, lower_priority};

pub use verify::OnProgress;

use files::{Files, Lease};
use follow::{Backlog, Follower};
use index::runs::OrdersOf;
use index::{Candidates, Rebuild};
use log::{Appended, Log};
use log_file::LogFile;
use readers::Readers;
use unapplied::Unapplied;

/// The format that this program writes. A store of a later one is refused.
pub const FORMAT: u32 = 3;

/// What was found in the store when it was opened.
#[derive(Debug)]
pub struct Recovered {
    /// The end of the history and the totals.
    pub head: Head,
    /// All products.
    pub products: Vec<Product>,
    /// All pending orders, oldest first.
    pub open: Vec<Order>,
    /// Whether whoever had the store open before did not close it.
    pub unclosed: bool,
}

/// The store. Cheap to share.
#[derive(Debug)]
pub struct Store {
    medium: Medium,
    files: Files,
    /// Empty from a failure until the store is opened again.
    running: RwLock<Option<Running>>,
    /// The secret that job numbers are made with.
    secret: [u8; 32],
    /// The end of the history as last shown; also while the store is away.
    head: RwLock<Head>,
    readers: Readers,
}

/// An open store.
#[derive(Debug)]
struct Running {
    database: Arc<Database>,
    backlog: Arc<Backlog>,
    /// What a store that is only read does not have.
    writer: Option<Mutex<Writer>>,
    /// The same.
    lease: Option<Lease>,
}

#[derive(Debug)]
struct Writer {
    log: Log,
    follower: Follower,
    filters: Rebuild,
}

/// A commit that is on disk and that no reader has seen yet: see [`Store::show`].
#[derive(Debug)]
#[must_use = "what is never shown is not in the tables"]
pub struct Committed(Unapplied);

impl Store {
    /// Opens or creates the store in `medium`, brings it up to the end of its log, and reads what a start needs.
    pub fn open(medium: Medium) -> Result<(Self, Recovered), OpenError> {
        let files = Files::default();
        let (running, secret, recovered) = Running::open(&medium, &files)?;
        let readers = Readers::start().map_err(|error| OpenError::Io("the readers' threads".to_owned(), error))?;
        let head = RwLock::new(recovered.head.clone());
        let store = Self { medium, files, running: RwLock::new(Some(running)), secret, head, readers };
        Ok((store, recovered))
    }

    /// Closes what is left of a failed store and opens it again. While its disk is full, it can be read all the same.
    pub fn reopen(&self) -> Result<Recovered, OpenError> {
        if let Medium::File(path) = &self.medium
            && self.running.read().as_ref().is_some_and(|running| running.writer.is_none())
            && !files::has_room(path)
        {
            return Err(OpenError::Full(path.display().to_string()));
        }
        let reopened = self.open_again();
        if let (Err(OpenError::Full(_)), Medium::File(path)) = (&reopened, &self.medium) {
            match Running::read_only(path) {
                Ok(running) => *self.running.write() = Some(running),
                Err(error) => tracing::debug!(%error, "the store cannot be read either"),
            }
        }
        reopened
    }

    fn open_again(&self) -> Result<Recovered, OpenError> {
        let failed = self.running.write().take();
        if let Some(failed) = failed {
            match &self.medium {
                // What was only in the log is in the tables as well, soon: they make up for one that was deleted.
                Medium::File(path)
                    if failed.writer.is_some() && !failed.backlog.has_failed() && self.files.has_lost_its_log(path) =>
                {
                    failed.close(&self.medium, &self.files);
                }
                _ => failed.give_up(),
            }
        }
        let (opened, _, recovered) = Running::open(&self.medium, &self.files)?;
        *self.head.write() = recovered.head.clone();
        *self.running.write() = Some(opened);
        Ok(recovered)
    }

    /// A file of the store that was deleted, renamed or replaced since it was opened. What is written to it may be
    /// lost.
    pub fn misplaced(&self) -> Option<PathBuf> {
        match &self.medium {
            Medium::File(path) => self.files.misplaced(path),
            Medium::Backend { .. } => None,
        }
    }

    /// Brings the tables up to the last commit, on disk, and closes the store; whatever comes later is refused.
    pub fn close(&self) {
        let running = self.running.write().take();
        if let Some(running) = running {
            running.close(&self.medium, &self.files);
        }
        self.files.release();
    }

    /// The secret of this store, made when it was created.
    pub const fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// Draws up one commit and puts it on disk: none where there was nothing to commit. After an error nobody knows
    /// whether it is on disk, until the store was opened again.
    pub fn commit(
        &self,
        draw_up: impl FnOnce(&mut Draft<'_>) -> Result<(), StoreError>,
    ) -> Result<Option<Committed>, StoreError> {
        let mut draft = Draft::new(self);
        draw_up(&mut draft)?;
        let Draft { changes, .. } = draft;
        let (Some((sequence, row)), Some(head)) = (changes.records.last(), &changes.head) else { return Ok(None) };
        let running = self.running.read();
        let Running { backlog, writer: Some(writer), .. } = running.as_ref().ok_or(StoreError::Closed)? else {
            return Err(StoreError::Closed);
        };
        backlog.wait_for_room()?;
        let mut writer = writer.lock();
        loop {
            match writer.log.append(*sequence, head.hash, row, backlog.durable())? {
                Appended::Synced => break,
                Appended::Rotated(filled) => {
                    backlog.want_durable(filled);
                    break;
                }
                Appended::Full(through) => backlog.wait_durable(through)?,
            }
        }
        Ok(Some(Committed(changes)))
    }

    /// Shows a commit to readers. Whoever reads that an order has moved must find its stock moved as well; so this
    /// comes after the counters.
    pub fn show(&self, committed: Committed) {
        if let Some(head) = &committed.0.head {
            self.head.write().clone_from(head);
        }
        if let Some(running) = &*self.running.read() {
            running.backlog.show(committed.0);
        }
    }

    /// Whether the store has failed and must be opened again.
    pub fn has_failed(&self) -> bool {
        self.running.read().as_ref().is_some_and(|running| running.backlog.has_failed())
    }

    /// The end of the history and the totals as last shown, from memory: nobody waits, also while the store is away.
    pub fn head(&self) -> Head {
        self.head.read().clone()
    }

    /// The store as last shown. Waits for the tables and blocks on file reads: for handlers there is [`Store::scan`].
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let (backlog, database) = self.parts()?;
        backlog.catch_up()?;
        Ok(Snapshot::new(database.begin_read()?))
    }

    /// One order, without waiting for the tables. Blocks on file reads.
    pub fn order(&self, id: OrderId) -> Result<Option<Arc<Order>>, StoreError> {
        let (backlog, database) = self.parts()?;
        // The tables come second: what has left memory by then is in them.
        match backlog.find(|changes| changes.order(id).map(Arc::clone)) {
            Some(order) => Ok(Some(order)),
            None => Ok(Snapshot::new(database.begin_read()?).order(id)?.map(Arc::new)),
        }
    }

    /// Whether an order's job is on the list of dead letters, without waiting for the tables. Blocks on file reads.
    pub fn is_dead_letter(&self, id: OrderId) -> Result<bool, StoreError> {
        let (backlog, database) = self.parts()?;
        match backlog.find(|changes| changes.dead_letters.get(&id.0).copied()) {
            Some(listed) => Ok(listed),
            None => Snapshot::new(database.begin_read()?).is_dead_letter(id),
        }
    }

    /// What a request with this idempotency key was answered last, and the order it made; without waiting for the
    /// tables. Blocks on file reads.
    pub fn kept_answer(&self, key: u128) -> Result<Option<(Arc<Order>, StoredResponse)>, StoreError> {
        let (backlog, database) = self.parts()?;
        let hash = index::of_key(key);
        let Candidates { orders, runs } = backlog.keys.read().find(hash);
        let of_key = |order: u64| {
            let order = OrderId(order);
            let answer = match backlog.find(|changes| changes.answer(order)) {
                Some(answer) => Some(answer),
                None => Snapshot::new(database.begin_read()?).answer(order)?,
            };
            let Some(answer) = answer.filter(|answer| answer.key == key) else { return Ok(None) };
            Ok::<_, StoreError>(self.order(order)?.map(|order| (order, answer)))
        };
        for order in orders {
            if let Some(found) = of_key(order)? {
                return Ok(Some(found));
            }
        }
        if runs.is_empty() {
            return Ok(None);
        }
        // After the look into memory: what has left memory by now is in the tables.
        let written = database.begin_read()?.open_table(tables::ORDERS_BY_KEY)?;
        let mut written = OrdersOf::below(&written, hash, runs, u64::MAX);
        while let Some(order) = written.next()? {
            if let Some(found) = of_key(order)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Which of these idempotency keys may have an answer, by their places; those of the others surely have none. From
    /// memory: nobody waits, also while the store is opened again.
    pub fn keys_to_look_up(&self, keys: &[u128]) -> Result<Vec<usize>, StoreError> {
        let running = self.running.try_read().ok_or(StoreError::Closed)?;
        let index = running.as_ref().ok_or(StoreError::Closed)?.backlog.keys.read();
        let places = keys.iter().enumerate().filter(|(_, key)| index.may_have(index::of_key(**key)));
        Ok(places.map(|(place, _)| place).collect())
    }

    /// Whether a user may have orders; false is sure. From memory: nobody waits, also while the store is opened again.
    pub fn may_have_orders(&self, user: &str) -> Result<bool, StoreError> {
        let hash = index::of_user(user);
        let running = self.running.try_read().ok_or(StoreError::Closed)?;
        Ok(running.as_ref().ok_or(StoreError::Closed)?.backlog.users.read().may_have(hash))
    }

    /// What readers and the follower share. Held no longer than to take it: a failed store is closed under the lock.
    fn parts(&self) -> Result<(Arc<Backlog>, Arc<Database>), StoreError> {
        let running = self.running.read();
        let running = running.as_ref().ok_or(StoreError::Closed)?;
        Ok((Arc::clone(&running.backlog), Arc::clone(&running.database)))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

impl Running {
    fn open(medium: &Medium, files: &Files) -> Result<(Self, [u8; 32], Recovered), OpenError> {
        let read::Opened { database, users, keys, secret, recovered, log, lease } = read::open(medium, files)?;
        let database = Arc::new(database);
        let backlog = Arc::new(Backlog::new(recovered.head.sequence, users, keys));
        let follower = Follower::start(Arc::clone(&backlog), Arc::clone(&database));
        let follower = follower.map_err(|error| OpenError::Io("the tables' thread".to_owned(), error))?;
        let filters = Rebuild::start(&backlog, &database);
        let filters = filters.map_err(|error| OpenError::Io("the filters' thread".to_owned(), error))?;
        let writer = Some(Mutex::new(Writer { log, follower, filters }));
        Ok((Self { database, backlog, writer, lease: Some(lease) }, secret, recovered))
    }

    /// Ends it without the tables' having everything: what is not in them is in the log. Readers hear of it at once,
    /// and what they still hold of it is cut off.
    fn give_up(self) {
        self.backlog.fail();
        if let Some(writer) = self.writer {
            writer.into_inner().stop(&self.backlog);
        }
        drop(self.database);
        if let Some(lease) = self.lease {
            lease.revoke();
        }
    }

    /// Closed well, a store is one file again.
    fn close(mut self, medium: &Medium, files: &Files) {
        let Some(writer) = self.writer.take() else { return };
        let durable = self.backlog.wait_durable(self.backlog.shown());
        writer.into_inner().stop(&self.backlog);
        // In this order, so that tables without a log are never taken for ones that have lost it.
        let closed = durable.and_then(|()| log_mark::close(&self.database));
        self.give_up();
        let Medium::File(path) = medium else { return };
        // One that is not ours is left alone.
        if closed.is_ok() && files.misplaced(path).is_none() {
            medium.remove_log();
        }
    }
}

impl Writer {
    fn stop(self, backlog: &Backlog) {
        self.filters.stop();
        self.follower.stop(backlog);
    }
}

/// The words for a failed opening.
fn open_error(medium: &Medium, error: DatabaseError) -> OpenError {
    let name = medium.to_string();
    match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(name),
        DatabaseError::Storage(redb::StorageError::Io(error)) => OpenError::io(&name, error),
        DatabaseError::Storage(redb::StorageError::PreviousIo) => {
            OpenError::reading(&name, redb::Error::PreviousIo.into())
        }
        other => OpenError::Damaged(name, other.to_string()),
    }
}

/// What opens tables anywhere, with its bound on the pages in memory.
fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(limits::STORE_CACHE_BYTES);
    builder
}

/// The same, after every page was checked against its checksum.
fn checking() -> Builder {
    let mut builder = builder();
    builder.set_check_integrity_on_open(true);
    builder
}

/// Opens the tables, made before where there are none, after every page was checked against its checksum.
fn open_database(medium: &Medium, files: &Files) -> Result<(Database, Lease), OpenError> {
    let lease = Lease::new(match medium {
        Medium::File(path) => files.tables(path)?,
        Medium::Backend { open, .. } => open(Part::Tables).into(),
    });
    let database = checking().create_with_backend(lease.clone());
    Ok((database.map_err(|error| open_error(medium, error))?, lease))
}

/// Opens the log beside the tables, made empty where there is none.
fn open_log(medium: &Medium) -> Result<Log, OpenError> {
    match medium {
        Medium::File(path) => {
            let path = log_beside(path);
            let file = LogFile::open(&path).map_err(|error| log_mark::unopened(&path, error))?;
            Ok(Log::new(Box::new(file), limits::LOG_HALF_BYTES))
        }
        Medium::Backend { open, log_half_bytes } => Ok(Log::new(open(Part::Log), *log_half_bytes)),
    }
}

#[cfg(test)]
mod tests;
