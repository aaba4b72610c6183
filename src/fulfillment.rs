//! Workers: they take jobs from the queue, fulfil the orders, and report to the committer.
//!
//! Without a fulfilment service workers confirm orders at once. With one, each order is posted there, a held one once
//! it is confirmed, and tried again with exponential back-off and jitter until it succeeds or the attempts are used up.
//! While the service as a whole is away, fulfilment is suspended: one order at a time tries it, and no attempt counts.
//! What this machine lacks for an attempt is not an attempt either: the job goes back. A worker that dies with the
//! process has reported nothing: the job is found open in the store and done again, under the same webhook id.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::committer::Settlement;
use crate::domain::change::Actor;
use crate::domain::transition::Transition;
use crate::limits::{CLOCK_LOOK, MAX_EXPIRED_AT_ONCE, MAX_JOBS_TAKEN};
use crate::queue::Job;

mod deps;
mod faults;
mod poster;
mod retry;
mod service;
mod webhook;

pub use deps::Deps;
pub use retry::RetryPolicy;
pub use webhook::{SERVICE, Webhook};

use deps::{settlement, stopped};
use faults::LocalFaults;
use poster::Poster;
use service::Service;

/// How orders are fulfilled.
#[derive(Clone, Debug)]
pub enum Method {
    /// At once, without asking anyone.
    Instant,
    /// By a service that each order is posted to.
    Webhook(Arc<Webhook>, RetryPolicy),
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
        let service = Arc::new(Service::new(Arc::clone(&deps.queue), Arc::clone(&deps.metrics)));
        for _ in 0..workers {
            match method {
                Method::Instant => tasks.spawn(confirm(deps.clone(), stopped.clone())),
                Method::Webhook(webhook, policy) => {
                    let (webhook, faults, service) = (Arc::clone(webhook), Arc::clone(&faults), Arc::clone(&service));
                    let poster = Poster { deps: deps.clone(), webhook, policy: *policy, faults, service };
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
        let settlements = jobs.iter().map(|job| settlement(job, without_service(job))).collect();
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

/// What becomes of a job that nobody is asked about. A paid order was to be posted, when there was a service: that it
/// was not must not be lost.
fn without_service(job: &Job) -> Transition {
    match job.paid {
        false => Transition::Fulfilled,
        true => Transition::Rejected { error: "no fulfilment service is set".to_owned() },
    }
}

#[cfg(test)]
mod tests;
