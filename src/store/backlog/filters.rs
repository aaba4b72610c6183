//! The thread that adds runs to filters: those that were there when the store was opened, so that a start does not wait
//! for it, and are read until then; and those of a filter that is outgrown, so that there are few to look into.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::RwLock;
use redb::{Database, ReadableDatabase, TableDefinition};

use crate::store::error::StoreError;
use crate::store::tables::definitions::{self, BlockKey};
use crate::store::tables::index::Index;
use crate::store::tables::index::filter::Filter;
use crate::store::tables::index::runs;

use super::shared::Backlog;

/// So many entries are added under one lock: some microseconds, and some ten while a filter's memory is new.
const AT_ONCE: usize = 256;

/// How often it looks for a filter that is outgrown.
const PAUSE: Duration = Duration::from_secs(1);

/// The running thread.
#[derive(Debug)]
pub(in crate::store) struct FilterWriter {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

/// An index, and where its runs are read.
struct Source<'s> {
    index: &'s RwLock<Index>,
    database: &'s Database,
    table: TableDefinition<'static, BlockKey, &'static [u8]>,
    stop: &'s AtomicBool,
}

impl FilterWriter {
    /// Starts the thread.
    pub(in crate::store) fn start(backlog: &Arc<Backlog>, database: &Arc<Database>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (backlog, database, stopped) = (Arc::clone(backlog), Arc::clone(database), Arc::clone(&stop));
        let run = move || {
            let of = |index, table| Source { index, database: &database, table, stop: &stopped };
            let keys = of(&backlog.keys, definitions::ORDERS_BY_KEY);
            let users = of(&backlog.users, definitions::ORDERS_BY_USER);
            while !stopped.load(Ordering::Relaxed) {
                if let Err(error) = keys.add_runs().and_then(|()| users.add_runs()) {
                    tracing::warn!(%error, "runs of an index have no filter; look-ups read more until the next start");
                    return;
                }
                std::thread::park_timeout(PAUSE);
            }
        };
        let thread = std::thread::Builder::new().name("filters".to_owned()).spawn(run)?;
        Ok(Self { thread, stop })
    }

    /// Ends it.
    pub(in crate::store) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the filters' thread panicked");
        }
    }
}

impl Source<'_> {
    /// Adds runs without a filter, the newest first, and those of filters that are outgrown, as long as there is room.
    fn add_runs(&self) -> Result<(), StoreError> {
        let mut before = u64::MAX;
        while !self.stop.load(Ordering::Relaxed) {
            let next = self.index.read().next_bare(before);
            let Some(run) = next else { break };
            before = run;
            self.add(run)?;
        }
        loop {
            let next = self.index.read().next_outgrown();
            match next {
                Some(run) if self.add(run)? => {}
                _ => return Ok(()),
            }
        }
    }

    /// Adds one. False if there is no room, or if it or entries of it were removed meanwhile.
    fn add(&self, run: u64) -> Result<bool, StoreError> {
        // One snapshot for each run: a long one would keep the space of what was changed meanwhile.
        let hashes = hashes(&self.database.begin_read()?.open_table(self.table)?, run, self.stop)?;
        if self.stop.load(Ordering::Relaxed) || hashes.is_empty() {
            return Ok(false);
        }
        let is_bare = self.index.write().begin_adding(run);
        let own = is_bare.then(|| Filter::of_run(hashes.iter().copied()));
        // Orders need the lock too.
        let is_added = hashes.chunks(AT_ONCE).all(|some| self.index.write().add_some(some));
        if is_added {
            self.index.write().end_adding(own);
        }
        Ok(is_added)
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
