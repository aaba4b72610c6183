//! The benchmark report: what was measured since the last reset.

use serde::Serialize;
use utoipa::ToSchema;

use super::metrics::ByStatusAndCode;
use super::text::AsText;
use crate::domain::clock::Timestamp;

/// What was measured of `POST /orders` since the last reset. Latencies are in milliseconds, from the head of a request
/// to its response; null where there was no request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Benchmark)]
pub struct BenchmarkView {
    /// When the measurement began: the reset, or the start of the server.
    pub(crate) started_at: AsText<Timestamp>,
    /// Seconds since then.
    #[schema(minimum = 0)]
    pub(crate) test_duration: f64,
    /// Responses to `POST /orders`.
    pub(crate) total_requests: u64,
    /// Those below status 500: orders that were accepted, and refusals that the rules of the sale ask for.
    pub(crate) successful_requests: u64,
    /// Those from status 500 on.
    pub(crate) failed_requests: u64,
    /// Percent of all that failed; null where there was none.
    #[schema(required, minimum = 0, maximum = 100)]
    pub(crate) error_rate: Option<f64>,
    #[schema(required, minimum = 0)]
    pub(crate) average_latency: Option<f64>,
    #[schema(required, minimum = 0, rename = "p50Latency")]
    #[serde(rename = "p50Latency")]
    pub(crate) p50_latency: Option<f64>,
    #[schema(required, minimum = 0, rename = "p95Latency")]
    #[serde(rename = "p95Latency")]
    pub(crate) p95_latency: Option<f64>,
    #[schema(required, minimum = 0, rename = "p99Latency")]
    #[serde(rename = "p99Latency")]
    pub(crate) p99_latency: Option<f64>,
    #[schema(required, minimum = 0)]
    pub(crate) max_latency: Option<f64>,
    /// When the response with the longest latency was sent.
    #[schema(required)]
    pub(crate) slowest_at: Option<AsText<Timestamp>>,
    /// Responses a second, on the mean of the whole time.
    #[schema(minimum = 0)]
    pub(crate) throughput: f64,
    /// The most responses in one second.
    #[schema(minimum = 0)]
    pub(crate) peak_throughput: f64,
    /// Responses in the last second.
    #[schema(minimum = 0)]
    pub(crate) answers_per_second: f64,
    /// The most requests for orders that were under way at one moment.
    pub(crate) peak_concurrency: u64,
    /// The most connections that were open at one moment.
    pub(crate) peak_connections: u64,
    /// The latency that so many percent of the responses do not exceed, as far as there were enough of them.
    pub(crate) latency: Vec<PercentileView>,
    /// Responses by status and code.
    pub(crate) codes: ByStatusAndCode,
}

/// A point of the distribution of latencies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Percentile)]
pub struct PercentileView {
    #[schema(minimum = 0, maximum = 100)]
    pub(crate) percentile: f64,
    #[schema(minimum = 0)]
    pub(crate) ms: f64,
}

/// What an act says that changes no record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Done)]
pub struct DoneView {
    pub(crate) success: bool,
    pub(crate) message: &'static str,
}
