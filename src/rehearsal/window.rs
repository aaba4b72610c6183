//! What is measured, for a second or for the whole run: the same figures, added up.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::scenario::Kind;
use crate::limits::REHEARSAL_TIMEOUT;
use crate::view::load_test::{LatencyView, PercentilesView, SecondView};

/// What is asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Order,
    Browse,
    Follow,
    Confirm,
    Cancel,
}

impl Route {
    pub(super) const ALL: [Self; 5] = [Self::Order, Self::Browse, Self::Follow, Self::Confirm, Self::Cancel];

    /// Its method and pattern.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Order => "POST /orders",
            Self::Browse => "GET /inventory/{id}",
            Self::Follow => "GET /orders/queue/{jobId}",
            Self::Confirm => "POST /orders/{id}/confirm",
            Self::Cancel => "POST /orders/{id}/cancel",
        }
    }
}

/// What came for a request: a status if there was a response, and a code.
pub(super) type Code = (Option<u16>, &'static str);

/// The code of an order that was admitted.
pub(super) const ADMITTED: &str = "admitted";
/// The code of a request without a response.
pub(super) const NO_RESPONSE: &str = "no_response";
/// The code of a server that asks to come back later.
pub(super) const OVERLOADED: &str = "overloaded";
/// The code of an order whose buyer did not wait for the response.
pub(super) const HUNG_UP: &str = "hung_up";

/// What one kind of buyers did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KindCounts {
    pub(super) buyers: u64,
    pub(super) asked: u64,
}

/// Figures of some time. Latencies are in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Buyers that were due, and those of them that were sent on their way.
    pub(super) due: u64,
    pub(super) started: u64,
    /// Requests, those of buyers who were not sent on their way aside.
    pub(super) requests: u64,
    pub(super) responses: u64,
    /// Requests without a response, or with one of 500 and above. `overloaded` is a refusal, and no failure.
    pub(super) failed: u64,
    pub(super) admitted: u64,
    pub(super) refused: u64,
    pub(super) routes: [Histogram<u64>; Route::ALL.len()],
    /// How late requests were sent.
    pub(super) late: Histogram<u64>,
    /// Responses to orders.
    pub(super) codes: BTreeMap<Code, u64>,
    pub(super) kinds: [KindCounts; Kind::ALL.len()],
}

impl Default for Window {
    fn default() -> Self {
        Self {
            due: 0,
            started: 0,
            requests: 0,
            responses: 0,
            failed: 0,
            admitted: 0,
            refused: 0,
            routes: std::array::from_fn(|_| histogram()),
            late: histogram(),
            codes: BTreeMap::new(),
            kinds: Default::default(),
        }
    }
}

impl Window {
    /// Counts a request: `late` is how long after its time it was sent.
    pub(super) fn request(&mut self, late: Duration) {
        self.requests += 1;
        self.late.saturating_record(micros(late));
    }

    /// Counts a response, `latency` after the request was meant to be sent.
    pub(super) fn response(&mut self, route: Route, latency: Duration) {
        self.responses += 1;
        self.routes[route as usize].saturating_record(micros(latency));
    }

    /// Counts what came for a request.
    pub(super) fn outcome(&mut self, route: Route, code: Code) {
        let (status, name) = code;
        let is_failed = name == NO_RESPONSE || status.is_some_and(|status| status >= 500) && name != OVERLOADED;
        self.failed += u64::from(is_failed);
        if route == Route::Order {
            self.order(code);
        }
    }

    fn order(&mut self, code: Code) {
        *self.codes.entry(code).or_default() += 1;
        self.admitted += u64::from(code.1 == ADMITTED);
        self.refused += u64::from(code.1 != ADMITTED && code.0.is_some_and(|status| status < 500));
    }

    /// What is kept of a second; units left are found out later.
    pub(super) fn second(&self) -> SecondView {
        SecondView {
            requests: self.requests,
            admitted: self.admitted,
            refused: self.refused,
            failed: self.failed,
            responses: self.responses,
            latency: percentiles(&self.routes[Route::Order as usize]),
            left: None,
        }
    }

    /// Adds the figures of some other time or place.
    pub(super) fn add(&mut self, other: &Self) {
        self.due += other.due;
        self.started += other.started;
        self.requests += other.requests;
        self.responses += other.responses;
        self.failed += other.failed;
        self.admitted += other.admitted;
        self.refused += other.refused;
        for (all, more) in self.routes.iter_mut().zip(&other.routes) {
            *all += more;
        }
        self.late += &other.late;
        for (code, count) in &other.codes {
            *self.codes.entry(*code).or_default() += count;
        }
        for (all, more) in self.kinds.iter_mut().zip(other.kinds) {
            all.buyers += more.buyers;
            all.asked += more.asked;
        }
    }
}

/// A histogram of microseconds up to twice the time after which a request has failed, to three digits.
pub(super) fn histogram() -> Histogram<u64> {
    let most = micros(REHEARSAL_TIMEOUT) * 2;
    Histogram::new_with_max(most, 3).unwrap_or_else(|_| unreachable!("three digits of a minute"))
}

/// A time in whole microseconds.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The usual percentiles, if there is any value.
pub(super) fn percentiles(values: &Histogram<u64>) -> Option<PercentilesView> {
    let at = |percent| values.value_at_percentile(percent);
    let found = || PercentilesView { p50: at(50.0), p95: at(95.0), p99: at(99.0), max: values.max() };
    (!values.is_empty()).then(found)
}

/// The view of a whole run's latencies.
pub(super) fn latency(values: &Histogram<u64>) -> LatencyView {
    let mean_us = (!values.is_empty()).then(|| values.mean());
    LatencyView { count: values.len(), mean_us, percentiles: percentiles(values) }
}
