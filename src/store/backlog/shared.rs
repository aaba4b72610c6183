//! What was committed and is not in the tables yet, as the committer, the readers and the tables' thread share it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::Notify;

use crate::limits::{MAX_MEMTABLE_ROWS, MEMTABLE_FLUSH_ROWS, MEMTABLE_LINGER};

use crate::store::error::StoreError;
use crate::store::memtable::Memtable;
use crate::store::tables::index::Index;
use crate::store::tables::index::entry::of_key;

/// What was committed and published to readers, on its way into the tables.
#[derive(Debug)]
pub(in crate::store) struct Backlog {
    state: Mutex<State>,
    /// Notified when the tables' thread may have something to do.
    work: Condvar,
    /// Notified when it has done something.
    done: Condvar,
    /// The same for those who must not block.
    progress: Notify,
    pub(in crate::store) users: RwLock<Index>,
    pub(in crate::store) keys: RwLock<Index>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Memtable,
    /// Since when something has waited.
    since: Option<Instant>,
    /// What the tables' thread is writing.
    applying: Arc<Memtable>,
    /// The last record that is published.
    published: u64,
    /// The last record that the tables have.
    applied: u64,
    /// The last record that the tables have on disk.
    durable: u64,
    /// The last record that someone needs in the tables.
    wanted: u64,
    /// The last record that someone needs in the tables on disk.
    durable_wanted: u64,
    failed: bool,
    stop: bool,
}

impl Backlog {
    /// Nothing is waiting; the tables have everything up to `sequence` on disk.
    pub(in crate::store) fn new(sequence: u64, users: Index, keys: Index) -> Self {
        let state = State { published: sequence, applied: sequence, durable: sequence, ..State::default() };
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            done: Condvar::new(),
            progress: Notify::new(),
            users: RwLock::new(users),
            keys: RwLock::new(keys),
        }
    }

    /// Publishes a commit to readers.
    pub(in crate::store) fn publish(&self, mut changes: Memtable) {
        self.users.write().add(std::mem::take(&mut changes.placed));
        if !changes.responses.is_empty() {
            let keys = changes.responses.iter().map(|(order, response)| (of_key(response.key), order.0));
            self.keys.write().add(keys);
        }
        let mut state = self.state.lock();
        state.published = changes.sequence();
        let first = state.since.is_none();
        state.since.get_or_insert_with(Instant::now);
        state.waiting.merge(changes);
        // The tables' thread wakes by itself when the first one has waited long enough.
        if first || state.waiting.rows() >= MEMTABLE_FLUSH_ROWS {
            self.work.notify_one();
        }
    }

    /// Something of what the tables may not have yet, the newest first.
    pub(in crate::store) fn find<T>(&self, look: impl Fn(&Memtable) -> Option<T>) -> Option<T> {
        let state = self.state.lock();
        look(&state.waiting).or_else(|| look(&state.applying))
    }

    /// Returns when the tables have everything that is published.
    pub(in crate::store) fn wait_applied(&self) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let published = state.published;
        if state.applied < published {
            state.wanted = state.wanted.max(published);
            self.work.notify_one();
            self.done.wait_while(&mut state, |state| state.applied < published && !state.failed && !state.stop);
        }
        if state.applied >= published { Ok(()) } else { Err(StoreError::Closed) }
    }

    /// The same for those who must not block.
    pub(in crate::store) async fn applied(&self) -> Result<(), StoreError> {
        let published = {
            let mut state = self.state.lock();
            let published = state.published;
            if state.applied < published && state.wanted < published {
                state.wanted = published;
                self.work.notify_one();
            }
            published
        };
        self.applied_through(published).await
    }

    /// Returns when the tables have this record, which is published. Does not hurry them.
    pub(in crate::store) async fn applied_through(&self, sequence: u64) -> Result<(), StoreError> {
        loop {
            let mut progress = pin!(self.progress.notified());
            // Before the look, so that no end between the two is missed.
            progress.as_mut().enable();
            {
                let state = self.state.lock();
                if state.applied >= sequence {
                    return Ok(());
                }
                if state.failed || state.stop {
                    return Err(StoreError::Closed);
                }
            }
            progress.await;
        }
    }

    /// Returns when the tables are not too far behind.
    pub(in crate::store) fn wait_for_room(&self) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        if state.waiting.rows() >= MAX_MEMTABLE_ROWS {
            self.work.notify_one();
            self.done.wait_while(&mut state, |state| state.waiting.rows() >= MAX_MEMTABLE_ROWS && !state.failed);
        }
        if state.failed { Err(StoreError::Closed) } else { Ok(()) }
    }

    /// Asks that the tables have everything through this record on disk.
    pub(in crate::store) fn want_durable(&self, sequence: u64) {
        let mut state = self.state.lock();
        state.durable_wanted = state.durable_wanted.max(sequence);
        self.work.notify_one();
    }

    /// Returns when they have it.
    pub(in crate::store) fn wait_durable(&self, sequence: u64) -> Result<(), StoreError> {
        self.want_durable(sequence);
        let mut state = self.state.lock();
        self.done.wait_while(&mut state, |state| state.durable < sequence && !state.failed);
        if state.durable >= sequence { Ok(()) } else { Err(StoreError::Closed) }
    }

    /// The last record that the tables have on disk.
    pub(in crate::store) fn durable(&self) -> u64 {
        self.state.lock().durable
    }

    /// The last record that is published.
    pub(in crate::store) fn published(&self) -> u64 {
        self.state.lock().published
    }

    /// Whether the tables could not be written.
    pub(in crate::store) fn has_failed(&self) -> bool {
        self.state.lock().failed
    }

    /// The next changes to write, and whether to sync them; none at the end.
    pub(in crate::store) fn next(&self) -> Option<(Arc<Memtable>, bool)> {
        let mut state = self.state.lock();
        loop {
            let sync = state.durable_wanted > state.durable && state.durable_wanted <= state.published;
            let needed = state.wanted > state.applied || state.waiting.rows() >= MEMTABLE_FLUSH_ROWS;
            let due = state.since.map(|since| since + MEMTABLE_LINGER);
            let late = due.is_some_and(|due| due <= Instant::now());
            if state.stop {
                return None;
            }
            if sync || ((needed || late) && !state.waiting.is_empty()) {
                state.applying = Arc::new(std::mem::take(&mut state.waiting));
                state.since = None;
                return Some((Arc::clone(&state.applying), sync));
            }
            match due {
                Some(due) => {
                    self.work.wait_until(&mut state, due);
                }
                None => self.work.wait(&mut state),
            }
        }
    }

    pub(in crate::store) fn finish(&self, changes: &Memtable, synced: bool) {
        let mut state = self.state.lock();
        state.applied = state.applied.max(changes.sequence());
        if synced {
            state.durable = state.applied;
        }
        state.applying = Arc::default();
        drop(state);
        self.notify_done();
    }

    /// Nothing reaches the tables any more: those who wait for them are released.
    pub(in crate::store) fn fail(&self) {
        self.state.lock().failed = true;
        self.notify_done();
    }

    fn notify_done(&self) {
        self.done.notify_all();
        self.progress.notify_waiters();
    }

    /// The thread that writes the tables ends without writing what waits.
    pub(in crate::store) fn stop(&self) {
        self.state.lock().stop = true;
        self.work.notify_one();
        self.notify_done();
    }
}
