//! Lists of orders, newest first.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use crate::domain::filter::{OrderFilter, Span};
use crate::domain::job_id::JobIds;
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::limits::MAX_ID;
use crate::store::{Page, Reader, Scan, Store, StoreError};
use crate::view::OrderView;

use super::error;
use super::form::Segment;
use super::page::{self, Cursors};
use super::query::Query;

/// `GET /orders/user/{userId}`
pub(super) async fn of_user(
    State(store): State<Arc<Store>>,
    State(job_ids): State<Arc<JobIds>>,
    State(cursors): State<Arc<Cursors>>,
    Segment(user): Segment,
    uri: Uri,
) -> Result<Response, Refusal> {
    let list = format!("user {user}");
    let mut query = Query::of(&uri, &["limit", "cursor"]);
    let (limit, position) = query.page(&cursors, &list);
    query.finish()?;
    let page = store
        .scan(Scan::Page, move |reader| reader.orders_of_user(&user, position.map(OrderId), limit, |_| true))
        .await;
    let page = page.map_err(|error| error::unreadable(&error))?;
    Ok(answer(&page, &uri, &job_ids, &cursors, &list))
}

/// `GET /orders`
pub(super) async fn filtered(
    State(store): State<Arc<Store>>,
    State(job_ids): State<Arc<JobIds>>,
    State(cursors): State<Arc<Cursors>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let mut query = Query::of(&uri, &["status", "productId", "userId", "from", "to", "limit", "cursor"]);
    let filter = OrderFilter {
        status: query.read("status", |text| {
            let known = OrderStatus::ALL.into_iter().find(|status| status.as_str() == text);
            known.ok_or_else(|| "must be pending, confirmed, failed or cancelled".to_owned())
        }),
        product: query.number("productId", 1, MAX_ID).map(ProductId),
        user: query.read("userId", |text| Ok(text.to_owned())),
        reason: None,
        accepted: Span { from: query.moment("from"), to: query.moment("to") },
    };
    let list = format!("orders {filter:?}");
    let (limit, position) = query.page(&cursors, &list);
    query.finish()?;
    let page = store.scan(Scan::Page, move |reader| read_page(reader, &filter, position.map(OrderId), limit)).await;
    let page = page.map_err(|error| error::unreadable(&error))?;
    Ok(answer(&page, &uri, &job_ids, &cursors, &list))
}

fn read_page(
    reader: &Reader,
    filter: &OrderFilter,
    before: Option<OrderId>,
    limit: usize,
) -> Result<Page<Order>, StoreError> {
    match &filter.user {
        Some(user) => reader.orders_of_user(user, before, limit, |order| filter.keeps_fields(order)),
        None => reader.snapshot()?.orders(before, limit, filter.accepted, |order| filter.keeps_fields(order)),
    }
}

fn answer(page: &Page<Order>, uri: &Uri, job_ids: &JobIds, cursors: &Cursors, list: &str) -> Response {
    let rows: Vec<_> = page.rows.iter().map(|order| OrderView::of(order, job_ids)).collect();
    page::answer(&rows, page.next, uri, cursors, list)
}
