//! The store: a redb file with the tables, and a write-ahead log beside it. Opening it is recovering it; writing it is
//! the committer's alone; reading it is anyone's.
//!
//! Each commit is one record of the history. It is acknowledged when it is in the log and synced; then it is published
//! to readers, and a thread brings the tables up to it. The journal is the table of these records; the other tables say
//! the same in the shape in which it is asked for, and can be rebuilt from the journal.
//!
//! This file is the store's face. Nothing below imports it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::change::StoredResponse;
use crate::domain::idempotency_key::{IdempotencyKey, KeyHasher};
use crate::domain::order::{Order, OrderId};

pub mod archive;
mod backlog;
mod check;
mod current;
mod draft;
mod error;
mod format;
mod head;
mod journal;
mod lease;
mod medium;
mod memtable;
mod open;
mod overlay;
mod progress;
mod random;
mod read_threads;
mod reader;
mod rows;
mod running;
mod snapshot;
mod tables;
mod upgrade;
mod wal;

pub use check::order_sums::by_product as order_sums_by_product;
pub use check::report::Report;
pub use draft::{Committed, Draft};
pub use error::{OpenError, StoreError, is_full};
pub use format::{FORMAT, OLDEST_FORMAT};
pub use head::{Cut, Head};
pub use journal::kept::KeptTail;
pub use journal::tail::{FellBehind, Tail, TailError};
pub use medium::{Medium, Part, TABLES_MAGIC, file_in, sync_directory_of, wal_beside, with_suffix};
pub use open::drop_log::{FoundLog, WithoutLog, drop_log, look as look_without_log};
pub use open::files::{check_writable, free_bytes};
pub use open::fork::Given;
pub use open::left_overs::{RESTORING, exchange, tidy};
pub use open::lock::{Access, DirectoryLock};
pub use open::recover::Recovered;
pub use progress::OnProgress;
pub use read_threads::{Scan, lower_priority};
pub use reader::Reader;
pub use snapshot::{Page, Snapshot};
pub use upgrade::{Upgraded, upgrade};
pub use wal::frames::WAL_MAGIC;

use current::Current;
use open::files::{self, Files};
use open::identity::Secrets;
use read_threads::ReadThreads;
use running::Running;
use tables::index::entry::{of_key, of_user};

/// The store. Cheap to share.
#[derive(Debug)]
pub struct Store {
    medium: Medium,
    files: Files,
    secrets: Secrets,
    current: Arc<Current>,
}

impl Store {
    /// Opens or creates the store in `medium`, brings it up to the end of its log, and reads what a start needs.
    pub fn open(medium: Medium) -> Result<(Self, Recovered), OpenError> {
        let files = Files::default();
        let kept = Arc::default();
        let (running, secrets, recovered) = Running::open(&medium, &files, &kept)?;
        let threads = ReadThreads::start().map_err(|error| OpenError::Io("the readers' threads".to_owned(), error))?;
        let current = Arc::new(Current::new(running, recovered.head.clone(), kept, threads));
        Ok((Self { medium, files, secrets, current }, recovered))
    }

    /// Opens the store in `file` for reading, after every page of it was checked against its checksum, and leaves it as
    /// it is. Reads the whole file. The caller holds the lock of its directory.
    pub fn inspect(file: &Path) -> Result<Self, OpenError> {
        let (running, identity) = Running::inspect(file)?;
        let snapshot = running.reader.snapshot().and_then(|snapshot| snapshot.head());
        let head = snapshot.map_err(|error| OpenError::reading(&file.display().to_string(), error))?;
        let current = Arc::new(Current::new(running, head, Arc::default(), ReadThreads::none()));
        // Nobody commits, and there is no thread to read older records for a tail.
        current.ring.close();
        Ok(Self { medium: Medium::File(file.to_owned()), files: Files::default(), secrets: identity.secrets, current })
    }

    /// Closes what is left of a failed store and opens it again. While its disk is full, it can be read all the same.
    pub fn reopen(&self) -> Result<Recovered, OpenError> {
        let running = &self.current.running;
        if let Medium::File(path) = &self.medium
            && running.read().as_ref().is_some_and(|running| !running.is_writable())
            && !files::has_room(path)
        {
            return Err(OpenError::Full(path.display().to_string()));
        }
        let reopened = self.open_again();
        if let (Err(OpenError::Full(_)), Medium::File(path)) = (&reopened, &self.medium) {
            match Running::read_only(path) {
                Ok(read_only) => self.current.replace_read_only(read_only),
                Err(error) => tracing::debug!(%error, "the store cannot be read either"),
            }
        }
        reopened
    }

