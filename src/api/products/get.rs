//! Reading one product.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::api::route::{self, Route};
use crate::domain::product::ProductId;
use crate::domain::product_tag::ProductTag;
use crate::domain::refusal::Refusal;
use crate::http::{AdminToken, PathParam, is_known};
use crate::inventory::Inventory;
use crate::view::ProductView;
use crate::view::schema::of;
use crate::view::text::Id;

use super::tagged::{tagged, with_tag};

pub(super) fn route() -> Route {
    let description = route::public("/inventory/{id}", "getProduct", "Read a product")
        .part("id", "The product.", of::<Id>())
        .responds_tagged::<ProductView<'_>>("The product.")
        .takes_if_none_match()
        .refuses(|refusal| matches!(refusal, Refusal::ProductNotFound));
    route::get(read, description)
}

async fn read(
    State(inventory): State<Arc<Inventory>>,
    State(token): State<AdminToken>,
    id: PathParam,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let item = inventory.item(ProductId(id.id()?)).ok_or(Refusal::ProductNotFound)?;
    let product = item.product();
    if product.terms.hidden && !token.allows(&Method::GET, &headers) {
        return Err(Refusal::ProductNotFound);
    }
    let tag = ProductTag::of(&product);
    Ok(match is_known(&headers, tag) {
        true => with_tag(StatusCode::NOT_MODIFIED.into_response(), tag),
        false => tagged(&product),
    })
}
