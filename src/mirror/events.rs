//! Events: every transition of an order and of a sale is posted to a URL as a Standard Webhook, at least once.
//!
//! They are derived from the journal behind a kept position, in which there is nothing that was not delivered. So each
//! comes again after a crash under the id that it had, and a receiver that is away delays them and nothing else.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::config::{EventsConfig, Secret};
use crate::domain::clock::Timestamp;
use crate::domain::mirror::Mirror;
use crate::domain::order::{Order, OrderMap};
use crate::domain::product::Product;
use crate::limits::{EVENTS_AT_ONCE, EVENTS_BUSY_CHANGES, EVENTS_MAX_RETRY_AFTER, EVENTS_TIMEOUT, MIRROR_RECORDS};
use crate::outbound::{Receiver, Webhook, WebhookConfig, WebhookConfigError};
use crate::store::TailError;

use super::position::Position;
use super::source::{Source, Start};
use super::target::{Batch, Fault, Target};

pub(super) mod aside;
mod derive;
mod event;
mod outgoing;
mod place;
mod rewind;

use aside::Aside;
use derive::Deriver;
use event::Event;
use outgoing::{Away, Means, Outgoing};
use place::{Place, PlaceError, Through};
use rewind::Rewind;

/// The receiver of events in error texts.
const RECEIVER: Receiver = Receiver {
    name: "the receiver of events",
    setting: "events",
    posts: "events",
    allow_private: "--events-allow-private (EVENTS_ALLOW_PRIVATE)",
};

/// The receiver of events, and how far it is.
#[derive(Debug)]
pub(super) struct Events {
    source: Source,
    webhook: Webhook,
    place: Place,
    aside: Aside,
    /// Where events begin if nothing is kept: as it was before anyone could order.
    first: Through,
    /// What the receiver has; none before that is read.
    kept: Option<Through>,
    was_read: bool,
    /// What is known with the last record that was derived.
    deriver: Option<Deriver>,
    /// What was derived, and is not delivered as a whole.
    outgoing: Option<Outgoing>,
    /// Whether the last post failed, and until when the receiver wants none.
    is_away: bool,
    not_before: Option<Instant>,
    rejecting: Cell<bool>,
}

/// Checks the settings, and makes what posts.
pub(super) fn webhook(config: &EventsConfig) -> Result<Webhook, WebhookConfigError> {
    Webhook::new(WebhookConfig {
        to: &RECEIVER,
        url: config.url.expose().to_owned(),
        secret: config.secret.as_ref().map(Secret::expose).map(str::to_owned),
        timeout: EVENTS_TIMEOUT,
        allow_private: config.allow_private,
    })
}

impl Events {
    pub(super) fn new(source: Source, webhook: Webhook) -> Self {
        let directory = source.deps.kept_in.as_deref();
        let (place, aside) = (Place::new(directory), Aside::new(directory));
        let first = Through { position: source.head(), looked: source.now() };
        Self {
            source,
            webhook,
            place,
            aside,
            first,
            kept: None,
            was_read: false,
            deriver: None,
            outgoing: None,
            is_away: false,
            not_before: None,
            rejecting: Cell::new(false),
        }
    }

    /// Reads what is kept, once.
    fn read(&mut self) -> Result<(), Fault> {
        if self.was_read {
            return Ok(());
        }
        self.kept = match self.place.read() {
            Ok(kept) => kept,
            Err(error @ PlaceError::Damaged) => {
                tracing::warn!(
                    "the file events-position cannot be read: {error}; what happened since it was written is not posted"
                );
                None
            }
            Err(error @ PlaceError::Io(_)) => {
                return Err(Fault::Away(format!("the file events-position cannot be read: {error}")));
            }
        };
        self.was_read = true;
        Ok(())
    }

    /// The products as they were with an earlier record; `None` where the history behind it was trimmed.
    async fn products_at(&self, position: Position) -> Result<Option<Vec<Product>>, Fault> {
        let Start { position: now, products, .. } = self.source.start().await?;
        let (mut rewind, mut tail) = (Rewind::default(), self.source.deps.store.tail(position.sequence));
        while tail.position() < now.sequence {
            let records = match tail.next(MIRROR_RECORDS).await {
                Ok(records) => records,
                Err(TailError::Trimmed { .. } | TailError::Ahead { .. }) => return Ok(None),
                Err(TailError::Closed) => return Err(Fault::Closed),
                Err(TailError::Store(error)) => return Err(error.into()),
            };
            let known = records.iter().filter(|record| record.sequence <= now.sequence);
            known.flat_map(|record| &record.changes).for_each(|change| rewind.note(change));
        }
        Ok(Some(rewind.before(products)))
    }

    /// Learns what the events behind a position are derived from; nothing where the history was trimmed.
    async fn prepare(&mut self, through: Through) -> Result<(), Fault> {
        let Through { position, looked } = through;
        let products = self.products_at(position).await?;
        self.deriver = products.map(|products| Deriver::new(position.history, position.sequence, looked, products));
        Ok(())
    }

