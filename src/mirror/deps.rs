//! The rooms that mirrors look at.

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::clock::Clock;
use crate::domain::job_id::JobIds;
use crate::metrics::Metrics;
use crate::store::Store;

/// What mirrors are started with.
#[derive(Clone)]
pub struct Deps {
    /// What is followed.
    pub store: Arc<Store>,
    /// Names of jobs.
    pub job_ids: Arc<JobIds>,
    /// The time.
    pub clock: Clock,
    /// Where a mirror notes how far it is.
    pub metrics: Arc<Metrics>,
    /// The figures of the moment as JSON.
    pub live: Arc<dyn Fn() -> String + Send + Sync>,
    /// The data directory; none for a store in memory.
    pub kept_in: Option<PathBuf>,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Deps")
    }
}
