//! The engine without HTTP, on a disk of the test's.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flashsale::admission::OrderRequest;
use flashsale::domain::clock::{Clock, Timestamp};
use flashsale::domain::idempotency_key::{IdempotencyKey, KeyHasher, KeyText};
use flashsale::domain::order::{Priority, Quantity, UserId};
use flashsale::domain::product::ProductId;
use flashsale::engine::{EngineConfig, OpenedStore};
use flashsale::fulfillment::Method;
use flashsale::store::Medium;

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

/// An operator's order of one unit.
pub(crate) fn request(product: ProductId, user: &str, key: Option<&str>) -> OrderRequest {
    OrderRequest {
        attached: None,
        product,
        user: UserId::new(user).unwrap(),
        quantity: Quantity::new(1).unwrap(),
        priority: Priority::Normal,
        key: key.map(key_of),
        is_operators: true,
    }
}

/// The key of a text, the same in every store.
pub(crate) fn key_of(text: &str) -> IdempotencyKey {
    KeyHasher::Digest.key(&KeyText::new(text).unwrap())
}

/// Trips to the committer within which workers must have drained a queue.
const TRIPS_TO_DRAIN: usize = 100_000;

/// The engine that the server starts as well.
pub(crate) struct Engine(flashsale::engine::Engine);

impl Deref for Engine {
    type Target = flashsale::engine::Engine;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Engine {
    /// Opens the store and starts the committer; workers come later.
    pub(crate) fn start(disk: &Arc<Disk>, clock: &Clock) -> Result<Self, String> {
        Self::start_on(disk.medium(), clock)
    }

    /// The same on any medium.
    pub(crate) fn start_on(medium: Medium, clock: &Clock) -> Result<Self, String> {
        Self::start_with(medium, clock, EngineConfig::default())
    }

    /// The same, and confirmed holds are to be posted to a fulfilment service if `posts`.
    pub(crate) fn start_posting(medium: Medium, clock: &Clock, posts: bool) -> Result<Self, String> {
        Self::start_with(medium, clock, EngineConfig { posts_confirmed: posts, ..EngineConfig::default() })
    }

    /// The same, and records of the history are trimmed when they are older than `journal_keep`.
    pub(crate) fn start_keeping(medium: Medium, clock: &Clock, journal_keep: Option<Duration>) -> Result<Self, String> {
        Self::start_with(medium, clock, EngineConfig { journal_keep, ..EngineConfig::default() })
    }

    fn start_with(medium: Medium, clock: &Clock, config: EngineConfig) -> Result<Self, String> {
        let config = EngineConfig { queue_capacity: CAPACITY, hold_capacity: CAPACITY, ..config };
        let runtime = tokio::runtime::Handle::current();
        let started = OpenedStore::open(medium)
            .and_then(|opened| flashsale::engine::Engine::start(opened, &config, clock.clone(), &runtime));
        started.map(Self).map_err(|error| error.to_string())
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
        self.0.start_workers(&Method::Instant, WORKERS);
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
    pub(crate) async fn stop(mut self) {
        self.0.stop_workers(PATIENCE).await;
        self.0.close();
    }
}
