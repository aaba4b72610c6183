//! A thread of its own writes what was committed into the tables, many commits in one transaction.
//!
//! It begins when there is enough to write, when what there is has waited long enough, or when a reader needs the
//! tables as they should be. Its transactions are not synced; the log has it all. Once in a while one is, and then a
//! segment of the log can be written over.

use std::sync::Arc;
use std::thread::JoinHandle;

use redb::{Database, Durability};

use crate::store::error::StoreError;
use crate::store::journal::kept::KeptTails;
use crate::store::memtable::Memtable;
use crate::store::tables::index::{self, Slices};
use crate::store::tables::write::Tables;

use super::shared::Backlog;

/// One transaction.
fn write(
    backlog: &Backlog,
    database: &Database,
    kept: &KeptTails,
    changes: &Memtable,
    sync: bool,
) -> Result<(), StoreError> {
    // The head says how far the indexes go: without one, nothing of them is written either.
    let slices = match changes.head {
        Some(_) => Slices { users: backlog.users.read().slice_to_write(), keys: backlog.keys.read().slice_to_write() },
        None => Slices::default(),
    };
    let mut transaction = database.begin_write()?;
    match sync {
        // In two phases and with the allocator's state in it, as this is the state that is found after a crash.
        true => transaction.set_quick_repair(true),
        false => transaction.set_durability(Durability::None)?,
    }
    let first_run = Tables::open(&transaction)?.apply(changes, &slices, kept.slowest())?;
    transaction.commit()?;
    index::mark_written(&backlog.users, &slices.users);
    index::mark_written(&backlog.keys, &slices.keys);
    if let Some(first_run) = first_run {
        backlog.keys.write().forget_below(first_run);
    }
    backlog.finish(changes, sync);
    Ok(())
}

/// Releases those who wait for a thread that has panicked.
struct FailsOnPanic(Arc<Backlog>);

impl Drop for FailsOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail();
        }
    }
}

/// The running thread.
#[derive(Debug)]
pub(in crate::store) struct TablesWriter {
    thread: JoinHandle<()>,
}

impl TablesWriter {
    /// Starts the thread.
    pub(in crate::store) fn start(
        backlog: Arc<Backlog>,
        database: Arc<Database>,
        kept: Arc<KeptTails>,
    ) -> std::io::Result<Self> {
        let run = move || {
            let backlog = FailsOnPanic(backlog);
            let backlog = &*backlog.0;
            while let Some((changes, sync)) = backlog.next() {
                if let Err(error) = write(backlog, &database, &kept, &changes, sync) {
                    tracing::error!(%error, "the tables cannot be written");
                    backlog.fail();
                    return;
                }
            }
        };
        Ok(Self { thread: std::thread::Builder::new().name("tables".to_owned()).spawn(run)? })
    }

    /// Ends it; what is not in the tables by now is in the log.
    pub(in crate::store) fn stop(self, backlog: &Backlog) {
        backlog.stop();
        if self.thread.join().is_err() {
            tracing::error!("the tables' thread panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use redb::Builder;
    use redb::backends::InMemoryBackend;

    use crate::limits::{INDEX_RUN, INDEX_SLICE};

    use crate::store::error::StoreError;
    use crate::store::tables::create::create;
    use crate::store::tables::index::Index;

    use super::*;

    #[test]
    fn a_sync_with_nothing_to_write_leaves_the_indexes_alone() {
        let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        create(&database).unwrap();
        let backlog = Backlog::new(0, Index::default(), Index::default());
        backlog.users.write().add((1..=INDEX_RUN as u64).map(|order| (order % 7, order)));
        write(&backlog, &database, &KeptTails::default(), &Memtable::default(), true).unwrap();
        backlog.users.write().add((0..INDEX_SLICE as u64).map(|n| (n % 7, INDEX_RUN as u64 + 1 + n)));
        let due = |backlog: &Backlog| backlog.users.read().slice_to_write().rows.len();
        assert_eq!(due(&backlog), INDEX_SLICE);
        write(&backlog, &database, &KeptTails::default(), &Memtable::default(), true).unwrap();
        let slice = backlog.users.read().slice_to_write();
        assert!(slice.first && slice.rows.len() == INDEX_SLICE, "it counts as written");
    }

    #[test]
    fn a_wait_for_the_tables_ends_when_they_have_what_was_published_before() {
        let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        create(&database).unwrap();
        let backlog = Arc::new(Backlog::new(0, Index::default(), Index::default()));
        let commit = |sequence| Memtable { records: vec![(sequence, vec![])], ..Memtable::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            backlog.applied().await.unwrap();
            backlog.publish(commit(1));
            let waiting = {
                let backlog = Arc::clone(&backlog);
                tokio::spawn(async move { backlog.applied().await })
            };
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
            let (changes, sync) = backlog.next().expect("something to write, without a pause");
            backlog.publish(commit(2));
            write(&backlog, &database, &KeptTails::default(), &changes, sync).unwrap();
            waiting.await.unwrap().unwrap();
            let waiting = {
                let backlog = Arc::clone(&backlog);
                tokio::spawn(async move { backlog.applied().await })
            };
            tokio::task::yield_now().await;
            backlog.fail();
            assert!(matches!(waiting.await.unwrap(), Err(StoreError::Closed)));
        });
    }
}
