//! What happens to every request before and after its handler: bounds, the request's number, the form of refusals.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use axum::response::Response;
use tower::Service;

use crate::limits::{MAX_HEADER_BYTES, MAX_URI_BYTES};
use crate::refusal::Refusal;

use super::error;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The most characters of a request's number that a caller may choose.
const MAX_REQUEST_ID: usize = 128;

/// The outermost layer. One for each connection, cloned from the server's.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    router: Router,
    ids: std::sync::Arc<RequestIds>,
}

impl Edge {
    pub(super) fn new(router: Router) -> Self {
        Self { router, ids: std::sync::Arc::new(RequestIds::new()) }
    }

    /// Answers one request.
    pub(super) async fn answer(&mut self, request: Request<Body>) -> Response {
        let id = self.ids.of(request.headers());
        let uri = request.uri().clone();
        let mut response = match check(&uri, request.headers()) {
            Err(refusal) => error::problem(&refusal, &shown_path(&uri)),
            Ok(()) => {
                // The router's error type has no values.
                let Ok(response) = self.router.call(request).await;
                match response.status().as_u16() {
                    400.. => error::render(response, uri.path()),
                    _ => response,
                }
            }
        };
        if response.status().is_server_error() {
            tracing::warn!(status = response.status().as_u16(), path = uri.path(), request_id = ?id, "refused");
        }
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }
}

/// The bounds that hold whatever the route is.
fn check(uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let uri_bytes = uri.path().len() + uri.query().map_or(0, str::len);
    if uri_bytes > MAX_URI_BYTES {
        return Err(Refusal::UriTooLong);
    }
    let header_bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if header_bytes > MAX_HEADER_BYTES {
        return Err(Refusal::HeadersTooLarge);
    }
    Ok(())
}

/// The path, cut to a length that an answer can carry.
fn shown_path(uri: &Uri) -> String {
    uri.path().chars().take(256).collect()
}

/// Numbers for requests: the caller's where it sent a usable one, else ours.
#[derive(Debug)]
struct RequestIds {
    /// Differs from start to start, so that numbers do not repeat.
    start: u32,
    next: AtomicU64,
}

impl RequestIds {
    fn new() -> Self {
        Self { start: getrandom::u32().unwrap_or_default(), next: AtomicU64::new(1) }
    }

    fn of(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(given) = headers.get(&REQUEST_ID) {
            let bytes = given.as_bytes();
            if (1..=MAX_REQUEST_ID).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic) {
                return given.clone();
            }
        }
        let mut id = String::with_capacity(24);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let _ = write!(id, "{:08x}-{number:x}", self.start);
        HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    }
}
