//! The engine without HTTP: the store, the committer, the queue, the admission of orders and the workers, put together
//! in one place. The server, the tests and the benches start this one.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::admission::{Admission, RateLimits};
use crate::committer::{self, Committer, Intake};
use crate::config::{Config, RateLimitConfig};
use crate::domain::clock::Clock;
use crate::domain::job_id::JobIds;
use crate::fulfillment::{self, Method, Workers};
use crate::inventory::Inventory;
use crate::limits::{DEFAULT_HOLD_CAPACITY, DEFAULT_QUEUE_CAPACITY};
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::regular_file;
use crate::store::{self, Access, DirectoryLock, Medium, OpenError, Recovered, Store, StoreError};

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The data directory.
    #[error("cannot make the data directory {0}: {1}")]
    DataDir(String, io::Error),
    /// The store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store, once open.
    #[error("the store cannot be used: {0}")]
    Store(#[from] StoreError),
}

/// In which state an opening found the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// There was none.
    Nothing,
    /// As a clean stop leaves it.
    Closed,
    /// As a kill leaves it.
    Killed,
}

impl Found {
    /// Its word in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "new",
            Self::Closed => "closed",
            Self::Killed => "killed",
        }
    }
}

/// A store that is open, and what was in it.
#[derive(Debug)]
pub struct OpenedStore {
    /// Its state before the opening.
    pub found: Found,
    /// What the engine is rebuilt from.
    pub recovered: Recovered,
    store: Arc<Store>,
    lock: Option<DirectoryLock>,
}

impl OpenedStore {
    /// Opens the store in `medium`. For one in a file the directory is made if it is missing, and locked until the
    /// engine is closed.
    pub fn open(medium: Medium) -> Result<Self, EngineError> {
        let (lock, was_there) = match &medium {
            Medium::File(file) => {
                let data_dir = file.parent().unwrap_or(file);
                let directory = |error| EngineError::DataDir(data_dir.display().to_string(), error);
                // For its owner only, as are the files in it: they hold the store's secret and the buyers' names.
                regular_file::make_directory(data_dir).map_err(directory)?;
                let lock = DirectoryLock::take(data_dir, Access::Writing)?;
                store::tidy(data_dir).map_err(directory)?;
                (Some(lock), file.exists())
            }
            Medium::Backend { .. } => (None, true),
        };
        let upgrades = match &medium {
            Medium::File(file) => Some(file.clone()),
            Medium::Backend { .. } => None,
        };
        let (store, recovered) = match (Store::open(medium.clone()), upgrades) {
            (Err(OpenError::OlderFormat { .. }), Some(file)) => {
                let store::Upgraded { from, backup } = store::upgrade(&file)?;
                tracing::info!(from, to = store::FORMAT, backup = %backup.display(), "upgraded the store's format");
                Store::open(medium)?
            }
            (opened, _) => opened?,
        };
        let found = match was_there {
            false => Found::Nothing,
            true if recovered.unclosed => Found::Killed,
            true => Found::Closed,
        };
        Ok(Self { found, recovered, store: Arc::new(store), lock })
    }
}

/// The settings of an engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Unfinished jobs, without holds.
    pub queue_capacity: usize,
    /// Held orders.
    pub hold_capacity: usize,
    /// Whether confirmed holds are posted to a fulfilment service.
    pub posts_confirmed: bool,
    /// Journal records older than this are trimmed. `None` keeps all.
    pub journal_keep: Option<Duration>,
    /// What users and client IP addresses may send.
    pub rate_limits: RateLimitConfig,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            queue_capacity: DEFAULT_QUEUE_CAPACITY as usize,
            hold_capacity: DEFAULT_HOLD_CAPACITY as usize,
            posts_confirmed: false,
            journal_keep: None,
            rate_limits: RateLimitConfig::default(),
        }
    }
}

impl From<&Config> for EngineConfig {
    fn from(config: &Config) -> Self {
        Self {
            queue_capacity: config.queue_capacity,
            hold_capacity: config.hold_capacity,
            posts_confirmed: config.fulfillment.is_some(),
            journal_keep: config.journal_keep,
            rate_limits: config.rate_limits.clone(),
        }
    }
}

