//! The page Products.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use crate::domain::refusal::Refusal;

use super::frame::{Frame, Page};
use super::page::html;
use super::state::Shared;
use super::visit::Visit;

#[derive(Template)]
#[template(path = "products.html")]
struct ProductsPage {
    frame: Frame,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/products", get(show))
}

async fn show(State(shared): State<Shared>, visit: Visit) -> Result<Response, Refusal> {
    html(&ProductsPage { frame: Frame::of(&shared, &visit, Page::Products) })
}
