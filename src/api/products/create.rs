//! Creating a product.

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;

use crate::api::route::{self, BASE, Route};
use crate::committer::{Edit, Intake};
use crate::domain::product::Terms;
use crate::domain::refusal::Refusal;
use crate::http::{Form, JsonBody};
use crate::limits::MAX_BODY_BYTES;
use crate::view::ProductView;

use super::fields::{INITIAL, NAME, NEW_PRODUCT, PRICE, read_terms};
use super::tagged::tagged;

pub(super) fn route() -> Route {
    let product = json!({ "name": "Headphones", "price": "349.99", "initialStock": 200, "flashSaleActive": true });
    let with_hold = json!({
        "name": "Ticket", "price": 25.5, "initialStock": 500, "flashSaleActive": true, "perUserLimit": 2,
        "saleStartsAt": "2026-01-31T12:00:00Z", "saleEndsAt": null, "holdSeconds": 600,
    });
    let description = route::operator("/inventory", "createProduct", "Create a product")
        .body(&NEW_PRODUCT, MAX_BODY_BYTES, [("product", product), ("withHold", with_hold)])
        .creates::<ProductView<'_>>("The product.", &["ETag"])
        .refuses(|refusal| matches!(refusal, Refusal::SkuTaken))
        .leads_to(&["getProduct", "updateProduct", "deleteProduct", "restockProduct", "readLedger"], "id", "id")
        .writes();
    route::post(create, description)
}

async fn create(State(intake): State<Intake>, JsonBody(body): JsonBody) -> Result<Response, Refusal> {
    let mut reader = Form::parse(&body)?.reader(&NEW_PRODUCT);
    let (name, price, initial) = (reader.read(&NAME), reader.read(&PRICE), reader.read(&INITIAL));
    let patch = read_terms(&mut reader);
    reader.finish()?;
    let (Some(name), Some(price), Some(initial)) = (name, price, initial) else { return Err(Refusal::Internal) };
    let initial = initial.unsigned_abs();
    let terms = Terms { name, price, ..patch.terms() };
    let product = intake.edit(Edit::Create { terms, initial, current: patch.current.unwrap_or(initial) }).await?;
    let mut response = tagged(&product);
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = HeaderValue::try_from(format!("{BASE}/inventory/{}", product.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}
