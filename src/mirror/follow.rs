//! One loop for all mirrors: connect, find the work by the target's position, copy, and begin again when something
//! fails.
//!
//! After the example of TigerBeetle's `src/cdc/runner.zig`: a notice wakes it, the position finds the work, and the
//! position is kept where the work ends up.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::domain::change::Record;
use crate::domain::mirror::Mirror;
use crate::domain::order::OrderId;
use crate::limits::{
    MIRROR_BATCH_CHANGES, MIRROR_DRAIN, MIRROR_FIRST_DELAY, MIRROR_MAX_DELAY, MIRROR_RECORDS, MIRROR_TICK,
};
use crate::metrics::MirrorFigures;
use crate::store::{Tail, TailError};

use super::kept::Kept;
use super::pace::Pace;
use super::position::Position;
use super::source::{Source, Start};
use super::target::{Batch, Fault, Target};

/// Copies the store to a target until it is stopped or the store is closed.
pub(super) async fn follow<T: Target>(target: &mut T, source: &Source, mut stopped: watch::Receiver<bool>) {
    let mirror = T::MIRROR;
    let figures = source.deps.metrics.mirrors().of(mirror);
    let kept = Kept::all(&source.deps.store, source.most_kept);
    let pace = Pace::new(T::BUSY_CHANGES);
    let mut follower = Follower { target, source, figures, kept: &kept, pace };
    let copy = async {
        let (mut pause, mut reached, mut known) = (MIRROR_FIRST_DELAY, 0, String::new());
        loop {
            let Err(fault) = follower.copy().await;
            if matches!(fault, Fault::Closed) {
                return;
            }
            if figures.position() > reached {
                (reached, pause) = (figures.position(), MIRROR_FIRST_DELAY);
            }
            let fault = fault.to_string();
            match pause <= MIRROR_FIRST_DELAY || fault != known {
                true => tracing::warn!(%mirror, "{fault}; orders are not affected, and the mirror tries again"),
                false => tracing::debug!(%mirror, "{fault}"),
            }
            figures.fail(&fault, source.now());
            known = fault;
            kept.miss();
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(MIRROR_MAX_DELAY);
        }
    };
    tokio::select! {
        () = copy => {}
        () = look_after(mirror, source, &kept, figures) => {}
        () = drained(&mut stopped, source, figures) => {}
    }
}

/// Notes how far the mirror is behind, and lets records go that are kept for a target that is away for too long.
async fn look_after(mirror: Mirror, source: &Source, kept: &Kept, figures: &MirrorFigures) {
    let mut ticks = interval(MIRROR_TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if source.head().sequence > figures.position() {
            figures.fall_behind(source.now());
        }
        if kept.has_let_go() {
            tracing::warn!(
                %mirror,
                most = source.most_kept,
                "the target of a mirror is too far behind; the journal keeps nothing for it any more, and what was \
                 trimmed meanwhile is made up for by a copy of everything"
            );
        }
    }
}

