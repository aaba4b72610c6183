//! Every metric and its name. What happens often is counted where it happens; levels are read when they are asked for.
//!
//! Names and units follow the conventions of OpenMetrics 1.0: base units, `_total` on counters, few label values.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;
use parking_lot::Mutex;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::domain::order::OrderStatus;
use crate::domain::refusal::Refusal;

mod buckets;
mod connections;
mod distinct;
mod family;
mod gauges;
mod latencies;
mod mirrors;
mod outcome;
mod posts;
mod requests;
mod revenue;

pub use connections::{Closed, OpenConnection};
pub use distinct::Sketch;
pub use gauges::{Gauges, ProcessFigures, push_inventory_level};
pub use latencies::Latencies;
pub use mirrors::{MirrorFigures, MirrorState, Mirrors};
pub use outcome::{OUTCOME_COUNT, OUTCOMES, Outcome};
pub use posts::{LastPost, PostOutcome, Posts};
pub use requests::OrderTimes;
pub use revenue::Revenue;

use buckets::{Buckets, push_description};
use distinct::Registers;
use family::Labelled;
use gauges::PREFIX;
use requests::Requests;

/// What is counted as it happens. Cheap to count: an atomic integer, or a short lock once a commit.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Orders that came to each status, in the order of [`OrderStatus::ALL`].
    reached: [Counter; 4],
    /// Orders that were rejected, in the order of [`OUTCOMES`]; nothing for the first, which is none.
    rejected: [Counter; OUTCOME_COUNT],
    connections: Gauge,
    max_connections: Gauge,
    feed_connections: Gauge,
    /// In the order of [`Closed::ALL`].
    closed: [Counter; 4],
    commit_duration: Histogram,
    commit_batch: Histogram,
    expiry_lag: Histogram,
    revenue: Revenue,
    local_faults: Counter,
    clock_steps: Counter,
    forwarded_ignored: Counter,
    requests: Requests,
    posts: Posts,
    mirrors: Mirrors,
    acknowledged: AtomicU64,
    /// Requests for orders that are under way, and the most of them at one moment.
    under_way: Level,
    /// The most open connections at one moment.
    peak_connections: AtomicU64,
    commits: Mutex<Commits>,
    processing: Mutex<Buckets>,
    hasher: RandomState,
    users: Registers,
    addresses: Registers,
}

/// Commits since they were last asked for.
#[derive(Clone, Debug, Default)]
pub struct Commits {
    /// How long they took until they were on disk.
    pub latencies: Latencies,
    /// Orders placed or moved in them.
    pub orders: u64,
}

/// How many there are of something, and the most that there were.
#[derive(Debug, Default)]
struct Level {
    now: AtomicU64,
    peak: AtomicU64,
}

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The older text format of Prometheus, 0.0.4.
    Prometheus,
}

