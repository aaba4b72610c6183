//! The one writer. Everything that changes the store is a command to it.
//!
//! It waits for one command, drains what else is waiting up to a bound, applies all to its books, commits once, and
//! only then publishes the new state and replies. What arrives during the sync is the next batch.
//!
//! A failed commit has an unknown outcome. So nothing is guessed: no reply but "unavailable", no stock returned, no
//! new order taken, until the store was opened again and everything was rebuilt from it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::limits::{
    COMMIT_STALL, FILES_LOOK, MAX_COMMIT_ROWS, MAX_UNREPLIED_BATCHES, REOPEN_PAUSE, REPORTS_LINGER, STALL_LOOK,
};
use crate::metrics::Metrics;
use crate::store::{OpenError, Recovered, StoreError};

mod batch;
mod books;
mod claims;
mod command;
mod count;
mod deps;
mod edit;
mod effects;
mod gate;
mod intake;
mod keys;
mod reply;

pub use crate::domain::receipt::Receipt;
pub use claims::{BatchClaims, Claimed, KeyClaim, KeyClaims, PendingReply, Taken};
pub use command::{Edit, OperatorMove, PendingOrder, ProductPatch, Settlement};
pub use count::Counts;
pub use deps::Deps;
pub use gate::{OrderPermit, Status};
pub use intake::Intake;

use batch::Batch;
use books::Books;
use command::Command;
use count::Counter;
use effects::Effects;
use gate::Gate;
use reply::Reply;

/// The committer's thread, and the task that gives out its replies. Both end after [`Intake::stop`].
#[derive(Debug)]
pub struct Committer {
    thread: JoinHandle<()>,
    /// Closed when the thread has ended.
    running: oneshot::Receiver<()>,
    replying: tokio::task::JoinHandle<()>,
}

impl Committer {
    /// Rebuilds the counters and the queue from what was recovered, and starts the thread. Replies are given out by a
    /// task on `runtime`.
    pub fn start(deps: Deps, recovered: Recovered, runtime: &Handle) -> Result<(Self, Intake), StoreError> {
        let no_thread = |error: std::io::Error| StoreError::System("thread for the committer", error.to_string());
        let counter = Counter::start(Arc::clone(&deps.store), Arc::clone(&deps.inventory)).map_err(no_thread)?;
        let (intake, receiver, gate) = Intake::new(Arc::clone(counter.counts()));
        let books = rebuild(&deps, recovered, None, &gate, counter.counts());
        let (replies, committed) = mpsc::channel(MAX_UNREPLIED_BATCHES);
        let replying = runtime.spawn(give_out(committed, Arc::clone(&gate), Arc::clone(&deps.metrics)));
        let (runs, running) = oneshot::channel();
        let (held_over, commands, looked) = (None, Vec::new(), Instant::now());
        let counts = Arc::clone(counter.counts());
        let writer = Writer { deps, books, receiver, held_over, commands, gate, replies, counts, looked };
        let run = move || {
            let _guard = (ClosesOnPanic(Arc::clone(&writer.gate)), runs);
            writer.run();
            counter.stop();
        };
        let thread = std::thread::Builder::new().name("committer".to_owned()).spawn(run).map_err(no_thread)?;
        Ok((Self { thread, running, replying }, intake))
    }

    /// Returns when the thread or the task has ended. Before a stop that is a defect: nobody commits any more, or
    /// nobody hears of it.
    pub async fn ended(&mut self) {
        tokio::select! {
            _ = &mut self.running => {}
            _ = &mut self.replying => {}
        }
    }

    /// Waits until the thread has ended.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the committer's thread panicked");
        }
    }
}

/// Nobody commits after a panic: then the server is not ready, and its service manager starts it again.
struct ClosesOnPanic(Arc<Gate>);

impl Drop for ClosesOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set_status(Status::StorageUnavailable);
        }
    }
}

