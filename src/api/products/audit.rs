//! The conservation check.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::api::route::{self, Route};
use crate::domain::refusal::Refusal;
use crate::http::schema::named;
use crate::operator::audit;
use crate::store::Store;

pub(super) fn route() -> Route {
    let description = route::operator("/inventory/audit", "auditStock", "Check that the stock adds up")
        .about("Recomputes every product's counts from its orders, on one snapshot.")
        .responds("The verdict, and each product's counts.", named("Audit"))
        .scans();
    route::get(audit, description)
}

async fn audit(State(store): State<Arc<Store>>) -> Result<Response, Refusal> {
    Ok(Json(audit::audit(&store).await?).into_response())
}
