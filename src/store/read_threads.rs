//! Who reads when. Buyers' look-ups and operators' scans share neither a permit nor a thread: however many lists are
//! asked for, the stored response under an idempotency key is read at once.
//!
//! A scan runs on one of a few threads of a lower scheduling priority and waits for its turn in a bounded line. What
//! it needs of the tables it waits for before, without holding anything.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tokio::sync::Semaphore;

use crate::limits::{MAX_LOOK_UPS, MAX_SCAN_THREADS, MAX_SCANS_IN_LINE};

use super::error::StoreError;

/// How much nicer than the rest of the process a thread of scans is: about a tenth of the weight.
const NICE: i32 = 10;

/// How much a scan reads: each kind has threads of its own, so that a page does not wait for a scan of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// A bounded number of rows.
    Page,
    /// All orders. One at a time.
    Everything,
}

pub(in crate::store) type Job = Box<dyn FnOnce() + Send>;

/// The permits and threads of all who read the store.
#[derive(Debug)]
pub(in crate::store) struct ReadThreads {
    pub(in crate::store) look_ups: Semaphore,
    pages: Sender<Job>,
    everything: Sender<Job>,
}

impl ReadThreads {
    /// Starts the threads. They end when this is dropped and the line is empty.
    pub(in crate::store) fn start() -> std::io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().div_ceil(2));
        let (pages, jobs) = bounded(MAX_SCANS_IN_LINE);
        for _ in 0..threads.min(MAX_SCAN_THREADS) {
            start_thread("pages", jobs.clone())?;
        }
        let (everything, jobs) = bounded(MAX_SCANS_IN_LINE);
        start_thread("scan", jobs)?;
        Ok(Self { look_ups: Semaphore::new(MAX_LOOK_UPS), pages, everything })
    }

    /// For a store that serves no requests.
    pub(in crate::store) fn none() -> Self {
        let closed = || bounded(0).0;
        Self { look_ups: Semaphore::new(0), pages: closed(), everything: closed() }
    }

    /// Puts a scan in line.
    pub(in crate::store) fn submit(&self, scan: Scan, job: Job) -> Result<(), StoreError> {
        let line = match scan {
            Scan::Page => &self.pages,
            Scan::Everything => &self.everything,
        };
        line.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::TooManyReaders,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }
}

fn start_thread(name: &str, jobs: Receiver<Job>) -> std::io::Result<()> {
    let run = move || {
        lower_priority();
        for job in jobs {
            // The one who waits for the result of a scan that panicked hears of it, as it is never sent.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a scan of the store panicked");
            }
        }
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// Lets all other threads go before the calling one, until it ends: what a thread has given up it cannot take back.
pub fn lower_priority() {
    // On Linux this is about the calling thread. Where it fails, the thread is one like the others.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "a thread keeps its scheduling priority");
    }
}