/// The older format describes a counter under its whole name, and knows no units.
fn prometheus(open_metrics: &str) -> String {
    let lines: Vec<_> = open_metrics.lines().filter(|line| !line.starts_with("# UNIT ")).collect();
    let counters: Vec<_> =
        lines.iter().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in lines {
        let described = line.strip_prefix("# ").and_then(|line| line.split(' ').nth(1));
        match described.filter(|name| counters.contains(name)) {
            Some(name) => text.push_str(&line.replacen(name, &format!("{name}_total"), 1)),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let rejected: [Counter; OUTCOME_COUNT] = Default::default();
        let codes = OUTCOMES.iter().map(|(_, code)| *code).zip(rejected.clone()).skip(1);
        let reached: [Counter; 4] = Default::default();
        let orders =
            Labelled::new("status", OrderStatus::ALL.map(OrderStatus::as_str).into_iter().zip(reached.clone()));
        let about = "Orders that came to a status since the start; all that were accepted came to pending";
        registry.register("orders", about, orders);
        let rejections = Labelled::new("code", codes);
        registry.register("orders_rejected", "Orders that were rejected, by the code of the refusal", rejections);
        let connections = Gauge::default();
        registry.register("active_connections", "Open connections", connections.clone());
        let max_connections = Gauge::default();
        let about = "Connections that there may be, by the setting and the limit of open files";
        registry.register("max_connections", about, max_connections.clone());
        let feed_connections = Gauge::default();
        registry.register("feed_connections", "Clients of the live feed", feed_connections.clone());
        let closed: [Counter; 4] = Default::default();
        let reasons = Labelled::new("reason", Closed::ALL.map(Closed::as_str).into_iter().zip(closed.clone()));
        registry.register("connections_closed", "Connections that the server closed, by the reason", reasons);
        // From 50 µs to 1.6 s, doubling.
        let commit_duration = Histogram::new(exponential_buckets(0.000_05, 2.0, 16));
        let about = "Time from building a commit until it is on disk";
        registry.register_with_unit("commit_duration", about, Unit::Seconds, commit_duration.clone());
        let commit_batch = Histogram::new(exponential_buckets(1.0, 2.0, 14));
        registry.register("commit_batch_size", "Orders placed or moved in one commit", commit_batch.clone());
        // From 1 ms to 32 s, doubling.
        let expiry_lag = Histogram::new(exponential_buckets(0.001, 2.0, 16));
        let about = "Time from the end of a hold until its units can be bought again";
        registry.register_with_unit("hold_expiry_lag", about, Unit::Seconds, expiry_lag.clone());
        let revenue = Revenue::new(&mut registry);
        let local_faults = Counter::default();
        let about = "Fulfilment attempts that a fault of this machine kept from being made";
        registry.register("fulfillment_local_faults", about, local_faults.clone());
        let posts = Posts::new(&mut registry);
        let clock_steps = Counter::default();
        registry.register("clock_steps", "Times that the wall clock was set", clock_steps.clone());
        let forwarded_ignored = Counter::default();
        let about = "Requests whose X-Forwarded-For was ignored, as it came from a peer that is not trusted";
        registry.register("forwarded_ignored", about, forwarded_ignored.clone());
        Self {
            registry,
            posts,
            mirrors: Mirrors::default(),
            acknowledged: AtomicU64::default(),
            reached,
            rejected,
            connections,
            max_connections,
            feed_connections,
            closed,
            commit_duration,
            commit_batch,
            expiry_lag,
            revenue,
            local_faults,
            clock_steps,
            forwarded_ignored,
            requests: Requests::default(),
            under_way: Level::default(),
            peak_connections: AtomicU64::default(),
            commits: Mutex::default(),
            processing: Mutex::default(),
            hasher: RandomState::default(),
            users: Registers::default(),
            addresses: Registers::default(),
        }
    }
}

impl Metrics {
    /// Counts an order that was rejected.
    pub fn count_rejected(&self, refusal: &Refusal) {
        self.rejected[Outcome::of(refusal).index()].inc();
    }

    /// Orders that were rejected since the start, in the order of [`OUTCOMES`].
    pub fn rejected(&self) -> [u64; OUTCOME_COUNT] {
        self.rejected.each_ref().map(Counter::get)
    }

    /// Counts a request for an order as under way, until what is returned is dropped.
    pub fn count_order_request(&self) -> UnderWay<'_> {
        let now = self.under_way.now.fetch_add(1, Ordering::Relaxed) + 1;
        raise(&self.under_way.peak, now);
        UnderWay(&self.under_way.now)
    }

    /// Records a request for an order that has just been responded to.
    pub fn record_order(&self, outcome: Outcome, took: Duration, ended: Instant) {
        self.requests.record_order(outcome, took, ended);
    }

    /// Records another request. `route` is the template of its path, if it has one.
    pub fn record_request(&self, route: Option<&Arc<str>>, method: &str, status: u16, took: Duration) {
        self.requests.record(route, method, status, took);
    }

    /// What was recorded of orders since the last call. `spare` is empty before and after.
    pub fn drain_orders(&self, spare: &mut Latencies) -> OrderTimes {
        self.requests.drain_orders(spare)
    }

    /// The commits since the last call. `spare` is empty, and takes the place of what is returned.
    pub fn drain_commits(&self, spare: Commits) -> Commits {
        std::mem::replace(&mut self.commits.lock(), spare)
    }

    /// The most requests for orders that were under way, and connections that were open, at one moment since the last
    /// reset of the two.
    pub fn peaks(&self) -> [u64; 2] {
        [&self.under_way.peak, &self.peak_connections].map(|peak| peak.load(Ordering::Relaxed))
    }

    /// Resets both to what is at the moment.
    pub fn reset_peaks(&self) {
        self.under_way.peak.store(self.under_way.now.load(Ordering::Relaxed), Ordering::Relaxed);
        self.peak_connections.store(self.open_connections(), Ordering::Relaxed);
    }

    /// Notes that a user tried to order.
    pub fn note_user(&self, user: &str) {
        self.users.add(self.hash_of_user(user));
    }

    /// What a user is counted by.
    pub fn hash_of_user(&self, user: &str) -> u64 {
        self.hasher.hash_one(user)
    }

    /// Notes that a request came from an address.
    pub fn note_address(&self, address: IpAddr) {
        self.addresses.add(self.hasher.hash_one(address));
    }

    /// Adds the users and the addresses that were noted since the last call.
    pub fn drain_people(&self, users: &mut Sketch, addresses: &mut Sketch) {
        self.users.drain_into(users);
        self.addresses.drain_into(addresses);
    }

    /// Notes how long a worker took for so many jobs, each.
    pub fn observe_processing(&self, took: Duration, jobs: u64) {
        self.processing.lock().observe(took, jobs);
    }

    /// Jobs that workers were done with since the start, and the time that they took in all.
    pub fn processing(&self) -> (u64, Duration) {
        let processing = *self.processing.lock();
        (processing.count(), processing.sum())
    }

    /// Counts a connection for as long as what is returned lives.
    pub fn count_connection(&self) -> OpenConnection {
        let before = self.connections.inc();
        raise(&self.peak_connections, before.unsigned_abs() + 1);
        OpenConnection(self.connections.clone())
    }

    /// Counts a client of the live feed for as long as what is returned lives.
    pub fn count_feed_connection(&self) -> OpenConnection {
        self.feed_connections.inc();
        OpenConnection(self.feed_connections.clone())
    }

    /// Open connections.
    pub fn open_connections(&self) -> u64 {
        self.connections.get().unsigned_abs()
    }

    /// Connections that there may be.
    pub fn max_connections(&self) -> u64 {
        self.max_connections.get().unsigned_abs()
    }

    /// Clients of the live feed.
    pub fn feed_connections(&self) -> u64 {
        self.feed_connections.get().unsigned_abs()
    }

    /// Notes how many connections there may be.
    pub fn set_max_connections(&self, most: usize) {
        self.max_connections.set(i64::try_from(most).unwrap_or(i64::MAX));
    }

    /// Counts a connection that the server closed.
    pub fn count_closed(&self, why: Closed) {
        self.closed[why as usize].inc();
    }

    /// Notes a commit: how long it took, how many orders it placed or moved, and how many came to each status, in the
    /// order of [`OrderStatus::ALL`].
    pub fn observe_commit(&self, took: Duration, orders: u64, reached: [u64; 4]) {
        self.commit_duration.observe(took.as_secs_f64());
        self.commit_batch.observe(orders as f64);
        let mut commits = self.commits.lock();
        commits.latencies.record(took);
        commits.orders += orders;
        drop(commits);
        for (counter, count) in self.reached.iter().zip(reached) {
            counter.inc_by(count);
        }
    }

    /// Notes how late the units of a hold came back.
    pub fn observe_expiry(&self, lag: Duration) {
        self.expiry_lag.observe(lag.as_secs_f64());
    }

    /// What confirmed orders cost.
    pub const fn revenue(&self) -> &Revenue {
        &self.revenue
    }

    /// How the fulfilment service responds.
    pub const fn posts(&self) -> &Posts {
        &self.posts
    }

    /// How far the mirrors are.
    pub const fn mirrors(&self) -> &Mirrors {
        &self.mirrors
    }

    /// Counts orders whose callers got the response that they are stored.
    pub fn count_acknowledged(&self, orders: u64) {
        self.acknowledged.fetch_add(orders, Ordering::Relaxed);
    }

    /// How many there were since the start.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Counts a fulfilment attempt that a fault of this machine kept from being made.
    pub fn count_local_fault(&self) {
        self.local_faults.inc();
    }

    /// Counts that the wall clock was set.
    pub fn count_clock_step(&self) {
        self.clock_steps.inc();
    }

    /// Counts a request whose `X-Forwarded-For` was ignored.
    pub fn count_forwarded_ignored(&self) {
        self.forwarded_ignored.inc();
    }

    /// Everything as text.
    pub fn text(&self, levels: &Gauges, format: Format) -> String {
        let mut text = String::with_capacity(8 * 1024);
        // Into memory: this cannot fail.
        let _ = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &levels.registry(&self.mirrors)))
            .and_then(|()| encode_registry(&mut text, &levels.process_registry()));
        if format == Format::Prometheus {
            text = prometheus(&text);
        }
        text.reserve(levels.inventory.len() + 256);
        text.push_str("# HELP flash_sale_inventory_levels Units that can be bought.\n");
        text.push_str("# TYPE flash_sale_inventory_levels gauge\n");
        text.push_str(&levels.inventory);
        let is_open_metrics = format == Format::OpenMetrics;
        self.requests.push_text(&mut text, is_open_metrics);
        let name = "flash_sale_processing_seconds";
        let about = "Time from a worker taking a job until its report has reached the committer";
        push_description(&mut text, name, about, is_open_metrics);
        self.processing.lock().push_samples(&mut text, name, "");
        if is_open_metrics {
            let _ = encode_eof(&mut text);
        }
        text
    }
}

