//! The conservation check: every product's counts, recomputed from its orders.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::domain::product::{Product, ProductId};
use crate::domain::refusal::Refusal;
use crate::store::{Reader, Scan, Store, StoreError, tally};

#[derive(Debug, Serialize)]
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

/// The conservation check: whether every product adds up, and each product's counts.
#[derive(Debug, Serialize)]
pub struct Audit {
    ok: bool,
    products: Vec<AuditedProduct>,
}

/// Recomputes every product's counts from its orders.
pub async fn audit(store: &Arc<Store>) -> Result<Audit, Refusal> {
    let products = store.scan(Scan::Everything, audited).await?;
    Ok(Audit { ok: products.iter().all(|product| product.ok), products })
}

/// All of it from one snapshot, so that what is under way cannot blur it.
fn audited(reader: &Reader) -> Result<Vec<AuditedProduct>, StoreError> {
    let snapshot = reader.snapshot()?;
    let by_orders: BTreeMap<ProductId, tally::Tally> = tally::by_product(&snapshot)?;
    Ok(snapshot.products()?.iter().map(|product| row(product, by_orders.get(&product.id))).collect())
}

fn row(product: &Product, by_orders: Option<&tally::Tally>) -> AuditedProduct {
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
