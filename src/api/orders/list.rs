//! The list of orders, by filters.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use crate::api::route::{self, Route};
use crate::domain::filter::{OrderFilter, Span};
use crate::domain::job_id::JobIds;
use crate::domain::order::{OrderId, OrderStatus};
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::http::schema::{sent_moment, text};
use crate::http::{Cursors, Query, page_response};
use crate::limits::MAX_ID;
use crate::operator::orders;
use crate::store::Store;
use crate::view::OrderView;
use crate::view::schema::of;
use crate::view::text::Id;

pub(super) fn route() -> Route {
    let description = route::operator("/orders", "listOrders", "List orders, newest first")
        .query("status", "Only orders of this status.", of::<OrderStatus>())
        .query("productId", "Only orders of this product.", of::<Id>())
        .query("userId", "Only orders of this user.", text())
        .query("reference", "Only orders with this `reference`.", text())
        .query("from", "Only orders accepted at this moment or later.", sent_moment())
        .query("to", "Only orders accepted at this moment or earlier.", sent_moment())
        .responds_page::<OrderView<'_>>("A page of orders.")
        .scans();
    route::get(list, description)
}

async fn list(
    State(store): State<Arc<Store>>,
    State(job_ids): State<Arc<JobIds>>,
    State(cursors): State<Arc<Cursors>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let mut query = Query::of(&uri, &["status", "productId", "userId", "reference", "from", "to", "limit", "cursor"]);
    let filter = OrderFilter {
        status: query.word("status"),
        product: query.number("productId", 1, MAX_ID).map(ProductId),
        user: query.read("userId", |text| Ok(text.to_owned())),
        reference: query.read("reference", |text| Ok(text.to_owned())),
        reason: None,
        accepted: Span { from: query.moment("from"), to: query.moment("to") },
    };
    let list = format!("orders {filter:?}");
    let (limit, position) = query.page(&cursors, &list);
    query.finish()?;
    let page = orders::page(&store, filter, position.map(OrderId), limit).await?;
    let rows: Vec<_> = page.rows.iter().map(|order| OrderView::of(order, &job_ids)).collect();
    Ok(page_response(&rows, page.next, &uri, &cursors, &list))
}
