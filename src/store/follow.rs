//! The tables follow the log: a thread of its own writes what was committed into them, many commits in one
//! transaction.
//!
//! It begins when there is enough to write, when what there is has waited long enough, or when a reader needs the
//! tables as they should be. Its transactions are not synced; the log has it all. Once in a while one is, and then a
//! half of the log can be written over.

use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::{Condvar, Mutex, RwLock};
use redb::{Database, Durability};
use tokio::sync::Notify;

use crate::limits::{FOLLOW_LINGER, FOLLOW_ROWS, MAX_UNAPPLIED_ROWS};

use super::StoreError;
use super::index::{self, Index, Slices};
use super::unapplied::Unapplied;
use super::write::Tables;

/// What was committed and is shown to readers, on its way into the tables.
#[derive(Debug)]
pub(super) struct Backlog {
    state: Mutex<State>,
    /// Told when the follower may have something to do.
    work: Condvar,
    /// Told when it has done something.
    done: Condvar,
    /// The same for those who must not block.
    progress: Notify,
    pub(super) users: RwLock<Index>,
    pub(super) keys: RwLock<Index>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Unapplied,
    /// Since when something has waited.
    since: Option<Instant>,
    /// What the follower is writing.
    applying: Arc<Unapplied>,
    /// The last record that is shown.
    shown: u64,
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

/// The running thread.
#[derive(Debug)]
pub(super) struct Follower {
    thread: JoinHandle<()>,
}

impl Backlog {
    /// Nothing is waiting; the tables have everything up to `sequence` on disk.
    pub(super) fn new(sequence: u64, users: Index, keys: Index) -> Self {
        let state = State { shown: sequence, applied: sequence, durable: sequence, ..State::default() };
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            done: Condvar::new(),
            progress: Notify::new(),
            users: RwLock::new(users),
            keys: RwLock::new(keys),
        }
    }

    /// Shows a commit to readers.
    pub(super) fn show(&self, mut changes: Unapplied) {
        self.users.write().add(std::mem::take(&mut changes.placed));
        if !changes.answers.is_empty() {
            let keys = changes.answers.iter().map(|(order, answer)| (index::of_key(answer.key), order.0));
            self.keys.write().add(keys);
        }
        let mut state = self.state.lock();
        state.shown = changes.sequence();
        let first = state.since.is_none();
        state.since.get_or_insert_with(Instant::now);
        state.waiting.merge(changes);
        // The follower wakes by itself when the first one has waited long enough.
        if first || state.waiting.rows() >= FOLLOW_ROWS {
            self.work.notify_one();
        }
    }

    /// Something of what the tables may not have yet, the newest first.
    pub(super) fn find<T>(&self, look: impl Fn(&Unapplied) -> Option<T>) -> Option<T> {
        let state = self.state.lock();
        look(&state.waiting).or_else(|| look(&state.applying))
    }

    /// Returns when the tables have everything that is shown.
    pub(super) fn catch_up(&self) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let shown = state.shown;
        if state.applied < shown {
            state.wanted = state.wanted.max(shown);
            self.work.notify_one();
            self.done.wait_while(&mut state, |state| state.applied < shown && !state.failed && !state.stop);
        }
        if state.applied >= shown { Ok(()) } else { Err(StoreError::Closed) }
    }

    /// The same for those who must not block.
    pub(super) async fn caught_up(&self) -> Result<(), StoreError> {
        let mut shown = None;
        loop {
            let mut progress = pin!(self.progress.notified());
            // Before the look, so that what is finished between the two is heard of.
            progress.as_mut().enable();
            {
                let mut state = self.state.lock();
                let shown = *shown.get_or_insert(state.shown);
                if state.applied >= shown {
                    return Ok(());
                }
                if state.failed || state.stop {
                    return Err(StoreError::Closed);
                }
                if state.wanted < shown {
                    state.wanted = shown;
                    self.work.notify_one();
                }
            }
            progress.await;
        }
    }

    /// Returns when the tables are not too far behind.
    pub(super) fn wait_for_room(&self) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        if state.waiting.rows() >= MAX_UNAPPLIED_ROWS {
            self.work.notify_one();
            self.done.wait_while(&mut state, |state| state.waiting.rows() >= MAX_UNAPPLIED_ROWS && !state.failed);
        }
        if state.failed { Err(StoreError::Closed) } else { Ok(()) }
    }

    /// Asks that the tables have everything through this record on disk.
    pub(super) fn want_durable(&self, sequence: u64) {
        let mut state = self.state.lock();
        state.durable_wanted = state.durable_wanted.max(sequence);
        self.work.notify_one();
    }

    /// Returns when they have it.
    pub(super) fn wait_durable(&self, sequence: u64) -> Result<(), StoreError> {
        self.want_durable(sequence);
        let mut state = self.state.lock();
        self.done.wait_while(&mut state, |state| state.durable < sequence && !state.failed);
        if state.durable >= sequence { Ok(()) } else { Err(StoreError::Closed) }
    }

    /// The last record that the tables have on disk.
    pub(super) fn durable(&self) -> u64 {
        self.state.lock().durable
    }

    /// The last record that is shown.
    pub(super) fn shown(&self) -> u64 {
        self.state.lock().shown
    }

    /// Whether the tables could not be written.
    pub(super) fn has_failed(&self) -> bool {
        self.state.lock().failed
    }

    /// The next changes to write, and whether to sync them; none at the end.
    fn next(&self) -> Option<(Arc<Unapplied>, bool)> {
        let mut state = self.state.lock();
        loop {
            let sync = state.durable_wanted > state.durable && state.durable_wanted <= state.shown;
            let needed = state.wanted > state.applied || state.waiting.rows() >= FOLLOW_ROWS;
            let due = state.since.map(|since| since + FOLLOW_LINGER);
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

    fn finish(&self, changes: &Unapplied, synced: bool) {
        let mut state = self.state.lock();
        state.applied = state.applied.max(changes.sequence());
        if synced {
            state.durable = state.applied;
        }
        state.applying = Arc::default();
        drop(state);
        self.tell_done();
    }

    /// Whoever waits for the tables waits in vain.
    pub(super) fn fail(&self) {
        self.state.lock().failed = true;
        self.tell_done();
    }

    fn tell_done(&self) {
        self.done.notify_all();
        self.progress.notify_waiters();
    }

    /// One transaction.
    fn write(&self, database: &Database, changes: &Unapplied, sync: bool) -> Result<(), StoreError> {
        // How far the indexes go stands in the head: without one, nothing of them is written either.
        let slices = match changes.head {
            Some(_) => Slices { users: self.users.read().slice_to_write(), keys: self.keys.read().slice_to_write() },
            None => Slices::default(),
        };
        let mut transaction = database.begin_write()?;
        match sync {
            // In two phases and with the allocator's state in it, as after a crash this is the state that is found.
            true => transaction.set_quick_repair(true),
            false => transaction.set_durability(Durability::None)?,
        }
        let first_run = Tables::open(&transaction)?.apply(changes, &slices)?;
        transaction.commit()?;
        index::wrote(&self.users, &slices.users);
        index::wrote(&self.keys, &slices.keys);
        if let Some(first_run) = first_run {
            self.keys.write().forget_below(first_run);
        }
        self.finish(changes, sync);
        Ok(())
    }
}

/// Whoever waits for a thread that has panicked must hear of it.
struct FailsOnPanic(Arc<Backlog>);

impl Drop for FailsOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail();
        }
    }
}

