//! Changing a product.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use crate::api::route::{self, Route};
use crate::committer::{Edit, Intake, ProductPatch};
use crate::domain::product::ProductId;
use crate::domain::product_tag::{Expected, ProductTag};
use crate::domain::refusal::Refusal;
use crate::http::{Form, JsonBody, PathParam, if_match};
use crate::inventory::Inventory;
use crate::limits::MAX_BODY_BYTES;
use crate::view::ProductView;
use crate::view::schema::of;
use crate::view::text::Id;

use super::fields::{INITIAL, NAME, PRICE, PRODUCT_CHANGES, read_terms};
use super::tagged::tagged;

/// What the header says of a change.
const IF_MATCH: &str = "The `ETag` of the product as it was read: 412 if operators have changed it since, or, where \
                        the request sets `currentStock`, if orders have moved its units.";

pub(super) fn route() -> Route {
    let start_the_sale = json!({ "flashSaleActive": true, "perUserLimit": 2 });
    let description = route::operator("/inventory/{id}", "updateProduct", "Change a product")
        .part("id", "The product.", of::<Id>())
        .about(
            "Any subset of the fields. `currentStock` sets what can be bought now; the difference is booked as an \
             adjustment. Beside other fields it needs `If-Match`, so that no form puts back units that were sold since \
             it was read.",
        )
        .body(&PRODUCT_CHANGES, MAX_BODY_BYTES, [("startTheSale", start_the_sale)])
        .takes_if_match(IF_MATCH)
        .responds_tagged::<ProductView<'_>>("The product.")
        .refuses(|refusal| {
            matches!(
                refusal,
                Refusal::ProductNotFound | Refusal::SoldOut | Refusal::SkuTaken | Refusal::PreconditionRequired { .. }
            )
        })
        .writes();
    route::put(update, description)
}

async fn update(
    State(intake): State<Intake>,
    State(inventory): State<Arc<Inventory>>,
    id: PathParam,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Refusal> {
    let product = ProductId(id.id()?);
    let mut reader = Form::parse(&body)?.reader(&PRODUCT_CHANGES);
    let (name, price) = (reader.read(&NAME), reader.read(&PRICE));
    let initial = reader.read(&INITIAL).map(i64::unsigned_abs);
    let patch = ProductPatch { name, price, initial, ..read_terms(&mut reader) };
    reader.finish()?;
    let expected = match if_match(&headers) {
        Some(expected) => expected,
        None if patch.sets_current_beside_others() => {
            let item = inventory.item(product).ok_or(Refusal::ProductNotFound)?;
            return Err(Refusal::PreconditionRequired { tag: ProductTag::of(&item.product()) });
        }
        None => Expected::Any,
    };
    Ok(tagged(&intake.edit_if(Edit::Update { product, patch }, expected).await?))
}
