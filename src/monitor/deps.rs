//! The rooms that the monitor watches.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::alerts::Alerts;
use crate::committer::Intake;
use crate::config::AlertConfig;
use crate::domain::clock::Clock;
use crate::inventory::Inventory;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::store::Store;

use super::history::History;

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
    /// The alerts that are raised.
    pub alerts: Arc<Alerts>,
    /// The way to the committer, which says whether orders are taken.
    pub intake: Intake,
    /// The history of the figures.
    pub history: Arc<History>,
    /// From where on alerts are raised.
    pub thresholds: AlertConfig,
    /// The settings that readiness is about.
    pub facts: Facts,
    /// Orders in the store when the server started.
    pub orders_at_start: u64,
}

/// The settings that readiness is about.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Where the server listens.
    pub address: SocketAddr,
    /// Whether operators need a token.
    pub token: bool,
    /// Whether orders are posted to a fulfilment service.
    pub fulfillment: bool,
    /// Orders a second of one user; 0 for no limit.
    pub rate_per_user: u32,
    /// Requests a second of one client address; 0 for no limit.
    pub rate_per_address: u32,
}
