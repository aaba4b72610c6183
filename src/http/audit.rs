//! The conservation check: every product's counts, recomputed from its orders.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use crate::domain::product::{Product, ProductId};
use crate::domain::refusal::Refusal;
use crate::store::{OrderSums, Reader, Scan, Store, StoreError};

use super::error;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuditedProduct {
    product_id: u64,
    ok: bool,
    initial_stock: u64,
    adjusted_stock: i64,
    current_stock: u64,
    held_stock: u64,
    sold_stock: u64,
    held_by_orders: u64,
    sold_by_orders: u64,
    orders: u64,
}

/// `GET /inventory/audit`
pub(super) async fn audit(State(store): State<Arc<Store>>) -> Result<Response, Refusal> {
    let products = store.scan(Scan::Everything, audited).await.map_err(|error| error::unreadable(&error))?;
    let ok = products.iter().all(|product| product.ok);
    Ok(Json(json!({ "ok": ok, "products": products })).into_response())
}

/// All of it from one snapshot, so that what is under way cannot blur it.
fn audited(reader: &Reader) -> Result<Vec<AuditedProduct>, StoreError> {
    let snapshot = reader.snapshot()?;
    let by_orders: BTreeMap<ProductId, OrderSums> = OrderSums::by_product(&snapshot)?;
    Ok(snapshot.products()?.iter().map(|product| row(product, by_orders.get(&product.id))).collect())
}

fn row(product: &Product, by_orders: Option<&OrderSums>) -> AuditedProduct {
    let stock = product.stock;
    let by_orders = by_orders.copied().unwrap_or_default();
    AuditedProduct {
        product_id: product.id.0,
        ok: stock.is_conserved() && by_orders.agrees_with(product),
        initial_stock: stock.initial,
        adjusted_stock: stock.adjusted,
        current_stock: stock.current,
        held_stock: stock.held,
        sold_stock: stock.sold,
        held_by_orders: by_orders.held,
        sold_by_orders: by_orders.sold,
        orders: by_orders.orders,
    }
}
