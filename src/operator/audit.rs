//! The conservation check: every product's counts, recomputed from its orders.

use std::sync::Arc;

use crate::domain::product::Product;
use crate::domain::refusal::Refusal;
use crate::domain::totals::OrderSums;
use crate::store::{Reader, Scan, Store, StoreError, order_sums_by_product};
use crate::view::audit::{AuditView, AuditedProductView};

/// Recomputes every product's counts from its orders.
pub async fn audit(store: &Arc<Store>) -> Result<AuditView, Refusal> {
    Ok(AuditView::of(store.scan(Scan::Everything, audited).await?))
}

/// All of it from one snapshot, so that what is under way cannot blur it.
fn audited(reader: &Reader) -> Result<Vec<AuditedProductView>, StoreError> {
    let snapshot = reader.snapshot()?;
    let by_orders = order_sums_by_product(&snapshot)?;
    let sums = |product: &Product| by_orders.get(&product.id).copied().unwrap_or_default();
    Ok(snapshot.products()?.iter().map(|product| row(product, sums(product))).collect())
}

fn row(product: &Product, by_orders: OrderSums) -> AuditedProductView {
    AuditedProductView::of(product, by_orders, by_orders.adds_up(product))
}
