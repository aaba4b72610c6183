//! The metrics, the benchmark report, and the alerts that are raised.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};

use crate::alerts::Alerts;
use crate::domain::alert::AlertCode;
use crate::domain::clock::Clock;
use crate::domain::job::JobState;
use crate::domain::order::OrderStatus;
use crate::http::schema::text;
use crate::http::{Access, quality};
use crate::logging;
use crate::metrics::{Format, Gauges, Metrics};
use crate::monitor::Monitor;
use crate::queue::Queue;
use crate::store::Store;
use crate::view::alert::AlertsView;
use crate::view::benchmark::{BenchmarkView, DoneView};
use crate::view::metrics::MetricsView;

use super::openapi::Operation;
use super::product_list::ProductLists;
use super::route::{self, Route};
use super::state::Shared;

mod history;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn routes() -> Vec<Route> {
    let raised = route::operator("/monitoring/alerts", "listAlerts", "List the conditions that hold")
        .responds::<AlertsView<'_>>("The alerts that are raised.");
    let at_root = route::root(Access::Operator, "/metrics", "scrape", "Read the metrics");
    let below = route::operator("/metrics", "scrapeApi", "Read the metrics, below the base path");
    let figures = route::operator("/monitoring/metrics", "getMetrics", "Read the figures of the moment")
        .responds::<MetricsView>("The sample of the last second.");
    let report = route::operator("/monitoring/benchmark", "getBenchmark", "Read the benchmark report")
        .about("What was measured of `POST /orders` since the last reset, or since the start of the server.")
        .responds::<BenchmarkView>("The report.");
    let mut routes = vec![
        route::get(current, figures),
        route::get(benchmark, report),
        route::get(alerts, raised),
        route::get(metrics, scraped(at_root)),
        route::get(metrics, scraped(below)),
    ];
    routes.extend(history::routes());
    routes.extend(RESETS.map(|(path, id)| {
        let description = route::operator(path, id, "Begin a new measurement")
            .about(
                "The benchmark report and the figures since the reset start anew; Prometheus and the history do not.",
            )
            .responds::<DoneView>("A new measurement began.");
        route::post(reset, description)
    }));
    routes
}

/// The reset under each of its names.
const RESETS: [(&str, &str); 3] = [
    ("/monitoring/metrics/reset", "resetMetrics"),
    ("/monitoring/metrics/reset/clear", "resetAndClearMetrics"),
    ("/monitoring/metrics/clear", "clearMetrics"),
];

async fn current(State(monitor): State<Arc<Monitor>>) -> Response {
    Json(&*monitor.latest()).into_response()
}

async fn benchmark(State(monitor): State<Arc<Monitor>>) -> Json<BenchmarkView> {
    Json(monitor.benchmark())
}

async fn reset(State(monitor): State<Arc<Monitor>>) -> Json<DoneView> {
    monitor.reset();
    Json(DoneView { success: true, message: "A new measurement began; the history stays" })
}

fn scraped(description: Operation) -> Operation {
    description
        .about("In the text format of Prometheus, or in OpenMetrics where the request accepts it.")
        .responds_any("The metrics.", ["text/plain", "application/openmetrics-text"].map(|kind| (kind, text())))
}

async fn metrics(
    State(metrics): State<Arc<Metrics>>,
    State(store): State<Arc<Store>>,
    State(queue): State<Arc<Queue>>,
    State(lists): State<Arc<ProductLists>>,
    State(monitor): State<Arc<Monitor>>,
    State(shared): State<Shared>,
    headers: HeaderMap,
) -> Response {
    let (alerts, clock) = (Arc::<Alerts>::from_ref(&shared), Clock::from_ref(&shared));
    let (head, counts, latest) = (store.head(), queue.counts(), monitor.latest());
    let jobs = [
        (JobState::Waiting, counts.waiting),
        (JobState::Prioritized, counts.prioritized),
        (JobState::Delayed, counts.delayed),
        (JobState::Active, counts.active),
    ];
    let gauges = Gauges {
        orders: OrderStatus::ALL.map(|status| head.totals.orders(status)),
        dead_letters: head.totals.dead_letters,
        jobs: jobs.map(|(state, count)| (state.as_str(), count as u64)).into(),
        throughput: counts.completed_per_second,
        error_rate: latest.error_rate.map(|percent| percent / 100.0),
        units: [latest.units_held, latest.units_sold],
        process: monitor.process(),
        oldest_job: counts.oldest_age.unwrap_or_default(),
        inventory: lists.latest().await.levels(),
        alerts: AlertCode::ALL.map(|code| (code.as_str(), alerts.raised(code))).into(),
        log_lines_lost: logging::lost_lines(),
        clock_offset: clock.offset(),
        last_record: head.sequence,
        now: clock.now(),
    };
    let (format, content_type) = match prefers_open_metrics(&headers) {
        true => (Format::OpenMetrics, OPEN_METRICS),
        false => (Format::Prometheus, PROMETHEUS),
    };
    ([(CONTENT_TYPE, content_type), (VARY, "accept")], metrics.text(&gauges, format)).into_response()
}

/// Whether a client wants OpenMetrics more than the older text, which every client gets that has no preference.
fn prefers_open_metrics(headers: &HeaderMap) -> bool {
    let of = |kind: &str, group: &str| {
        let fit = |range: &str| match range {
            "*/*" => Some(0),
            range if range.eq_ignore_ascii_case(group) => Some(1),
            range if range.eq_ignore_ascii_case(kind) => Some(2),
            _ => None,
        };
        quality(headers, &ACCEPT, fit).unwrap_or_default()
    };
    of("application/openmetrics-text", "application/*") > of("text/plain", "text/*")
}

async fn alerts(State(alerts): State<Arc<Alerts>>) -> Response {
    Json(AlertsView::of(&alerts.alerts())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_the_metrics_is_the_one_that_is_wanted_most() {
        // The second is what Prometheus sends.
        for (accept, is_open_metrics) in [
            ("application/openmetrics-text", true),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                true,
            ),
            ("text/plain;q=0.5, Application/OpenMetrics-Text;q=0.6", true),
            ("application/*, text/plain;q=0.9", true),
            ("text/plain, application/openmetrics-text;q=0.9", false),
            ("application/openmetrics-text;q=0", false),
            ("application/openmetrics-text, text/plain", false),
            ("*/*", false),
            ("application/json", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(prefers_open_metrics(&headers), is_open_metrics, "{accept}");
        }
        assert!(!prefers_open_metrics(&HeaderMap::new()));
    }
}