/// A running engine. Its parts are shared with those who use them; it owns the threads and tasks.
#[derive(Debug)]
pub struct Engine {
    /// What is on disk.
    pub store: Arc<Store>,
    /// The products and their counters.
    pub inventory: Arc<Inventory>,
    /// The jobs.
    pub queue: Arc<Queue>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The ids of jobs.
    pub job_ids: Arc<JobIds>,
    /// The time of day.
    pub clock: Clock,
    /// The way to the committer.
    pub intake: Intake,
    /// The way in for orders.
    pub admission: Arc<Admission>,
    /// What users and client IP addresses may send.
    pub rate_limits: Arc<RateLimits>,
    committer: Committer,
    workers: Option<Workers>,
    /// Given back when the store is closed: nobody else may work in the directory before.
    lock: Option<DirectoryLock>,
}

impl Engine {
    /// Rebuilds the counters and the queue from the store, and starts the committer; workers come later, with
    /// [`Engine::start_workers`]. Its tasks run on `runtime`.
    pub fn start(
        opened: OpenedStore,
        config: &EngineConfig,
        clock: Clock,
        runtime: &Handle,
    ) -> Result<Self, EngineError> {
        let OpenedStore { recovered, store, lock, .. } = opened;
        let (inventory, metrics) = (Arc::new(Inventory::default()), Arc::new(Metrics::default()));
        let queue = Queue::new(config.queue_capacity, clock.clone()).with_hold_capacity(config.hold_capacity);
        let queue = Arc::new(queue);
        let deps = committer::Deps {
            store: Arc::clone(&store),
            inventory: Arc::clone(&inventory),
            queue: Arc::clone(&queue),
            metrics: Arc::clone(&metrics),
            clock: clock.clone(),
            posts_confirmed: config.posts_confirmed,
            journal_keep: config.journal_keep,
        };
        let (committer, intake) = Committer::start(deps, recovered, runtime)?;
        let rate_limits = Arc::new(RateLimits::new(&config.rate_limits));
        let admission = Arc::new(Admission::new(
            Arc::clone(&inventory),
            Arc::clone(&queue),
            Arc::clone(&store),
            intake.clone(),
            Arc::clone(&rate_limits),
            clock.clone(),
        ));
        let job_ids = Arc::new(JobIds::new(*store.secret()));
        Ok(Self {
            store,
            inventory,
            queue,
            metrics,
            job_ids,
            clock,
            intake,
            admission,
            rate_limits,
            committer,
            workers: None,
            lock,
        })
    }

    /// Starts so many workers, which fulfil orders by `method`.
    pub fn start_workers(&mut self, method: &Method, workers: usize) {
        let deps = fulfillment::Deps {
            queue: Arc::clone(&self.queue),
            store: Arc::clone(&self.store),
            intake: self.intake.clone(),
            clock: self.clock.clone(),
            job_ids: Arc::clone(&self.job_ids),
            metrics: Arc::clone(&self.metrics),
        };
        self.workers = Some(Workers::start(&deps, method, workers));
    }

    /// Returns the name of a part that the engine cannot do without, when that has ended or panicked. The thread that
    /// writes the tables is not among them: when it ends, the committer opens the store again.
    pub async fn ended(&mut self) -> &'static str {
        let workers = async {
            match &mut self.workers {
                Some(workers) => workers.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.committer.ended() => "the committer",
            () = workers => "a worker",
        }
    }

    /// Lets workers report what they have under way and end; gives up those that need longer than `patience`: their
    /// jobs stay open in the store.
    pub async fn stop_workers(&mut self, patience: Duration) {
        if let Some(workers) = self.workers.take() {
            workers.stop(patience).await;
        }
    }

    /// Lets the committer commit what was accepted, and closes the store. Blocks; workers are to be stopped before.
    pub fn close(self) {
        let Self { intake, committer, store, lock, .. } = self;
        intake.shut();
        intake.stop();
        committer.join();
        store.close();
        drop(lock);
    }
}
