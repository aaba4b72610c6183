//! How the fulfilment service responds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::family::Labelled;
use crate::domain::clock::Timestamp;
use crate::limits::MAX_ERROR_CHARS;

/// What a post came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostOutcome {
    /// The service took the order.
    Delivered,
    /// It rejected the order for good.
    Rejected,
    /// It was not there, or failed; the order is posted again unless it is out of attempts.
    Failed,
}

impl PostOutcome {
    const ALL: [Self; 3] = [Self::Delivered, Self::Rejected, Self::Failed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }
}

/// The posts by what they came to, the last one, and how many failed in a row.
#[derive(Debug)]
pub struct Posts {
    /// In the order of [`PostOutcome::ALL`].
    outcomes: [Counter; 3],
    duration: Histogram,
    suspended: Gauge,
    failed_in_row: AtomicU64,
    last: Mutex<Option<LastPost>>,
}

/// A post that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastPost {
    /// When it had its response, or none in time.
    pub at: Timestamp,
    /// How long that took.
    pub took: Duration,
    /// What went wrong; `None` if the service confirmed or rejected the order.
    pub failure: Option<String>,
}

impl Posts {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let outcomes: [Counter; 3] = Default::default();
        let by_outcome =
            Labelled::new("outcome", PostOutcome::ALL.map(PostOutcome::as_str).into_iter().zip(outcomes.clone()));
        let about = "Posts to the fulfilment service, by what they came to";
        registry.register("fulfillment_attempts", about, by_outcome);
        // From 5 ms to 20 s, doubling.
        let duration = Histogram::new(exponential_buckets(0.005, 2.0, 13));
        let about = "Time from a post to the fulfilment service until its response, or none in time";
        registry.register_with_unit("fulfillment_attempt_duration", about, Unit::Seconds, duration.clone());
        let suspended = Gauge::default();
        let about = "Whether fulfilment is suspended (1), as the service is away, or not (0)";
        registry.register("fulfillment_suspended", about, suspended.clone());
        Self { outcomes, duration, suspended, failed_in_row: AtomicU64::default(), last: Mutex::default() }
    }

    /// Notes that fulfilment is suspended, or continues.
    pub fn set_suspended(&self, suspended: bool) {
        self.suspended.set(suspended.into());
    }

    /// Whether fulfilment is suspended.
    pub fn is_suspended(&self) -> bool {
        self.suspended.get() != 0
    }

    /// Notes a post.
    pub fn note(&self, outcome: PostOutcome, mut post: LastPost) {
        self.outcomes[outcome as usize].inc();
        self.duration.observe(post.took.as_secs_f64());
        match &mut post.failure {
            None => self.failed_in_row.store(0, Ordering::Relaxed),
            Some(failure) => {
                *failure = failure.chars().take(MAX_ERROR_CHARS).collect();
                self.failed_in_row.fetch_add(1, Ordering::Relaxed);
            }
        }
        *self.last.lock() = Some(post);
    }

    /// The last post since the start of the server.
    pub fn last(&self) -> Option<LastPost> {
        self.last.lock().clone()
    }

    /// How many failed since one succeeded.
    pub fn failed_in_row(&self) -> u64 {
        self.failed_in_row.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_until_a_post_succeeds() {
        let posts = Posts::new(&mut Registry::default());
        let post = |failure: Option<&str>| LastPost {
            at: Timestamp::default(),
            took: Duration::from_millis(5),
            failure: failure.map(str::to_owned),
        };
        assert_eq!((posts.failed_in_row(), posts.last()), (0, None));
        posts.note(PostOutcome::Failed, post(Some("503")));
        posts.note(PostOutcome::Failed, post(Some("504")));
        assert_eq!((posts.failed_in_row(), posts.last()), (2, Some(post(Some("504")))));
        posts.note(PostOutcome::Delivered, post(None));
        assert_eq!(posts.failed_in_row(), 0);
        assert_eq!(posts.outcomes.each_ref().map(Counter::get), [1, 0, 2]);
    }
}
