//! What a new job has to expect of the queue.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What a new job has to expect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Ready jobs that go before it, by its priority.
    pub ahead: [u64; 4],
    /// Jobs that workers complete a second, over the last ten seconds.
    pub drain_rate: f64,
    /// Whether a worker waits for a job: then the rate says how few jobs there were, and not how long one takes.
    pub idle: bool,
}

impl Forecast {
    /// Whole seconds until a worker is expected to take the job in this place of the line; 0 for one that is not in
    /// line.
    pub fn wait(&self, position: u64) -> u64 {
        let soon = position.min(1);
        match self.drain_rate > 0.0 && !self.idle {
            true => (position as f64 / self.drain_rate).ceil() as u64,
            false => soon,
        }
    }
}

/// A worker that is counted as idle until this is dropped.
pub(super) struct Idle<'q>(&'q AtomicUsize);

impl<'q> Idle<'q> {
    pub(super) fn count(idle: &'q AtomicUsize) -> Self {
        idle.fetch_add(1, Ordering::Relaxed);
        Self(idle)
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_follows_the_rate_unless_a_worker_has_nothing_to_do() {
        let busy = Forecast { ahead: [0; 4], drain_rate: 0.1, idle: false };
        assert_eq!([busy.wait(0), busy.wait(1), busy.wait(3)], [0, 10, 30]);
        let idle = Forecast { idle: true, ..busy };
        assert_eq!([idle.wait(0), idle.wait(1), idle.wait(3)], [0, 1, 1]);
        let unknown = Forecast { drain_rate: 0.0, ..busy };
        assert_eq!([unknown.wait(0), unknown.wait(9)], [0, 1]);
    }
}
