//! Posts events: those of one order in their order, and those of one product, many others meanwhile.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures_util::future::join_all;

use crate::domain::clock::Clock;
use crate::domain::job_id::JobIds;
use crate::limits::EVENTS_LANES;
use crate::metrics::MirrorFigures;
use crate::outbound::{Verdict, Webhook};

use super::aside::Aside;
use super::event::Event;
use super::place::Through;

/// Events that were derived together, and which of them the receiver has. None of these is posted again while the
/// process lives.
#[derive(Debug)]
pub(super) struct Outgoing {
    events: Vec<Event>,
    done: Vec<Cell<bool>>,
    /// What is delivered with all of them.
    pub(super) through: Through,
}

/// Why the receiver is away.
#[derive(Debug)]
pub(super) struct Away {
    /// A sentence without its period.
    pub(super) error: String,
    /// How long the receiver asked to wait.
    pub(super) after: Option<Duration>,
}

/// What posts need.
pub(super) struct Means<'m> {
    pub(super) webhook: &'m Webhook,
    pub(super) job_ids: &'m JobIds,
    pub(super) clock: &'m Clock,
    pub(super) figures: &'m MirrorFigures,
    pub(super) aside: &'m Aside,
    /// Whether an event was rejected since one was taken; the log has the first one only.
    pub(super) rejecting: &'m Cell<bool>,
}

impl Outgoing {
    pub(super) fn new(events: Vec<Event>, through: Through) -> Self {
        let done = events.iter().map(|_| Cell::new(false)).collect();
        Self { events, done, through }
    }

    /// Posts all that the receiver does not have. After the first failure no further post is begun.
    pub(super) async fn post_all(&self, means: &Means<'_>) -> Result<(), Away> {
        let mut lanes = vec![Vec::new(); EVENTS_LANES];
        for (event, done) in self.events.iter().zip(&self.done).filter(|(_, done)| !done.get()) {
            lanes[event.lane()].push((event, done));
        }
        let away = RefCell::new(None);
        join_all(lanes.into_iter().map(async |lane| {
            for (event, done) in lane {
                if away.borrow().is_some() {
                    return;
                }
                match means.post(event).await {
                    Ok(()) => done.set(true),
                    Err(error) => {
                        away.borrow_mut().get_or_insert(error);
                        return;
                    }
                }
            }
        }))
        .await;
        away.into_inner().map_or(Ok(()), Err)
    }

    /// Posts one of them, to find out whether the receiver is back.
    pub(super) async fn post_one(&self, means: &Means<'_>) -> Result<(), Away> {
        let open = self.events.iter().zip(&self.done).find(|(_, done)| !done.get());
        let Some((event, done)) = open else { return Ok(()) };
        means.post(event).await?;
        done.set(true);
        Ok(())
    }
}

impl Means<'_> {
    /// Posts one event until the receiver has it, or has rejected it.
    async fn post(&self, event: &Event) -> Result<(), Away> {
        let body = event.body(self.job_ids).map_err(|error| Away { error: error.to_string(), after: None })?;
        match self.webhook.post(&event.id, self.clock.now(), body.clone()).await {
            Verdict::Accepted => self.rejecting.set(false),
            Verdict::Rejected(error) => self.put_aside(event, &body, &error),
            Verdict::Retry { error, after } => return Err(Away { error, after }),
            Verdict::NotMade(error) => {
                let error = format!("this machine cannot post events: {error}");
                return Err(Away { error, after: None });
            }
        }
        Ok(())
    }

    fn put_aside(&self, event: &Event, body: &[u8], error: &str) {
        self.figures.put_aside(1);
        let (id, name) = (event.id.as_str(), event.name());
        match self.rejecting.replace(true) {
            false => tracing::warn!(
                id,
                error,
                "the receiver rejected an event, {name}, which is put aside; further ones are logged after the next \
                 success"
            ),
            true => tracing::debug!(id, error, "the receiver rejected an event, {name}"),
        }
        if let Err(error) = self.aside.put(event, body, error, self.clock.now()) {
            tracing::error!(id, %error, "an event that the receiver rejected cannot be written to its file");
        }
    }
}