impl Follower {
    /// Starts the thread.
    pub(super) fn start(backlog: Arc<Backlog>, database: Arc<Database>) -> std::io::Result<Self> {
        let run = move || {
            let backlog = FailsOnPanic(backlog);
            let backlog = &*backlog.0;
            while let Some((changes, sync)) = backlog.next() {
                if let Err(error) = backlog.write(&database, &changes, sync) {
                    tracing::error!(%error, "the tables cannot follow the log");
                    backlog.fail();
                    return;
                }
            }
        };
        Ok(Self { thread: std::thread::Builder::new().name("tables".to_owned()).spawn(run)? })
    }

    /// Ends it; what is not in the tables by now is in the log.
    pub(super) fn stop(self, backlog: &Backlog) {
        backlog.state.lock().stop = true;
        backlog.work.notify_one();
        backlog.tell_done();
        if self.thread.join().is_err() {
            tracing::error!("the tables' thread panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use redb::Builder;
    use redb::backends::InMemoryBackend;

    use crate::limits::{INDEX_RUN, INDEX_SLICE};

    use super::*;

    #[test]
    fn a_sync_with_nothing_to_write_leaves_the_indexes_alone() {
        let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        super::super::read::create(&database).unwrap();
        let backlog = Backlog::new(0, Index::default(), Index::default());
        backlog.users.write().add((1..=INDEX_RUN as u64).map(|order| (order % 7, order)));
        backlog.write(&database, &Unapplied::default(), true).unwrap();
        backlog.users.write().add((0..INDEX_SLICE as u64).map(|n| (n % 7, INDEX_RUN as u64 + 1 + n)));
        let due = |backlog: &Backlog| backlog.users.read().slice_to_write().rows.len();
        assert_eq!(due(&backlog), INDEX_SLICE);
        backlog.write(&database, &Unapplied::default(), true).unwrap();
        let slice = backlog.users.read().slice_to_write();
        assert!(slice.first && slice.rows.len() == INDEX_SLICE, "it is thought to be written");
    }

    #[test]
    fn who_waits_for_the_tables_goes_on_when_they_have_what_was_shown_before() {
        let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        super::super::read::create(&database).unwrap();
        let backlog = Arc::new(Backlog::new(0, Index::default(), Index::default()));
        let commit = |sequence| Unapplied { records: vec![(sequence, vec![])], ..Unapplied::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            backlog.caught_up().await.unwrap();
            backlog.show(commit(1));
            let waiting = {
                let backlog = Arc::clone(&backlog);
                tokio::spawn(async move { backlog.caught_up().await })
            };
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
            let (changes, sync) = backlog.next().expect("something to write, without a pause");
            backlog.show(commit(2));
            backlog.write(&database, &changes, sync).unwrap();
            waiting.await.unwrap().unwrap();
            let waiting = {
                let backlog = Arc::clone(&backlog);
                tokio::spawn(async move { backlog.caught_up().await })
            };
            tokio::task::yield_now().await;
            backlog.fail();
            assert!(matches!(waiting.await.unwrap(), Err(StoreError::Closed)));
        });
    }
}
