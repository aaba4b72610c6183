//! Sums over the stock of all products.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::api::product_list::ProductLists;
use crate::api::route::{self, Route};
use crate::view::product::StockMetricsView;

pub(super) fn route() -> Route {
    let description = route::operator("/inventory/metrics", "getStockMetrics", "Add up the stock")
        .responds::<StockMetricsView>("The totals.");
    route::get(metrics, description)
}

async fn metrics(State(lists): State<Arc<ProductLists>>) -> Json<StockMetricsView> {
    Json(lists.latest().await.totals.view())
}
