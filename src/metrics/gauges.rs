//! What is read when the metrics are asked for.

use std::time::Duration;

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use crate::domain::clock::Timestamp;
use crate::domain::digits::push_decimal;
use crate::domain::order::OrderStatus;
use crate::domain::product::ProductId;

use super::family::{Labelled, by, gauge};
use super::mirrors::Mirrors;

/// What all names of ours begin with.
pub(super) const PREFIX: &str = "flash_sale";

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
    /// Failed orders of those that were confirmed or failed in the last ten seconds, from 0 to 1; none if there were
    /// none.
    pub error_rate: Option<f64>,
    /// Age of the oldest job that is ready or active.
    pub oldest_job: Duration,
    /// Units that can be bought, by product: lines of [`push_inventory_level`]. There can be ten thousand, so they are
    /// written where they change.
    pub inventory: String,
    /// Units of pending and of confirmed orders.
    pub units: [u64; 2],
    /// Raised alerts, by code.
    pub alerts: Vec<(&'static str, u64)>,
    /// Lines of the log that were lost since the start.
    pub log_lines_lost: u64,
    /// Milliseconds by which the wall clock was set ahead since the start, negative if it was set back.
    pub clock_offset: i64,
    /// The last record of the history, and the moment, which say how far mirrors are behind.
    pub last_record: u64,
    /// See there.
    pub now: Timestamp,
    /// What the system says of this process.
    pub process: ProcessFigures,
}

/// What the system says of this process; none where it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessFigures {
    /// When it started, in milliseconds since 1970.
    pub started_at: i64,
    /// Processor time since then.
    pub cpu: Option<Duration>,
    /// Resident memory.
    pub memory_bytes: Option<u64>,
    /// Open files, sockets among them.
    pub open_files: Option<u64>,
    /// Files that it may have open.
    pub max_open_files: Option<u64>,
    /// Free bytes on the disk of the data directory.
    pub disk_free_bytes: Option<u64>,
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
    /// The gauges under names of ours, and what there is of the mirrors.
    pub(super) fn registry(&self, mirrors: &Mirrors) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        let orders = OrderStatus::ALL.map(OrderStatus::as_str).into_iter().zip(self.orders);
        registry.register("order_levels", "Orders, by status", by("status", orders));
        registry.register("dead_letters", "Dead letters", gauge(self.dead_letters));
        let jobs = by("state", self.jobs.iter().copied());
        registry.register("jobs", "Unfinished jobs, by what they are doing", jobs);
        let length = gauge(self.jobs.iter().map(|(_, count)| count).sum());
        registry.register("queue_length", "Unfinished jobs", length);
        let throughput = ConstGauge::new(self.throughput);
        registry.register("throughput", "Jobs that workers completed a second, over the last ten seconds", throughput);
        let about = "Failed orders of those that were confirmed or failed in the last ten seconds, from 0 to 1; NaN if \
            there were none";
        registry.register("error_rate", about, ConstGauge::new(self.error_rate.unwrap_or(f64::NAN)));
        let oldest = ConstGauge::new(self.oldest_job.as_secs_f64());
        let about = "Age of the oldest job that is ready or active";
        registry.register_with_unit("oldest_job_age", about, Unit::Seconds, oldest);
        registry.register("units_held", "Units of pending orders", gauge(self.units[0]));
        registry.register("units_sold", "Units of confirmed orders", gauge(self.units[1]));
        registry.register("alerts", "Raised alerts, by code", by("code", self.alerts.iter().copied()));
        let lost = ConstCounter::new(self.log_lines_lost);
        registry.register("log_lines_lost", "Log lines that could not be written since the start", lost);
        let offset = ConstGauge::new(self.clock_offset as f64 / 1_000.0);
        let about = "Time by which the wall clock was set ahead since the start, below 0 if it was set back";
        registry.register_with_unit("clock_offset", about, Unit::Seconds, offset);
        if let Some(bytes) = self.process.disk_free_bytes {
            let about = "Free space on the disk of the data directory";
            registry.register_with_unit("disk_free", about, Unit::Bytes, gauge(bytes));
        }
        // A gauge, as the older format has no type for it.
        let build = Labelled::new("version", [(env!("CARGO_PKG_VERSION"), gauge(1))]);
        registry.register("build_info", "The version that runs", build);
        mirrors.register(&mut registry, self.last_record, self.now);
        registry
    }

    /// What is known of this process, under the names that all programs have for it.
    pub(super) fn process_registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("process");
        let process = &self.process;
        let started = ConstGauge::new(process.started_at as f64 / 1_000.0);
        registry.register_with_unit("start_time", "When the process started, since 1970", Unit::Seconds, started);
        if let Some(cpu) = process.cpu {
            let cpu = ConstCounter::new(cpu.as_secs_f64());
            registry.register_with_unit("cpu", "Processor time of the process", Unit::Seconds, cpu);
        }
        if let Some(bytes) = process.memory_bytes {
            registry.register_with_unit("resident_memory", "Resident memory", Unit::Bytes, gauge(bytes));
        }
        if let Some(files) = process.open_files {
            registry.register("open_fds", "Open files, sockets among them", gauge(files));
        }
        if let Some(files) = process.max_open_files {
            registry.register("max_fds", "Files that may be open", gauge(files));
        }
        registry
    }
}
