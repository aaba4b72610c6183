//! What all workers work with, and how they report and stop.

use std::sync::Arc;

use tokio::sync::watch;

use crate::committer::{Intake, Settlement};
use crate::domain::change::Actor;
use crate::domain::clock::Clock;
use crate::domain::job_id::JobIds;
use crate::domain::transition::Transition;
use crate::metrics::Metrics;
use crate::queue::{Job, Queue};
use crate::store::Store;

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

/// Returns when the workers have to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A worker's report on a job.
pub(super) const fn settlement(job: &Job, transition: Transition) -> Settlement {
    Settlement { order: job.order, transition, actor: Actor::Worker }
}
