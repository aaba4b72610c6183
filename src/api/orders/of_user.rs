//! The list of a user's orders.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde_json::json;

use crate::api::route::{self, Route};
use crate::domain::filter::OrderFilter;
use crate::domain::job_id::JobIds;
use crate::domain::order::OrderId;
use crate::domain::refusal::Refusal;
use crate::http::schema::{some_text, with_example};
use crate::http::{Cursors, PathParam, Query, page_response};
use crate::operator::orders;
use crate::store::Store;
use crate::view::OrderView;

pub(super) fn route() -> Route {
    let description =
        route::operator("/orders/user/{userId}", "listOrdersOfUser", "List a user's orders, newest first")
            .part("userId", "The user, as orders name it.", with_example(some_text(), json!("ada")))
            .responds_page::<OrderView<'_>>("A page of orders.")
            .scans();
    route::get(list, description)
}

async fn list(
    State(store): State<Arc<Store>>,
    State(job_ids): State<Arc<JobIds>>,
    State(cursors): State<Arc<Cursors>>,
    PathParam(user): PathParam,
    uri: Uri,
) -> Result<Response, Refusal> {
    let list = format!("user {user}");
    let mut query = Query::of(&uri, &["limit", "cursor"]);
    let (limit, position) = query.page(&cursors, &list);
    query.finish()?;
    let filter = OrderFilter { user: Some(user), ..OrderFilter::default() };
    let page = orders::page(&store, filter, position.map(OrderId), limit).await?;
    let rows: Vec<_> = page.rows.iter().map(|order| OrderView::of(order, &job_ids)).collect();
    Ok(page_response(&rows, page.next, &uri, &cursors, &list))
}
