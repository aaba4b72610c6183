//! Deleting a product.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use crate::api::route::{self, Route};
use crate::committer::Intake;
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::http::{PathParam, if_match};
use crate::view::schema::of;
use crate::view::text::Id;

pub(super) fn route() -> Route {
    let description = route::operator("/inventory/{id}", "deleteProduct", "Delete a product")
        .part("id", "The product.", of::<Id>())
        .takes_if_match("The `ETag` of the product as it was read: 412 if operators have changed it since.")
        .responds_nothing("The product is deleted.")
        .refuses(|refusal| matches!(refusal, Refusal::ProductNotFound | Refusal::ProductHasOrders))
        .writes();
    route::delete(delete, description)
}

async fn delete(State(intake): State<Intake>, id: PathParam, headers: HeaderMap) -> Result<StatusCode, Refusal> {
    intake.delete_product(ProductId(id.id()?), if_match(&headers).unwrap_or_default()).await?;
    Ok(StatusCode::NO_CONTENT)
}
