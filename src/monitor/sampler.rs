//! Takes the sample of a second: what the other rooms count, put together.

use std::time::{Duration, Instant};

use crate::domain::clock::{Moment, Timestamp};
use crate::domain::mirror::Mirror;
use crate::domain::money::Money;
use crate::domain::order::OrderStatus;
use crate::domain::product::Product;
use crate::domain::sale::{Levels, Phase, Sale};
use crate::metrics::{Commits, Latencies, MirrorState, OUTCOME_COUNT, OUTCOMES, ProcessFigures};
use crate::queue::SlotKind;
use crate::view::benchmark::BenchmarkView;
use crate::view::metrics::{
    ByCode, CommitView, LatestView, MetricsView, Mirrors, RatesByCode, SaleView, UnitsByProduct,
};
use crate::view::text::{AsText, hundredths};

use super::benchmark::{Present, Run};
use super::deps::Deps;
use super::follow::Follower;
use super::people::People;
use super::process::ProcessWatch;
use super::window::{Part, Window, per_second, percent};

/// What is kept from one sample to the next.
#[derive(Debug)]
pub(super) struct Sampler {
    deps: Deps,
    follower: Follower,
    process: ProcessWatch,
    started: Moment,
    /// The phase of the sale at the last sample, and since when it holds as far as was seen.
    phase: Option<(Phase, Timestamp)>,
    /// When what is counted was taken in last, and what the counts were.
    taken: Moment,
    counts: Counts,
    /// The counts at the last reset.
    before: Counts,
    rates: Rates,
    window: Window,
    people: People,
    run: Run,
    /// An empty histogram, for the next drain.
    spare: Latencies,
}

/// What only grows.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    outcomes: [u64; OUTCOME_COUNT],
    rejected: [u64; OUTCOME_COUNT],
    accepted: u64,
    confirmed: u64,
    failed: u64,
    dead_lettered: u64,
    completed: u64,
    processed: u64,
    processing: Duration,
    /// In hundredths; it falls where a confirmed order is cancelled.
    revenue: i128,
    /// Changes that the target of each mirror took.
    mirrored: [u64; 3],
}

/// What happened in the last second.
#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    accepted: f64,
    responses: f64,
    completed: f64,
    commits: f64,
    dead_lettered: f64,
    rejected: [f64; OUTCOME_COUNT],
    failed_percent: Option<f64>,
    mirrored: [f64; 3],
}

impl Rates {
    fn between(before: &Counts, now: &Counts, commits: u64, passed: Duration) -> Self {
        let rate = |before: u64, now: u64| per_second(now.saturating_sub(before), passed);
        let [confirmed, failed] = [now.confirmed - before.confirmed, now.failed - before.failed];
        let all = |outcomes: &[u64]| outcomes.iter().sum();
        Self {
            accepted: rate(before.accepted, now.accepted),
            responses: rate(all(&before.outcomes), all(&now.outcomes)),
            completed: rate(before.completed, now.completed),
            commits: per_second(commits, passed),
            dead_lettered: rate(before.dead_lettered, now.dead_lettered),
            rejected: std::array::from_fn(|at| rate(before.rejected[at], now.rejected[at])),
            failed_percent: percent(failed, confirmed + failed),
            mirrored: std::array::from_fn(|at| rate(before.mirrored[at], now.mirrored[at])),
        }
    }
}

impl Sampler {
    pub(super) fn new(deps: Deps) -> Self {
        let now = deps.clock.moment();
        let follower = Follower::start(deps.store.clone(), deps.metrics.clone());
        let process = ProcessWatch::start(deps.data_dir.clone(), deps.max_open_files, now.wall.millis());
        let counts = Counts { completed: deps.store.head().totals.completed_jobs, ..Counts::default() };
        Self {
            deps,
            follower,
            process,
            started: now,
            phase: None,
            taken: now,
            counts,
            before: counts,
            rates: Rates::default(),
            window: Window::default(),
            people: People::default(),
            run: Run::new(now, [0; OUTCOME_COUNT]),
            spare: Latencies::default(),
        }
    }

    /// The figures of the time since the last sample.
    pub(super) fn sample(&mut self) -> MetricsView {
        self.rates = self.advance();
        self.run.peak_accepted = self.run.peak_accepted.max(self.rates.accepted);
        self.run.peak_responses = self.run.peak_responses.max(self.rates.responses);
        self.view()
    }

