//! What responds to requests, as the protocol knows it.

use std::future::Future;

use axum::BoxError;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;

use crate::domain::refusal::Refusal;

/// What responds to requests whose heads have passed the bounds of the protocol.
///
/// One kind of request may take a short cut: its responses go without the headers that protect browsers, and nothing
/// of its way is boxed, as boxes would cost more than its handler.
pub trait Handler: Send + Sync + 'static {
    /// Responds to a request that does not take the short cut. A refusal may be left in the response's extensions: the
    /// caller writes its problem document.
    fn call(&self, request: Request) -> impl Future<Output = Response> + Send;

    /// Whether a path is below one of the handler's own, whether or not it has a route.
    fn has(&self, path: &str) -> bool;

    /// The methods of this path that are for buyers, whose pages may be of another origin.
    fn buyer_methods(&self, path: &str) -> Vec<Method>;

    /// Whether requests for this path are free of the limits of each client.
    fn is_unlimited(&self, path: &str) -> bool;

    /// Whether a request takes the short cut.
    fn takes_short_cut(&self, head: &Parts) -> bool;

    /// Responds to a request that takes the short cut.
    fn short_cut<B>(&self, head: &Parts, body: B) -> impl Future<Output = Result<Response, Refusal>> + Send
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send;
}
