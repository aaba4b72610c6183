//! The history of the figures: kept in memory in three tiers, and in a file of its own, which may be lost.
//!
//! Points are named by the time of day of their second. A clock that is set back writes over the seconds that come
//! again, and a clock that is set ahead leaves a gap; both are events or alerts of their own. A thread writes what has
//! changed once a second: neither an order nor a sample waits for the disk. What cannot be written stays in line, each
//! slot once, so the line is bounded by the file.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use crate::domain::change::HistoryId;
use crate::domain::clock::Timestamp;
use crate::domain::product::ProductId;
use crate::domain::series::{EventKind, Series};
use crate::limits::HISTORY_CLOSE_TIMEOUT;
use crate::view::history::{AllSeriesView, HistoryEventView, HistoryView, SeriesView};
use crate::view::text::{AsText, Id, Word};

mod events;
mod file;
mod point;
mod range;
mod rings;

pub use range::HistoryRange;

use events::{Event, Events};
use file::{HistoryFile, Slot};
use rings::Rings;

use super::series::Sample;

/// How the last run of the server ended, as the start found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastRun {
    /// There was none, or it stopped in order.
    Stopped,
    /// It was killed.
    Killed,
}

/// The history of the figures. Dropping it ends its thread.
#[derive(Debug)]
pub struct History {
    inner: Arc<Mutex<Inner>>,
    /// Wakes the thread that writes. `None` where nothing is written, and after the end.
    wake: Mutex<Option<Sender<()>>>,
    /// Closed when that thread has ended.
    ended: Receiver<()>,
}

#[derive(Debug)]
struct Inner {
    rings: Rings,
    events: Events,
    /// What is not in the file yet.
    unwritten: BTreeSet<Slot>,
    /// The second of the last sample.
    last: Option<i64>,
    store: HistoryId,
}

impl History {
    /// Reads the history in a data directory, or begins one; without a directory it is in memory only. A disk that does
    /// not work stops nobody: the history is then in memory too. Blocks.
    pub fn open(data_dir: Option<&Path>, store: HistoryId) -> Self {
        let opened = data_dir.map(|data_dir| (data_dir, HistoryFile::open(data_dir)));
        let (file, kept) = match opened {
            None => (None, file::Kept::default()),
            Some((_, Ok((file, kept)))) => (Some(file), kept),
            Some((data_dir, Err(error))) => {
                tracing::warn!(data_dir = %data_dir.display(), %error, "the history of the figures is not on disk");
                (None, file::Kept::default())
            }
        };
        if kept.torn > 0 {
            tracing::warn!(slots = kept.torn, "parts of the history of the figures were damaged and are left out");
        }
        let file::Kept { rings, events, .. } = kept;
        let inner = Inner { rings, events, unwritten: BTreeSet::new(), last: None, store };
        let inner = Arc::new(Mutex::new(inner));
        let (done, ended) = bounded(0);
        let wake = file.and_then(|file| spawn(Arc::clone(&inner), file, done));
        Self { inner, wake: Mutex::new(wake), ended }
    }

    /// Notes that the server has started.
    pub fn begin(&self, at: Timestamp, last_run: LastRun) {
        let (before, store) = {
            let inner = self.inner.lock();
            (inner.events.last().map(|event| event.history), inner.store)
        };
        if before.is_some_and(|before| before != store.0) {
            self.note(at, EventKind::Restored, None, "The store was restored from a backup.".to_owned());
        }
        let (kind, message) = match last_run {
            LastRun::Stopped => (EventKind::Start, "The server started."),
            LastRun::Killed => (EventKind::Restart, "The server started after it had been killed."),
        };
        self.note(at, kind, None, message.to_owned());
    }

    /// Adds the figures of a second.
    pub fn record(&self, sample: &Sample) {
        let mut inner = self.inner.lock();
        let second = inner.second_of(sample.at);
        let changed = inner.rings.record(second, &sample.values);
        inner.unwritten.extend(changed.map(Slot::Point));
        drop(inner);
        self.wake();
    }

    /// Adds something that happened. Messages that are too long are cut.
    pub fn note(&self, at: Timestamp, kind: EventKind, product: Option<ProductId>, message: String) {
        let mut inner = self.inner.lock();
        let (product, history) = (product.map(|product| product.0), inner.store.0);
        let slot = inner.events.push(Event { sequence: 0, at, kind, product, history, message });
        inner.unwritten.insert(Slot::Event(slot));
        drop(inner);
        self.wake();
    }

    /// When something happened, and to which product, oldest first; as far as the events are kept.
    pub fn moments(&self, kind: EventKind) -> Vec<(Option<ProductId>, Timestamp)> {
        let inner = self.inner.lock();
        let found = inner.events.iter().filter(|event| event.kind == kind);
        found.map(|event| (event.product.map(ProductId), event.at)).collect()
    }

