//! The filters of the runs that were there when the store was opened: made by a thread of its own, so that a start
//! does not wait for them. Until then the runs are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use parking_lot::RwLock;
use redb::{Database, ReadableDatabase, TableDefinition};

use crate::store::error::StoreError;
use crate::store::tables::definitions::{self, BlockKey};
use crate::store::tables::index::Index;
use crate::store::tables::index::filter::Filter;
use crate::store::tables::index::runs;

use super::shared::Backlog;

/// So many entries are added under one lock: some ten microseconds.
const AT_ONCE: usize = 1_024;

/// The running thread; it ends by itself.
#[derive(Debug)]
pub(in crate::store) struct Rebuild {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Rebuild {
    /// Starts the thread if there is anything to do.
    pub(in crate::store) fn start(backlog: &Arc<Backlog>, database: &Arc<Database>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let is_bare = |index: &RwLock<Index>| index.read().next_bare(u64::MAX).is_some();
        if !is_bare(&backlog.keys) && !is_bare(&backlog.users) {
            return Ok(Self { thread: None, stop });
        }
        let (backlog, database, stopped) = (Arc::clone(backlog), Arc::clone(database), Arc::clone(&stop));
        let run = move || {
            let keys = rebuild(&backlog.keys, &database, definitions::ORDERS_BY_KEY, &stopped);
            let done = keys.and_then(|()| rebuild(&backlog.users, &database, definitions::ORDERS_BY_USER, &stopped));
            if let Err(error) = done {
                tracing::warn!(%error, "the indexes have no filters; look-ups read more until the next start");
            }
        };
        let thread = std::thread::Builder::new().name("filters".to_owned()).spawn(run)?;
        Ok(Self { thread: Some(thread), stop })
    }

    /// Ends it.
    pub(in crate::store) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the filters' thread panicked");
        }
    }
}

/// Adds the runs to the filters, the newest first, as long as there is room.
fn rebuild(
    index: &RwLock<Index>,
    database: &Database,
    table: TableDefinition<'_, BlockKey, &'static [u8]>,
    stop: &AtomicBool,
) -> Result<(), StoreError> {
    let mut before = u64::MAX;
    loop {
        let next = index.read().next_bare(before);
        let Some(run) = next else { return Ok(()) };
        before = run;
        // One snapshot for each run: a long one would keep the space of what was changed meanwhile.
        let hashes = hashes(&database.begin_read()?.open_table(table)?, run, stop)?;
        if stop.load(Ordering::Relaxed) || hashes.len() > index.read().filters_room() {
            return Ok(());
        }
        let own = Filter::of_run(hashes.iter().copied());
        index.write().begin_bare(run);
        // Orders need the lock too.
        if hashes.chunks(AT_ONCE).all(|some| index.write().add_bare(some)) {
            index.write().end_bare(own);
        }
    }
}

fn hashes(
    table: &impl redb::ReadableTable<BlockKey, &'static [u8]>,
    run: u64,
    stop: &AtomicBool,
) -> Result<Vec<u64>, StoreError> {
    let mut hashes = Vec::new();
    runs::each_row(table, run, |row| {
        hashes.extend(runs::entries(row).map(|entry| entry.0));
        !stop.load(Ordering::Relaxed)
    })?;
    Ok(hashes)
}