    /// Starts a new measurement, and gives the figures at its beginning. The rates stay those of the last whole second.
    pub(super) fn reset(&mut self) -> MetricsView {
        self.advance();
        self.before = self.counts;
        self.people.reset();
        self.follower.with(|tally| tally.buyers.clear());
        self.deps.metrics.reset_peaks();
        self.run = Run::new(self.taken, self.counts.outcomes);
        self.view()
    }

    /// What was measured since the last reset, up to now.
    pub(super) fn benchmark(&mut self) -> BenchmarkView {
        let rates = self.rates;
        // What came since the last sample belongs to the report as well, and to the next sample's second.
        let times = self.deps.metrics.drain_orders(&mut self.spare);
        let now = self.deps.clock.moment();
        self.run.add(&times.latencies, slowest(times.slowest, now));
        self.window.add_to_next(&times.latencies);
        self.run.report(&Present {
            now,
            outcomes: times.outcomes,
            responses_per_second: rates.responses,
            peaks: self.deps.metrics.peaks(),
        })
    }

    /// What the system says of this process.
    pub(super) fn process(&self) -> ProcessFigures {
        self.process.latest().figures
    }

    /// Takes in what was counted since the last time.
    fn advance(&mut self) -> Rates {
        let metrics = &self.deps.metrics;
        let now = self.deps.clock.moment();
        let times = metrics.drain_orders(&mut self.spare);
        let commits = metrics.drain_commits(Commits::default());
        let (processed, processing) = metrics.processing();
        let completed = self.deps.store.head().totals.completed_jobs;
        let (rejected, outcomes, mirrored) = (metrics.rejected(), times.outcomes, metrics.mirrors().changes());
        let counts = self.follower.with(|tally| Counts {
            outcomes,
            rejected,
            accepted: tally.accepted,
            confirmed: tally.confirmed,
            failed: tally.failed,
            dead_lettered: tally.dead_lettered,
            completed,
            processed,
            processing,
            revenue: tally.revenue,
            mirrored,
        });
        let passed = now.steady.since(self.taken.steady);
        let rates = Rates::between(&self.counts, &counts, commits.latencies.count(), passed);
        self.run.add(&times.latencies, slowest(times.slowest, now));
        let [confirmed, failed] = [counts.confirmed - self.counts.confirmed, counts.failed - self.counts.failed];
        self.window.push(Part { latencies: times.latencies, commits, confirmed, failed }, now.steady);
        self.people.advance(metrics, now.steady);
        (self.taken, self.counts) = (now, counts);
        rates
    }

    fn view(&mut self) -> MetricsView {
        let mut view = MetricsView {
            timestamp: self.taken.wall.millis(),
            started_at: self.started.wall.millis(),
            reset_at: self.run.began.wall.millis(),
            ..MetricsView::default()
        };
        self.fill_queue(&mut view);
        self.fill_rates(&mut view);
        self.fill_since_reset(&mut view);
        self.fill_machine(&mut view);
        self.fill_mirrors(&mut view);
        self.fill_stock(&mut view);
        view
    }

    fn fill_queue(&self, view: &mut MetricsView) {
        let (head, counts) = (self.deps.store.head(), self.deps.queue.counts());
        let totals = &head.totals;
        view.queue_stats = counts.jobs(totals);
        view.active_jobs = view.queue_stats.active;
        view.queue_length = view.queue_stats.waiting + view.queue_stats.prioritized + view.active_jobs;
        view.workers = self.deps.workers as u64;
        view.queue_capacity = self.deps.queue.capacity(SlotKind::Work) as u64;
        view.paused = counts.paused;
        view.oldest_job_age_ms = counts.oldest_age_ms();
        view.successful_orders = totals.orders(OrderStatus::Confirmed);
        view.failed_orders = totals.orders(OrderStatus::Failed);
        view.pending_orders = totals.orders(OrderStatus::Pending);
        view.cancelled_orders = totals.orders(OrderStatus::Cancelled);
        view.dead_letters = totals.dead_letters;
        view.latest = LatestView { sequence: head.sequence, history: head.history().to_string() };
    }

