//! Counts of orders and jobs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::api::route::{self, Route};
use crate::domain::order::OrderStatus;
use crate::http::schema::named;
use crate::operator::totals;
use crate::queue::Queue;
use crate::store::Store;

pub(super) fn route() -> Route {
    let description = route::operator("/orders/admin/metrics", "getOrderMetrics", "Count orders and jobs")
        .responds("The counts.", named("OrderMetrics"));
    route::get(metrics, description)
}

async fn metrics(State(store): State<Arc<Store>>, State(queue): State<Arc<Queue>>) -> Response {
    let totals = store.head().totals;
    Json(json!({
        "totalOrders": totals.all_orders(),
        "confirmedOrders": totals.orders(OrderStatus::Confirmed),
        "failedOrders": totals.orders(OrderStatus::Failed),
        "pendingOrders": totals.orders(OrderStatus::Pending),
        "cancelledOrders": totals.orders(OrderStatus::Cancelled),
        "queueStats": totals::states(&queue.counts(), &totals),
    }))
    .into_response()
}