/// Returns some time after the word to stop, or as soon as the target has everything.
async fn drained(stopped: &mut watch::Receiver<bool>, source: &Source, figures: &MirrorFigures) {
    // Its sender gone is a word to stop as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
    let caught_up = async {
        while figures.is_connected() && figures.position() < source.head().sequence {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let _ = timeout(MIRROR_DRAIN, caught_up).await;
}

struct Follower<'f, T> {
    target: &'f mut T,
    source: &'f Source,
    figures: &'f MirrorFigures,
    kept: &'f Kept,
    pace: Pace,
}

impl<T: Target> Follower<'_, T> {
    /// Connects and copies until something fails.
    async fn copy(&mut self) -> Result<Infallible, Fault> {
        let found = within::<T, _>(self.target.connect()).await?;
        let mut position = match found {
            Some(found) if self.continues(found) => {
                tracing::info!(mirror = %T::MIRROR, %found, "a mirror continues");
                found
            }
            None => self.copy_all("the target is new").await?,
            Some(found) => {
                let why = match found {
                    found if found.history != self.source.head().history => "the target is of another history",
                    _ => "the target is ahead of the store",
                };
                tracing::warn!(mirror = %T::MIRROR, %found, "{why}");
                self.copy_all(why).await?
            }
        };
        loop {
            self.kept.advance(position.sequence);
            self.figures.connect(position.sequence);
            let tail = self.source.deps.store.tail(position.sequence);
            let why = self.copy_next(position, tail).await?;
            position = self.copy_all(&why).await?;
        }
    }

    fn continues(&self, found: Position) -> bool {
        let head = self.source.head();
        found.history == head.history && found.sequence <= head.sequence
    }

    /// Copies what comes until that is not possible any more without copying everything; gives why.
    async fn copy_next(&mut self, mut position: Position, mut tail: Tail) -> Result<String, Fault> {
        let mut ticks = interval(MIRROR_TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = tokio::select! {
                biased;
                _ = ticks.tick() => {
                    within::<T, _>(self.target.tick(self.source.now())).await?;
                    continue;
                }
                next = tail.next(MIRROR_RECORDS) => next,
            };
            let records = match next {
                Ok(records) => self.gather(records, &mut tail).await,
                Err(TailError::Closed) => return Err(Fault::Closed),
                Err(TailError::Store(error)) => return Err(error.into()),
                Err(error @ (TailError::Trimmed { .. } | TailError::Ahead { .. })) => return Ok(error.to_string()),
            };
            position.sequence = tail.position();
            self.apply(records, position).await?;
        }
    }

    /// Waits a little for more records, so that what comes one by one is copied together.
    async fn gather(&self, mut records: Vec<Arc<Record>>, tail: &mut Tail) -> Vec<Arc<Record>> {
        if let Some(first) = records.first() {
            self.figures.fall_behind(first.at);
        }
        let changes = |records: &[Arc<Record>]| records.iter().map(|record| record.changes.len()).sum::<usize>();
        let mut count = changes(&records);
        if count < MIRROR_BATCH_CHANGES {
            sleep(self.source.linger).await;
        }
        while count < MIRROR_BATCH_CHANGES {
            // What has left memory, or cannot be read, is the next batch's.
            let Ok(more) = tail.next_in_memory(MIRROR_RECORDS) else { break };
            if more.is_empty() {
                break;
            }
            count += changes(&more);
            records.extend(more);
        }
        records
    }

    async fn apply(&mut self, records: Vec<Arc<Record>>, position: Position) -> Result<(), Fault> {
        let rows = if T::HAS_ROWS { self.source.rows(&records).await? } else { super::rows::Rows::default() };
        let changes = records.iter().map(|record| record.changes.len() as u64).sum();
        self.pace.begin(self.source.head().sequence);
        let batch = Batch { records, rows, position };
        let began = Instant::now();
        let put_aside = within::<T, _>(self.target.apply(&batch)).await?;
        self.figures.put_aside(put_aside);
        self.figures.advance(position.sequence, changes, began.elapsed());
        self.kept.advance(position.sequence);
        self.pace.end(changes, self.source.head().sequence).await;
        Ok(())
    }

    /// Copies everything, as it is now.
    async fn copy_all(&mut self, why: &str) -> Result<Position, Fault> {
        let mirror = T::MIRROR;
        self.figures.rebuild();
        if !T::HAS_ROWS {
            let head = self.source.head();
            let gap = "nothing that happened until now is posted any more";
            tracing::warn!(%mirror, record = head.sequence, "{why}; {gap}, and the mirror begins with what comes");
            within::<T, _>(self.target.finish(head)).await?;
            return Ok(head);
        }
        tracing::info!(%mirror, "{why}; everything is copied");
        let Start { position, products, last_order } = self.source.start().await?;
        self.kept.advance(position.sequence);
        self.figures.put_aside(within::<T, _>(self.target.begin(&products)).await?);
        let mut first = OrderId(0);
        loop {
            self.pace.begin(self.source.head().sequence);
            let orders = self.source.orders(first, last_order).await?;
            let Some(last) = orders.last() else { break };
            first = OrderId(last.id.0 + 1);
            self.figures.put_aside(within::<T, _>(self.target.load(&orders)).await?);
            self.pace.end(orders.len() as u64, self.source.head().sequence).await;
        }
        within::<T, _>(self.target.finish(position)).await?;
        tracing::info!(%mirror, %position, "everything is copied");
        Ok(position)
    }
}

/// A target that does not respond for too long is away.
async fn within<T: Target, R>(step: impl Future<Output = Result<R, Fault>>) -> Result<R, Fault> {
    match timeout(T::PATIENCE, step).await {
        Ok(ended) => ended,
        Err(_) => Err(Fault::Away(format!("the target did not respond within {} s", T::PATIENCE.as_secs()))),
    }
}