    fn fill_rates(&self, view: &mut MetricsView) {
        let (rates, sums) = (&self.rates, self.window.sums());
        view.orders_per_second = hundredths(rates.accepted);
        view.rejected_per_second = hundredths(rates.rejected.iter().sum());
        view.throughput = hundredths(rates.completed);
        view.dead_letters_per_second = hundredths(rates.dead_lettered);
        view.failed_percent = rates.failed_percent;
        view.rejected_rates = RatesByCode(codes().zip(rates.rejected.map(hundredths)).skip(1).collect());
        view.error_rate = sums.failed_percent();
        view.response_time = sums.response_time();
        view.commit = CommitView {
            per_second: hundredths(rates.commits),
            batch_size: sums.batch_size().map(hundredths),
            p99: sums.commit_p99(),
        };
    }

    fn fill_since_reset(&self, view: &mut MetricsView) {
        let (counts, before) = (&self.counts, &self.before);
        view.peak_orders_per_second = hundredths(self.run.peak_accepted);
        view.total_orders = counts.accepted - before.accepted;
        let [confirmed, failed] = [counts.confirmed - before.confirmed, counts.failed - before.failed];
        view.success_rate = percent(confirmed, confirmed + failed);
        let processed = counts.processed - before.processed;
        let processing = counts.processing.saturating_sub(before.processing);
        view.average_processing_time =
            (processed > 0).then(|| hundredths(processing.as_secs_f64() * 1_000.0 / processed as f64));
        let rejected = std::array::from_fn::<u64, OUTCOME_COUNT, _>(|at| counts.rejected[at] - before.rejected[at]);
        view.rejected = ByCode(codes().zip(rejected).skip(1).collect());
        let cents = u128::try_from(counts.revenue - before.revenue).unwrap_or(0);
        view.revenue = AsText(Money::from_cents(cents));
        view.active_users = self.people.active_users();
        view.visitors = self.people.visitors();
        let buyers = self.follower.with(|tally| tally.buyers.estimate());
        view.conversion_rate = percent(buyers, self.people.tried()).map(hundredths);
    }

    fn fill_machine(&self, view: &mut MetricsView) {
        let (metrics, process) = (&self.deps.metrics, self.process.latest());
        view.active_connections = metrics.open_connections();
        view.max_connections = metrics.max_connections();
        view.feed_connections = metrics.feed_connections();
        view.cpu_percent = process.cpu_percent.map(hundredths);
        view.cores = self.process.cores() as u64;
        view.memory_bytes = process.figures.memory_bytes;
        view.open_files = process.figures.open_files;
        view.max_open_files = process.figures.max_open_files;
        view.disk_free_bytes = process.figures.disk_free_bytes;
    }

    fn fill_mirrors(&self, view: &mut MetricsView) {
        let states = self.deps.metrics.mirrors().states(view.latest.sequence, self.taken.wall);
        let view_of = |state: MirrorState, mirror: Mirror| state.view(self.rates.mirrored[mirror as usize]);
        view.mirrors =
            Mirrors(states.into_iter().map(|(mirror, state)| (mirror.as_str(), view_of(state, mirror))).collect());
    }

    fn fill_stock(&mut self, view: &mut MetricsView) {
        let now = self.taken.wall;
        let products = self.deps.inventory.products();
        let products: Vec<&Product> = products.iter().map(AsRef::as_ref).collect();
        let levels = Levels::of(products.iter().copied());
        view.units_left = levels.left;
        view.units_held = levels.held;
        view.units_sold = levels.sold;
        view.units_total = levels.left + levels.held + levels.sold;
        view.inventory_levels = UnitsByProduct(levels.by_product);
        let sale = Sale::of(products, now);
        let since = match self.phase {
            Some((phase, since)) if phase == sale.phase => since,
            _ => now,
        };
        self.phase = Some((sale.phase, since));
        view.sale = SaleView::of(&sale, Some(since));
    }
}

fn codes() -> impl Iterator<Item = &'static str> {
    OUTCOMES.iter().map(|(_, code)| *code)
}

/// When the longest response was sent, by the wall clock.
fn slowest(slowest: Option<(Duration, Instant)>, now: Moment) -> Option<(Duration, Timestamp)> {
    let (took, ended) = slowest?;
    let ago = i64::try_from(ended.elapsed().as_millis()).unwrap_or(i64::MAX);
    Some((took, Timestamp::from_millis(now.wall.millis().saturating_sub(ago))))
}
