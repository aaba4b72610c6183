//! Sums over the stock of all products.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::api::product_list::ProductLists;
use crate::api::route::{self, Route};
use crate::http::schema::named;

pub(super) fn route() -> Route {
    let description = route::operator("/inventory/metrics", "getStockMetrics", "Add up the stock")
        .responds("The totals.", named("StockMetrics"));
    route::get(metrics, description)
}

async fn metrics(State(lists): State<Arc<ProductLists>>) -> Response {
    let totals = lists.latest().await.totals;
    Json(json!({
        "totalProducts": totals.products,
        "outOfStockProducts": totals.out_of_stock,
        "lowStockProducts": totals.low_stock,
        "totalInitialStock": totals.initial,
        "totalCurrentStock": totals.current,
        "stockUtilization": totals.utilization(),
    }))
    .into_response()
}
