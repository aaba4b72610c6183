//! The work queue: jobs ready by priority and then by order number, delayed ones by time, active ones by worker.
//!
//! It lives in memory and is rebuilt from the store at every start. Only the committer adds and ends jobs, after the
//! commit that says so; workers take, the clock wakes. A job is little more than a number: its order is in the
//! store.

use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::domain::clock::Clock;
use crate::domain::job::JobState;
use crate::domain::order::{OrderId, Priority};
use crate::domain::totals::Totals;
use crate::limits::{DEFAULT_HOLD_CAPACITY, MAX_DELAYED_AT_ONCE};
use crate::view::queue::JobCountsView;

mod delayed;
mod forecast;
mod job;
mod line;
mod rate;
mod slots;

pub use forecast::Forecast;
pub use job::{Due, Job};
pub use slots::{Slot, SlotKind};

use delayed::Delayed;
use forecast::Idle;
use line::Line;
use rate::Rate;
use slots::Slots;

/// What a commit did to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueChange {
    /// A job was added.
    Put(Job),
    /// A job is to be looked at at another moment; it may be anywhere, as a report can come from before a recovery.
    Move {
        /// The job as it was last put.
        before: Job,
        /// The job as it is now.
        after: Job,
    },
    /// A job is done; the job as it was last put.
    End {
        /// Which.
        job: Job,
        /// Whether a worker completed it, which the drain rate counts.
        completed: bool,
    },
}

/// How many jobs are where, and since when the oldest waits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QueueCounts {
    /// Ready at normal priority.
    pub waiting: usize,
    /// Ready at another priority.
    pub prioritized: usize,
    /// Due later.
    pub delayed: usize,
    /// With a worker.
    pub active: usize,
    /// Whether workers are held back.
    pub paused: bool,
    /// Age of the oldest job that is ready or active.
    pub oldest_age: Option<Duration>,
    /// Jobs that workers completed a second, over the last ten seconds.
    pub completed_per_second: f64,
}

impl QueueCounts {
    /// The jobs in each state, with the finished ones of the store.
    pub fn jobs(&self, totals: &Totals) -> JobCountsView {
        JobCountsView {
            active: self.active as u64,
            completed: totals.completed_jobs,
            delayed: self.delayed as u64,
            failed: totals.failed_jobs,
            prioritized: self.prioritized as u64,
            waiting: self.waiting as u64,
        }
    }

