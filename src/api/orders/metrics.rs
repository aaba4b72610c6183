//! Counts of orders and jobs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::api::route::{self, Route};
use crate::operator::totals;
use crate::queue::Queue;
use crate::store::Store;
use crate::view::order::OrderMetricsView;

pub(super) fn route() -> Route {
    let description = route::operator("/orders/admin/metrics", "getOrderMetrics", "Count orders and jobs")
        .responds::<OrderMetricsView>("The counts.");
    route::get(metrics, description)
}

async fn metrics(store: State<Arc<Store>>, queue: State<Arc<Queue>>) -> Json<OrderMetricsView> {
    Json(totals::orders(&store, &queue))
}
