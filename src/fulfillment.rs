//! Workers: they take jobs from the queue, fulfil the orders, and report to the committer.
//!
//! Without a fulfilment service workers confirm orders at once. With one, each order is posted there, and
//! tried again with exponential back-off and jitter until it succeeds or the attempts are used up. What this machine
//! lacks for an attempt is not an attempt: the job goes back. A worker that dies with the process has reported nothing:
//! the job is found open in the store and done again, under the same webhook id.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::committer::{Intake, Settlement};
use crate::domain::change::Actor;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::job_id::JobIds;
use crate::domain::order::{Order, OrderStatus};
use crate::domain::transition::Transition;
use crate::limits::{CLOCK_LOOK, LOCAL_FAULT_PAUSE, MAX_EXPIRED_AT_ONCE, MAX_JOBS_TAKEN};
use crate::metrics::{LastPost, Metrics};
use crate::queue::{Job, Queue};
use crate::store::Store;
use crate::view::order::OrderPlacedView;

mod address;
mod connect;
mod faults;
mod lookup;
mod url;
mod webhook;

pub use url::UrlError;
pub use webhook::{Verdict, Webhook, WebhookConfig, WebhookConfigError};

use faults::LocalFaults;

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
pub struct Deps {
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
    /// Where faults of this machine are counted.
    pub metrics: Arc<Metrics>,
}

/// The running workers and the task that wakes what is due.
#[derive(Debug)]
pub struct Workers {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    method: Method,
}

impl Workers {
    /// Starts `workers` workers and the clock's task.
    pub fn start(deps: &Deps, method: &Method, workers: usize) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let faults = Arc::new(LocalFaults::new(Arc::clone(&deps.metrics)));
        for _ in 0..workers {
            match method {
                Method::Instant => tasks.spawn(confirm(deps.clone(), stopped.clone())),
                Method::Webhook(webhook, policy) => {
                    let (webhook, faults) = (Arc::clone(webhook), Arc::clone(&faults));
                    let poster = Poster { deps: deps.clone(), webhook, policy: *policy, faults };
                    tasks.spawn(poster.work(stopped.clone()))
                }
            };
        }
        tasks.spawn(wake(deps.clone(), stopped));
        Self { tasks, stop, method: method.clone() }
    }

    /// Returns when one of them has ended. Before a stop that is a defect, as orders would be left to fewer and fewer.
    pub async fn ended(&mut self) {
        self.tasks.join_next().await;
    }

    /// Takes no more jobs, waits until those under way are reported, and ends. An attempt that has sent nothing yet
    /// ends at once. What has not ended within `patience` is given up: its job stays open in the store.
    pub async fn stop(mut self, patience: Duration) {
        self.stop.send_replace(true);
        if let Method::Webhook(webhook, _) = &self.method {
            webhook.stop();
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("workers were still busy at the end; their jobs resume at the next start");
        }
    }
}

/// The life of a worker that asks nobody.
async fn confirm(deps: Deps, mut stop: watch::Receiver<bool>) {
    loop {
        let jobs = tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            jobs = deps.queue.take(MAX_JOBS_TAKEN) => jobs,
        };
        let began = Instant::now();
        let settlements = jobs.iter().map(|job| settlement(job, Transition::Fulfilled)).collect();
        if !deps.intake.settle(settlements).await {
            return;
        }
        deps.metrics.observe_processing(began.elapsed(), jobs.len() as u64);
    }
}

/// Wakes delayed jobs in order of time: due attempts become ready, ended holds expire.
async fn wake(deps: Deps, mut stop: watch::Receiver<bool>) {
    loop {
        let rescheduled = deps.queue.rescheduled();
        let expired = deps.queue.wake_due(MAX_EXPIRED_AT_ONCE);
        if !expired.is_empty() {
            let expire = |order| Settlement { order, transition: Transition::Expired, actor: Actor::Clock };
            if !deps.intake.settle(expired.into_iter().map(expire).collect()).await {
                return;
            }
            continue;
        }
        let pause = deps.queue.time_to_next_due().map_or(CLOCK_LOOK, |wait| wait.min(CLOCK_LOOK));
        tokio::select! {
            () = rescheduled => {}
            () = tokio::time::sleep(pause) => {}
            () = stopped(&mut stop) => return,
        }
    }
}

/// Returns when the workers have to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn settlement(job: &Job, transition: Transition) -> Settlement {
    Settlement { order: job.order, transition, actor: Actor::Worker }
}

/// A worker that posts orders to the fulfilment service.
#[derive(Debug)]
struct Poster {
    deps: Deps,
    webhook: Arc<Webhook>,
    policy: RetryPolicy,
    faults: Arc<LocalFaults>,
}

