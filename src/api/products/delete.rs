//! Deleting a product.

use axum::extract::State;
use axum::http::StatusCode;

use crate::api::route::{self, Route};
use crate::committer::Intake;
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::http::PathParam;
use crate::view::schema::of;
use crate::view::text::Id;

pub(super) fn route() -> Route {
    let description = route::operator("/inventory/{id}", "deleteProduct", "Delete a product")
        .part("id", "The product.", of::<Id>())
        .responds_nothing("The product is deleted.")
        .refuses(|refusal| matches!(refusal, Refusal::ProductNotFound | Refusal::ProductHasOrders))
        .writes();
    route::delete(delete, description)
}

async fn delete(State(intake): State<Intake>, id: PathParam) -> Result<StatusCode, Refusal> {
    intake.delete_product(ProductId(id.id()?)).await?;
    Ok(StatusCode::NO_CONTENT)
}
