//! Adding units to a product, or taking them away.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use crate::api::route::{self, Route};
use crate::committer::{Edit, Intake};
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::http::{Delta, Field, Form, JsonBody, Object, PathParam, if_match};
use crate::limits::MAX_BODY_BYTES;
use crate::view::ProductView;
use crate::view::schema::of;
use crate::view::text::Id;

use super::fields::MOST_UNITS;
use super::tagged::tagged;

static QUANTITY: Field<Delta> =
    Field { name: "quantity", about: "Not 0.", rule: Delta { most: MOST_UNITS, example: 25 } };

static RESTOCK: Object = Object {
    name: "Restock",
    about: "Units to add, or to take away where negative.",
    members: &[QUANTITY.required()],
    needs_one: false,
};

pub(super) fn route() -> Route {
    let examples = [("add", json!({ "quantity": 25 })), ("takeAway", json!({ "quantity": -1 }))];
    let description = route::operator("/inventory/{id}/restock", "restockProduct", "Add units, or take them away")
        .part("id", "The product.", of::<Id>())
        .body(&RESTOCK, MAX_BODY_BYTES, examples)
        .takes_if_match("The `ETag` of the product as it was read: 412 if operators have changed it since.")
        .responds_tagged::<ProductView<'_>>("The product.")
        .refuses(|refusal| matches!(refusal, Refusal::ProductNotFound | Refusal::SoldOut))
        .writes();
    route::post(restock, description)
}

async fn restock(
    State(intake): State<Intake>,
    id: PathParam,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Refusal> {
    let product = ProductId(id.id()?);
    let mut reader = Form::parse(&body)?.reader(&RESTOCK);
    let delta = reader.read(&QUANTITY);
    reader.finish()?;
    let edit = Edit::Restock { product, delta: delta.ok_or(Refusal::Internal)? };
    Ok(tagged(&intake.edit_if(edit, if_match(&headers).unwrap_or_default()).await?))
}
