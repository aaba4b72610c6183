//! Workers: they take jobs from the queue, fulfil the orders, and report to the committer.
//!
//! Without a fulfilment service an order is fulfilled by being looked at. With one, each order is posted there, and
//! tried again with exponential back-off and jitter until it is answered or the attempts are used up. A worker that
//! dies with the process has reported nothing: the job is found open in the store and done again, under the same
//! webhook id.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::change::Actor;
use crate::clock::{Clock, Timestamp};
use crate::committer::{Intake, Settlement};
use crate::job_id::JobIds;
use crate::limits::{CLOCK_LOOK, MAX_EXPIRED_AT_ONCE, MAX_JOBS_TAKEN, REOPEN_PAUSE};
use crate::order::{Order, OrderStatus, Transition};
use crate::queue::{Job, Queue};
use crate::store::Store;
use crate::view::{OrderView, Shown};

mod address;
mod webhook;

pub use webhook::{Verdict, Webhook, WebhookConfig, WebhookConfigError};

/// How often an order is tried, and when again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// The pause after the first failed attempt; it doubles with each further one.
    pub first_delay: Duration,
}

/// The longest pause between two attempts, but for its jitter.
const MAX_DELAY: Duration = Duration::from_secs(60 * 60);

/// How orders are fulfilled.
#[derive(Clone, Debug)]
pub enum Method {
    /// At once, without asking anyone.
    Instant,
    /// By a service that each order is posted to.
    Webhook(Arc<Webhook>, RetryPolicy),
}

/// What workers work with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rooms {
    /// Where jobs come from.
    pub queue: Arc<Queue>,
    /// Where orders are looked up.
    pub store: Arc<Store>,
    /// Where results go.
    pub intake: Intake,
    /// The time of day.
    pub clock: Clock,
    /// The numbers of jobs.
    pub job_ids: Arc<JobIds>,
}

/// The running workers and the task that wakes what is due.
#[derive(Debug)]
pub struct Workers {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Workers {
    /// Starts `workers` workers and the clock's task.
    pub fn start(rooms: &Rooms, method: &Method, workers: usize) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            tasks.spawn(work(rooms.clone(), method.clone(), stopped.clone()));
        }
        tasks.spawn(wake(rooms.clone(), stopped));
        Self { tasks, stop }
    }

    /// Returns when one of them has ended. Before a stop that is a defect, as orders would be left to fewer and fewer.
    pub async fn ended(&mut self) {
        self.tasks.join_next().await;
    }

    /// Takes no more jobs, waits until those under way are reported, and ends. What has not ended by then is given up:
    /// its job stays open in the store.
    pub async fn stop(mut self, patience: Duration) {
        self.stop.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("workers were still busy at the end; their jobs go on at the next start");
        }
    }
}

/// One worker's life.
async fn work(rooms: Rooms, method: Method, mut stopped: watch::Receiver<bool>) {
    loop {
        let most = match method {
            Method::Instant => MAX_JOBS_TAKEN,
            Method::Webhook(..) => 1,
        };
        let jobs = tokio::select! {
            biased;
            () = told(&mut stopped) => return,
            jobs = rooms.queue.take(most) => jobs,
        };
        let settlements = match &method {
            Method::Instant => jobs.iter().map(|job| settlement(job, Transition::Fulfilled)).collect(),
            Method::Webhook(webhook, policy) => rooms.post(&jobs, webhook, *policy).await,
        };
        if !settlements.is_empty() && !rooms.intake.settle(settlements).await {
            return;
        }
    }
}

/// Wakes delayed jobs in order of time: due attempts become ready, ended holds expire.
async fn wake(rooms: Rooms, mut stopped: watch::Receiver<bool>) {
    loop {
        let rescheduled = rooms.queue.rescheduled();
        let expired = rooms.queue.wake_due(MAX_EXPIRED_AT_ONCE);
        if !expired.is_empty() {
            let expire = |order| Settlement { order, transition: Transition::Expired, actor: Actor::Clock };
            if !rooms.intake.settle(expired.into_iter().map(expire).collect()).await {
                return;
            }
            continue;
        }
        let pause = rooms.queue.next_due().map_or(CLOCK_LOOK, |due| due.since(rooms.clock.now()).min(CLOCK_LOOK));
        tokio::select! {
            () = rescheduled => {}
            () = tokio::time::sleep(pause) => {}
            () = told(&mut stopped) => return,
        }
    }
}

