//! Orders as operators look for them and move them.

use std::sync::Arc;

use crate::committer::{Intake, OperatorMove};
use crate::domain::filter::OrderFilter;
use crate::domain::order::{Order, OrderId};
use crate::domain::refusal::Refusal;
use crate::store::{Page, Scan, Store};

/// An order by its number.
pub async fn find(store: &Arc<Store>, id: OrderId) -> Result<Option<Arc<Order>>, Refusal> {
    Ok(store.query(move |store| store.order(id)).await?)
}

/// A page of the orders that a filter keeps, newest first, below `before`. A page may be short and yet have a next one.
/// The reason of the filter is not looked at.
pub async fn page(
    store: &Arc<Store>,
    filter: OrderFilter,
    before: Option<OrderId>,
    limit: usize,
) -> Result<Page<Order>, Refusal> {
    let page = store.scan(Scan::Page, move |reader| match &filter.user {
        Some(user) => reader.orders_of_user(user, before, limit, |order| filter.keeps_fields(order)),
        None => reader.snapshot()?.orders(before, limit, filter.accepted, |order| filter.keeps_fields(order)),
    });
    Ok(page.await?)
}

/// Moves one order; gives it as it is then.
pub async fn move_one(intake: &Intake, id: OrderId, to: OperatorMove) -> Result<Arc<Order>, Refusal> {
    intake.move_orders(vec![id], to).await?.pop().unwrap_or(Err(Refusal::Internal))
}
