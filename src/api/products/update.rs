//! Changing a product.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::api::route::{self, Route};
use crate::committer::{Edit, Intake, ProductPatch};
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::http::{Form, JsonBody, PathParam};
use crate::limits::MAX_BODY_BYTES;
use crate::view::ProductView;
use crate::view::schema::of;
use crate::view::text::Id;

use super::fields::{INITIAL, NAME, PRICE, PRODUCT_CHANGES, read_terms};

pub(super) fn route() -> Route {
    let start_the_sale = json!({ "flashSaleActive": true, "perUserLimit": 2 });
    let description = route::operator("/inventory/{id}", "updateProduct", "Change a product")
        .part("id", "The product.", of::<Id>())
        .about(
            "Any subset of the fields. `currentStock` sets what can be bought now; the difference is booked as an \
             adjustment.",
        )
        .body(&PRODUCT_CHANGES, MAX_BODY_BYTES, [("startTheSale", start_the_sale)])
        .responds::<ProductView<'_>>("The product.")
        .refuses(|refusal| matches!(refusal, Refusal::ProductNotFound | Refusal::SoldOut))
        .writes();
    route::put(update, description)
}

async fn update(State(intake): State<Intake>, id: PathParam, JsonBody(body): JsonBody) -> Result<Response, Refusal> {
    let product = ProductId(id.id()?);
    let mut reader = Form::parse(&body)?.reader(&PRODUCT_CHANGES);
    let (name, price) = (reader.read(&NAME), reader.read(&PRICE));
    let initial = reader.read(&INITIAL).map(i64::unsigned_abs);
    let patch = ProductPatch { name, price, initial, ..read_terms(&mut reader) };
    reader.finish()?;
    let product = intake.edit(Edit::Update { product, patch }).await?;
    Ok(Json(ProductView::of(&product)).into_response())
}