/// Returns when the word to stop was given.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

fn settlement(job: &Job, transition: Transition) -> Settlement {
    Settlement { order: job.order, transition, actor: Actor::Worker }
}

impl Rooms {
    /// Posts the orders of jobs and says what became of each.
    async fn post(&self, jobs: &[Job], webhook: &Webhook, policy: RetryPolicy) -> Vec<Settlement> {
        let mut settlements = Vec::with_capacity(jobs.len());
        for job in jobs {
            let id = job.order;
            match self.store.query(move |store| store.order(id)).await {
                // Cancelled or confirmed meanwhile: the committer has ended the job already.
                Ok(order) => {
                    if let Some(order) = order.filter(|order| order.status == OrderStatus::Pending) {
                        let transition = self.attempt(&order, webhook, policy).await;
                        settlements.push(settlement(job, transition));
                    }
                }
                Err(error) => {
                    tracing::warn!(order = %id, %error, "a job's order could not be read; the job goes back");
                    // Given back at once it would be taken at once, until the store is open again.
                    tokio::time::sleep(REOPEN_PAUSE).await;
                    self.queue.give_back(std::slice::from_ref(job));
                }
            }
        }
        settlements
    }

    async fn attempt(&self, order: &Order, webhook: &Webhook, policy: RetryPolicy) -> Transition {
        let now = self.clock.now();
        let job_id = self.job_ids.job_id(order.id);
        let verdict = match event(order, now, &self.job_ids) {
            Ok(body) => webhook.deliver(&job_id, now, body).await,
            Err(error) => Verdict::Rejected(error.to_string()),
        };
        let attempt = order.attempts + 1;
        match verdict {
            Verdict::Fulfilled => Transition::Fulfilled,
            Verdict::Rejected(error) => Transition::Rejected { error },
            Verdict::Retry(error) if attempt >= policy.attempts => Transition::AttemptsExhausted { error },
            Verdict::Retry(error) => {
                let retry_at = self.clock.now().after(policy.delay(attempt, random()));
                Transition::AttemptFailed { error, retry_at }
            }
        }
    }
}

/// What is posted for an order.
#[derive(Serialize)]
struct Event<'a> {
    r#type: &'static str,
    timestamp: Shown<Timestamp>,
    data: OrderView<'a>,
}

fn event(order: &Order, at: Timestamp, job_ids: &JobIds) -> Result<Bytes, serde_json::Error> {
    let event = Event { r#type: "order.placed", timestamp: Shown(at), data: OrderView::of(order, job_ids) };
    serde_json::to_vec(&event).map(Bytes::from)
}

impl RetryPolicy {
    /// The pause after failed attempt number `attempt`: doubled each time, and up to a quarter longer by chance, so
    /// that orders that failed together do not come back together. `chance` is evenly spread over 0 to 1.
    fn delay(self, attempt: u32, chance: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let delay = self.first_delay.saturating_mul(1 << doublings).min(MAX_DELAY);
        delay.mul_f64(1.0 + chance / 4.0)
    }
}

/// A number evenly spread over 0 to 1; the middle where the system has no randomness to give.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_stay_within_their_jitter_and_end_at_an_hour() {
        let policy = RetryPolicy { attempts: 3, first_delay: Duration::from_secs(2) };
        assert_eq!(policy.delay(1, 0.0), Duration::from_secs(2));
        assert_eq!(policy.delay(1, 1.0), Duration::from_millis(2_500));
        assert_eq!(policy.delay(4, 0.0), Duration::from_secs(16));
        assert_eq!(policy.delay(u32::MAX, 0.0), MAX_DELAY);
        assert!((0.0..=1.0).contains(&random()));
    }
}
