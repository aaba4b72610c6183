//! Every metric and its name. What happens often is counted where it happens; levels are read when they are asked for.
//!
//! Names and units follow the conventions of OpenMetrics 1.0: base units, `_total` on counters, few label values.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::domain::digits::push_decimal;
use crate::domain::order::OrderStatus;
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;

/// What all names begin with.
const PREFIX: &str = "flash_sale";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Status {
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Why the server closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// No whole request came in time.
    Idle,
    /// Its client did not read.
    Unread,
    /// Another one needed the room.
    MadeRoom,
    /// Its address had as many as it may.
    AddressFull,
}

impl Closed {
    const ALL: [Self; 4] = [Self::Idle, Self::Unread, Self::MadeRoom, Self::AddressFull];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Unread => "unread",
            Self::MadeRoom => "made_room",
            Self::AddressFull => "address_full",
        }
    }
}

/// What is counted as it happens. Cheap to count: an atomic integer, or a short lock once a commit.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Orders that came to each status, in the order of [`OrderStatus::ALL`].
    reached: [Counter; 4],
    rejected: Family<Code, Counter>,
    /// The most frequent of them, without a look-up.
    sold_out: Counter,
    connections: Gauge,
    max_connections: Gauge,
    feed_connections: Gauge,
    /// In the order of [`Closed::ALL`].
    closed: [Counter; 4],
    commit_duration: Histogram,
    commit_batch: Histogram,
    expiry_lag: Histogram,
    local_faults: Counter,
    clock_steps: Counter,
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

/// What is read when the metrics are asked for.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Orders by status, in the order of [`OrderStatus::ALL`].
    pub orders: [u64; 4],
    /// Orders whose jobs are dead letters.
    pub dead_letters: u64,
    /// Unfinished jobs by what they are doing.
    pub jobs: Vec<(&'static str, u64)>,
    /// Jobs that workers complete a second.
    pub throughput: f64,
    /// Age of the oldest job that is ready or active.
    pub oldest_job: Duration,
    /// Units that can be bought, by product: lines of [`push_inventory_level`]. There can be ten thousand, so they are
    /// written where they change.
    pub inventory: String,
    /// Raised alerts, by code.
    pub alerts: Vec<(&'static str, u64)>,
    /// Lines of the log that were lost since the start.
    pub log_lines_lost: u64,
    /// Milliseconds by which the wall clock was set ahead since the start, negative if it was set back.
    pub clock_offset: i64,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let rejected = Family::<Code, Counter>::default();
        let sold_out = rejected.get_or_create(&Code { code: Refusal::SoldOut.code() }).clone();
        let orders = Family::<Status, Counter>::default();
        let reached = OrderStatus::ALL.map(|status| orders.get_or_create(&Status { status: status.as_str() }).clone());
        let about = "Orders that came to a status since the start; all that were accepted came to pending";
        registry.register("orders", about, orders);
        registry.register("orders_rejected", "Orders that were rejected, by the code of the refusal", rejected.clone());
        let connections = Gauge::default();
        registry.register("active_connections", "Open connections", connections.clone());
        let max_connections = Gauge::default();
        let about = "Connections that there may be, by the setting and the limit of open files";
        registry.register("max_connections", about, max_connections.clone());
        let feed_connections = Gauge::default();
        registry.register("feed_connections", "Clients of the live feed", feed_connections.clone());
        let reasons = Family::<Reason, Counter>::default();
        let closed = Closed::ALL.map(|why| reasons.get_or_create(&Reason { reason: why.as_str() }).clone());
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
        let local_faults = Counter::default();
        let about = "Fulfilment attempts that a fault of this machine kept from being made";
        registry.register("fulfillment_local_faults", about, local_faults.clone());
        let clock_steps = Counter::default();
        registry.register("clock_steps", "Times that the wall clock was set", clock_steps.clone());
        Self {
            registry,
            reached,
            rejected,
            sold_out,
            connections,
            max_connections,
            feed_connections,
            closed,
            commit_duration,
            commit_batch,
            expiry_lag,
            local_faults,
            clock_steps,
        }
    }
}

