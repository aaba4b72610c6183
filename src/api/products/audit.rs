//! The conservation check.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::api::route::{self, Route};
use crate::domain::refusal::Refusal;
use crate::operator::audit;
use crate::store::Store;
use crate::view::audit::AuditView;

pub(super) fn route() -> Route {
    let description = route::operator("/inventory/audit", "auditStock", "Check that the stock adds up")
        .about("Recomputes every product's counts from its orders, on one snapshot.")
        .responds::<AuditView>("The verdict, and each product's counts.")
        .scans();
    route::get(audit, description)
}

async fn audit(State(store): State<Arc<Store>>) -> Result<Json<AuditView>, Refusal> {
    audit::audit(&store).await.map(Json)
}
