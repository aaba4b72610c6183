//! What is open at the moment, as the store's face and those who outlive one opening share it.

use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::oneshot;

use super::backlog::shared::Backlog;
use super::draft::Committed;
use super::error::StoreError;
use super::head::Head;
use super::journal::kept::KeptTails;
use super::journal::ring::Ring;
use super::read_threads::{ReadThreads, Scan};
use super::reader::Reader;
use super::running::Running;

/// What is open at the moment.
#[derive(Debug)]
pub(in crate::store) struct Current {
    /// Empty from a failure until the store is opened again.
    pub(in crate::store) running: RwLock<Option<Running>>,
    /// The end of the history as last published; also while the store is away.
    pub(in crate::store) head: RwLock<Head>,
    /// The newest records; also while the store is away.
    pub(in crate::store) ring: Ring,
    pub(in crate::store) kept: Arc<KeptTails>,
    pub(in crate::store) threads: ReadThreads,
}

impl Current {
    pub(in crate::store) fn new(running: Running, head: Head, kept: Arc<KeptTails>, threads: ReadThreads) -> Self {
        let ring = Ring::new(head.sequence);
        Self { running: RwLock::new(Some(running)), head: RwLock::new(head), ring, kept, threads }
    }

    /// Publishes a commit: to readers first, then to followers, who find it in what they read.
    pub(in crate::store) fn publish(&self, committed: Committed) {
        let Committed { mut changes, record } = committed;
        if let Some(head) = &changes.head {
            self.head.write().clone_from(head);
        }
        self.ring.make_room(&record, &mut changes.gone);
        if let Some(running) = &*self.running.read() {
            running.reader.backlog.publish(changes);
        }
        self.ring.push(record);
    }

    /// Goes over to a store that was opened again.
    pub(in crate::store) fn replace(&self, running: Running, head: &Head) {
        self.head.write().clone_from(head);
        *self.running.write() = Some(running);
        self.ring.restart(head.sequence);
    }

    /// Goes over to a store that can only be read, and whose end is where it was.
    pub(in crate::store) fn replace_read_only(&self, running: Running) {
        *self.running.write() = Some(running);
        self.ring.notify();
    }

    /// Whether this backlog is the one of what is open, and has not failed.
    pub(in crate::store) fn is_running(&self, backlog: &Arc<Backlog>) -> bool {
        let running = self.running.read();
        let running = running.as_ref().filter(|running| !running.has_failed());
        running.is_some_and(|running| Arc::ptr_eq(&running.reader.backlog, backlog))
    }

    /// What readers have of it. The lock is held no longer than to take that.
    pub(in crate::store) fn reader(&self) -> Result<Reader, StoreError> {
        self.running.read().as_ref().map(|running| running.reader.clone()).ok_or(StoreError::Closed)
    }

    /// Looks at it without waiting for a store that is just opened again.
    pub(in crate::store) fn try_read<T>(&self, look: impl FnOnce(&Reader) -> T) -> Result<T, StoreError> {
        let running = self.running.try_read().ok_or(StoreError::Closed)?;
        running.as_ref().map(|running| look(&running.reader)).ok_or(StoreError::Closed)
    }

    /// Runs a scan on one of the threads for it. The line is bounded: [`StoreError::TooManyReaders`] says that it is
    /// full.
    pub(in crate::store) async fn scan<T: Send + 'static>(
        self: &Arc<Self>,
        scan: Scan,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, result) = oneshot::channel();
        let current = Arc::clone(self);
        self.threads.submit(
            scan,
            Box::new(move || {
                // For one who has gone nothing is read.
                if !reply.is_closed() {
                    let _ = reply.send(current.reader().and_then(|reader| read(&reader)));
                }
            }),
        )?;
        let panicked = || StoreError::System("reply to a reader", "its thread panicked".to_owned());
        result.await.unwrap_or_else(|_| Err(panicked()))
    }
}
