//! Reading one product.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::api::route::{self, Route};
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::http::PathParam;
use crate::inventory::Inventory;
use crate::view::ProductView;
use crate::view::schema::of;
use crate::view::text::Id;

pub(super) fn route() -> Route {
    let description = route::public("/inventory/{id}", "getProduct", "Read a product")
        .part("id", "The product.", of::<Id>())
        .responds::<ProductView<'_>>("The product.")
        .refuses(|refusal| matches!(refusal, Refusal::ProductNotFound));
    route::get(read, description)
}

async fn read(State(inventory): State<Arc<Inventory>>, id: PathParam) -> Result<Response, Refusal> {
    let item = inventory.item(ProductId(id.id()?)).ok_or(Refusal::ProductNotFound)?;
    Ok(Json(ProductView::of(&item.product())).into_response())
}
