//! The page Benchmark.

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
#[template(path = "benchmark.html")]
struct BenchmarkPage {
    frame: Frame,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/benchmark", get(show))
}

async fn show(State(shared): State<Shared>, visit: Visit) -> Result<Response, Refusal> {
    html(&BenchmarkPage { frame: Frame::of(&shared, &visit, Page::Benchmark) })
}
