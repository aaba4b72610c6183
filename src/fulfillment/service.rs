//! Whether the fulfilment service as a whole is there.
//!
//! Orders that fail one after the other, without a success between, say that it is away, and not that something is
//! wrong with them. Then fulfilment is suspended: one worker at a time tries the service with one order, after a pause
//! that grows; no attempt counts. The orders that were tried wait aside until the service is back, so that the next
//! probe is made with another one: an order that always fails does not keep the service away.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::domain::order::OrderId;
use crate::limits::{MAX_ORDERS_ASIDE, SUSPEND_AFTER};
use crate::metrics::Metrics;
use crate::queue::{Job, Queue};

use super::retry::{RetryPolicy, random};

/// What workers know of the service together.
#[derive(Debug)]
pub(super) struct Service {
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    /// Changes when the state does, and when a probe ends.
    changed: watch::Sender<()>,
}

#[derive(Debug)]
enum State {
    /// Orders are posted. These failed since one did not: fewer than [`SUSPEND_AFTER`].
    There { failed: BTreeSet<OrderId> },
    /// Fulfilment is suspended.
    Away(Away),
}

#[derive(Debug)]
struct Away {
    /// Probes that have failed.
    probes: u32,
    /// Before it there is no further one.
    next_probe: Instant,
    /// Whether one is under way.
    probing: bool,
    /// Jobs whose attempt failed meanwhile, oldest first. For the queue a worker has them.
    aside: VecDeque<Job>,
}

/// A worker's permission to take a job.
#[derive(Debug)]
pub(super) struct Turn<'s> {
    service: &'s Service,
    /// Whether it is the one probe.
    probe: bool,
}

impl Service {
    pub(super) fn new(queue: Arc<Queue>, metrics: Arc<Metrics>) -> Self {
        let state = Mutex::new(State::There { failed: BTreeSet::new() });
        Self { queue, metrics, state, changed: watch::Sender::new(()) }
    }

    /// Waits until this worker may take a job: at once, or as the only one, when the next probe is due.
    pub(super) async fn turn(&self) -> Turn<'_> {
        let mut changed = self.changed.subscribe();
        loop {
            let due = match self.try_turn() {
                Ok(turn) => return turn,
                Err(due) => due,
            };
            tokio::select! {
                _ = changed.changed() => {}
                () = sleep_until(due) => {}
            }
        }
    }

    /// A turn, or when to ask again if nothing changes before.
    fn try_turn(&self) -> Result<Turn<'_>, Option<Instant>> {
        match &mut *self.state.lock() {
            State::There { .. } => Ok(Turn { service: self, probe: false }),
            State::Away(Away { probing: true, .. }) => Err(None),
            State::Away(Away { next_probe, .. }) if *next_probe > Instant::now() => Err(Some(*next_probe)),
            State::Away(away) => {
                away.probing = true;
                Ok(Turn { service: self, probe: true })
            }
        }
    }

    /// The next job of a worker, when there is one.
    pub(super) async fn take_job(&self, turn: &Turn<'_>) -> Vec<Job> {
        if turn.probe {
            let jobs = self.queue.try_take(1);
            if !jobs.is_empty() {
                return jobs;
            }
            // Nothing else is in line: the probe is made with the order that has waited aside for longest.
            let oldest = match &mut *self.state.lock() {
                State::Away(away) => away.aside.pop_front(),
                State::There { .. } => None,
            };
            self.queue.give_back(oldest.as_slice());
        }
        self.queue.take(1).await
    }

    /// Changes when the state has changed since this was called. A worker that waits for a job must not take one by a
    /// turn from before a suspension.
    pub(super) fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Notes that the service has responded to an order, whatever it said: it is there.
    pub(super) fn note_response(&self) {
        let before = std::mem::replace(&mut *self.state.lock(), State::There { failed: BTreeSet::new() });
        if let State::Away(Away { aside, .. }) = before {
            tracing::info!("fulfilment continues: the service responds again");
            self.metrics.posts().set_suspended(false);
            let aside: Vec<_> = aside.into();
            self.queue.give_back(&aside);
            self.changed.send_replace(());
        }
    }

    /// Notes an attempt for which the service was not there. It does not count where fulfilment is suspended, since
    /// before or by it: then the job waits aside. `asked` is what the service asked to wait.
    pub(super) fn note_failure(
        &self,
        turn: &Turn<'_>,
        job: &Job,
        policy: &RetryPolicy,
        asked: Option<Duration>,
    ) -> Counts {
        let mut state = self.state.lock();
        match &mut *state {
            State::There { failed } => {
                failed.insert(job.order);
                if failed.len() < SUSPEND_AFTER {
                    return Counts::Yes;
                }
                let next_probe = Instant::now() + policy.probe_delay(1, asked, random());
                let aside = VecDeque::from([*job]);
                *state = State::Away(Away { probes: 0, next_probe, probing: false, aside });
                drop(state);
                tracing::warn!("fulfilment is suspended: the service failed for {SUSPEND_AFTER} orders in a row");
                self.metrics.posts().set_suspended(true);
                self.changed.send_replace(());
            }
            State::Away(away) => {
                if turn.probe {
                    away.probes = away.probes.saturating_add(1);
                    let pause = policy.probe_delay(away.probes.saturating_add(1), asked, random());
                    away.next_probe = Instant::now() + pause;
                }
                away.aside.push_back(*job);
                let longest = if away.aside.len() > MAX_ORDERS_ASIDE { away.aside.pop_front() } else { None };
                drop(state);
                self.queue.give_back(longest.as_slice());
            }
        }
        Counts::No
    }
}