    /// Milliseconds since the oldest job that is ready or active; 0 if there is none.
    pub fn oldest_age_ms(&self) -> u64 {
        self.oldest_age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The queue. Bounded by its slots: see [`Queue::take_slot`]. Orders wait for its lock, so nothing under it takes
/// longer than a bounded number of jobs does.
#[derive(Debug)]
pub struct Queue {
    clock: Clock,
    // A blocking mutex: it is never held across an await.
    inner: Mutex<Inner>,
    /// Wakes one worker: something is ready.
    ready: Notify,
    /// Wakes the clock's task: the next due moment may have changed.
    rescheduled: Notify,
    /// Workers that wait in [`Queue::take`].
    idle: AtomicUsize,
    work: Arc<Slots>,
    holds: Arc<Slots>,
}

#[derive(Debug, Default)]
struct Inner {
    /// One line for each priority, lowest first.
    lines: [Line; 4],
    delayed: Delayed,
    /// Sorted, so that the oldest is found at once.
    active: BTreeMap<OrderId, Job>,
    paused: bool,
    rate: Rate,
}

impl Queue {
    /// An empty queue for at most `capacity` unfinished jobs, and as many holds as there are unless set otherwise.
    pub fn new(capacity: usize, clock: Clock) -> Self {
        Self {
            clock,
            inner: Mutex::default(),
            ready: Notify::new(),
            rescheduled: Notify::new(),
            idle: AtomicUsize::new(0),
            work: Slots::new(SlotKind::Work, capacity),
            holds: Slots::new(SlotKind::Hold, DEFAULT_HOLD_CAPACITY as usize),
        }
    }

    /// The same with another bound of holds.
    #[must_use]
    pub fn with_hold_capacity(self, capacity: usize) -> Self {
        Self { holds: Slots::new(SlotKind::Hold, capacity), ..self }
    }

    /// The most unfinished jobs, or holds.
    pub fn capacity(&self, kind: SlotKind) -> usize {
        self.slots(kind).capacity
    }

    /// Takes a slot, or none where all are taken.
    pub fn take_slot(&self, kind: SlotKind) -> Option<Slot> {
        self.slots(kind).take()
    }

    /// A slot for an order that the store already holds: it has to fit, whatever the capacity is set to now.
    pub fn force_slot(&self, kind: SlotKind) -> Slot {
        self.slots(kind).force()
    }

    const fn slots(&self, kind: SlotKind) -> &Arc<Slots> {
        match kind {
            SlotKind::Work => &self.work,
            SlotKind::Hold => &self.holds,
        }
    }

    /// When to try again where all slots are taken, between one and thirty seconds: when workers will have drained a
    /// tenth of them at their present rate, or when the next hold ends.
    pub fn retry_after(&self, kind: SlotKind) -> Duration {
        let seconds = match kind {
            SlotKind::Work => self.work.capacity as f64 / 10.0 / self.drain_rate().max(1.0),
            SlotKind::Hold => self.time_to_next_due().map_or(0.0, |wait| wait.as_secs_f64()),
        };
        Duration::from_secs_f64(seconds.clamp(1.0, 30.0).ceil())
    }

    /// Applies what a commit did, under one lock.
    pub fn apply(&self, changes: &[QueueChange]) {
        if changes.is_empty() {
            return;
        }
        let now = self.clock.moment();
        let mut inner = self.inner.lock();
        let wait = inner.delayed.wait(now);
        let mut completions = 0;
        for change in changes {
            match change {
                QueueChange::Put(job) => inner.put(*job),
                QueueChange::Move { before, after } => {
                    inner.take_out(before);
                    inner.put(*after);
                }
                QueueChange::End { job, completed } => {
                    inner.take_out(job);
                    completions += u64::from(*completed);
                }
            }
        }
        if completions > 0 {
            inner.rate.add(completions, now.steady);
        }
        let rescheduled = inner.delayed.wait(now) != wait;
        let ready = inner.has_ready();
        drop(inner);
        if ready {
            self.ready.notify_one();
        }
        if rescheduled {
            self.rescheduled.notify_one();
        }
    }

    /// Starts over with the open jobs of a store that was just opened.
    pub fn replace_all(&self, jobs: impl IntoIterator<Item = Job>, paused: bool) {
        let mut inner = Inner { paused, ..Inner::default() };
        for job in jobs {
            inner.put(job);
        }
        let before = std::mem::replace(&mut *self.inner.lock(), inner);
        // Not under the lock: there may be a million of them.
        drop(before);
        self.ready.notify_one();
        self.rescheduled.notify_one();
    }

    /// Pauses or resumes the workers.
    pub fn set_paused(&self, paused: bool) {
        self.inner.lock().paused = paused;
        self.ready.notify_one();
    }

    /// Takes up to `most` ready jobs, highest priority first; waits until there is one and the queue is not paused.
    pub async fn take(&self, most: usize) -> Vec<Job> {
        loop {
            // Asked for before looking, so that a notice between the two is not lost.
            let notice = self.ready.notified();
            let jobs = self.try_take(most);
            if !jobs.is_empty() {
                return jobs;
            }
            let _idle = Idle::count(&self.idle);
            notice.await;
        }
    }

    /// Takes up to `most` ready jobs without waiting.
    pub fn try_take(&self, most: usize) -> Vec<Job> {
        let mut inner = self.inner.lock();
        let jobs = inner.take_ready(most);
        let more = inner.has_ready();
        drop(inner);
        if more {
            self.ready.notify_one();
        }
        jobs
    }

    /// Puts jobs back that a worker could not settle.
    pub fn give_back(&self, jobs: &[Job]) {
        let mut inner = self.inner.lock();
        for job in jobs {
            if inner.active.remove(&job.order).is_some() {
                inner.put(Job { due: None, ..*job });
            }
        }
        drop(inner);
        self.ready.notify_one();
    }

    /// Makes due attempts ready and returns the orders whose hold has ended, oldest first. Looks at `most` due jobs at
    /// most, as others wait for the lock: while [`Queue::time_to_next_due`] is zero, there are more.
    pub fn wake_due(&self, most: usize) -> Vec<OrderId> {
        let now = self.clock.moment();
        let mut inner = self.inner.lock();
        let mut expired = Vec::new();
        for _ in 0..most {
            let Some(job) = inner.delayed.pop_due(now) else { break };
            match job.due {
                Some(Due::Expiry(_)) => expired.push(job.order),
                Some(Due::Attempt(_)) | None => inner.put(Job { due: None, ..job }),
            }
        }
        let ready = inner.has_ready();
        drop(inner);
        if ready {
            self.ready.notify_one();
        }
        expired
    }

    /// How long it is until a delayed job is due, if nobody sets the wall clock ahead; none where none waits.
    pub fn time_to_next_due(&self) -> Option<Duration> {
        let now = self.clock.moment();
        self.inner.lock().delayed.wait(now)
    }

    /// Returns when the next due moment may have changed.
    pub async fn rescheduled(&self) {
        self.rescheduled.notified().await;
    }

    /// What a job that is added now has to expect.
    pub fn forecast(&self) -> Forecast {
        let now = self.clock.steady();
        let mut inner = self.inner.lock();
        let ahead_of = |priority: Priority| inner.lines[priority as usize..].iter().map(|line| line.len() as u64).sum();
        let ahead = Priority::ALL.map(ahead_of);
        let idle = self.idle.load(Ordering::Relaxed) > 0 && !inner.paused;
        Forecast { ahead, drain_rate: inner.rate.per_second(now), idle }
    }

    /// Jobs that workers complete a second, over the last ten seconds.
    pub fn drain_rate(&self) -> f64 {
        let now = self.clock.steady();
        self.inner.lock().rate.per_second(now)
    }

    /// What an open job is doing, and its place in the line, counted from 1, if it is in line.
    pub fn find(&self, order: OrderId, priority: Priority) -> (JobState, Option<u64>) {
        let inner = self.inner.lock();
        if inner.active.contains_key(&order) {
            return (JobState::Active, None);
        }
        match inner.place_in_line(order, priority) {
            Some(place) => (priority.ready_state(), Some(place)),
            None => (JobState::Delayed, None),
        }
    }

    /// How many jobs are where.
    pub fn counts(&self) -> QueueCounts {
        let now = self.clock.steady();
        let mut inner = self.inner.lock();
        let ready: usize = inner.lines.iter().map(Line::len).sum();
        let waiting = inner.lines[Priority::Normal as usize].len();
        // Orders are accepted in the order of their numbers: the first one is the oldest.
        let fronts = inner.lines.iter().filter_map(Line::front);
        let oldest = fronts.chain(inner.active.values().next()).map(|job| job.placed).min();
        QueueCounts {
            waiting,
            prioritized: ready - waiting,
            delayed: inner.delayed.len(),
            active: inner.active.len(),
            paused: inner.paused,
            oldest_age: oldest.map(|placed| now.since(placed)),
            completed_per_second: inner.rate.per_second(now),
        }
    }

    /// Orders whose open jobs are in `state`, oldest first, those after `after`, at most `most`. Finished jobs are in
    /// the store. Blocks for a moment where many are delayed.
    pub fn list(&self, state: JobState, after: Option<OrderId>, most: usize) -> Vec<OrderId> {
        match state {
            JobState::Waiting => self.inner.lock().lines[Priority::Normal as usize].above(after).take(most).collect(),
            JobState::Prioritized => {
                let inner = self.inner.lock();
                let others = Priority::ALL.iter().filter(|priority| **priority != Priority::Normal);
                let lines = others.map(|priority| &inner.lines[*priority as usize]);
                let mut orders: Vec<_> = lines.flat_map(|line| line.above(after).take(most)).collect();
                drop(inner);
                orders.sort_unstable();
                orders.truncate(most);
                orders
            }
            JobState::Active => {
                let above = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
                self.inner.lock().active.range(above).map(|(order, _)| *order).take(most).collect()
            }
            JobState::Delayed => self.list_delayed(after, most),
            JobState::Completed | JobState::Failed => Vec::new(),
        }
    }

    /// Delayed jobs are sorted by time: all are looked at, some at a time under the lock. One that moves meanwhile may
    /// be missed.
    fn list_delayed(&self, after: Option<OrderId>, most: usize) -> Vec<OrderId> {
        // The lowest numbers so far, the highest of them on top.
        let mut lowest = BinaryHeap::with_capacity(most.saturating_add(1).min(MAX_DELAYED_AT_ONCE));
        let mut from = None;
        loop {
            let some = self.inner.lock().delayed.keys_after(from, MAX_DELAYED_AT_ONCE);
            for (.., order) in some.iter().filter(|(.., order)| after.is_none_or(|after| *order > after)) {
                lowest.push(*order);
                if lowest.len() > most {
                    lowest.pop();
                }
            }
            match some.last() {
                Some(last) if some.len() == MAX_DELAYED_AT_ONCE => from = Some(*last),
                _ => break,
            }
        }
        let mut orders = lowest.into_sorted_vec();
        orders.dedup();
        orders
    }
}

impl Inner {
    fn put(&mut self, job: Job) {
        if let Some(due) = job.due {
            self.delayed.put(due.deadline(), job);
            return;
        }
        self.lines[job.priority as usize].put(job);
    }

    /// Removes a job wherever it is.
    fn take_out(&mut self, job: &Job) {
        if self.active.remove(&job.order).is_some() {
            return;
        }
        if self.lines[job.priority as usize].remove(job.order) {
            return;
        }
        if let Some(due) = job.due {
            self.delayed.remove(due.deadline(), job.order);
        }
    }

    fn take_ready(&mut self, most: usize) -> Vec<Job> {
        let mut taken = Vec::new();
        if self.paused {
            return taken;
        }
        for line in self.lines.iter_mut().rev() {
            line.take(most - taken.len(), &mut taken);
        }
        self.active.extend(taken.iter().map(|job| (job.order, *job)));
        taken
    }

    fn has_ready(&self) -> bool {
        !self.paused && self.lines.iter().any(|line| !line.is_empty())
    }

    fn place_in_line(&self, order: OrderId, priority: Priority) -> Option<u64> {
        let rank = self.lines[priority as usize].rank(order)?;
        let before: usize = self.lines[priority as usize + 1..].iter().map(Line::len).sum();
        Some((before + rank + 1) as u64)
    }
}

#[cfg(test)]
mod tests;
