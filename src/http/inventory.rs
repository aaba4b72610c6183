//! The products and their stock.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::committer::{Edit, Intake, ProductPatch};
use crate::domain::clock::Timestamp;
use crate::domain::names::check_product_name;
use crate::domain::product::{Product, ProductId, Terms};
use crate::domain::refusal::Refusal;
use crate::inventory::Inventory;
use crate::limits::{MAX_HOLD_SECONDS, MAX_PER_USER_LIMIT, MAX_STOCK};
use crate::view::ProductView;

use super::body::JsonBody;
use super::form::{Form, Reader, Segment, Value};
use super::orders::whole_id;
use super::product_list::ProductLists;

/// The fields that a product can be sent with.
const FIELDS: [&str; 9] = [
    "name",
    "price",
    "initialStock",
    "currentStock",
    "flashSaleActive",
    "perUserLimit",
    "saleStartsAt",
    "saleEndsAt",
    "holdSeconds",
];

/// `GET /inventory`
pub(super) async fn list(State(lists): State<Arc<ProductLists>>) -> Response {
    lists.latest().await.response()
}

/// `GET /inventory/{id}`
pub(super) async fn read(State(inventory): State<Arc<Inventory>>, Segment(id): Segment) -> Result<Response, Refusal> {
    let item = inventory.item(product_id(&id)?).ok_or(Refusal::ProductNotFound)?;
    Ok(Json(ProductView::of(&item.product())).into_response())
}

/// `POST /inventory`
pub(super) async fn create(State(intake): State<Intake>, JsonBody(body): JsonBody) -> Result<Response, Refusal> {
    let mut reader = Form::parse(&body)?.reader(&FIELDS);
    let name = reader.required("name", name);
    let price = reader.required("price", Value::price);
    let initial = reader.required("initialStock", stock);
    let patch = read_terms(&mut reader);
    reader.finish()?;
    let (Some(name), Some(price), Some(initial)) = (name, price, initial) else { return Err(Refusal::Internal) };
    let terms = Terms {
        name,
        price,
        flash_sale_active: patch.flash_sale_active.unwrap_or(false),
        per_user_limit: patch.per_user_limit.flatten(),
        sale_starts_at: patch.sale_starts_at.flatten(),
        sale_ends_at: patch.sale_ends_at.flatten(),
        hold_seconds: patch.hold_seconds.flatten(),
    };
    let product = intake.edit(Edit::Create { terms, initial, current: patch.current.unwrap_or(initial) }).await?;
    let mut response = (StatusCode::CREATED, Json(ProductView::of(&product))).into_response();
    if let Ok(location) = HeaderValue::try_from(format!("{}/inventory/{}", super::BASE, product.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// `PUT /inventory/{id}`
pub(super) async fn update(
    State(intake): State<Intake>,
    Segment(id): Segment,
    JsonBody(body): JsonBody,
) -> Result<Response, Refusal> {
    let product = product_id(&id)?;
    let mut reader = Form::parse(&body)?.reader(&FIELDS);
    if reader.is_empty() {
        reader.complain("body", "must set at least one field");
    }
    let (name, price, initial) =
        (reader.optional("name", name), reader.optional("price", Value::price), reader.optional("initialStock", stock));
    let patch = ProductPatch { name, price, initial, ..read_terms(&mut reader) };
    reader.finish()?;
    edited(&intake, Edit::Update { product, patch }).await
}

/// `POST /inventory/{id}/restock`
pub(super) async fn restock(
    State(intake): State<Intake>,
    Segment(id): Segment,
    JsonBody(body): JsonBody,
) -> Result<Response, Refusal> {
    let product = product_id(&id)?;
    let most = i64::try_from(MAX_STOCK).unwrap_or(i64::MAX);
    let mut reader = Form::parse(&body)?.reader(&["quantity"]);
    let delta = reader.required("quantity", |value| match value.whole(-most, most)? {
        0 => Err("must not be 0".into()),
        delta => Ok(delta),
    });
    reader.finish()?;
    edited(&intake, Edit::Restock { product, delta: delta.unwrap_or_default() }).await
}

async fn edited(intake: &Intake, edit: Edit) -> Result<Response, Refusal> {
    let product: Product = intake.edit(edit).await?;
    Ok(Json(ProductView::of(&product)).into_response())
}

/// `DELETE /inventory/{id}`
pub(super) async fn delete(State(intake): State<Intake>, Segment(id): Segment) -> Result<StatusCode, Refusal> {
    intake.delete_product(product_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /inventory/metrics`
pub(super) async fn metrics(State(lists): State<Arc<ProductLists>>) -> Response {
    let totals = lists.latest().await.totals;
    let all = totals.current + totals.gone;
    let utilization = if all == 0 { 0.0 } else { totals.gone as f64 * 100.0 / all as f64 };
    Json(json!({
        "totalProducts": totals.products,
        "outOfStockProducts": totals.out_of_stock,
        "lowStockProducts": totals.low_stock,
        "totalInitialStock": totals.initial,
        "totalCurrentStock": totals.current,
        "stockUtilization": (utilization * 100.0).round() / 100.0,
    }))
    .into_response()
}

/// Reads the fields that creating and changing share.
fn read_terms(reader: &mut Reader<'_>) -> ProductPatch {
    let seconds = i64::from(MAX_HOLD_SECONDS);
    let units = i64::from(MAX_PER_USER_LIMIT);
    ProductPatch {
        current: reader.optional("currentStock", stock),
        flash_sale_active: reader.optional("flashSaleActive", Value::truth),
        per_user_limit: reader.optional("perUserLimit", |value| value.nullable(|value| small(value, units))),
        sale_starts_at: reader.optional("saleStartsAt", |value| value.nullable(moment)),
        sale_ends_at: reader.optional("saleEndsAt", |value| value.nullable(moment)),
        hold_seconds: reader.optional("holdSeconds", |value| value.nullable(|value| small(value, seconds))),
        ..ProductPatch::default()
    }
}

type Read<T> = Result<T, std::borrow::Cow<'static, str>>;

fn name(value: &Value<'_>) -> Read<String> {
    let name = value.text()?;
    check_product_name(name)?;
    Ok(name.to_owned())
}

fn stock(value: &Value<'_>) -> Read<u64> {
    Ok(value.whole(0, i64::try_from(MAX_STOCK).unwrap_or(i64::MAX))?.unsigned_abs())
}

fn small(value: &Value<'_>, most: i64) -> Read<u32> {
    Ok(u32::try_from(value.whole(1, most)?).unwrap_or(u32::MAX))
}

fn moment(value: &Value<'_>) -> Read<Timestamp> {
    Timestamp::parse(value.text()?).map_err(|error| error.to_string().into())
}

/// A product's id in a path.
pub(super) fn product_id(text: &str) -> Result<ProductId, Refusal> {
    whole_id(text).map(ProductId)
}
