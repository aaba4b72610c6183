//! Whether the server lives, and whether it takes orders.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::committer::{Intake, Status};
use crate::domain::clock::Clock;
use crate::http::Access;
use crate::http::schema::{Shape, list, moment, object, word};

use super::route::{self, Route};

pub(super) fn routes() -> Vec<Route> {
    let living = route::root(Access::Public, "/livez", "live", "Ask whether the process runs")
        .unlimited()
        .responds("It does.", status());
    let taking = route::root(Access::Public, "/readyz", "ready", "Ask whether orders are taken")
        .unlimited()
        .responds("They are.", status())
        .responds_with(StatusCode::SERVICE_UNAVAILABLE, "They are not.", "application/json", not_ready(), &[]);
    let older = route::public("/monitoring/health", "health", "Ask whether the process runs, as older clients do")
        .unlimited()
        .responds("It does.", timed_status());
    vec![route::get(live, living), route::get(ready, taking), route::get(health, older)]
}

fn status() -> Shape {
    object("The process runs.", [("status", "", word(["ok"]))])
}

fn timed_status() -> Shape {
    object("The process runs.", [("status", "", word(["ok"])), ("timestamp", "The server's time.", moment())])
}

fn not_ready() -> Shape {
    let reasons = list(word(["shutting_down", "storage_unavailable", "storage_slow", "storage_missing"]));
    object("No orders are taken.", [("status", "", word(["unavailable"])), ("notReady", "What is missing.", reasons)])
}

/// The process runs.
async fn live() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// Orders are taken; if not, what is missing.
async fn ready(State(intake): State<Intake>) -> Response {
    let not_ready = match intake.status() {
        Status::Open => return Json(json!({ "status": "ok" })).into_response(),
        Status::ShuttingDown => "shutting_down",
        Status::StorageUnavailable => "storage_unavailable",
        Status::StorageMissing => "storage_missing",
        Status::StorageSlow => "storage_slow",
    };
    let body = Json(json!({ "status": "unavailable", "notReady": [not_ready] }));
    (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
}

/// The same question as older clients ask it.
async fn health(State(clock): State<Clock>) -> Response {
    Json(json!({ "status": "ok", "timestamp": clock.now().to_string() })).into_response()
}
