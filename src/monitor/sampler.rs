//! Takes the sample of a second: what the other rooms count, put together.

use crate::domain::clock::{Moment, Timestamp};
use crate::domain::order::OrderStatus;
use crate::domain::product::Product;
use crate::domain::sale::{Levels, Phase, Sale};
use crate::queue::SlotKind;
use crate::view::benchmark::BenchmarkView;
use crate::view::metrics::{LatestView, MetricsView, SaleView, UnitsByProduct};
use crate::view::queue::JobCountsView;
use crate::view::text::AsText;

use super::deps::Deps;

/// What is kept from one sample to the next.
#[derive(Debug)]
pub(super) struct Sampler {
    deps: Deps,
    started: Moment,
    reset: Moment,
    /// The phase of the sale at the last sample, and since when it holds as far as was seen.
    phase: Option<(Phase, Timestamp)>,
}

impl Sampler {
    pub(super) fn new(deps: Deps) -> Self {
        let now = deps.clock.moment();
        Self { deps, started: now, reset: now, phase: None }
    }

    /// The figures of the time since the last sample.
    pub(super) fn sample(&mut self) -> MetricsView {
        let now = self.deps.clock.moment();
        let mut view = MetricsView {
            timestamp: now.wall.millis(),
            started_at: self.started.wall.millis(),
            reset_at: self.reset.wall.millis(),
            ..MetricsView::default()
        };
        self.fill_orders(&mut view);
        self.fill_connections(&mut view);
        self.fill_stock(&mut view, now);
        view
    }

    /// Starts a new measurement.
    pub(super) fn reset(&mut self) {
        self.reset = self.deps.clock.moment();
    }

    /// What was measured since the last reset.
    pub(super) fn benchmark(&self) -> BenchmarkView {
        let now = self.deps.clock.moment();
        BenchmarkView {
            started_at: AsText(self.reset.wall),
            test_duration: now.steady.since(self.reset.steady).as_secs_f64(),
            ..BenchmarkView::default()
        }
    }

    fn fill_orders(&self, view: &mut MetricsView) {
        let (head, counts) = (self.deps.store.head(), self.deps.queue.counts());
        let totals = &head.totals;
        view.queue_stats = JobCountsView {
            active: counts.active as u64,
            completed: totals.completed_jobs,
            delayed: counts.delayed as u64,
            failed: totals.failed_jobs,
            prioritized: counts.prioritized as u64,
            waiting: counts.waiting as u64,
        };
        view.active_jobs = view.queue_stats.active;
        view.queue_length = view.queue_stats.waiting + view.queue_stats.prioritized + view.active_jobs;
        view.workers = self.deps.workers as u64;
        view.queue_capacity = self.deps.queue.capacity(SlotKind::Work) as u64;
        view.paused = counts.paused;
        view.oldest_job_age_ms = counts.oldest_age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        view.successful_orders = totals.orders(OrderStatus::Confirmed);
        view.failed_orders = totals.orders(OrderStatus::Failed);
        view.pending_orders = totals.orders(OrderStatus::Pending);
        view.cancelled_orders = totals.orders(OrderStatus::Cancelled);
        view.dead_letters = totals.dead_letters;
        view.latest = LatestView { sequence: head.sequence, history: head.history().to_string() };
    }

    fn fill_connections(&self, view: &mut MetricsView) {
        let metrics = &self.deps.metrics;
        view.active_connections = metrics.open_connections();
        view.max_connections = metrics.max_connections();
        view.feed_connections = metrics.feed_connections();
    }

    fn fill_stock(&mut self, view: &mut MetricsView, now: Moment) {
        let products = self.deps.inventory.products();
        let products: Vec<&Product> = products.iter().map(AsRef::as_ref).collect();
        let levels = Levels::of(products.iter().copied());
        view.units_left = levels.left;
        view.units_held = levels.held;
        view.units_sold = levels.sold;
        view.units_total = levels.left + levels.held + levels.sold;
        view.inventory_levels = UnitsByProduct(levels.by_product);
        let sale = Sale::of(products, now.wall, false);
        let since = match self.phase {
            Some((phase, since)) if phase == sale.phase => since,
            _ => now.wall,
        };
        self.phase = Some((sale.phase, since));
        view.sale = SaleView::of(&sale, Some(since));
    }
}
