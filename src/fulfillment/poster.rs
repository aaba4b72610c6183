//! A worker that posts orders to the fulfilment service.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::watch;

use crate::committer::Settlement;
use crate::domain::clock::Timestamp;
use crate::domain::job::JobOutcome;
use crate::domain::job_id::JobIds;
use crate::domain::order::{Order, OrderStatus};
use crate::domain::transition::Transition;
use crate::limits::LOCAL_FAULT_PAUSE;
use crate::metrics::{LastPost, PostOutcome};
use crate::outbound::Verdict;
use crate::queue::Job;
use crate::view::order::FulfillmentEventView;

use super::deps::{Deps, settlement, stopped};
use super::faults::LocalFaults;
use super::retry::{RetryPolicy, random, with_jitter};
use super::service::{Counts, Service, Turn};
use super::webhook::Webhook;

#[derive(Debug)]
pub(super) struct Poster {
    pub(super) deps: Deps,
    pub(super) webhook: Arc<Webhook>,
    pub(super) policy: RetryPolicy,
    pub(super) faults: Arc<LocalFaults>,
    pub(super) service: Arc<Service>,
}

impl Poster {
    /// The worker's life.
    pub(super) async fn work(self, mut stop: watch::Receiver<bool>) {
        loop {
            let mut changed = self.service.changed();
            let turn = tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                turn = self.service.turn() => turn,
            };
            let jobs = tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                // Its turn may have been from before a suspension.
                _ = changed.changed() => continue,
                jobs = self.service.take_job(&turn) => jobs,
            };
            for job in jobs {
                let began = Instant::now();
                let report = match caught(self.post(&job, &turn)).await {
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

    /// Posts the order of a job and says what became of it; nothing where the order has ended meanwhile, or waits for
    /// the service to be back. An error says why this machine could not make the attempt.
    async fn post(&self, job: &Job, turn: &Turn<'_>) -> Result<Option<Settlement>, String> {
        let id = job.order;
        let order = self.deps.store.query(move |store| store.order(id)).await;
        let order = order.map_err(|error| format!("an order could not be read: {error}"))?;
        // Cancelled or confirmed meanwhile: the committer has ended the job already.
        let is_open = |order: &Arc<Order>| order.job == JobOutcome::Open && order.hold_ends_at().is_none();
        let Some(order) = order.filter(is_open) else { return Ok(None) };
        let transition = self.attempt(&order, job, turn).await?;
        self.faults.note_attempt();
        Ok(transition.map(|transition| settlement(job, transition)))
    }

    async fn attempt(&self, order: &Order, job: &Job, turn: &Turn<'_>) -> Result<Option<Transition>, String> {
        let Deps { clock, job_ids, .. } = &self.deps;
        let now = clock.now();
        let job_id = job_ids.job_id(order.id);
        let verdict = match event(order, now, job_ids) {
            Ok(body) => self.webhook.deliver(&job_id, order.id, now, body).await,
            Err(error) => Verdict::Rejected(error.to_string()),
        };
        self.note(&verdict, now);
        let attempt = order.attempts + 1;
        let (error, asked) = match verdict {
            Verdict::Accepted => {
                self.service.note_response();
                return Ok(Some(Transition::Fulfilled));
            }
            Verdict::Rejected(error) => {
                self.service.note_response();
                return Ok(Some(Transition::Rejected { error }));
            }
            Verdict::Retry { error, after } => (error, after),
            Verdict::NotMade(error) => return Err(error),
        };
        if self.service.note_failure(turn, job, &self.policy, asked) == Counts::No {
            return Ok(None);
        }
        Ok(Some(match attempt >= self.policy.attempts {
            true => Transition::AttemptsExhausted { error },
            false => {
                let retry_after = self.policy.delay(attempt, asked, random());
                Transition::AttemptFailed { error, retry_after, paid: order.status == OrderStatus::Confirmed }
            }
        }))
    }

    /// Notes how the service responded. An order that it rejects is no failure of the service.
    fn note(&self, verdict: &Verdict, began: Timestamp) {
        let (outcome, failure) = match verdict {
            Verdict::Accepted => (PostOutcome::Delivered, None),
            Verdict::Rejected(_) => (PostOutcome::Rejected, None),
            Verdict::Retry { error, .. } => (PostOutcome::Failed, Some(error.clone())),
            Verdict::NotMade(_) => return,
        };
        let at = self.deps.clock.now();
        self.deps.metrics.posts().note(outcome, LastPost { at, took: at.since(began), failure });
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
pub(super) async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
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
    serde_json::to_vec(&FulfillmentEventView::of(order, at, job_ids)).map(Bytes::from)
}
