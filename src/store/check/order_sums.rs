//! What the orders add up to, product by product.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::domain::product::ProductId;
use crate::domain::totals::OrderSums;

use crate::store::error::StoreError;
use crate::store::snapshot::Snapshot;

/// Adds up all orders, by their products.
pub fn by_product(snapshot: &Snapshot) -> Result<BTreeMap<ProductId, OrderSums>, StoreError> {
    let mut sums = BTreeMap::<ProductId, OrderSums>::new();
    snapshot.each_fields(|order| {
        sums.entry(order.product).or_default().add(order);
        ControlFlow::Continue(())
    })?;
    Ok(sums)
}
