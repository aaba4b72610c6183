//! What the committer works with.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::clock::Clock;
use crate::inventory::Inventory;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::store::Store;

/// What the committer works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Where it writes.
    pub store: Arc<Store>,
    /// What it publishes to.
    pub inventory: Arc<Inventory>,
    /// Where jobs go after the commit.
    pub queue: Arc<Queue>,
    /// Where commits and expiries are measured.
    pub metrics: Arc<Metrics>,
    /// The time of day.
    pub clock: Clock,
    /// Whether confirmed holds are posted to a fulfilment service.
    pub posts_confirmed: bool,
    /// Journal records older than this are trimmed. `None` keeps all.
    pub journal_keep: Option<Duration>,
}
