//! The one writer. Everything that changes the store is a command to it.
//!
//! It waits for one command, drains what else is waiting up to a bound, applies all to its books, commits once, and
//! only then shows the new state and answers. What arrives during the sync is the next batch.
//!
//! A failed commit has an unknown outcome. So nothing is guessed: no answer but "unavailable", no stock returned, no
//! new order taken, until the store was opened again and everything was rebuilt from it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::domain::clock::Clock;
use crate::inventory::Inventory;
use crate::limits::{
    COMMIT_STALL, FILES_LOOK, MAX_COMMIT_ROWS, MAX_UNANSWERED_BATCHES, REOPEN_PAUSE, REPORTS_LINGER, STALL_LOOK,
};
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::store::{OpenError, Recovered, Store, StoreError};

mod answer;
mod batch;
mod books;
mod claims;
mod command;
mod count;
mod edit;
mod gate;
mod intake;

pub use claims::{Answer as KeyAnswer, Claimed, KeyClaim, KeyClaims};
pub use command::{Edit, OperatorMove, PendingOrder, ProductPatch, Receipt, Settlement};
pub use count::Counts;
pub use gate::Status;
pub use intake::{Intake, OrderPermit};

use answer::Answer;
use batch::{Batch, Effects};
use books::Books;
use command::Command;
use count::Counter;
use gate::Gate;

/// What the committer works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Where it writes.
    pub store: Arc<Store>,
    /// What it publishes to.
    pub inventory: Arc<Inventory>,
    /// Where jobs go after the commit.
    pub queue: Arc<Queue>,
    /// Where commits and expiries are measured.
    pub metrics: Arc<Metrics>,
    /// The time of day.
    pub clock: Clock,
    /// How old a record of the history becomes before it is trimmed; none are where nothing is said.
    pub journal_keep: Option<Duration>,
}

/// The committer's thread, and the task that gives out its answers. Both end after [`Intake::stop`].
#[derive(Debug)]
pub struct Committer {
    thread: JoinHandle<()>,
    /// Closed when the thread has ended.
    running: oneshot::Receiver<()>,
    answering: tokio::task::JoinHandle<()>,
}

impl Committer {
    /// Rebuilds the counters and the queue from what was recovered, and starts the thread. Answers are given out by a
    /// task on `runtime`.
    pub fn start(deps: Deps, recovered: Recovered, runtime: &Handle) -> Result<(Self, Intake), StoreError> {
        let no_thread = |error: std::io::Error| StoreError::System("thread for the committer", error.to_string());
        let counter = Counter::start(Arc::clone(&deps.store), Arc::clone(&deps.inventory)).map_err(no_thread)?;
        let (intake, receiver, gate) = Intake::new(Arc::clone(counter.counts()));
        let books = rebuild(&deps, recovered, None, &gate, counter.counts());
        let (answers, committed) = mpsc::channel(MAX_UNANSWERED_BATCHES);
        let answering = runtime.spawn(give_out(committed, Arc::clone(&gate)));
        let (runs, running) = oneshot::channel();
        let (held_over, commands, looked) = (None, Vec::new(), Instant::now());
        let counts = Arc::clone(counter.counts());
        let writer = Writer { deps, books, receiver, held_over, commands, gate, answers, counts, looked };
        let run = move || {
            let _guard = (RefusesOnPanic(Arc::clone(&writer.gate)), runs);
            writer.run();
            counter.stop();
        };
        let thread = std::thread::Builder::new().name("committer".to_owned()).spawn(run).map_err(no_thread)?;
        Ok((Self { thread, running, answering }, intake))
    }

    /// Returns when the thread or the task has ended. Before a stop that is a defect: nobody commits any more, or
    /// nobody hears of it.
    pub async fn ended(&mut self) {
        tokio::select! {
            _ = &mut self.running => {}
            _ = &mut self.answering => {}
        }
    }

    /// Waits until the thread has ended.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the committer's thread panicked");
        }
    }
}

/// Nobody commits after a panic: then the server is not ready, and whoever looks after it starts it again.
struct RefusesOnPanic(Arc<Gate>);

impl Drop for RefusesOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set_status(Status::StorageUnavailable);
        }
    }
}

/// Sets up the counters, the queue and the books as the store has them. What `before` knows of the times of open orders
/// goes on.
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
    answers: mpsc::Sender<Vec<Answer>>,
    counts: Arc<Counts>,
    /// When the store's files were last looked for.
    looked: Instant,
}

/// Gives out the answers of committed batches. On the runtime, waking the one who waits is cheap; from a thread
/// outside, each would cost a lock and often a system call, and the next commit would wait for it. Where none are to be
/// given out, looks whether that is because a commit has stalled.
async fn give_out(mut committed: mpsc::Receiver<Vec<Answer>>, gate: Arc<Gate>) {
    let mut looks = tokio::time::interval(STALL_LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let answers = tokio::select! {
            biased;
            answers = committed.recv() => answers,
            _ = looks.tick() => {
                if gate.look_for_stall() {
                    tracing::error!("a commit takes longer than {COMMIT_STALL:?}; no orders until the disk answers");
                }
                continue;
            }
        };
        let Some(answers) = answers else { return };
        answers.into_iter().for_each(Answer::send);
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
                tracing::warn!("the disk answers again");
            }
            if let Err(error) = done {
                tracing::error!(%error, "orders are refused until the store is open again");
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
            let edit = matches!(next, Command::Edit { .. } | Command::DeleteProduct { .. });
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

    /// Applies and commits, then publishes and answers.
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
        // Both outlive the transaction: when it fails, orders are refused before anyone hears of it.
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
        let answers = effects.publish(&mut self.books, &self.deps, committed);
        if !answers.is_empty() {
            // Fails only when the runtime is gone, and those who waited with it.
            let _ = self.answers.blocking_send(answers);
        }
        Ok(())
    }

    /// Opens the failed store again, as often as it takes, refusing what comes in meanwhile. False when told to stop.
    fn reopen(&mut self) -> bool {
        // Whatever is dropped here is dropped unanswered, which its sender reads as "unavailable".
        self.held_over = None;
        self.counts.close();
        let mut next_try = Instant::now() + REOPEN_PAUSE;
        let mut said = String::new();
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
                Err(error) if error == said => {}
                Err(error) => {
                    tracing::error!(error, "the store cannot be opened yet");
                    said = error;
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
