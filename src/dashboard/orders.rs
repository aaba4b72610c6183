//! The page Orders: a search, the orders that it finds, and one of them with its whole history.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use crate::domain::filter::OrderFilter;
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::domain::refusal::Refusal;
use crate::http::{PathParam, Query};
use crate::operator::orders;

use super::frame::{Frame, Page};
use super::state::Shared;
use super::text;
use super::visit::Visit;

mod acts;
mod export;
mod filter;
mod history;
mod one;

use filter::Search;
use one::OneOrder;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/orders", get(show))
        .route("/orders/export.csv", get(export::csv))
        .route("/orders/{id}", get(show_one))
        .route("/orders/{id}/confirm", post(acts::confirm))
        .route("/orders/{id}/cancel", post(acts::cancel))
}

/// Orders on one page.
const ORDERS: usize = 50;

#[derive(Template)]
#[template(path = "orders.html")]
struct OrdersPage {
    frame: Frame,
    search: Search,
    /// The products to choose from; none if there are too many.
    products: Option<Vec<(u64, String)>>,
    rows: Vec<Row>,
    next: Option<String>,
    /// What the script counts newer orders by; none where the list does not begin with the newest one, or where the
    /// feed cannot tell which orders are of it.
    newer: Option<Newer>,
    /// Where the orders of the search are, as a file.
    export: String,
    one: Option<OneOrder>,
}

/// Which orders are newer than the list, and where the list with them is.
struct Newer {
    /// The first order of the list, or 0.
    than: u64,
    filter: OrderFilter,
    url: String,
}

/// An order in the list.
struct Row {
    id: u64,
    placed: String,
    datetime: String,
    user: String,
    product: String,
    quantity: u32,
    status: &'static str,
    is_selected: bool,
    url: String,
}

impl OrdersPage {
    /// How many orders are shown, in words.
    fn found(&self) -> String {
        let shown = text::whole(self.rows.len() as u64);
        match (self.rows.len(), &self.next) {
            (0, Some(_)) => "Newest first. None so far; older ones were not looked at yet.".to_owned(),
            (_, Some(_)) => format!("Newest first. {shown} shown, more may follow."),
            (_, None) => format!("Newest first. {shown} shown."),
        }
    }
}

impl Newer {
    /// As the feed's frames have it; empty if the filter does not ask for it.
    fn user(&self) -> &str {
        self.filter.user.as_deref().unwrap_or_default()
    }

    fn product(&self) -> String {
        self.filter.product.map_or_else(String::new, |product| product.to_string())
    }

    fn status(&self) -> &'static str {
        self.filter.status.map_or("", OrderStatus::as_str)
    }

    /// Milliseconds since 1970.
    fn from(&self) -> String {
        self.filter.accepted.from.map_or_else(String::new, |at| at.millis().to_string())
    }

    /// Milliseconds since 1970.
    fn to(&self) -> String {
        self.filter.accepted.to.map_or_else(String::new, |at| at.millis().to_string())
    }
}

impl Row {
    fn number(&self) -> String {
        text::whole(self.id)
    }
}

async fn show(State(shared): State<Shared>, visit: Visit, uri: Uri) -> Result<Response, Refusal> {
    let mut query = Query::of(&uri, &filter::NAMES);
    let search = Search::read(&mut query, shared.clock.now());
    if let Some(order) = &search.order {
        query.finish()?;
        let id = order.parse().ok().map(OrderId).or_else(|| shared.job_ids.order(order));
        // An order that does not exist has a page that says so.
        let id = id.ok_or(Refusal::OrderNotFound)?;
        return Ok(Redirect::to(&format!("/orders/{id}")).into_response());
    }
    page(&shared, &visit, query, search, None).await
}

async fn show_one(
    State(shared): State<Shared>,
    visit: Visit,
    PathParam(id): PathParam,
    uri: Uri,
) -> Result<Response, Refusal> {
    let order = one::find(&shared, &id).await?;
    let mut query = Query::of(&uri, &filter::NAMES);
    let search = Search::read(&mut query, shared.clock.now());
    page(&shared, &visit, query, search, Some(order)).await
}

async fn page(
    shared: &Shared,
    visit: &Visit,
    mut query: Query,
    search: Search,
    selected: Option<Arc<Order>>,
) -> Result<Response, Refusal> {
    let list = format!("orders of the page {:?}", search.filter);
    let (_, position) = query.page(&shared.cursors, &list);
    query.finish()?;
    let page = orders::page(&shared.store, search.filter.clone(), position.map(OrderId), ORDERS).await?;
    let now = shared.clock.now();
    let row = |order: &Order| Row {
        id: order.id.0,
        placed: text::moment_millis(order.created_at, now),
        datetime: order.created_at.to_string(),
        user: order.user.as_str().to_owned(),
        product: shared.product_name(order.product),
        quantity: order.quantity,
        status: order.status.as_str(),
        is_selected: selected.as_ref().is_some_and(|selected| selected.id == order.id),
        url: search.url(&format!("/orders/{}", order.id)),
    };
    // The feed does not say which reference an order has.
    let newer = (position.is_none() && search.reference.is_empty()).then(|| Newer {
        than: page.rows.first().map_or(0, |order| order.id.0),
        filter: search.filter.clone(),
        url: visit.here.clone(),
    });
    let rows = page.rows.iter().map(row).collect();
    let next = page.next.map(|next| search.page_url("/orders", &shared.cursors.make(&list, next)));
    let one = match selected {
        Some(order) => Some(OneOrder::of(shared, &order, now).await?),
        None => None,
    };
    let frame = Frame::of(shared, visit, Page::Orders);
    let (products, export) = (shared.product_choices(), search.url("/orders/export.csv"));
    visit.html(&OrdersPage { frame, products, search, rows, next, newer, export, one })
}