    /// Delivers what was derived, and keeps how far that is.
    async fn deliver(&mut self) -> Result<(), Fault> {
        let Some(outgoing) = &self.outgoing else { return Ok(()) };
        let deps = &self.source.deps;
        let means = Means {
            webhook: &self.webhook,
            job_ids: &deps.job_ids,
            clock: &deps.clock,
            figures: deps.metrics.mirrors().of(Self::MIRROR),
            aside: &self.aside,
            rejecting: &self.rejecting,
        };
        let posted = async {
            if self.is_away {
                outgoing.post_one(&means).await?;
            }
            outgoing.post_all(&means).await
        };
        let posted = posted.await;
        self.is_away = posted.is_err();
        if let Err(Away { error, after }) = posted {
            self.not_before = after.map(|after| Instant::now() + after.min(EVENTS_MAX_RETRY_AFTER));
            return Err(Fault::Away(error));
        }
        let through = outgoing.through;
        self.keep(through)?;
        self.outgoing = None;
        Ok(())
    }

    fn keep(&mut self, through: Through) -> Result<(), Fault> {
        let kept = self.place.write(through);
        kept.map_err(|error| Fault::Away(format!("the position of the events cannot be written: {error}")))?;
        self.kept = Some(through);
        Ok(())
    }

    /// Delivers events behind which there is nothing before this state of what derives them.
    async fn send(&mut self, events: Vec<Event>) -> Result<(), Fault> {
        let (Some(deriver), Some(kept)) = (&self.deriver, self.kept) else { return Ok(()) };
        let position = Position { sequence: deriver.sequence(), ..kept.position };
        self.outgoing = Some(Outgoing::new(events, Through { position, looked: deriver.looked_through() }));
        self.deliver().await
    }

    /// The orders that records moved, as they are now.
    async fn orders(&self, batch: &Batch) -> Result<OrderMap<Order>, Fault> {
        if !batch.records.iter().any(|record| Deriver::moves_orders(record)) {
            return Ok(OrderMap::default());
        }
        let rows = self.source.rows(&batch.records).await?;
        Ok(rows.orders.into_iter().map(|order| (order.id, order)).collect())
    }
}

impl Target for Events {
    const MIRROR: Mirror = Mirror::Events;
    const BUSY_CHANGES: u32 = EVENTS_BUSY_CHANGES;
    const HAS_ROWS: bool = false;
    /// Each post has a bound of its own, and a slow receiver takes its time for a batch.
    const PATIENCE: Duration = Duration::MAX;

    async fn connect(&mut self) -> Result<Option<Position>, Fault> {
        if let Some(until) = self.not_before.take() {
            sleep_until(until).await;
        }
        self.read()?;
        if self.kept.is_none() {
            tracing::info!("events begin with what comes now");
            self.keep(self.first)?;
        }
        let kept = self.kept.unwrap_or(self.first);
        let head = self.source.head();
        if kept.position.history == head.history && kept.position.sequence <= head.sequence {
            if self.deriver.is_none() {
                self.prepare(kept).await?;
            }
            self.deliver().await?;
        }
        Ok(self.kept.map(|kept| kept.position))
    }

    async fn apply(&mut self, batch: &Batch) -> Result<u64, Fault> {
        let rows = self.orders(batch).await?;
        let (mut events, last) = (Vec::new(), batch.position.sequence);
        for record in &batch.records {
            let Some(deriver) = &mut self.deriver else {
                return Err(Fault::Away("the products of the events are not known yet".to_owned()));
            };
            deriver.derive(record, &rows, &mut events);
            if events.len() >= EVENTS_AT_ONCE || record.sequence == last {
                self.send(std::mem::take(&mut events)).await?;
            }
        }
        // Those that were rejected are counted as that happens.
        Ok(0)
    }

    async fn begin(&mut self, _: &[Product]) -> Result<u64, Fault> {
        Ok(0)
    }

    async fn load(&mut self, _: &[Order]) -> Result<u64, Fault> {
        Ok(0)
    }

    async fn finish(&mut self, position: Position) -> Result<(), Fault> {
        let through = Through { position, looked: self.source.now() };
        (self.deriver, self.outgoing) = (None, None);
        self.prepare(through).await?;
        self.keep(through)
    }

    async fn tick(&mut self, now: Timestamp) -> Result<(), Fault> {
        let head = self.source.head().sequence;
        // A window that is passed before what happened until then is known may be one that was changed meanwhile.
        let Some(deriver) = self.deriver.as_mut().filter(|deriver| deriver.sequence() == head) else { return Ok(()) };
        let mut events = Vec::new();
        deriver.look(now, &mut events);
        match events.is_empty() {
            true => Ok(()),
            false => self.send(events).await,
        }
    }
}
