//! An open store: from its opening to its end, well or after a failure.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::backlog::filters::FilterWriter;
use super::backlog::shared::Backlog;
use super::backlog::writer::TablesWriter;
use super::draft::Committed;
use super::error::{OpenError, StoreError};
use super::format::FORMAT;
use super::journal::kept::KeptTails;
use super::lease::Lease;
use super::medium::Medium;
use super::open::files::Files;
use super::open::identity::{Identity, Secrets};
use super::open::inspect::{self, Inspected};
use super::open::own_wal;
use super::open::recover::Recovered;
use super::open::{Opened, open};
use super::reader::Reader;
use super::rows::wal_mark::WalMark;
use super::tables::index::Index;
use super::wal::frames::{Appended, Wal};

/// An open store.
#[derive(Debug)]
pub(in crate::store) struct Running {
    pub(in crate::store) reader: Reader,
    /// What a store that is only read does not have.
    writer: Option<Mutex<Writer>>,
    /// The same.
    lease: Option<Lease>,
}

#[derive(Debug)]
struct Writer {
    wal: Wal,
    mark: WalMark,
    tables: TablesWriter,
    filters: FilterWriter,
}

impl Running {
    /// Opens the store to write it: with its secrets, and what a start needs. Trimming keeps what `kept` needs.
    pub(in crate::store) fn open(
        medium: &Medium,
        files: &Files,
        kept: &Arc<KeptTails>,
    ) -> Result<(Self, Secrets, Recovered), OpenError> {
        let Opened { database, users, keys, secrets, recovered, wal, mark, lease } = open(medium, files)?;
        let database = Arc::new(database);
        let backlog = Arc::new(Backlog::new(recovered.head.sequence, users, keys));
        let tables = TablesWriter::start(Arc::clone(&backlog), Arc::clone(&database), Arc::clone(kept));
        let tables = tables.map_err(|error| OpenError::Io("the tables' thread".to_owned(), error))?;
        let filters = FilterWriter::start(&backlog, &database);
        let filters = filters.map_err(|error| OpenError::Io("the filters' thread".to_owned(), error))?;
        let writer = Some(Mutex::new(Writer { wal, mark, tables, filters }));
        Ok((Self { reader: Reader { backlog, database }, writer, lease: Some(lease) }, secrets, recovered))
    }

    /// Opens the store in `file` to read it while its disk is full; ended by [`Self::give_up`] before the file is
    /// opened to be written.
    pub(in crate::store) fn read_only(file: &Path) -> Result<Self, OpenError> {
        let Inspected { database, users, keys, recovered, lease } = inspect::below_overlay(file)?;
        let backlog = Arc::new(Backlog::new(recovered.head.sequence, users, keys));
        Ok(Self { reader: Reader { backlog, database: Arc::new(database) }, writer: None, lease: Some(lease) })
    }

    /// Opens the store in `file` to look at it, and leaves it as it is.
    pub(in crate::store) fn inspect(file: &Path) -> Result<(Self, Identity), OpenError> {
        let (database, identity) = inspect::inspect(file, FORMAT)?;
        // Nobody commits: there is nothing to wait for.
        let backlog = Arc::new(Backlog::new(0, Index::default(), Index::default()));
        Ok((Self { reader: Reader { backlog, database: Arc::new(database) }, writer: None, lease: None }, identity))
    }

    /// Whether it was opened to be written.
    pub(in crate::store) const fn is_writable(&self) -> bool {
        self.writer.is_some()
    }

    /// Whether its tables could not be written.
    pub(in crate::store) fn has_failed(&self) -> bool {
        self.reader.backlog.has_failed()
    }

    /// Puts one commit on disk. After an error its outcome is unknown.
    pub(in crate::store) fn commit(&self, committed: &Committed) -> Result<(), StoreError> {
        let Committed { changes, .. } = committed;
        let (Some((sequence, row)), Some(head)) = (changes.records.last(), &changes.head) else { return Ok(()) };
        let writer = self.writer.as_ref().ok_or(StoreError::Closed)?;
        let Reader { backlog, .. } = &self.reader;
        backlog.wait_for_room()?;
        let mut writer = writer.lock();
        loop {
            match writer.wal.append(*sequence, head.hash, row, backlog.durable())? {
                Appended::Synced => return Ok(()),
                Appended::Rotated(filled) => {
                    backlog.want_durable(filled);
                    return Ok(());
                }
                Appended::Full(through) => backlog.wait_durable(through)?,
            }
        }
    }

    /// Ends it without the tables' having everything: what is not in them is in the log. Readers are released at once,
    /// and what they still hold of it is cut off.
    pub(in crate::store) fn give_up(self) {
        self.reader.backlog.fail();
        if let Some(writer) = self.writer {
            writer.into_inner().stop(&self.reader.backlog);
        }
        drop(self.reader);
        if let Some(lease) = self.lease {
            lease.revoke();
        }
    }

    /// Closed well, a store is one file again.
    pub(in crate::store) fn close(mut self, medium: &Medium, files: &Files) {
        let Some(writer) = self.writer.take() else { return };
        let Reader { backlog, database } = self.reader.clone();
        let durable = backlog.wait_durable(backlog.published());
        let writer = writer.into_inner();
        let mark = writer.mark;
        writer.stop(&backlog);
        // In this order, so that tables without a log are never taken for ones that have lost it.
        let closed = durable.and_then(|()| own_wal::close(&database, &mark));
        drop((backlog, database));
        self.give_up();
        let Medium::File(path) = medium else { return };
        // One that is not ours is left alone.
        if closed.is_ok() && files.misplaced(path).is_none() {
            medium.remove_wal();
        }
    }
}

impl Writer {
    fn stop(self, backlog: &Backlog) {
        self.filters.stop();
        self.tables.stop(backlog);
    }
}
