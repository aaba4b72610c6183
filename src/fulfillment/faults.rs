//! Faults of this machine: no file descriptor, no memory, no port, no thread, no store. They say nothing about the
//! fulfilment service, so no order loses an attempt to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::metrics::Metrics;

/// The faults of this machine that keep attempts from being made: counted each, logged once while they last.
#[derive(Debug)]
pub(super) struct LocalFaults {
    metrics: Arc<Metrics>,
    /// Workers that wait because of one.
    waiting: AtomicUsize,
    logged: AtomicBool,
}

impl LocalFaults {
    pub(super) const fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, waiting: AtomicUsize::new(0), logged: AtomicBool::new(false) }
    }

    /// Counts one, which lasts at least as long as what is returned lives.
    pub(super) fn count(&self, error: &str) -> Waiting<'_> {
        self.metrics.count_local_fault();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if !self.logged.swap(true, Ordering::Relaxed) {
            tracing::warn!(error, "this machine cannot make fulfilment attempts; jobs wait and lose no attempt");
        }
        Waiting(self)
    }

    /// Notes an attempt that was made. The fault is over once one was made while no worker waits: a shortage comes and
    /// goes many times a second.
    pub(super) fn note_attempt(&self) {
        if self.waiting.load(Ordering::Relaxed) == 0 && self.logged.swap(false, Ordering::Relaxed) {
            tracing::info!("this machine makes fulfilment attempts again");
        }
    }
}

/// A worker that waits because of a fault.
#[derive(Debug)]
pub(super) struct Waiting<'a>(&'a LocalFaults);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_over_when_an_attempt_is_made_and_no_worker_waits() {
        let faults = LocalFaults::new(Arc::default());
        let (first, second) = (faults.count("no file"), faults.count("no file"));
        drop(first);
        faults.note_attempt();
        assert!(faults.logged.load(Ordering::Relaxed));
        drop(second);
        assert!(faults.logged.load(Ordering::Relaxed));
        faults.note_attempt();
        assert!(!faults.logged.load(Ordering::Relaxed));
    }
}
