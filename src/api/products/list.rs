//! The list of products.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::Response;

use crate::api::product_list::ProductLists;
use crate::api::route::{self, Route};
use crate::http::AdminToken;
use crate::view::ProductView;

pub(super) fn route() -> Route {
    let description = route::public("/inventory", "listProducts", "List the products, newest first")
        .responds_list::<ProductView<'_>>("The products.");
    route::get(list, description)
}

async fn list(State(lists): State<Arc<ProductLists>>, State(token): State<AdminToken>, headers: HeaderMap) -> Response {
    let with_hidden = token.allows(&Method::GET, &headers);
    let mut response = Response::new(Body::new(lists.latest().await.body(with_hidden)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