impl Metrics {
    /// Counts an order that was rejected.
    pub fn count_rejected(&self, refusal: &Refusal) {
        match refusal {
            Refusal::SoldOut => self.sold_out.inc(),
            other => self.rejected.get_or_create(&Code { code: other.code() }).inc(),
        };
    }

    /// Counts a connection for as long as what is returned lives.
    pub fn count_connection(&self) -> OpenConnection {
        self.connections.inc();
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
        for (counter, count) in self.reached.iter().zip(reached) {
            counter.inc_by(count);
        }
    }

    /// Notes how late the units of a hold came back.
    pub fn observe_expiry(&self, lag: Duration) {
        self.expiry_lag.observe(lag.as_secs_f64());
    }

    /// Counts a fulfilment attempt that a fault of this machine kept from being made.
    pub fn count_local_fault(&self) {
        self.local_faults.inc();
    }

    /// Counts that the wall clock was set.
    pub fn count_clock_step(&self) {
        self.clock_steps.inc();
    }

    /// Everything as text.
    pub fn text(&self, levels: &Gauges, format: Format) -> String {
        let mut text = String::with_capacity(8 * 1024);
        // Into memory: this cannot fail.
        let _ =
            encode_registry(&mut text, &self.registry).and_then(|()| encode_registry(&mut text, &levels.registry()));
        if format == Format::Prometheus {
            text = prometheus(&text);
        }
        text.reserve(levels.inventory.len() + 256);
        text.push_str("# HELP flash_sale_inventory_levels Units that can be bought.\n");
        text.push_str("# TYPE flash_sale_inventory_levels gauge\n");
        text.push_str(&levels.inventory);
        if format == Format::OpenMetrics {
            let _ = encode_eof(&mut text);
        }
        text
    }
}

/// The line of one product among the levels.
pub fn push_inventory_level(text: &mut String, product: ProductId, units: u64) {
    text.push_str("flash_sale_inventory_levels{product_id=\"");
    push_decimal(text, product.0);
    text.push_str("\"} ");
    push_decimal(text, units);
    text.push('\n');
}

impl Gauges {
    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        let orders = Family::<Status, Gauge>::default();
        for (status, count) in OrderStatus::ALL.into_iter().zip(self.orders) {
            orders.get_or_create(&Status { status: status.as_str() }).set(count.cast_signed());
        }
        registry.register("order_levels", "Orders, by status", orders);
        let dead_letters = Gauge::<i64>::default();
        dead_letters.set(self.dead_letters.cast_signed());
        registry.register("dead_letters", "Dead letters", dead_letters);
        let jobs = Family::<State, Gauge>::default();
        for (state, count) in &self.jobs {
            jobs.get_or_create(&State { state }).set(count.cast_signed());
        }
        registry.register("jobs", "Unfinished jobs, by what they are doing", jobs);
        let length = Gauge::<i64>::default();
        length.set(self.jobs.iter().map(|(_, count)| count.cast_signed()).sum());
        registry.register("queue_length", "Unfinished jobs", length);
        let throughput = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        throughput.set(self.throughput);
        registry.register("throughput", "Jobs that workers completed a second, over the last ten seconds", throughput);
        let oldest = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        oldest.set(self.oldest_job.as_secs_f64());
        let about = "Age of the oldest job that is ready or active";
        registry.register_with_unit("oldest_job_age", about, Unit::Seconds, oldest);
        let alerts = Family::<Code, Gauge>::default();
        for (code, count) in &self.alerts {
            alerts.get_or_create(&Code { code }).set(count.cast_signed());
        }
        registry.register("alerts", "Raised alerts, by code", alerts);
        let lost = ConstCounter::new(self.log_lines_lost);
        registry.register("log_lines_lost", "Log lines that could not be written since the start", lost);
        let offset = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        offset.set(self.clock_offset as f64 / 1_000.0);
        let about = "Time by which the wall clock was set ahead since the start, below 0 if it was set back";
        registry.register_with_unit("clock_offset", about, Unit::Seconds, offset);
        registry
    }
}

/// A connection that is counted as open until this is dropped.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

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
