//! The work queue: jobs ready by priority and then by order number, delayed ones by time, active ones by worker.
//!
//! It lives in memory and is rebuilt from the store at every start. Only the committer adds and ends jobs, after the
//! commit that says so; workers take, the clock wakes. A job is little more than a number: its order stands in the
//! store.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::{Clock, Timestamp};
use crate::order::{Order, OrderId, OrderMap, Priority};

mod forecast;
mod rate;

pub use forecast::Forecast;

use forecast::Idle;
use rate::Rate;

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Ready, at normal priority.
    Waiting,
    /// Ready, at another priority.
    Prioritized,
    /// Waits for its next attempt or for the end of its hold.
    Delayed,
    /// A worker has it.
    Active,
    /// Done: its order was confirmed.
    Completed,
    /// Done: its order was not.
    Failed,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Prioritized, Self::Delayed, Self::Active, Self::Completed, Self::Failed];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Prioritized => "prioritized",
            Self::Delayed => "delayed",
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// An open job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// The order it is about; the lower number goes first within a priority.
    pub order: OrderId,
    /// Which ready jobs it goes before.
    pub priority: Priority,
    /// When it is to be looked at, if not at once.
    pub due: Option<Due>,
    /// When its order was accepted.
    pub placed_at: Timestamp,
}

/// Why and until when a job is delayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The next attempt.
    Attempt(Timestamp),
    /// The end of its hold.
    Expiry(Timestamp),
}

impl Due {
    const fn at(self) -> Timestamp {
        match self {
            Self::Attempt(at) | Self::Expiry(at) => at,
        }
    }
}

impl Job {
    /// The job of a pending order.
    pub fn of(order: &Order) -> Self {
        let due = order.expires_at.map(Due::Expiry).or(order.retry_at.map(Due::Attempt));
        Self { order: order.id, priority: order.priority, due, placed_at: order.created_at }
    }
}

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

/// The queue. Bounded by its places: see [`Queue::take_place`].
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
    places: Arc<Places>,
}

#[derive(Debug, Default)]
struct Inner {
    /// One line for each priority, lowest first, each sorted by order number.
    lines: [VecDeque<Job>; 4],
    delayed: BTreeMap<(Timestamp, OrderId), Job>,
    active: OrderMap<Job>,
    paused: bool,
    rate: Rate,
}

#[derive(Debug)]
struct Places {
    taken: AtomicUsize,
    capacity: usize,
}