    fn open_again(&self) -> Result<Recovered, OpenError> {
        let failed = self.current.running.write().take();
        if let Some(failed) = failed {
            match &self.medium {
                // What was only in the log is in the tables as well, soon: they make up for one that was deleted.
                Medium::File(path)
                    if failed.is_writable() && !failed.has_failed() && self.files.has_lost_its_wal(path) =>
                {
                    failed.close(&self.medium, &self.files);
                }
                _ => failed.give_up(),
            }
        }
        let (opened, _, recovered) = Running::open(&self.medium, &self.files, &self.current.kept)?;
        self.current.replace(opened, &recovered.head);
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

    /// Brings the tables up to the last commit, on disk, and closes the store; everything later is rejected.
    pub fn close(&self) {
        let running = self.current.running.write().take();
        if let Some(running) = running {
            running.close(&self.medium, &self.files);
        }
        self.files.release();
        self.current.ring.close();
    }

    /// The secret of this store, made when it was created.
    pub const fn secret(&self) -> &[u8; 32] {
        &self.secrets.general
    }

    /// What makes the numbers by which this store has idempotency keys.
    pub const fn key_hasher(&self) -> &KeyHasher {
        &self.secrets.keys
    }

    /// Builds one commit and puts it on disk; `None` if there was nothing to commit. After an error its outcome is
    /// unknown, until the store was opened again.
    pub fn commit(
        &self,
        build: impl FnOnce(&mut Draft) -> Result<(), StoreError>,
    ) -> Result<Option<Committed>, StoreError> {
        let mut draft = Draft::new(self.current.reader()?);
        build(&mut draft)?;
        let Some(committed) = draft.finish() else { return Ok(None) };
        let running = self.current.running.read();
        running.as_ref().ok_or(StoreError::Closed)?.commit(&committed)?;
        Ok(Some(committed))
    }

    /// Publishes a commit to readers. A reader that sees that an order has moved must find its stock moved as well; so
    /// this comes after the counters.
    pub fn publish(&self, committed: Committed) {
        self.current.publish(committed);
    }

    /// Follows the journal behind the record `after`; 0 is the beginning. Who keeps a position keeps the id of the
    /// history beside it.
    pub fn tail(&self, after: u64) -> Tail {
        Tail::new(Arc::clone(&self.current), after)
    }

    /// Keeps the records behind `after` from being trimmed, for a follower that has everything through it and must not
    /// lose what comes next.
    pub fn keep(&self, after: u64) -> KeptTail {
        self.current.kept.keep(after)
    }

    /// Whether the store has failed and must be opened again.
    pub fn has_failed(&self) -> bool {
        self.current.running.read().as_ref().is_some_and(Running::has_failed)
    }

    /// The end of the history and the totals as last published, from memory: nobody waits, also while the store is
    /// away.
    pub fn head(&self) -> Head {
        self.current.head.read().clone()
    }

    /// The store as last published. Waits for the tables and blocks on file reads: for handlers there is
    /// [`Store::scan`].
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.reader()?.snapshot()
    }

    /// The same with the indexes beside it.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        let reader = self.current.reader()?;
        reader.backlog.wait_applied()?;
        Ok(reader)
    }

    /// One order, without waiting for the tables. Blocks on file reads.
    pub fn order(&self, id: OrderId) -> Result<Option<Arc<Order>>, StoreError> {
        self.current.reader()?.order(id)
    }

    /// The response that is stored under an idempotency key, and the order of its request; without waiting for the
    /// tables. Blocks on file reads.
    pub fn stored_response(&self, key: IdempotencyKey) -> Result<Option<(Arc<Order>, StoredResponse)>, StoreError> {
        self.current.reader()?.stored_response(key)
    }

    /// Which of these idempotency keys may have a stored response, by their places; those of the others surely have
    /// none. From memory: nobody waits, also while the store is opened again.
    pub fn keys_to_look_up(&self, keys: impl IntoIterator<Item = IdempotencyKey>) -> Result<Vec<usize>, StoreError> {
        let hashes: Vec<u64> = keys.into_iter().map(of_key).collect();
        if hashes.is_empty() {
            return Ok(Vec::new());
        }
        self.current.try_read(|reader| reader.backlog.keys.read().may_have_of(&hashes))
    }

    /// Whether a user may have orders; false is sure. From memory: nobody waits, also while the store is opened again.
    pub fn may_have_orders(&self, user: &str) -> Result<bool, StoreError> {
        let hash = of_user(user);
        self.current.try_read(|reader| reader.backlog.users.read().may_have(hash))
    }

    /// Looks something up for a buyer, on a thread that may block; a bounded number at once. For what is found without
    /// waiting for the tables and without reading many rows.
    pub async fn query<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Ok(_permit) = self.current.threads.look_ups.acquire().await else { return Err(StoreError::Closed) };
        let store = Arc::clone(self);
        match tokio::task::spawn_blocking(move || read(&store)).await {
            Ok(result) => result,
            Err(panic) => Err(StoreError::System("reply to a reader", panic.to_string())),
        }
    }

    /// Reads the tables for an operator, once they have everything that is published by now. The line is bounded:
    /// [`StoreError::TooManyReaders`] says that it is full.
    pub async fn scan<T: Send + 'static>(
        &self,
        scan: Scan,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.caught_up().await?;
        self.current.scan(scan, read).await
    }

    /// Returns when the tables have everything that is published by now.
    pub async fn caught_up(&self) -> Result<(), StoreError> {
        // Without the tables' file: a store that has failed can be opened again while this waits.
        let backlog = self.current.reader()?.backlog;
        backlog.applied().await
    }

    /// Orders that a user may have placed up to `through`, newest first; those of users with the same hash are among
    /// them. None where there are more than [`crate::limits::MAX_SCANNED_ORDERS`]. Blocks on file reads.
    pub fn order_ids_of_user(&self, user: &str, through: OrderId) -> Result<Option<Vec<u64>>, StoreError> {
        self.current.reader()?.order_ids_of_user(user, through)
    }

    /// Checks the whole store as last committed. Memory is bounded by the products and the pending orders; what the
    /// history adds up to is kept in a file without a name in `scratch_dir`, about as large as the orders. A history
    /// that was trimmed cannot be replayed from its beginning: then what is left of its chain is checked, and the
    /// counts.
    pub fn verify(&self, scratch_dir: &Path, progress: &mut OnProgress<'_>) -> Result<Report, StoreError> {
        check::verify::verify(&self.snapshot()?, scratch_dir, progress)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