impl Poster {
    /// The worker's life.
    async fn work(self, mut stop: watch::Receiver<bool>) {
        loop {
            let jobs = tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                jobs = self.deps.queue.take(1) => jobs,
            };
            for job in jobs {
                let began = Instant::now();
                let report = match caught(self.post(&job)).await {
                    Some(Ok(report)) => report,
                    Some(Err(fault)) => self.put_off(&job, &fault, &mut stop).await,
                    None => self.put_off(&job, "an attempt panicked", &mut stop).await,
                };
                if let Some(report) = report {
                    if !self.deps.intake.settle(vec![report]).await {
                        return;
                    }
                    self.deps.metrics.observe_processing(began.elapsed(), 1);
                }
            }
        }
    }

    /// Posts the order of a job and says what became of it; nothing where the order has ended meanwhile. An error says
    /// why this machine could not make the attempt.
    async fn post(&self, job: &Job) -> Result<Option<Settlement>, String> {
        let id = job.order;
        let order = self.deps.store.query(move |store| store.order(id)).await;
        let order = order.map_err(|error| format!("an order could not be read: {error}"))?;
        // Cancelled or confirmed meanwhile: the committer has ended the job already.
        let Some(order) = order.filter(|order| order.status == OrderStatus::Pending) else { return Ok(None) };
        let transition = self.attempt(&order).await?;
        self.faults.note_attempt();
        Ok(Some(settlement(job, transition)))
    }

    async fn attempt(&self, order: &Order) -> Result<Transition, String> {
        let Deps { clock, job_ids, .. } = &self.deps;
        let now = clock.now();
        let job_id = job_ids.job_id(order.id);
        let verdict = match event(order, now, job_ids) {
            Ok(body) => self.webhook.deliver(&job_id, now, body).await,
            Err(error) => Verdict::Rejected(error.to_string()),
        };
        self.note(&verdict, now);
        let attempt = order.attempts + 1;
        Ok(match verdict {
            Verdict::Fulfilled => Transition::Fulfilled,
            Verdict::Rejected(error) => Transition::Rejected { error },
            Verdict::Retry(error) if attempt >= self.policy.attempts => Transition::AttemptsExhausted { error },
            Verdict::Retry(error) => {
                Transition::AttemptFailed { error, retry_after: self.policy.delay(attempt, random()) }
            }
            Verdict::NotMade(error) => return Err(error),
        })
    }

    /// Notes how the service responded. An order that it rejects is no failure of the service.
    fn note(&self, verdict: &Verdict, began: Timestamp) {
        let failure = match verdict {
            Verdict::Fulfilled | Verdict::Rejected(_) => None,
            Verdict::Retry(error) => Some(error.clone()),
            Verdict::NotMade(_) => return,
        };
        let at = self.deps.clock.now();
        self.deps.metrics.posts().note(LastPost { at, took: at.since(began), failure });
    }

    /// Gives a job back after a pause: given back at once it would be taken at once, and meet the same fault. There is
    /// nothing to report.
    async fn put_off(&self, job: &Job, fault: &str, stop: &mut watch::Receiver<bool>) -> Option<Settlement> {
        // A stop ends attempts as well. That is not a fault.
        if !*stop.borrow() {
            let _waiting = self.faults.count(fault);
            tokio::select! {
                () = stopped(stop) => {}
                () = tokio::time::sleep(with_jitter(LOCAL_FAULT_PAUSE, random())) => {}
            }
        }
        self.deps.queue.give_back(std::slice::from_ref(job));
        None
    }
}

/// Runs a future to its end, or to its panic, which gives nothing.
async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Some),
        // It is not polled again.
        Err(_) => Poll::Ready(None),
    })
    .await
}

/// What is posted for an order.
fn event(order: &Order, at: Timestamp, job_ids: &JobIds) -> Result<Bytes, serde_json::Error> {
    serde_json::to_vec(&OrderPlacedView::of(order, at, job_ids)).map(Bytes::from)
}

impl RetryPolicy {
    /// The pause after failed attempt number `attempt`: doubled each time, and up to a quarter longer by chance, so
    /// that orders that failed together do not come back together. `chance` is evenly spread over 0 to 1.
    fn delay(self, attempt: u32, chance: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        with_jitter(self.first_delay.saturating_mul(1 << doublings).min(MAX_DELAY), chance)
    }
}

/// A pause, up to a quarter longer by chance.
fn with_jitter(pause: Duration, chance: f64) -> Duration {
    pause.mul_f64(1.0 + chance / 4.0)
}

/// A number evenly spread over 0 to 1; the middle where the system has no randomness to give.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests;
