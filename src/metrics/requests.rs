//! Response times, recorded where no two threads wait for each other: each thread has a stripe of its own, as long as
//! there are no more threads than stripes. Readers add the stripes up.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::limits::MAX_REQUEST_SERIES;

use super::buckets::{Buckets, push_description};
use super::latencies::Latencies;
use super::outcome::{OUTCOME_COUNT, OUTCOMES, Outcome};

/// More than the threads that respond to requests on most machines; with more, some share a stripe.
const STRIPES: usize = 16;

/// The route of requests that have none, and of those for which there is no series left.
const OTHER_ROUTE: &str = "other";

/// The route of orders.
const ORDERS_ROUTE: &str = "/api/v1/orders";

/// What was recorded of all requests.
#[derive(Debug, Default)]
pub(super) struct Requests {
    stripes: [Stripe; STRIPES],
}

/// A cache line of its own, and the one that is fetched with it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(Mutex<Recorded>);

#[derive(Debug, Default)]
struct Recorded {
    /// Of orders, since the last drain.
    latencies: Latencies,
    /// The longest of them, and when it ended.
    slowest: Option<(Duration, Instant)>,
    /// Of orders, since the start, by outcome.
    orders: [Buckets; OUTCOME_COUNT],
    /// Of other requests, since the start.
    others: BTreeMap<Series, Buckets>,
}

/// The labels of requests other than orders.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    route: Arc<str>,
    method: &'static str,
    status: u16,
}

/// What was recorded of orders since the last time that it was asked for.
#[derive(Debug)]
pub struct OrderTimes {
    /// The response times.
    pub latencies: Latencies,
    /// The longest of them, and when it ended.
    pub slowest: Option<(Duration, Instant)>,
    /// Responses since the start, in the order of [`OUTCOMES`].
    pub outcomes: [u64; OUTCOME_COUNT],
}

/// The number of the thread's stripe.
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    OWN.with(|own| {
        if own.get() == usize::MAX {
            own.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        own.get()
    })
}

impl Requests {
    /// Records a request for an order that has just been responded to.
    pub(super) fn record_order(&self, outcome: Outcome, took: Duration, ended: Instant) {
        let mut recorded = self.stripes[stripe()].0.lock();
        recorded.latencies.record(took);
        recorded.orders[outcome.index()].observe(took, 1);
        if recorded.slowest.is_none_or(|(longest, _)| took > longest) {
            recorded.slowest = Some((took, ended));
        }
    }

    /// Records another request. `route` is a template, one of few.
    pub(super) fn record(&self, route: Option<&Arc<str>>, method: &str, status: u16, took: Duration) {
        let route = route.map_or_else(|| OTHER_ROUTE.into(), Arc::clone);
        let mut series = Series { route, method: method_of(method), status };
        let mut recorded = self.stripes[stripe()].0.lock();
        if recorded.others.len() >= MAX_REQUEST_SERIES && !recorded.others.contains_key(&series) {
            series.route = OTHER_ROUTE.into();
        }
        recorded.others.entry(series).or_default().observe(took, 1);
    }

    /// What was recorded of orders since the last drain. `spare` is empty, and is left empty: it takes the place of
    /// what is read, so that no order waits while histograms are added up.
    pub(super) fn drain_orders(&self, spare: &mut Latencies) -> OrderTimes {
        let mut times = OrderTimes { latencies: Latencies::default(), slowest: None, outcomes: [0; OUTCOME_COUNT] };
        for stripe in &self.stripes {
            let mut recorded = stripe.0.lock();
            let counts = recorded.orders.each_ref().map(Buckets::count);
            let slowest = recorded.slowest.take();
            if !recorded.latencies.is_empty() {
                std::mem::swap(&mut recorded.latencies, spare);
            }
            drop(recorded);
            times.latencies.add(spare);
            spare.clear();
            times.outcomes.iter_mut().zip(counts).for_each(|(count, more)| *count += more);
            times.slowest = [times.slowest, slowest].into_iter().flatten().max_by_key(|(took, _)| *took);
        }
        times
    }

    /// Both histograms as text.
    pub(super) fn push_text(&self, text: &mut String, is_open_metrics: bool) {
        let mut orders = [Buckets::default(); OUTCOME_COUNT];
        let mut others = BTreeMap::<Series, Buckets>::new();
        for stripe in &self.stripes {
            let recorded = stripe.0.lock();
            orders.iter_mut().zip(&recorded.orders).for_each(|(sum, more)| sum.add(more));
            for (series, more) in &recorded.others {
                others.entry(series.clone()).or_default().add(more);
            }
        }
        let name = "flash_sale_order_latency_seconds";
        let about = "Time from the head of a request for an order to its response";
        push_description(text, name, about, is_open_metrics);
        let mut all = Buckets::default();
        orders.iter().for_each(|more| all.add(more));
        all.push_samples(text, name, "");
        for (status, more) in OUTCOMES.iter().map(|(status, _)| *status).zip(&orders) {
            let route = ORDERS_ROUTE.into();
            others.entry(Series { route, method: "POST", status }).or_default().add(more);
        }
        let name = "flash_sale_http_request_duration_seconds";
        let about = "Time from the head of a request to its response";
        push_description(text, name, about, is_open_metrics);
        for (Series { route, method, status }, buckets) in &others {
            let mut labels = String::new();
            let _ = write!(labels, "method=\"{method}\",route=\"{route}\",status=\"{status}\",");
            buckets.push_samples(text, name, &labels);
        }
    }
}

/// The method, one of a closed list.
fn method_of(method: &str) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
    known.into_iter().find(|known| *known == method).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_record_adds_up_and_is_drained_once() {
        let requests = Requests::default();
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                let requests = &requests;
                scope.spawn(move || {
                    for _ in 0..100 {
                        requests.record_order(Outcome::ADMITTED, Duration::from_millis(thread), Instant::now());
                    }
                    requests.record_order(Outcome::SOLD_OUT, Duration::from_micros(10), Instant::now());
                });
            }
        });
        let mut spare = Latencies::default();
        let times = requests.drain_orders(&mut spare);
        assert_eq!((times.latencies.count(), times.outcomes[0], times.outcomes[1]), (404, 400, 4));
        assert_eq!(times.slowest.unwrap().0, Duration::from_millis(4));
        let again = requests.drain_orders(&mut spare);
        assert!(again.latencies.is_empty() && again.slowest.is_none() && spare.is_empty());
        assert_eq!(again.outcomes, times.outcomes, "counts only grow");
        let mut text = String::new();
        requests.push_text(&mut text, false);
        let orders = "flash_sale_http_request_duration_seconds_count{method=\"POST\",route=\"/api/v1/orders\"";
        for line in [
            "flash_sale_order_latency_seconds_count 404".to_owned(),
            format!("{orders},status=\"201\"}} 400"),
            format!("{orders},status=\"409\"}} 4"),
            format!("{orders},status=\"503\"}} 0"),
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn there_are_no_more_series_than_the_bound_whatever_is_asked_for() {
        let requests = Requests::default();
        for route in 0..2 * MAX_REQUEST_SERIES {
            requests.record(Some(&format!("/{route}").into()), "BREW", 404, Duration::ZERO);
        }
        let recorded = requests.stripes[stripe()].0.lock();
        assert_eq!(recorded.others.len(), MAX_REQUEST_SERIES + 1);
        assert!(recorded.others.keys().all(|series| series.method == "other"));
    }
}