/// Sets up the counters, the queue and the books as the store has them. What `before` knows of the times of open orders
/// is kept.
fn rebuild(deps: &Deps, recovered: Recovered, before: Option<&Books>, gate: &Gate, counts: &Counts) -> Books {
    deps.inventory.replace_all(recovered.products);
    counts.open();
    let books = Books::new(deps, recovered.head, recovered.open, before, gate.next_epoch());
    deps.queue.replace_all(books.open.values().map(|open| open.job), books.head.paused);
    books
}

/// The thread's own state.
struct Writer {
    deps: Deps,
    books: Books,
    receiver: Receiver<Command>,
    /// A command that was taken out and belongs into the next batch.
    held_over: Option<Command>,
    /// The batch under way; kept from batch to batch for its memory.
    commands: Vec<Command>,
    gate: Arc<Gate>,
    replies: mpsc::Sender<Vec<Reply>>,
    counts: Arc<Counts>,
    /// When the store's files were last looked for.
    looked: Instant,
}

/// Gives out the replies of committed batches. On the runtime, waking the one who waits is cheap; from a thread
/// outside, each would cost a lock and often a system call, and the next commit would wait for it. Where none are to be
/// given out, looks whether that is because a commit has stalled.
async fn give_out(mut committed: mpsc::Receiver<Vec<Reply>>, gate: Arc<Gate>, metrics: Arc<Metrics>) {
    let mut looks = tokio::time::interval(STALL_LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let replies = tokio::select! {
            biased;
            replies = committed.recv() => replies,
            _ = looks.tick() => {
                if gate.look_for_stall() {
                    tracing::error!("a commit takes longer than {COMMIT_STALL:?}; no orders until the disk responds");
                }
                continue;
            }
        };
        let Some(replies) = replies else { return };
        metrics.count_acknowledged(replies.iter().map(Reply::acknowledges).sum());
        replies.into_iter().for_each(Reply::send);
    }
}