/// A place in the queue: taken before the stock, given back when the job is done.
#[derive(Debug)]
#[must_use = "dropping a place gives it back"]
pub struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Queue {
    /// An empty queue for at most `capacity` unfinished jobs.
    pub fn new(capacity: usize, clock: Clock) -> Self {
        Self {
            clock,
            inner: Mutex::default(),
            ready: Notify::new(),
            rescheduled: Notify::new(),
            idle: AtomicUsize::new(0),
            places: Arc::new(Places { taken: AtomicUsize::new(0), capacity }),
        }
    }

    /// The most unfinished jobs.
    pub fn capacity(&self) -> usize {
        self.places.capacity
    }

    /// Takes a place, or none where the queue is full.
    pub fn take_place(&self) -> Option<Place> {
        let mut taken = self.places.taken.load(Ordering::Relaxed);
        while taken < self.places.capacity {
            match self.places.taken.compare_exchange_weak(taken, taken + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(Place(Arc::clone(&self.places))),
                Err(now) => taken = now,
            }
        }
        None
    }

    /// A place for a job that the store already holds: it has to fit, whatever the capacity is set to now.
    pub fn force_place(&self) -> Place {
        self.places.taken.fetch_add(1, Ordering::Relaxed);
        Place(Arc::clone(&self.places))
    }

    /// Applies what a commit did, under one lock.
    pub fn apply(&self, changes: &[QueueChange]) {
        if changes.is_empty() {
            return;
        }
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        let first_due = inner.first_due();
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
            inner.rate.add(completions, now);
        }
        let rescheduled = inner.first_due() != first_due;
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
        *self.inner.lock() = inner;
        self.ready.notify_one();
        self.rescheduled.notify_one();
    }

    /// Holds workers back, or lets them go on.
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

    /// Makes due attempts ready and returns the orders whose hold has ended, oldest first, at most `most` of them.
    pub fn wake_due(&self, most: usize) -> Vec<OrderId> {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        let mut expired = Vec::new();
        while expired.len() < most {
            let Some(entry) = inner.delayed.first_entry() else { break };
            if entry.key().0 > now {
                break;
            }
            let job = entry.remove();
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

    /// When the next delayed job is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.inner.lock().first_due()
    }

    /// Returns when the next due moment may have changed.
    pub async fn rescheduled(&self) {
        self.rescheduled.notified().await;
    }

    /// What a job that is added now has to expect.
    pub fn forecast(&self) -> Forecast {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        let ahead_of = |priority: Priority| inner.lines[priority as usize..].iter().map(|line| line.len() as u64).sum();
        let ahead = Priority::ALL.map(ahead_of);
        let idle = self.idle.load(Ordering::Relaxed) > 0 && !inner.paused;
        Forecast { ahead, drain_rate: inner.rate.per_second(now), idle }
    }

    /// Jobs that workers complete a second, over the last ten seconds.
    pub fn drain_rate(&self) -> f64 {
        let now = self.clock.now();
        self.inner.lock().rate.per_second(now)
    }

    /// What an open job is doing, and its place in the line, counted from 1, if it is in line.
    pub fn find(&self, job: &Job) -> (JobState, Option<u64>) {
        let inner = self.inner.lock();
        if inner.active.contains_key(&job.order) {
            return (JobState::Active, None);
        }
        match inner.place_in_line(job) {
            Some(place) => (ready_state(job.priority), Some(place)),
            None => (JobState::Delayed, None),
        }
    }

    /// How many jobs are where.
    pub fn counts(&self) -> QueueCounts {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        let ready: usize = inner.lines.iter().map(VecDeque::len).sum();
        let waiting = inner.lines[Priority::Normal as usize].len();
        let fronts = inner.lines.iter().filter_map(VecDeque::front);
        let oldest = fronts.chain(inner.active.values()).map(|job| job.placed_at).min();
        QueueCounts {
            waiting,
            prioritized: ready - waiting,
            delayed: inner.delayed.len(),
            active: inner.active.len(),
            paused: inner.paused,
            oldest_age: oldest.map(|placed_at| now.since(placed_at)),
            completed_per_second: inner.rate.per_second(now),
        }
    }

    /// Orders whose open jobs are in `state`, oldest first, those after `after`, at most `most`. Finished jobs are in
    /// the store.
    pub fn list(&self, state: JobState, after: Option<OrderId>, most: usize) -> Vec<OrderId> {
        let inner = self.inner.lock();
        let mut orders: Vec<OrderId> = match state {
            JobState::Waiting => inner.lines[Priority::Normal as usize].iter().map(|job| job.order).collect(),
            JobState::Prioritized => {
                let others = Priority::ALL.iter().filter(|priority| **priority != Priority::Normal);
                others.flat_map(|priority| &inner.lines[*priority as usize]).map(|job| job.order).collect()
            }
            JobState::Delayed => inner.delayed.values().map(|job| job.order).collect(),
            JobState::Active => inner.active.keys().copied().collect(),
            JobState::Completed | JobState::Failed => Vec::new(),
        };
        drop(inner);
        orders.retain(|order| after.is_none_or(|after| *order > after));
        orders.sort_unstable();
        orders.truncate(most);
        orders
    }
}

/// The word for a job in line at this priority.
const fn ready_state(priority: Priority) -> JobState {
    match priority {
        Priority::Normal => JobState::Waiting,
        Priority::Low | Priority::High | Priority::Critical => JobState::Prioritized,
    }
}

impl Inner {
    fn put(&mut self, job: Job) {
        if let Some(due) = job.due {
            self.delayed.insert((due.at(), job.order), job);
            return;
        }
        let line = &mut self.lines[job.priority as usize];
        // New orders come in number order; only one that returns from a failed attempt belongs further ahead.
        match line.back() {
            Some(last) if last.order > job.order => {
                let place = line.partition_point(|other| other.order < job.order);
                line.insert(place, job);
            }
            _ => line.push_back(job),
        }
    }

    /// Removes a job wherever it is.
    fn take_out(&mut self, job: &Job) {
        if self.active.remove(&job.order).is_some() {
            return;
        }
        let line = &mut self.lines[job.priority as usize];
        if let Ok(place) = line.binary_search_by_key(&job.order, |other| other.order) {
            line.remove(place);
        } else if let Some(due) = job.due {
            self.delayed.remove(&(due.at(), job.order));
        }
    }

    fn take_ready(&mut self, most: usize) -> Vec<Job> {
        let mut taken = Vec::new();
        if self.paused {
            return taken;
        }
        for line in self.lines.iter_mut().rev() {
            let room = most - taken.len();
            taken.extend(line.drain(..line.len().min(room)));
        }
        self.active.extend(taken.iter().map(|job| (job.order, *job)));
        taken
    }

    fn has_ready(&self) -> bool {
        !self.paused && self.lines.iter().any(|line| !line.is_empty())
    }

    fn first_due(&self) -> Option<Timestamp> {
        self.delayed.first_key_value().map(|((at, _), _)| *at)
    }

    fn place_in_line(&self, job: &Job) -> Option<u64> {
        let own = &self.lines[job.priority as usize];
        let place = own.binary_search_by_key(&job.order, |other| other.order).ok()?;
        let before: usize = self.lines[job.priority as usize + 1..].iter().map(VecDeque::len).sum();
        Some((before + place + 1) as u64)
    }
}

#[cfg(test)]
mod tests;
