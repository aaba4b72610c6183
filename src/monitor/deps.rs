//! The rooms that the monitor watches.

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::clock::Clock;
use crate::inventory::Inventory;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::store::Store;

/// What the monitor watches.
#[derive(Clone, Debug)]
pub struct Deps {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The jobs.
    pub queue: Arc<Queue>,
    /// The products.
    pub inventory: Arc<Inventory>,
    /// What is on disk.
    pub store: Arc<Store>,
    /// The time of day.
    pub clock: Clock,
    /// The number of workers that fulfil orders.
    pub workers: usize,
    /// The directory of the store.
    pub data_dir: PathBuf,
    /// Files that the process may have open; `None` is no limit.
    pub max_open_files: Option<u64>,
}
