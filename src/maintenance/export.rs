//! `flashsale export`: orders, products, jobs or the history, row by row.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::domain::change::Record;
use crate::domain::filter::OrderFilter;
use crate::domain::job::{JobOutcome, JobState};
use crate::domain::job_id::JobIds;
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::store::{DirectoryLock, Snapshot, Store, StoreError};
use crate::view::change::{ChangeView, JournalEntryView};
use crate::view::rows::{Format, Sink};
use crate::view::{JobView, OrderView, ProductView, schema};

use super::backup::{Source, backup};
use super::error::MaintenanceError;
use super::output::Output;
use super::place::lock_instead_of_server;
use super::progress::Bar;
use super::unpacked::{Scratch, Unpacked, unpack};

/// Rows between two lines of progress.
const PROGRESS_STEP: u64 = 1_024;

/// What is exported.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Orders; of one status, where one is given.
    Orders(Option<OrderStatus>),
    /// Products.
    Products,
    /// Jobs; in one state, where one is given.
    Jobs(Option<JobState>),
    /// The history: one row for each change.
    Journal,
}

/// Which rows are exported, and from where.
#[derive(Debug)]
pub struct Rows<'r> {
    /// The store of a stopped server, or a running server.
    pub source: Source<'r>,
    /// What the rows are about.
    pub subject: Subject,
    /// Which of them.
    pub filter: OrderFilter,
    /// Where a running server's store is unpacked for it, as one moment of it.
    pub scratch_dir: &'r Path,
}

/// Writes rows to `file`, or to standard output if there is none. Returns their number. An existing file is an error,
/// or with `force` replaced.
pub fn export(rows: &Rows<'_>, format: Format, file: Option<&Path>, force: bool) -> Result<u64, MaintenanceError> {
    let output = file.map(|file| Output::create(file, force)).transpose()?;
    let mut bar = Bar::new();
    let (_lock, store, through) = open(rows, &mut bar)?;
    let job_ids = JobIds::new(*store.secret());
    let writer = Writer { snapshot: store.snapshot()?, job_ids, through, filter: &rows.filter, bar };
    let failed = |error| match error {
        ExportError::Write(error) => MaintenanceError::writing(file.unwrap_or(Path::new("standard output")), error),
        ExportError::Store(error) => error.into(),
    };
    let Some(mut output) = output else {
        return match writer.write(&rows.subject, format, BufWriter::new(io::stdout().lock())) {
            // The reader has seen enough.
            Err(ExportError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
            written => written.map_err(failed),
        };
    };
    let written = writer.write(&rows.subject, format, &mut output).map_err(failed)?;
    output.finish()?;
    Ok(written)
}

/// The store to read, locked if it is in its place, and the last record of the history that is exported.
fn open(rows: &Rows<'_>, bar: &mut Bar) -> Result<(Option<DirectoryLock>, Store, u64), MaintenanceError> {
    if let Source::Stopped(data_dir) = rows.source {
        bar.show("checking the pages of the file", 0, 0);
        let (lock, file) = lock_instead_of_server(data_dir)?;
        return Ok((Some(lock), Store::inspect(&file)?, u64::MAX));
    }
    let scratch = Scratch::make(rows.scratch_dir)?;
    let file = scratch.0.join("backup");
    backup(&rows.source, &file, false)?;
    let Unpacked { store, contents } = unpack(&file, &scratch.0, bar)?;
    Ok((None, store, contents.sequence))
}

#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Write(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where the rows come from.
struct Writer<'f> {
    snapshot: Snapshot,
    /// The last record of the history to write.
    through: u64,
    job_ids: JobIds,
    filter: &'f OrderFilter,
    bar: Bar,
}

