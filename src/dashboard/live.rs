//! The page Live.

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
#[template(path = "live.html")]
struct LivePage {
    frame: Frame,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/", get(show))
}

async fn show(State(shared): State<Shared>, visit: Visit) -> Result<Response, Refusal> {
    html(&LivePage { frame: Frame::of(&shared, &visit, Page::Live) })
}
