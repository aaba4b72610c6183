//! The engine without HTTP, on a disk of the test's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use flashsale::admission::{Admission, RateLimits};
use flashsale::committer::{self, Committer, Intake};
use flashsale::config::RateLimitConfig;
use flashsale::domain::clock::{Clock, Timestamp};
use flashsale::domain::job_id::JobIds;
use flashsale::fulfillment::{self, Method, Workers};
use flashsale::inventory::Inventory;
use flashsale::metrics::Metrics;
use flashsale::queue::Queue;
use flashsale::store::{Medium, Store};

use super::disk::Disk;

const WORKERS: usize = 2;
/// Unfinished jobs: more than a script ever has.
const CAPACITY: usize = 10_000;
/// After this a test is stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A clock that moves only by hand.
pub(crate) fn clock() -> Clock {
    Clock::manual(Timestamp::from_millis(1_700_000_000_000))
}

/// Runs a test on a small runtime of its own.
pub(crate) fn block_on<T>(test: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let outcome = runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await });
    outcome.unwrap_or_else(|_| Err("it is stuck".to_owned()))
}

/// Trips to the committer within which workers must have drained a queue.
const TRIPS_TO_DRAIN: usize = 100_000;

pub(crate) struct Engine {
    pub(crate) store: Arc<Store>,
    pub(crate) inventory: Arc<Inventory>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) intake: Intake,
    pub(crate) admission: Admission,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    committer: Committer,
    workers: Option<Workers>,
}

impl Engine {
    /// Opens the store and starts the committer; workers come later.
    pub(crate) fn start(disk: &Arc<Disk>, clock: &Clock) -> Result<Self, String> {
        Self::start_on(disk.medium(), clock)
    }

    /// The same on any medium.
    pub(crate) fn start_on(medium: Medium, clock: &Clock) -> Result<Self, String> {
        Self::start_keeping(medium, clock, None)
    }

    /// The same, and records of the history are trimmed when they are older than `journal_keep`.
    pub(crate) fn start_keeping(medium: Medium, clock: &Clock, journal_keep: Option<Duration>) -> Result<Self, String> {
        let (store, recovered) = Store::open(medium).map_err(|error| error.to_string())?;
        let store = Arc::new(store);
        let (inventory, metrics) = (Arc::new(Inventory::default()), Arc::new(Metrics::default()));
        let queue = Arc::new(Queue::new(CAPACITY, clock.clone()));
        let rooms = committer::Deps {
            store: Arc::clone(&store),
            inventory: Arc::clone(&inventory),
            queue: Arc::clone(&queue),
            metrics: Arc::clone(&metrics),
            clock: clock.clone(),
            journal_keep,
        };
        let runtime = tokio::runtime::Handle::current();
        let started = Committer::start(rooms, recovered, &runtime);
        let (committer, intake) = started.map_err(|error| error.to_string())?;
        let admission = Admission::new(
            Arc::clone(&inventory),
            Arc::clone(&queue),
            Arc::clone(&store),
            intake.clone(),
            Arc::new(RateLimits::new(&RateLimitConfig::default())),
            clock.clone(),
        );
        let clock = clock.clone();
        Ok(Self { store, inventory, queue, intake, admission, clock, metrics, committer, workers: None })
    }

    /// Waits until what users have of limited products is counted.
    pub(crate) fn await_counts(&self) {
        let stuck = Instant::now() + PATIENCE;
        while self.inventory.is_counting() {
            assert!(Instant::now() < stuck, "purchases are never counted");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn start_workers(&mut self) {
        let rooms = fulfillment::Deps {
            queue: Arc::clone(&self.queue),
            store: Arc::clone(&self.store),
            intake: self.intake.clone(),
            clock: self.clock.clone(),
            job_ids: Arc::new(JobIds::new(*self.store.secret())),
            metrics: Arc::default(),
        };
        self.workers = Some(Workers::start(&rooms, &Method::Instant, WORKERS));
    }

    /// Resumes the queue and returns when workers have finished what is neither held nor delayed.
    pub(crate) async fn drain(&self) -> Result<(), String> {
        for _ in 0..TRIPS_TO_DRAIN {
            // The trip to the committer is what gives the workers time.
            self.intake.set_paused(false).await.map_err(|refusal| format!("resuming: {refusal:?}"))?;
            let counts = self.queue.counts();
            if counts.waiting + counts.prioritized + counts.active == 0 {
                return Ok(());
            }
        }
        Err(format!("the queue does not drain: {:?}", self.queue.counts()))
    }

    /// Stops in the order of a shutdown. On a disk that is gone it is what a dying process does.
    pub(crate) async fn stop(self) {
        if let Some(workers) = self.workers {
            workers.stop(PATIENCE).await;
        }
        self.intake.shut();
        self.intake.stop();
        self.committer.join();
        self.store.close();
    }
}
