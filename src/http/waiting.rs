//! Since when a connection has waited for a request, without asking the time for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Whole seconds since the server began to listen, counted by whoever sweeps.
#[derive(Clone, Debug, Default)]
pub(super) struct Seconds(Arc<AtomicU64>);

impl Seconds {
    /// Counts one more.
    pub(super) fn pass_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What one connection is at: waiting for the whole head of a request, or answering one.
#[derive(Debug)]
pub(super) struct Waiting {
    now: Seconds,
    /// The second in which it began to wait; [`ANSWERING`] while it does not.
    since: AtomicU64,
}

const ANSWERING: u64 = u64::MAX;

impl Waiting {
    /// A connection that has just been opened.
    pub(super) fn since_now(now: &Seconds) -> Self {
        Self { since: AtomicU64::new(now.0.load(Ordering::Relaxed)), now: now.clone() }
    }

    /// A request is there.
    pub(super) fn stop(&self) {
        self.since.store(ANSWERING, Ordering::Relaxed);
    }

    /// It is answered, and the next one is awaited.
    pub(super) fn start(&self) {
        self.since.store(self.now.0.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Whole seconds of waiting, with the one under way; none while a request is answered.
    pub(super) fn seconds(&self) -> u64 {
        self.now.0.load(Ordering::Relaxed).saturating_sub(self.since.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_count_from_the_last_answer_and_not_while_one_is_made() {
        let now = Seconds::default();
        let waiting = Waiting::since_now(&now);
        now.pass_one();
        now.pass_one();
        assert_eq!(waiting.seconds(), 2);
        waiting.stop();
        now.pass_one();
        assert_eq!(waiting.seconds(), 0);
        waiting.start();
        assert_eq!(waiting.seconds(), 0);
        now.pass_one();
        assert_eq!(waiting.seconds(), 1);
    }
}
