//! Faults of this machine: no file descriptor, no memory, no port, no thread, no store. They say nothing about the
//! fulfilment service, so no order loses an attempt to them.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::metrics::Metrics;

/// What the operating system says where this machine has run out of something. For a thread that cannot be started, or
/// a connection without room in the kernel's tables, it says EAGAIN. EADDRNOTAVAIL is a connection without a free port.
const SHORTAGES: [i32; 6] =
    [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EADDRNOTAVAIL, libc::EAGAIN];

/// Whether an error of the operating system is a fault of this machine.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| SHORTAGES.contains(&code))
}

/// The errors from this one inwards, each the cause of the one before.
pub(super) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // Of an error within it, an I/O error names the cause and not that error itself.
        let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        within.map(|within| within as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

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
    fn a_shortage_is_found_however_deep_it_lies() {
        for code in SHORTAGES {
            let deep = io::Error::other(io::Error::other(io::Error::from_raw_os_error(code)));
            let found = causes(&deep).filter_map(|error| error.downcast_ref::<io::Error>()).any(is_shortage);
            assert!(found, "{code}");
        }
        for code in [libc::ECONNREFUSED, libc::ECONNRESET, libc::EHOSTUNREACH, libc::ENETUNREACH, libc::ETIMEDOUT] {
            assert!(!is_shortage(&io::Error::from_raw_os_error(code)), "{code}");
        }
    }

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