/// Raises a peak to a level, if it is higher.
fn raise(peak: &AtomicU64, level: u64) {
    // Mostly read only: a peak is seldom reached.
    if peak.load(Ordering::Relaxed) < level {
        peak.fetch_max(level, Ordering::Relaxed);
    }
}

/// A request for an order that is counted as under way until this is dropped.
#[derive(Debug)]
pub struct UnderWay<'m>(&'m AtomicU64);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::product::ProductId;

    #[test]
    fn what_was_counted_and_the_levels_stand_in_the_text() {
        let metrics = Metrics::default();
        metrics.count_rejected(&Refusal::SoldOut);
        metrics.count_rejected(&Refusal::SoldOut);
        metrics.count_rejected(&Refusal::ProductNotFound);
        let open = metrics.count_connection();
        drop(metrics.count_connection());
        metrics.count_local_fault();
        metrics.observe_commit(Duration::from_micros(300), 12, [5, 7, 0, 0]);
        metrics.observe_expiry(Duration::from_millis(3));
        metrics.revenue().sell(99_999);
        metrics.revenue().take_back(35_000);
        let levels = Gauges {
            orders: [1, 20, 3, 4],
            dead_letters: 6,
            jobs: vec![("waiting", 5), ("delayed", 2)],
            inventory: {
                let mut text = String::new();
                push_inventory_level(&mut text, ProductId(7), 96);
                text
            },
            log_lines_lost: 11,
            ..Gauges::default()
        };
        let text = metrics.text(&levels, Format::OpenMetrics);
        for line in [
            "flash_sale_orders_rejected_total{code=\"sold_out\"} 2",
            "flash_sale_orders_rejected_total{code=\"product_not_found\"} 1",
            "flash_sale_active_connections 1",
            "flash_sale_fulfillment_local_faults_total 1",
            "flash_sale_commit_duration_seconds_count 1",
            "flash_sale_commit_batch_size_sum 12.0",
            "flash_sale_hold_expiry_lag_seconds_bucket{le=\"0.004\"} 1",
            "flash_sale_revenue_total 999.99",
            "flash_sale_revenue_returned_total 350.0",
            "flash_sale_orders_total{status=\"confirmed\"} 7",
            "flash_sale_order_levels{status=\"confirmed\"} 20",
            "flash_sale_dead_letters 6",
            "flash_sale_queue_length 7",
            "flash_sale_inventory_levels{product_id=\"7\"} 96",
            "flash_sale_log_lines_lost_total 11",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
        assert!(text.contains("# TYPE flash_sale_orders counter\n") && text.ends_with("# EOF\n"));
        let older = metrics.text(&levels, Format::Prometheus);
        assert!(older.contains("# TYPE flash_sale_orders_total counter\n"), "{older}");
        assert!(older.contains("# HELP flash_sale_orders_total Orders that came to a status"), "{older}");
        assert!(older.contains("# TYPE flash_sale_queue_length gauge\n") && !older.contains("# EOF"), "{older}");
        let samples = |text: &str| -> BTreeSet<String> {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
        };
        assert_eq!(samples(&older), samples(&text));
        drop(open);
    }
}
