//! Following the journal: new records come from memory without being decoded, older ones from the tables.
//!
//! A follower finds its records by its position; a notice only wakes it. So one that is slow costs nobody anything, and
//! one that survives a failure of the store finds the records that were put on disk and never published.

use std::sync::Arc;

use tokio::sync::watch;

use crate::domain::change::Record;
use crate::limits::{TAIL_CHANGES, TAIL_RETRY};
use crate::store::current::Current;
use crate::store::error::StoreError;
use crate::store::read_threads::Scan;
use crate::store::snapshot::Snapshot;

use super::ring::Behind;

/// Follows the journal from a position on: in order, without gaps, and only what readers may see. A record that it
/// gives is in what is read of the store afterwards, through [`scan`](crate::store::Store::scan) or otherwise.
#[derive(Debug)]
pub struct Tail {
    current: Arc<Current>,
    closed: watch::Receiver<bool>,
    /// The last record that was given.
    position: u64,
}

/// Why a tail has no next record.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// The next record was trimmed, with all others through this one.
    #[error("the history was trimmed up to record {through}")]
    Trimmed {
        /// The last record that is gone.
        through: u64,
    },
    /// The position is behind the last record: it belongs to another history.
    #[error("the history ends with record {last}, before the position")]
    Ahead {
        /// The last record.
        last: u64,
    },
    /// The store is closed, and no record comes any more.
    #[error("the store is closed")]
    Closed,
    /// The tables cannot be read.
    #[error(transparent)]
    Store(StoreError),
}

/// The next record has left memory: it is in the tables only, or was trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the next record is no longer in memory")]
pub struct FellBehind;

impl Tail {
    /// Follows what comes behind the record `position`.
    pub(in crate::store) fn new(current: Arc<Current>, position: u64) -> Self {
        let closed = current.ring.closed();
        Self { current, closed, position }
    }

    /// The next records, at least one and at most `most`; waits until there is one, also while the store is opened
    /// again after a failure. Few come at once where they have many changes. Can be cancelled: nothing is lost then.
    ///
    /// After an error the position is where it was.
    pub async fn next(&mut self, most: usize) -> Result<Vec<Arc<Record>>, TailError> {
        let most = most.max(1);
        loop {
            // Before the look, so that no notice between the two is missed.
            let closed = *self.closed.borrow_and_update();
            let found = match self.current.ring.behind(self.position, most) {
                Behind::Records(records) => Some(records),
                Behind::Nothing { .. } | Behind::Older { .. } if closed => return Err(TailError::Closed),
                Behind::Nothing { last } => {
                    self.check_position(last)?;
                    None
                }
                Behind::Older { last } => self.read(last, most).await?,
            };
            if let Some(records) = found {
                self.position = records.last().map_or(self.position, |record| record.sequence);
                return Ok(records);
            }
            // The ring, and so the sender, lives as long as this.
            let _ = self.closed.changed().await;
        }
    }

    /// The next records that are in memory, at most `most`; none where there is none yet. Waits for nothing and reads
    /// nothing from disk.
    pub fn next_in_memory(&mut self, most: usize) -> Result<Vec<Arc<Record>>, FellBehind> {
        match self.current.ring.behind(self.position, most) {
            Behind::Records(records) => {
                self.position = records.last().map_or(self.position, |record| record.sequence);
                Ok(records)
            }
            Behind::Nothing { last } if last < self.position => Err(FellBehind),
            Behind::Nothing { .. } => Ok(Vec::new()),
            Behind::Older { .. } => Err(FellBehind),
        }
    }

    /// The last record that was given.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// How many records the position is behind the last one.
    pub fn lag(&self) -> u64 {
        self.current.ring.last().saturating_sub(self.position)
    }

    /// Skips everything up to the last record, for followers that may lose records. What is read of the store after
    /// this has all that was skipped.
    pub fn skip_to_head(&mut self) {
        self.position = self.current.ring.last();
    }

    /// A position behind the last record that is published must be behind one that is just being published.
    fn check_position(&self, last: u64) -> Result<(), TailError> {
        match self.position <= last || self.position <= self.current.head.read().sequence {
            true => Ok(()),
            false => Err(TailError::Ahead { last }),
        }
    }

    /// Reads the next records, through `last` at most, from the tables; `None` while the store is away.
    async fn read(&self, last: u64, most: usize) -> Result<Option<Vec<Arc<Record>>>, TailError> {
        let Ok(backlog) = self.current.reader().map(|reader| reader.backlog) else { return Ok(None) };
        let position = self.position;
        loop {
            // What has left the ring may be on its way into the tables.
            if backlog.applied_through(position + 1).await.is_err() {
                return Ok(None);
            }
            let read = self.current.scan(Scan::Page, move |reader| older(&reader.snapshot()?, position, last, most));
            match read.await {
                Ok(found) => return found.map(Some),
                // Those who ask for a page are rejected; a follower comes again.
                Err(StoreError::TooManyReaders) => tokio::time::sleep(TAIL_RETRY).await,
                Err(error) if self.current.is_running(&backlog) => return Err(TailError::Store(error)),
                // The store failed meanwhile; when it is open again, there is a notice.
                Err(_) => return Ok(None),
            }
        }
    }
}

/// The records behind `position` in the tables, through `last` at most.
fn older(
    snapshot: &Snapshot,
    position: u64,
    last: u64,
    most: usize,
) -> Result<Result<Vec<Arc<Record>>, TailError>, StoreError> {
    let head = snapshot.head()?;
    if position < head.cut.sequence {
        return Ok(Err(TailError::Trimmed { through: head.cut.sequence }));
    }
    if position >= head.sequence {
        return Ok(Err(TailError::Ahead { last: head.sequence }));
    }
    let (mut records, mut changes) = (Vec::new(), 0);
    let wanted = position + 1..=last.min(head.sequence);
    for (expected, record) in wanted.zip(snapshot.records_after(position)?).take(most) {
        let record = record?;
        if record.sequence != expected {
            return Err(StoreError::Damaged(format!("record {expected} of the history is missing")));
        }
        changes += record.changes.len();
        records.push(Arc::new(record));
        if changes >= TAIL_CHANGES {
            break;
        }
    }
    match records.is_empty() {
        true => Err(StoreError::Damaged(format!("record {} of the history is missing", position + 1))),
        false => Ok(Ok(records)),
    }
}
