//! A line of the log for each request: at `info` for what an operator did, at `debug` for all others.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::header::LOCATION;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use tracing::Level;

use super::path::shown_path;
use super::route_template::RouteTemplate;

/// What the head of a request has of its line.
#[derive(Debug)]
pub(super) struct Entry {
    method: Method,
    path: String,
    client: IpAddr,
    /// Whether it is for one order, which takes the short cut and has no template.
    is_order: bool,
}

impl Entry {
    /// The entry of a request, if the log may want its line.
    pub(super) fn of(parts: &Parts, client: IpAddr, is_order: bool) -> Option<Self> {
        let can_act = !is_order && !parts.method.is_safe();
        let is_wanted = tracing::enabled!(Level::DEBUG) || can_act && tracing::enabled!(Level::INFO);
        is_wanted.then(|| Self { method: parts.method.clone(), path: shown_path(&parts.uri), client, is_order })
    }

    /// Writes the line. A path can name a buyer, so only that of an act is in it.
    pub(super) fn write(self, response: &Response, id: &HeaderValue, took: Duration) {
        let Self { method, path, client, is_order } = self;
        let (status, order) = (response.status().as_u16(), order(&path, response));
        let ms = took.as_micros() as f64 / 1_000.0;
        let request_id = id.to_str().unwrap_or_default();
        let template = response.extensions().get::<RouteTemplate>();
        let is_act = template.is_some_and(|template| template.is_operators) && !method.is_safe() && status < 400;
        let method = method.as_str();
        let route = match template {
            _ if is_order => path.as_str(),
            Some(template) => &template.path,
            None => "other",
        };
        match is_act {
            true => tracing::info!(method, route, status, ms, request_id, order, path, %client, "an operator acted"),
            false => tracing::debug!(method, route, status, ms, request_id, order, "a request"),
        }
    }
}

/// The order that a request placed or was about.
fn order(path: &str, response: &Response) -> Option<u64> {
    let placed = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    [placed, Some(path)].into_iter().flatten().find_map(|path| {
        let (_, after) = path.split_once("/orders/")?;
        after.split('/').next()?.parse().ok()
    })
}
