//! A product as a response, with the tag of its state.

use axum::Json;
use axum::http::HeaderValue;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};

use crate::domain::product::Product;
use crate::domain::product_tag::ProductTag;
use crate::view::ProductView;

/// The response with a product.
pub(super) fn tagged(product: &Product) -> Response {
    with_tag(Json(ProductView::of(product)).into_response(), ProductTag::of(product))
}

/// A response with a tag.
pub(super) fn with_tag(mut response: Response, tag: ProductTag) -> Response {
    if let Ok(tag) = HeaderValue::try_from(tag.to_string()) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