impl Writer<'_> {
    /// Writes the rows of a subject that fit and gives their number.
    fn write(self, subject: &Subject, format: Format, out: impl Write) -> Result<u64, ExportError> {
        let mut sink = Sink::new(format, out);
        // The bar is gone before the last rows are written: both may go to one terminal.
        self.fill(subject, &mut sink)?;
        Ok(sink.finish()?)
    }

    fn fill(mut self, subject: &Subject, sink: &mut Sink<impl Write>) -> Result<(), ExportError> {
        sink.names(&columns(subject))?;
        match *subject {
            Subject::Products => self.products(sink),
            Subject::Orders(status) => self.orders(|order, job_ids| match status.is_none_or(|it| order.status == it) {
                true if sink.is_csv() => sink.row(&OrderView::of(order, job_ids).in_cells()?),
                true => sink.row(&OrderView::of(order, job_ids)),
                false => Ok(()),
            }),
            Subject::Jobs(state) => self.orders(|order, job_ids| {
                let resting = resting_state(order);
                match state.is_none_or(|state| state == resting) {
                    true => sink.row(&JobView::of(order, resting, None, job_ids)),
                    false => Ok(()),
                }
            }),
            Subject::Journal => self.journal(sink),
        }
    }

    fn products(&self, sink: &mut Sink<impl Write>) -> Result<(), ExportError> {
        for product in self.snapshot.products()? {
            let OrderFilter { product: wanted, user, .. } = self.filter;
            let fits = wanted.is_none_or(|wanted| product.id == wanted) && user.is_none();
            if fits && self.filter.accepted.contains(product.created_at) {
                sink.row(&ProductView::of(&product))?;
            }
        }
        Ok(())
    }

    fn orders(&mut self, mut row: impl FnMut(&Order, &JobIds) -> io::Result<()>) -> Result<(), ExportError> {
        let total = self.snapshot.head()?.totals.all_orders();
        let mut done = 0;
        for range in self.snapshot.accepted_in(self.filter.accepted)? {
            for order in self.snapshot.orders_from(OrderId(range.start))? {
                let order = order?;
                if order.id.0 >= range.end {
                    break;
                }
                if self.filter.keeps(&order) {
                    row(&order, &self.job_ids)?;
                }
                done += 1;
                if done % PROGRESS_STEP == 0 {
                    self.bar.show("exporting", done, total);
                }
            }
        }
        Ok(())
    }

    fn journal(&mut self, sink: &mut Sink<impl Write>) -> Result<(), ExportError> {
        let total = self.snapshot.record_count()?;
        for (done, record) in (0..).zip(self.snapshot.records()?) {
            let (record, hash) = record?;
            if record.sequence > self.through {
                break;
            }
            // To the end: the clock may have been set back.
            if self.filter.accepted.contains(record.at) {
                write_changes(&record, hash, self.filter, &self.job_ids, sink)?;
            }
            if done % PROGRESS_STEP == 0 {
                self.bar.show("exporting", done, total);
            }
        }
        Ok(())
    }
}

/// Writes the changes of a record that the filter keeps. Of a user, only the placing of orders is known here.
fn write_changes(
    record: &Record,
    hash: [u8; 32],
    filter: &OrderFilter,
    job_ids: &JobIds,
    sink: &mut Sink<impl Write>,
) -> io::Result<()> {
    for change in record.changes.iter().map(ChangeView::of) {
        let about = filter.product.is_none_or(|product| change.product == Some(product));
        if !about || filter.user.as_deref().is_some_and(|user| change.placed_by() != Some(user)) {
            continue;
        }
        match sink.is_csv() {
            true => sink.row(&change.journal_cells(record, hash, job_ids)?)?,
            false => sink.row(&change.journal_entry(record, hash, job_ids))?,
        }
    }
    Ok(())
}

/// The names of a subject's cells, in the order in which its view has them.
fn columns(subject: &Subject) -> Vec<String> {
    match subject {
        Subject::Orders(_) => schema::columns::<OrderView>(),
        Subject::Products => schema::columns::<ProductView>(),
        Subject::Jobs(_) => schema::columns::<JobView>(),
        Subject::Journal => schema::columns::<JournalEntryView<String>>(),
    }
}

/// The state of a job while no server runs.
fn resting_state(order: &Order) -> JobState {
    match (order.job, order.due_at()) {
        (JobOutcome::Completed, _) => JobState::Completed,
        (JobOutcome::Failed, _) => JobState::Failed,
        (JobOutcome::Open, Some(_)) => JobState::Delayed,
        (JobOutcome::Open, None) => order.priority.ready_state(),
    }
}
