//! The results of a load test as a file: what the rehearsal writes, and what the report reads.
//!
//! Times within the run are milliseconds from its start; latencies are microseconds, counted from the moment at which
//! a request was meant to be sent.

use serde::{Deserialize, Serialize};

/// What [`LoadTestView::format`] says: other programs' files say something else.
pub const FORMAT: &str = "flashsale-rehearsal";
/// The version of this shape.
pub const VERSION: u32 = 1;

/// All results of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadTestView {
    /// [`FORMAT`].
    pub(crate) format: String,
    /// [`VERSION`].
    pub(crate) version: u32,
    /// The scenario's name.
    pub(crate) scenario: String,
    /// The command line, without secrets.
    pub(crate) command: String,
    /// The seed of everything that was drawn by lot.
    pub(crate) seed: u64,
    /// When the first buyer was due: RFC 3339, UTC.
    pub(crate) started_at: String,
    /// From the first buyer due to the last response, in milliseconds.
    pub(crate) duration_ms: u64,
    /// Whether every check holds.
    pub(crate) held: bool,
    pub(crate) checks: Vec<CheckView>,
    pub(crate) funnel: FunnelView,
    pub(crate) products: Vec<ProductView>,
    pub(crate) phases: Vec<PhaseView>,
    pub(crate) events: Vec<EventView>,
    /// One for each second of the run, in order, without gaps.
    pub(crate) seconds: Vec<SecondView>,
    /// All requests.
    pub(crate) latency: LatencyView,
    /// Orders alone.
    pub(crate) order_latency: LatencyView,
    pub(crate) codes: Vec<CodeView>,
    /// The buyers whose orders were the first, in the order of the history, and the last one.
    pub(crate) first: Vec<FirstView>,
    pub(crate) kinds: Vec<KindView>,
    pub(crate) endpoints: Vec<EndpointView>,
    pub(crate) schedule: ScheduleView,
    pub(crate) machine: MachineView,
    pub(crate) server: ServerView,
}

/// One promise, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckView {
    /// Its name for programs, such as `stock`.
    pub(crate) name: String,
    /// Its name for people, such as "Sold equals stock".
    pub(crate) title: String,
    pub(crate) holds: bool,
    /// What was found, with figures.
    pub(crate) evidence: String,
}

/// From asking to owning. `asked` is the sum of `lost` and `admitted`, and `admitted` the sum of what follows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FunnelView {
    /// Requests for an order, each attempt once.
    pub(crate) asked: u64,
    /// Those that got no order, by the code of the refusal, or by [`CodeView::code`] of what came instead.
    pub(crate) lost: Vec<LostView>,
    /// Responses 201, or a repetition of one.
    pub(crate) admitted: u64,
    /// Of these: repetitions of an order that was acknowledged before.
    pub(crate) repeated: u64,
    pub(crate) cancelled: u64,
    pub(crate) failed: u64,
    pub(crate) pending: u64,
    pub(crate) confirmed: u64,
}

/// Requests that got no order, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LostView {
    pub(crate) code: String,
    pub(crate) count: u64,
    /// What there is to say about them, such as "all after 1:03, when the last unit was gone".
    pub(crate) note: String,
}

/// A product of the run, as the server gave it in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProductView {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// Units that were put in.
    pub(crate) stock: u64,
    pub(crate) sold: u64,
    pub(crate) held: u64,
    pub(crate) left: u64,
    /// Units for each buyer, if they are limited.
    pub(crate) per_user_limit: Option<u64>,
    /// When the last unit was taken, if units were taken until none was left.
    pub(crate) sold_out_ms: Option<u64>,
}

/// A part of the run with its own rate of arrivals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PhaseView {
    pub(crate) name: String,
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    /// Buyers a second at its start and at its end.
    pub(crate) rate: [f64; 2],
}

