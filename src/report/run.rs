//! What a report knows of one run, whatever wrote it down.

use crate::domain::clock::Timestamp;
use crate::drawing::points::gaps;
use crate::view::load_test::{
    CheckView, CodeView, EndpointView, EventView, FirstView, LatencyView, LostView, ProductView,
};

/// What wrote a run down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The rehearsal of this program.
    Rehearsal,
    /// Artillery 2, with `--output`.
    Artillery,
}

/// The file that a run was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InputFile {
    /// Without its directories.
    pub(super) name: String,
    pub(super) bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub(super) sha256: String,
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) source: Source,
    pub(super) file: InputFile,
    /// Whether the responses of all buyers were compared with what the server has.
    pub(super) is_audited: bool,
    pub(super) started: Timestamp,
    pub(super) duration_ms: u64,
    pub(super) checks: Vec<CheckView>,
    /// Where the file contradicts itself, a sentence each.
    pub(super) contradictions: Vec<String>,
    pub(super) funnel: Option<Funnel>,
    pub(super) products: Vec<ProductView>,
    /// In the order of their beginnings.
    pub(super) phases: Vec<Phase>,
    pub(super) events: Vec<EventView>,
    pub(super) timeline: Timeline,
    /// Requests that were sent.
    pub(super) requests: u64,
    /// Requests that got no response, or one of 500 or above.
    pub(super) failed: u64,
    /// All requests.
    pub(super) latency: LatencyView,
    /// Orders alone, if they were measured apart.
    pub(super) order_latency: Option<LatencyView>,
    /// What 99 % of the orders of each second were meant to be below, in milliseconds.
    pub(super) p99_goal_ms: Option<f64>,
    /// Responses to orders for a rehearsal, to all requests for Artillery.
    pub(super) codes: Vec<CodeView>,
    pub(super) first: Vec<FirstView>,
    pub(super) kinds: Vec<Kind>,
    pub(super) endpoints: Vec<EndpointView>,
    /// Counters of the scenario's own, and errors, by name.
    pub(super) counters: Vec<(String, u64)>,
    /// How it was measured: a word, and what there is to say.
    pub(super) facts: Vec<(&'static str, String)>,
    /// Why the figures are not the server's alone, if they are not.
    pub(super) warning: Option<String>,
    /// Milliseconds of processor time that the server used, and its peak memory in bytes, if they are known.
    pub(super) server_cpu_ms: Option<u64>,
    pub(super) server_peak_bytes: Option<u64>,
}

/// From asking to owning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Funnel {
    pub(super) asked: u64,
    pub(super) lost: Vec<LostView>,
    pub(super) admitted: u64,
    pub(super) repeated: u64,
    /// Of the admitted ones: cancelled, failed, pending, confirmed; unset if nobody looked.
    pub(super) ends: Option<[u64; 4]>,
}

/// A part of a run with its own rate of arrivals.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Phase {
    pub(super) name: String,
    pub(super) from_ms: u64,
}

/// Buyers of one kind, or virtual users of one scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) name: String,
    pub(super) buyers: u64,
    /// Requests for an order, and orders that they got, if they were counted.
    pub(super) asked_and_got: Option<[u64; 2]>,
}

/// What a series is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Orders per second.
    Admitted,
    Rejected,
    /// Requests per second without a response, or with one of 500 or above.
    Failed,
    /// Responses per second: all, those below 400, and those from 400 to 499.
    Responses,
    Good,
    Status4xx,
    /// Virtual users that began, per second.
    Users,
    /// Milliseconds.
    P99,
    P95,
    P50,
    /// Units.
    Left,
}

/// Figures over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Timeline {
    /// The middle of the first point's time since the start of the run, and the time of a point, in milliseconds.
    pub(super) from_ms: i64,
    pub(super) step_ms: u64,
    pub(super) points: usize,
    pub(super) series: Vec<Series>,
    /// Spans without any response, in milliseconds since the start of the run.
    pub(super) gaps: Vec<[i64; 2]>,
}

/// One figure over time; `None` where it was not measured.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) key: Key,
    pub(super) values: Vec<Option<f64>>,
}

impl Timeline {
    /// The values of a figure, if it was measured at all.
    pub(super) fn of(&self, key: Key) -> Option<&[Option<f64>]> {
        self.series.iter().find(|series| series.key == key).map(|series| series.values.as_slice())
    }

    /// The greatest value of a figure.
    pub(super) fn most(&self, key: Key) -> Option<f64> {
        self.of(key)?.iter().flatten().copied().reduce(f64::max)
    }

    /// Spans from `from_ms` on in which points have no response, together where they follow each other.
    pub(super) fn gaps_of(&self, is_gap: impl Fn(usize) -> bool) -> Vec<[i64; 2]> {
        let step = i64::try_from(self.step_ms).unwrap_or(i64::MAX);
        gaps(0..self.points, |at| self.from_ms - step / 2 + step * at as i64, is_gap)
    }
}

impl Run {
    /// Checks that do not hold.
    pub(super) fn broken(&self) -> impl Iterator<Item = &CheckView> {
        self.checks.iter().filter(|check| !check.holds)
    }

    /// Checks that hold.
    pub(super) fn holding(&self) -> usize {
        self.checks.iter().filter(|check| check.holds).count()
    }

    /// Units of all products: put in, sold, held and left. Nothing if no product is known.
    pub(super) fn units(&self) -> Option<[u64; 4]> {
        let add = |sum: [u64; 4], product: &ProductView| {
            let of = [product.stock, product.sold, product.held, product.left];
            [0, 1, 2, 3].map(|at| sum[at].saturating_add(of[at]))
        };
        (!self.products.is_empty()).then(|| self.products.iter().fold([0; 4], add))
    }

    /// Responses per second over the whole run; nothing if it took no time.
    pub(super) fn mean_rate(&self) -> Option<f64> {
        (self.duration_ms > 0).then(|| self.latency.count as f64 * 1_000.0 / self.duration_ms as f64)
    }
}
