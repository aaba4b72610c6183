//! What is done once a second with the figures: they are added to the history, with the moments that explain them, the
//! rules look at them, and readiness is checked.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::alerts::Event;
use crate::domain::alert::AlertCode;
use crate::domain::clock::{Steady, Timestamp};
use crate::domain::product::{Product, ProductId};
use crate::domain::sale::Phase;
use crate::domain::series::EventKind;
use crate::limits::READINESS_PERIOD;
use crate::view::metrics::MetricsView;
use crate::view::readiness::ReadinessView;

use super::deps::Deps;
use super::history::History;
use super::readiness;
use super::rules::{Look, NewDeadLetters, Rules};
use super::series::Sample;

/// The running watch. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Watch {
    deps: Arc<Deps>,
    readiness: watch::Receiver<Arc<ReadinessView>>,
    busy: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Checks readiness, and starts to look at each sample.
    pub(super) fn start(deps: Deps, samples: watch::Receiver<Arc<MetricsView>>) -> Self {
        let deps = Arc::new(deps);
        let first = Arc::clone(&samples.borrow());
        let (publish, readiness) = watch::channel(Arc::new(readiness::check(&deps, &first)));
        let busy = Arc::<AtomicU64>::default();
        let watching = Watching {
            rules: Rules::new(Arc::clone(&deps.alerts)),
            new_dead_letters: NewDeadLetters::default(),
            before: None,
            sold_out: None,
            checked: deps.clock.steady(),
            publish,
            busy: Arc::clone(&busy),
            deps: Arc::clone(&deps),
        };
        Self { deps, readiness, busy, task: tokio::spawn(watching.follow(samples)) }
    }

    pub(super) fn history(&self) -> &Arc<History> {
        &self.deps.history
    }

    pub(super) fn deps(&self) -> &Arc<Deps> {
        &self.deps
    }

    /// Readiness as it was last checked.
    pub(super) fn readiness(&self) -> Arc<ReadinessView> {
        Arc::clone(&self.readiness.borrow())
    }

    /// Orders since the reset that were rejected as `overloaded` in seconds in which nothing was left of anything.
    pub(super) fn busy_for_sold_out(&self) -> u64 {
        self.busy.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Watching {
    deps: Arc<Deps>,
    rules: Rules,
    new_dead_letters: NewDeadLetters,
    /// The sample before.
    before: Option<Arc<MetricsView>>,
    /// Products in the sale of which nothing was left; nothing before the first look.
    sold_out: Option<HashSet<ProductId>>,
    /// When readiness was checked last.
    checked: Steady,
    publish: watch::Sender<Arc<ReadinessView>>,
    busy: Arc<AtomicU64>,
}

impl Watching {
    async fn follow(mut self, mut samples: watch::Receiver<Arc<MetricsView>>) {
        let mut events = self.deps.alerts.subscribe();
        self.look(Arc::clone(&samples.borrow_and_update()));
        loop {
            tokio::select! {
                changed = samples.changed() => match changed {
                    Ok(()) => self.look(Arc::clone(&samples.borrow_and_update())),
                    Err(_) => return,
                },
                event = events.recv() => match event {
                    Ok(event) => self.note(event),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }

    /// Notes what the clock did.
    fn note(&self, event: Event) {
        let history = &self.deps.history;
        match event {
            Event::SaleStarted { product, at } => {
                let message = format!("The sale of {} started.", self.name(product));
                history.note(at, EventKind::SaleStarted, Some(product), message);
            }
            Event::SaleEnded { product, at } => {
                let message = format!("The sale of {} ended.", self.name(product));
                history.note(at, EventKind::SaleEnded, Some(product), message);
            }
            Event::AlertRaised(alert) if alert.code == AlertCode::FulfillmentSuspended => {
                history.note(alert.since, EventKind::FulfilmentSuspended, None, alert.message);
            }
            Event::AlertRaised(_) | Event::AlertResolved(_) => {}
        }
    }

    fn name(&self, product: ProductId) -> String {
        let item = self.deps.inventory.item(product);
        item.map_or_else(|| format!("product {product}"), |item| item.product().terms.name.clone())
    }

    fn look(&mut self, view: Arc<MetricsView>) {
        let products = self.deps.inventory.products();
        let at = Timestamp::from_millis(view.timestamp);
        match self.before.take() {
            // What begins a measurement is no sample of a second.
            Some(before) if before.reset_at != view.reset_at => {
                self.busy.store(0, Ordering::Relaxed);
                self.event(at, EventKind::Reset, "The measurement was reset.");
            }
            before => {
                self.deps.history.record(&Sample::of(&view));
                if let Some(before) = before {
                    self.compare(&before, &view, at);
                }
            }
        }
        self.note_sold_out(&products, at);
        let now = self.deps.clock.moment();
        self.rules.look(&Look {
            now,
            metrics: &view,
            products: &products,
            suspended: self.deps.metrics.posts().is_suspended(),
            new_dead_letters: self.new_dead_letters.grown(now.steady, view.dead_letters),
            thresholds: &self.deps.thresholds,
        });
        if now.steady.since(self.checked) >= READINESS_PERIOD {
            self.checked = now.steady;
            self.publish.send_replace(Arc::new(readiness::check(&self.deps, &view)));
        }
        self.before = Some(view);
    }

    /// Notes what has changed from one sample to the next.
    fn compare(&self, before: &MetricsView, now: &MetricsView, at: Timestamp) {
        match (before.paused, now.paused) {
            (false, true) => self.event(at, EventKind::Paused, "The queue was paused."),
            (true, false) => self.event(at, EventKind::Resumed, "The queue was resumed."),
            _ => {}
        }
        let stopped = |view: &MetricsView| view.sale.phase.0 == Phase::Stopped;
        if stopped(now) && !stopped(before) {
            self.event(at, EventKind::SaleStopped, "The sale was stopped.");
        }
        if before.units_left == 0 && now.units_left == 0 {
            let busy = |view: &MetricsView| view.rejected.0.get("overloaded").copied().unwrap_or_default();
            self.busy.fetch_add(busy(now).saturating_sub(busy(before)), Ordering::Relaxed);
        }
    }

    fn event(&self, at: Timestamp, kind: EventKind, message: &str) {
        self.deps.history.note(at, kind, None, message.to_owned());
    }

    /// Notes the products that have been sold out since the last look. What was sold out when the server started is not
    /// among them.
    fn note_sold_out(&mut self, products: &[Arc<Product>], at: Timestamp) {
        let gone = |product: &&Arc<Product>| product.terms.flash_sale_active && product.stock.current == 0;
        if let Some(known) = &self.sold_out {
            for product in products.iter().filter(gone).filter(|product| !known.contains(&product.id)) {
                let message = format!("{} is sold out.", product.terms.name);
                self.deps.history.note(at, EventKind::SoldOut, Some(product.id), message);
            }
        }
        self.sold_out = Some(products.iter().filter(gone).map(|product| product.id).collect());
    }
}