/// Something that happened at a moment, or lasted for some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventView {
    pub(crate) at_ms: u64,
    /// When it was over, of what lasted.
    pub(crate) until_ms: Option<u64>,
    /// One of `kill`, `fulfillment_outage`, `sold_out`.
    pub(crate) kind: String,
    /// A word or two for the chart, such as "kill -9".
    pub(crate) label: String,
    /// A sentence without its time, such as "server killed, taking orders again after 0.9 s".
    pub(crate) message: String,
}

/// What responded within one second of the run. A second in which nothing was measured has no `latency`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecondView {
    /// Requests of any kind that were sent.
    pub(crate) requests: u64,
    /// Orders that were admitted.
    pub(crate) admitted: u64,
    /// Orders that were rejected.
    pub(crate) refused: u64,
    /// Requests of any kind that got no response, or one of 500 or above.
    pub(crate) failed: u64,
    /// Responses of any kind.
    pub(crate) responses: u64,
    /// Of orders.
    pub(crate) latency: Option<PercentilesView>,
    /// Units left of all products at the end of the second, if they are known.
    pub(crate) left: Option<u64>,
}

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PercentilesView {
    pub(crate) p50: u64,
    pub(crate) p95: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
}

/// Latencies of a whole run. Without a response there are no percentiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LatencyView {
    pub(crate) count: u64,
    pub(crate) mean_us: Option<f64>,
    pub(crate) percentiles: Option<PercentilesView>,
}

/// Responses of one kind to requests for orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CodeView {
    /// The HTTP status; none where there was no response.
    pub(crate) status: Option<u16>,
    /// `admitted`, the code of the refusal, or `no_response`.
    pub(crate) code: String,
    pub(crate) count: u64,
}

/// One of the first buyers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FirstView {
    /// From 1, in the order of the history.
    pub(crate) place: u64,
    pub(crate) user_id: String,
    /// From the start of the run until the order was acknowledged, in microseconds.
    pub(crate) after_us: u64,
    /// Orders of this buyer.
    pub(crate) orders: u64,
}

/// One kind of buyers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KindView {
    /// Such as "browse, think, buy".
    pub(crate) kind: String,
    pub(crate) buyers: u64,
    /// Requests for an order.
    pub(crate) asked: u64,
    /// Orders that they got, each counted once.
    pub(crate) got: u64,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointView {
    /// Such as `POST /orders`.
    pub(crate) endpoint: String,
    pub(crate) requests: u64,
    pub(crate) latency: LatencyView,
}

/// Whether the generator kept up with its own schedule. Where it did not, the figures are not the server's alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleView {
    pub(crate) kept: bool,
    /// Buyers that were due, and those of them that were sent on their way.
    pub(crate) due: u64,
    pub(crate) sent: u64,
    /// How late requests were sent, in microseconds.
    pub(crate) late: PercentilesView,
    /// Connections of the buyers.
    pub(crate) connections: u64,
}

/// Where it was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MachineView {
    pub(crate) processors: u64,
    pub(crate) processor: String,
    pub(crate) memory_bytes: u64,
    pub(crate) system: String,
    /// Processors that the generator could use beside the server.
    pub(crate) generator_threads: u64,
    /// Processor time of the generator, in milliseconds, and its peak memory.
    pub(crate) generator_cpu_ms: u64,
    pub(crate) generator_peak_bytes: u64,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServerView {
    pub(crate) url: String,
    pub(crate) version: String,
    /// Whether the rehearsal started it.
    pub(crate) own: bool,
    /// Where its store is, if that is known: file system and device.
    pub(crate) store: Option<String>,
    /// Processor time during the run, in milliseconds, and peak memory, if the rehearsal started it.
    pub(crate) cpu_ms: Option<u64>,
    pub(crate) peak_bytes: Option<u64>,
    /// p99 of orders in milliseconds from the server's own histogram, if it measured some.
    pub(crate) own_p99_ms: Option<f64>,
}
