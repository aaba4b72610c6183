//! Whether the server lives, and whether it takes orders.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::committer::{Intake, Status};
use crate::domain::clock::Clock;

/// The process runs.
pub(super) async fn live() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// Orders are taken; if not, what is missing.
pub(super) async fn ready(State(intake): State<Intake>) -> Response {
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
pub(super) async fn health(State(clock): State<Clock>) -> Response {
    Json(json!({ "status": "ok", "timestamp": clock.now().to_string() })).into_response()
}