    /// The points and events of a range. Blocks for as long as it takes to put them together: some milliseconds.
    pub fn read(&self, range: HistoryRange) -> HistoryView {
        let points = range.points();
        let room = || Vec::with_capacity(points as usize);
        let empty = || SeriesView { min: room(), mean: room(), max: room() };
        let mut series: Vec<SeriesView> = Series::ALL.iter().map(|_| empty()).collect();
        for start in range.starts() {
            // Locked for one point at a time: samples wait for it.
            let point = self.inner.lock().rings.fold(start, range.step_seconds());
            for (series, name) in series.iter_mut().zip(Series::ALL) {
                let figures = point.as_ref().and_then(|point| point.figures(name));
                series.min.push(figures.map(|figures| figures.min));
                series.mean.push(figures.map(|figures| figures.mean));
                series.max.push(figures.map(|figures| figures.max));
            }
        }
        let (from, to) = (range.from(), range.to());
        let mut events: Vec<_> = self.inner.lock().events_in(from, to);
        events.sort_by_key(|event| event.at.0);
        let step_seconds = range.step_seconds().unsigned_abs();
        HistoryView { from: AsText(from), to: AsText(to), step_seconds, points, series: AllSeriesView(series), events }
    }

    /// Notes that the server stops in order, and closes the history.
    pub fn end(&self, at: Timestamp) {
        self.note(at, EventKind::Stop, None, "The server stopped.".to_owned());
        self.close();
    }

    /// Writes what is not in the file yet, and ends the thread that does. Blocks, for a bounded time.
    fn close(&self) {
        let wake = self.wake.lock().take();
        if wake.is_some() {
            drop(wake);
            // Returns with an error as soon as the thread has ended.
            let _ = self.ended.recv_timeout(HISTORY_CLOSE_TIMEOUT);
        }
    }

    fn wake(&self) {
        if let Some(wake) = &*self.wake.lock() {
            // There is one notice for all that has changed.
            let _ = wake.try_send(());
        }
    }
}

impl Inner {
    /// The second that a sample is about. Samples come once a second but not to the millisecond: one that is a little
    /// early or late is still the next one, so that none is missed and none comes twice.
    fn second_of(&mut self, at: Timestamp) -> i64 {
        let next = self.last.map(|last| last + 1);
        let is_next = |next: &i64| (next * 1_000 - 500..next * 1_000 + 1_500).contains(&at.millis());
        let second = next.filter(is_next).unwrap_or_else(|| at.millis().div_euclid(1_000));
        self.last = Some(second);
        second
    }

    fn events_in(&self, from: Timestamp, to: Timestamp) -> Vec<HistoryEventView> {
        let within = self.events.iter().filter(|event| (from..to).contains(&event.at));
        let view = |event: &Event| HistoryEventView {
            at: AsText(event.at),
            kind: Word(event.kind),
            product_id: event.product.map(Id),
            message: event.message.clone(),
        };
        within.map(view).collect()
    }

    /// Takes what is not in the file yet, as bytes.
    fn take_unwritten(&mut self) -> Vec<(Slot, Vec<u8>)> {
        let slots = std::mem::take(&mut self.unwritten);
        let encoded = slots.into_iter().map(|slot| {
            let mut bytes = Vec::new();
            match slot {
                Slot::Point(id) => self.rings.slot(id)?.encode(&mut bytes),
                Slot::Event(number) => self.events.slot(number)?.encode(&mut bytes),
            }
            Some((slot, bytes))
        });
        encoded.flatten().collect()
    }
}

/// Starts the thread that writes; it ends when what is returned is dropped.
fn spawn(inner: Arc<Mutex<Inner>>, file: HistoryFile, done: Sender<()>) -> Option<Sender<()>> {
    let (wake, woken) = bounded::<()>(1);
    let write = move || {
        let _done = done;
        let mut failed = false;
        loop {
            let open = woken.recv().is_ok();
            let slots = inner.lock().take_unwritten();
            match file.write(&slots) {
                Ok(()) => failed = false,
                Err(error) => {
                    if !std::mem::replace(&mut failed, true) {
                        tracing::warn!(%error, "the history of the figures cannot be written; it is tried again");
                    }
                    inner.lock().unwritten.extend(slots.into_iter().map(|(slot, _)| slot));
                    // The next notice would be too soon for another try.
                    let _ = woken.recv_timeout(Duration::from_millis(if open { 500 } else { 0 }));
                }
            }
            if !open {
                return;
            }
        }
    };
    match std::thread::Builder::new().name("history".to_owned()).spawn(write) {
        Ok(_) => Some(wake),
        Err(error) => {
            tracing::warn!(%error, "the history of the figures is not kept on disk");
            None
        }
    }
}

#[cfg(test)]
mod tests;
