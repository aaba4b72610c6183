//! Whether the server lives, and whether it takes orders.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::committer::{Intake, Status};
use crate::domain::clock::Clock;
use crate::http::Access;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::view::health::{HealthView, LiveView, Missing, NotReadyView, ReadyView};
use crate::view::metrics::MirrorLags;

use super::route::{self, Route};

pub(super) fn routes() -> Vec<Route> {
    let living = route::root(Access::Public, "/livez", "live", "Ask whether the process runs")
        .unlimited()
        .responds_inline::<LiveView>(StatusCode::OK, "It does.");
    let taking = route::root(Access::Public, "/readyz", "ready", "Ask whether orders are taken")
        .unlimited()
        .responds::<ReadyView>("They are.")
        .responds_inline::<NotReadyView>(StatusCode::SERVICE_UNAVAILABLE, "They are not.");
    let older = route::public("/monitoring/health", "health", "Ask whether the process runs, as older clients do")
        .unlimited()
        .responds_inline::<HealthView>(StatusCode::OK, "It does.");
    vec![route::get(live, living), route::get(ready, taking), route::get(health, older)]
}

/// The process runs.
async fn live() -> Json<LiveView> {
    Json(LiveView::OK)
}

/// Orders are taken; if not, what is missing.
async fn ready(
    State(intake): State<Intake>,
    State(metrics): State<Arc<Metrics>>,
    State(store): State<Arc<Store>>,
    State(clock): State<Clock>,
) -> Response {
    let missing = match intake.status() {
        Status::Open => {
            let states = metrics.mirrors().states(store.head().sequence, clock.now());
            let lags = states.into_iter().map(|(mirror, state)| (mirror.as_str(), state.lag_view()));
            return Json(ReadyView::of(MirrorLags(lags.collect()))).into_response();
        }
        Status::ShuttingDown => Missing::ShuttingDown,
        Status::StorageUnavailable => Missing::StorageUnavailable,
        Status::StorageMissing => Missing::StorageMissing,
        Status::StorageSlow => Missing::StorageSlow,
    };
    (StatusCode::SERVICE_UNAVAILABLE, Json(NotReadyView::of(missing))).into_response()
}

/// The same question as older clients ask it.
async fn health(State(clock): State<Clock>) -> Json<HealthView> {
    Json(HealthView::at(clock.now()))
}
