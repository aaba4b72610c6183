//! The figures of the moment, as the API, the feed and the dashboard show them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::queue::JobCountsView;
use super::text::{AsText, Word};
use crate::domain::clock::Timestamp;
use crate::domain::money::Money;
use crate::domain::sale::{Phase, Sale};

/// Objects whose keys are ids or codes: what they map, and their name among the schemas.
macro_rules! keyed {
    ($($(#[$about:meta])* $type:ident, $name:literal, $key:ty => $value:ty;)*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize)]
        #[serde(transparent)]
        pub struct $type(pub BTreeMap<$key, $value>);

        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                let values = AdditionalProperties::RefOr(super::schema::of::<$value>());
                ObjectBuilder::new().schema_type(Type::Object).additional_properties(Some(values)).into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    )*};
}

keyed! {
    /// Units by product.
    UnitsByProduct, "UnitsByProduct", u64 => u64;
    /// Counts by code.
    ByCode, "CountsByCode", &'static str => u64;
    /// Rates by code, a second.
    RatesByCode, "RatesByCode", &'static str => f64;
    /// Counts by status and code.
    ByStatusAndCode, "CountsByStatusAndCode", String => u64;
    /// What follows the store outside of this process, by name: `postgres`, `redis`, `events`.
    Mirrors, "Mirrors", &'static str => MirrorView;
    /// How far the mirrors are, by name.
    MirrorLags, "MirrorLags", &'static str => MirrorLagView;
}

/// The figures of the last second. Rates are those of that second; percentages go from 0 to 100; null is what was not
/// measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Metrics)]
pub struct MetricsView {
    /// Milliseconds since 1970, by the wall clock.
    pub(crate) timestamp: i64,
    /// When the server started, in milliseconds since 1970.
    pub(crate) started_at: i64,
    /// When the measurement was last reset, in milliseconds since 1970; the start, if it never was.
    pub(crate) reset_at: i64,
    /// Jobs that are ready or active.
    pub(crate) queue_length: u64,
    pub(crate) queue_stats: JobCountsView,
    /// Jobs with a worker.
    pub(crate) active_jobs: u64,
    pub(crate) workers: u64,
    /// Jobs that may be unfinished, without holds.
    pub(crate) queue_capacity: u64,
    pub(crate) paused: bool,
    /// 0 if no job is ready or active.
    pub(crate) oldest_job_age_ms: u64,
    /// Orders that were accepted in the last second.
    #[schema(minimum = 0)]
    pub(crate) orders_per_second: f64,
    /// The most in one second since the reset.
    #[schema(minimum = 0)]
    pub(crate) peak_orders_per_second: f64,
    /// Orders that were rejected in the last second.
    #[schema(minimum = 0)]
    pub(crate) rejected_per_second: f64,
    /// Jobs that workers completed in the last second.
    #[schema(minimum = 0)]
    pub(crate) throughput: f64,
    /// Orders that were accepted since the reset.
    pub(crate) total_orders: u64,
    /// Confirmed orders of the store.
    pub(crate) successful_orders: u64,
    /// Failed orders of the store.
    pub(crate) failed_orders: u64,
    /// Pending orders of the store.
    pub(crate) pending_orders: u64,
    /// Cancelled orders of the store.
    pub(crate) cancelled_orders: u64,
    /// Confirmed orders of those that were confirmed or failed since the reset.
    #[schema(required, minimum = 0, maximum = 100)]
    pub(crate) success_rate: Option<f64>,
    /// Failed orders of those that were confirmed or failed in the last ten seconds.
    #[schema(required, minimum = 0, maximum = 100)]
    pub(crate) error_rate: Option<f64>,
    /// The same of the last second.
    #[schema(required, minimum = 0, maximum = 100)]
    pub(crate) failed_percent: Option<f64>,
    /// Mean time of workers for a job since the reset, in milliseconds.
    #[schema(required, minimum = 0)]
    pub(crate) average_processing_time: Option<f64>,
    pub(crate) response_time: ResponseTimeView,
    pub(crate) commit: CommitView,
    /// Dead letters of the store.
    pub(crate) dead_letters: u64,
    /// Orders that became dead letters in the last second.
    #[schema(minimum = 0)]
    pub(crate) dead_letters_per_second: f64,
    pub(crate) active_connections: u64,
    pub(crate) max_connections: u64,
    /// Clients of the live feed.
    pub(crate) feed_connections: u64,
    /// Processor time of this process, of all cores.
    #[schema(required, minimum = 0, maximum = 100)]
    pub(crate) cpu_percent: Option<f64>,
    pub(crate) cores: u64,
    /// Resident memory of this process.
    #[schema(required)]
    pub(crate) memory_bytes: Option<u64>,
    #[schema(required)]
    pub(crate) open_files: Option<u64>,
    /// Null where there is no limit.
    #[schema(required)]
    pub(crate) max_open_files: Option<u64>,
    /// Of the disk of the data directory.
    #[schema(required)]
    pub(crate) disk_free_bytes: Option<u64>,
    /// Units that can be bought, by product.
    pub(crate) inventory_levels: UnitsByProduct,
    /// Units that can be bought.
    pub(crate) units_left: u64,
    /// Units of pending orders.
    pub(crate) units_held: u64,
    /// Units of confirmed orders.
    pub(crate) units_sold: u64,
    /// Units in all.
    pub(crate) units_total: u64,
    /// What the orders that were confirmed since the reset cost, without those that were cancelled again.
    pub(crate) revenue: AsText<Money>,
    /// Users that tried to order in the last five minutes: an estimate, with a standard error of 0.8 %.
    pub(crate) active_users: u64,
    /// Client addresses in the last five minutes: an estimate, with a standard error of 0.8 %.
    pub(crate) visitors: u64,
    /// Users that own a confirmed order, of those that tried to order since the reset: an estimate.
    #[schema(required, minimum = 0, maximum = 100)]
    pub(crate) conversion_rate: Option<f64>,
    /// Orders that were rejected since the reset, by the code of the refusal.
    pub(crate) rejected: ByCode,
    /// The same in the last second.
    pub(crate) rejected_rates: RatesByCode,
    /// What follows the store outside of this process, by name: `postgres`, `redis`, `events`.
    pub(crate) mirrors: Mirrors,
    pub(crate) sale: SaleView,
    pub(crate) latest: LatestView,
}

/// Response times of `POST /orders` over the last ten seconds, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = ResponseTime)]
pub struct ResponseTimeView {
    #[schema(required, minimum = 0)]
    pub(crate) p50: Option<f64>,
    #[schema(required, minimum = 0)]
    pub(crate) p95: Option<f64>,
    #[schema(required, minimum = 0)]
    pub(crate) p99: Option<f64>,
    #[schema(required, minimum = 0)]
    pub(crate) max: Option<f64>,
}

/// Commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Commits)]
pub struct CommitView {
    /// In the last second.
    #[schema(minimum = 0)]
    pub(crate) per_second: f64,
    /// Orders placed or moved in one, on the mean of the last ten seconds.
    #[schema(required, minimum = 0)]
    pub(crate) batch_size: Option<f64>,
    /// Milliseconds until one is on disk, over the last ten seconds.
    #[schema(required, minimum = 0)]
    pub(crate) p99: Option<f64>,
}

/// What follows the store outside of this process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MirrorState)]
pub struct MirrorView {
    /// Whether its target is there.
    pub(crate) connected: bool,
    /// Since when its target is not there; null while it is.
    #[schema(required)]
    pub(crate) away_since: Option<AsText<Timestamp>>,
    /// The last record of the history that the target has; null while that is not known, which is before its target
    /// was first there: then all records count as those that it lacks.
    #[schema(required)]
    pub(crate) position: Option<u64>,
    /// Records of the history that the target lacks.
    pub(crate) lag_events: u64,
    /// Age of the oldest change that the target lacks.
    #[schema(minimum = 0)]
    pub(crate) lag_seconds: f64,
    /// Whether everything is being copied.
    pub(crate) rebuilding: bool,
    /// Changes that the target took since the start of the server.
    pub(crate) changes: u64,
    /// The same in the last second.
    #[schema(minimum = 0)]
    pub(crate) changes_per_second: f64,
    /// Rows or events that the target rejected since the start; they are kept aside.
    pub(crate) put_aside: u64,
    /// How often everything was copied since the start.
    pub(crate) rebuilds: u64,
    /// Connections of this server to PostgreSQL; null for the others.
    #[schema(required)]
    pub(crate) connections: Option<u64>,
    /// Reads of all clients of Redis that found their key, as Redis counts them; null for the others.
    #[schema(required)]
    pub(crate) hits: Option<u64>,
    /// Reads that did not find it.
    #[schema(required)]
    pub(crate) misses: Option<u64>,
    /// What went wrong last, if the target is not there.
    #[schema(required)]
    pub(crate) last_error: Option<String>,
}

impl MirrorLags {
    /// Whether no mirror is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How far one mirror is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MirrorLag)]
pub struct MirrorLagView {
    /// Whether its target is there.
    pub(crate) connected: bool,
    /// Records of the history that the target lacks.
    pub(crate) lag_events: u64,
    /// Age of the oldest change that the target lacks.
    #[schema(minimum = 0)]
    pub(crate) lag_seconds: f64,
}

/// The sale as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Sale)]
pub struct SaleView {
    pub(crate) phase: Word<Phase>,
    /// The next start, else the first one.
    #[schema(required)]
    pub(crate) starts_at: Option<AsText<Timestamp>>,
    /// The last end; null where a product has none.
    #[schema(required)]
    pub(crate) ends_at: Option<AsText<Timestamp>>,
    /// Since when the phase is what it is, as far as this server has seen.
    #[schema(required)]
    pub(crate) since: Option<AsText<Timestamp>>,
    /// Products in the sale.
    pub(crate) products: u64,
    /// Their units, held and sold ones too.
    pub(crate) units: u64,
}

impl Default for SaleView {
    fn default() -> Self {
        Self::of(&Sale::default(), None)
    }
}

impl SaleView {
    /// The view of a sale whose phase has held since a moment.
    pub fn of(sale: &Sale, since: Option<Timestamp>) -> Self {
        Self {
            phase: Word(sale.phase),
            starts_at: sale.starts_at.map(AsText),
            ends_at: sale.ends_at.map(AsText),
            since: since.map(AsText),
            products: sale.products,
            units: sale.units,
        }
    }
}

/// The last record of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Latest)]
pub struct LatestView {
    pub(crate) sequence: u64,
    /// The id of the history.
    pub(crate) history: String,
}
