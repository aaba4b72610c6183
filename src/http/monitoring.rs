//! What an operator and a scraper look at.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::alerts::{AlertCode, Alerts};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::job::JobState;
use crate::domain::order::OrderStatus;
use crate::logging;
use crate::metrics::{Format, Gauges, Metrics};
use crate::queue::Queue;
use crate::store::Store;
use crate::view::AsText;

use super::product_list::ProductLists;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
pub(super) async fn metrics(
    State(metrics): State<Arc<Metrics>>,
    State(store): State<Arc<Store>>,
    State(queue): State<Arc<Queue>>,
    State(lists): State<Arc<ProductLists>>,
    State(alerts): State<Arc<Alerts>>,
    State(clock): State<Clock>,
    headers: HeaderMap,
) -> Response {
    let head = store.head();
    let counts = queue.counts();
    let jobs = [
        (JobState::Waiting, counts.waiting),
        (JobState::Prioritized, counts.prioritized),
        (JobState::Delayed, counts.delayed),
        (JobState::Active, counts.active),
    ];
    let levels = Gauges {
        orders: OrderStatus::ALL.map(|status| head.totals.orders(status)),
        dead_letters: head.totals.dead_letters,
        jobs: jobs.map(|(state, count)| (state.as_str(), count as u64)).into(),
        throughput: counts.completed_per_second,
        oldest_job: counts.oldest_age.unwrap_or_default(),
        inventory: lists.latest().await.levels(),
        alerts: AlertCode::ALL.map(|code| (code.as_str(), alerts.raised(code))).into(),
        log_lines_lost: logging::lost_lines(),
        clock_offset: clock.offset(),
    };
    let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let (format, content_type) = match accepted.contains("application/openmetrics-text") {
        true => (Format::OpenMetrics, OPEN_METRICS),
        false => (Format::Prometheus, PROMETHEUS),
    };
    ([(CONTENT_TYPE, content_type)], metrics.text(&levels, format)).into_response()
}

/// `GET /monitoring/alerts`
pub(super) async fn alerts(State(alerts): State<Arc<Alerts>>) -> Response {
    let alerts = alerts.alerts().into_iter().map(|alert| {
        json!({
            "severity": alert.code.severity().as_str(),
            "code": alert.code.as_str(),
            "message": alert.message,
            "productId": alert.product.map(|product| product.0),
            "since": AsText::<Timestamp>(alert.since),
        })
    });
    Json(json!({ "alerts": alerts.collect::<Vec<_>>() })).into_response()
}