impl Writer {
    fn run(mut self) {
        loop {
            let first = match self.held_over.take() {
                Some(command) => Ok(command),
                None => self.receiver.recv_timeout(REOPEN_PAUSE),
            };
            let stop = match first {
                Ok(first) => self.gather(first),
                // Nobody orders, and yet readers need a store.
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            self.gate.begin_commit();
            let done = self.look_for_files().and_then(|()| self.commit());
            if let Some(epoch) = self.gate.end_commit() {
                self.books.epoch = epoch;
                tracing::warn!("the disk responds again");
            }
            if let Err(error) = done {
                tracing::error!(%error, "orders are rejected until the store is open again");
                if stop || !self.reopen() {
                    return;
                }
            }
            if stop {
                return;
            }
        }
    }

    /// Takes one command and what waits behind it into the batch, up to a bound of rows; true to stop after it.
    /// An edit of a product is a batch of its own.
    fn gather(&mut self, first: Command) -> bool {
        let mut rows = 0;
        let mut someone_waits = false;
        let mut yielded = false;
        let reports_wait_until = Instant::now() + REPORTS_LINGER;
        let mut next = first;
        loop {
            if matches!(next, Command::Stop) {
                return true;
            }
            let edit = next.is_alone();
            if edit && !self.commands.is_empty() {
                self.held_over = Some(next);
                return false;
            }
            rows += next.rows();
            self.commands.push(next);
            if edit || rows >= MAX_COMMIT_ROWS {
                return false;
            }
            someone_waits |= !matches!(self.commands.last(), Some(Command::Settle { .. }));
            let wait_until = (!someone_waits).then_some(reports_wait_until);
            next = match self.next_for_batch(wait_until, &mut yielded) {
                Some(command) => command,
                None => return false,
            };
        }
    }

    /// The next command for a batch under way, if there is one. Reports of workers alone can wait a moment: nobody is
    /// kept by them, and the orders that come meanwhile share their commit.
    fn next_for_batch(&self, wait_until: Option<Instant>, yielded: &mut bool) -> Option<Command> {
        if let Some(wait_until) = wait_until {
            return self.receiver.recv_deadline(wait_until).ok();
        }
        if let Ok(command) = self.receiver.try_recv() {
            return Some(command);
        }
        // Where the processors are busy, those who are about to submit come first, and the commit is worth more; where
        // they are idle, this returns at once. Once only: with everybody in one batch, nobody works while it is synced.
        if std::mem::replace(yielded, true) {
            return None;
        }
        std::thread::yield_now();
        self.receiver.try_recv().ok()
    }

    /// Once in a while makes sure that the store's files are where their names say: what goes to a file that has no
    /// name is gone with the process.
    fn look_for_files(&mut self) -> Result<(), StoreError> {
        if self.looked.elapsed() < FILES_LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        let Some(file) = self.deps.store.misplaced() else { return Ok(()) };
        // Before anyone hears of it.
        self.gate.set_status(Status::StorageMissing);
        self.commands.clear();
        Err(StoreError::Misplaced(file.display().to_string()))
    }

    /// Applies and commits, then publishes and replies.
    fn commit(&mut self) -> Result<(), StoreError> {
        let mut commands = std::mem::take(&mut self.commands);
        let done = self.commit_all(commands.drain(..));
        self.commands = commands;
        done
    }

    fn commit_all(&mut self, mut commands: std::vec::Drain<'_, Command>) -> Result<(), StoreError> {
        if self.deps.store.has_failed() {
            self.gate.set_status(Status::StorageUnavailable);
            return Err(StoreError::Closed);
        }
        if commands.len() == 0 {
            return Ok(());
        }
        let now = self.deps.clock.moment();
        // Both outlive the transaction: when it fails, orders are rejected before anyone hears of it.
        let mut effects = Effects::default();
        let rows = commands.as_slice().iter().map(Command::rows).sum();
        let began = Instant::now();
        let written = self.deps.store.commit(|draft| {
            let mut batch = Batch::new(&mut self.books, &self.deps, draft, &mut effects, now, rows);
            for command in commands.by_ref() {
                batch.apply(command)?;
            }
            batch.conclude()
        });
        let committed = match written {
            Ok(committed) => committed,
            Err(error) => {
                self.gate.set_status(Status::StorageUnavailable);
                return Err(error);
            }
        };
        if committed.is_some() {
            effects.count(&self.deps.metrics, began.elapsed());
        }
        if effects.limited {
            self.counts.wake();
        }
        let replies = effects.publish(&mut self.books, &self.deps, committed);
        if !replies.is_empty() {
            // Fails only when the runtime is gone, and those who waited with it.
            let _ = self.replies.blocking_send(replies);
        }
        Ok(())
    }

    /// Opens the failed store again, as often as it takes, and rejects commands meanwhile. False if it has to stop.
    fn reopen(&mut self) -> bool {
        // A command that is dropped here gets no reply, which its sender reads as "unavailable".
        self.held_over = None;
        self.counts.close();
        let mut next_try = Instant::now() + REOPEN_PAUSE;
        let mut logged = String::new();
        loop {
            // A moment and not a pause: commands that keep coming must not put it off.
            match self.receiver.recv_deadline(next_try) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
                Ok(_) if Instant::now() < next_try => continue,
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            }
            match self.try_reopen() {
                Ok(books) => {
                    self.books = books;
                    self.gate.set_status(Status::Open);
                    tracing::warn!("the store is open again; orders are taken again");
                    return true;
                }
                // Once, not once a second.
                Err(error) if error == logged => {}
                Err(error) => {
                    tracing::error!(error, "the store cannot be opened yet");
                    logged = error;
                }
            }
            next_try = Instant::now() + REOPEN_PAUSE;
        }
    }

    fn try_reopen(&self) -> Result<Books, String> {
        let found = self.deps.store.reopen().map_err(|error| {
            self.gate.set_status(match error {
                OpenError::Misplaced(_) => Status::StorageMissing,
                _ => Status::StorageUnavailable,
            });
            error.to_string()
        })?;
        Ok(rebuild(&self.deps, found, Some(&self.books), &self.gate, &self.counts))
    }
}

#[cfg(test)]
mod tests;
