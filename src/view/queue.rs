//! The queue.

use serde::Serialize;
use utoipa::ToSchema;

/// Counts of jobs by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = JobCounts)]
pub struct JobCountsView {
    pub(crate) active: u64,
    pub(crate) completed: u64,
    pub(crate) delayed: u64,
    pub(crate) failed: u64,
    pub(crate) prioritized: u64,
    pub(crate) waiting: u64,
}

/// The queue at a glance.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Queue)]
pub struct QueueView {
    /// Jobs that may be unfinished, without holds.
    pub(crate) capacity: u64,
    #[schema(minimum = 0)]
    pub(crate) completed_per_second: f64,
    pub(crate) counts: JobCountsView,
    pub(crate) dead_letters: u64,
    /// Orders that may be held.
    pub(crate) hold_capacity: u64,
    /// 0 if no job is ready or active.
    pub(crate) oldest_job_age_ms: u64,
    pub(crate) paused: bool,
}

/// What became of the dead letters that match.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = Moved)]
pub struct MovedView {
    /// Fewer where some could not be moved; 0 on a dry run.
    pub(crate) done: u64,
    pub(crate) matched: u64,
}