/// Whether a failed attempt is one of those that an order has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    Yes,
    No,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.probe {
            return;
        }
        if let State::Away(away) = &mut *self.service.state.lock() {
            away.probing = false;
        }
        self.service.changed.send_replace(());
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::{Clock, Steady};
    use crate::domain::job::JobState;
    use crate::domain::order::Priority;
    use crate::queue::QueueChange;

    const PAUSE: Duration = Duration::from_millis(1);
    const POLICY: RetryPolicy = RetryPolicy { attempts: 1, first_delay: PAUSE, max_delay: PAUSE };

    fn service(jobs: u64) -> Service {
        let queue = Arc::new(Queue::new(100, Clock::system()));
        let job = |order| Job {
            order: OrderId(order),
            priority: Priority::Normal,
            due: None,
            placed: Steady::default(),
            paid: false,
        };
        queue.apply(&(1..=jobs).map(|order| QueueChange::Put(job(order))).collect::<Vec<_>>());
        Service::new(queue, Arc::default())
    }

    /// Takes a job, whose attempt fails; which, and whether that counts.
    async fn fail(service: &Service) -> (u64, Counts) {
        let turn = service.turn().await;
        let job = service.take_job(&turn).await[0];
        (job.order.0, service.note_failure(&turn, &job, &POLICY, None))
    }

    #[tokio::test]
    async fn each_probe_is_made_with_another_order_and_one_at_a_time() {
        let service = service(8);
        for order in 1..=4 {
            assert_eq!(fail(&service).await, (order, Counts::Yes));
        }
        assert!(!service.metrics.posts().is_suspended());
        assert_eq!(fail(&service).await, (5, Counts::No));
        assert!(service.metrics.posts().is_suspended());
        for order in [6, 7, 8] {
            assert_eq!(fail(&service).await, (order, Counts::No));
        }
        // No other one is in line.
        assert_eq!(fail(&service).await, (5, Counts::No));
        let turn = service.turn().await;
        assert!(matches!(service.try_turn(), Err(None)), "a second probe beside the first");
        assert_eq!(service.take_job(&turn).await[0].order, OrderId(6));
        service.note_response();
        assert!(!service.metrics.posts().is_suspended());
        assert_eq!(service.queue.list(JobState::Waiting, None, 9), [5, 7, 8].map(OrderId));
        drop(turn);
        assert_eq!(fail(&service).await, (5, Counts::Yes));
    }

    #[tokio::test]
    async fn one_order_that_always_fails_suspends_nothing() {
        let service = service(1);
        let turn = service.turn().await;
        let job = service.take_job(&turn).await[0];
        for _ in 0..3 * SUSPEND_AFTER {
            assert_eq!(service.note_failure(&turn, &job, &POLICY, None), Counts::Yes);
        }
    }

    #[tokio::test]
    async fn a_probe_that_ends_without_an_attempt_makes_room_for_the_next() {
        let service = service(6);
        for _ in 0..SUSPEND_AFTER {
            fail(&service).await;
        }
        drop(service.turn().await);
        assert_eq!(fail(&service).await, (6, Counts::No));
    }
}
