//! The dead letters: listing them, moving one, moving all that match.

use std::sync::Arc;

use crate::committer::{Intake, OperatorMove};
use crate::domain::filter::OrderFilter;
use crate::domain::job::AttemptError;
use crate::domain::job_id::JobIds;
use crate::domain::order::{Order, OrderId};
use crate::domain::refusal::Refusal;
use crate::limits::MAX_PAGE;
use crate::store::{Page, Scan, Store, StoreError};
use crate::view::job::DeadLetterView;
use crate::view::queue::MovedView;

use super::orders;

/// The order of a job that failed for good, and its latest attempts, oldest first.
#[derive(Debug)]
pub struct DeadLetter {
    /// The order.
    pub order: Order,
    /// The attempts that failed.
    pub attempts: Vec<AttemptError>,
}

/// A page of the dead letters that a filter keeps, newest first, below `before`.
pub async fn page(
    store: &Arc<Store>,
    filter: OrderFilter,
    before: Option<OrderId>,
    limit: usize,
) -> Result<Page<DeadLetter>, Refusal> {
    let page = store.scan(Scan::Page, move |reader| {
        let snapshot = reader.snapshot()?;
        let page = snapshot.dead_letters(before, limit, |order| filter.keeps(order))?;
        let letter = |order: Order| Ok(DeadLetter { attempts: snapshot.attempts(order.id)?, order });
        let rows: Result<_, StoreError> = page.rows.into_iter().map(letter).collect();
        Ok(Page { rows: rows?, next: page.next })
    });
    Ok(page.await?)
}

/// Moves one dead letter; gives its order as it is then.
pub async fn move_one(
    intake: &Intake,
    job_ids: &JobIds,
    job_id: &str,
    to: OperatorMove,
) -> Result<Arc<Order>, Refusal> {
    orders::move_one(intake, job_ids.order(job_id).ok_or(Refusal::JobNotFound)?, to).await
}

/// Moves all dead letters that a filter keeps, a page at a time, from new to old. If the queue is full, the rest is
/// counted and stays. A dry run only counts.
pub async fn move_all(
    store: &Arc<Store>,
    intake: &Intake,
    filter: &OrderFilter,
    to: OperatorMove,
    dry_run: bool,
) -> Result<MovedView, Refusal> {
    let mut sum = MovedView { done: 0, matched: 0 };
    let (mut before, mut full) = (None, false);
    loop {
        let filter = filter.clone();
        let page = store.scan(Scan::Page, move |reader| {
            reader.snapshot()?.dead_letters(before, MAX_PAGE, |order| filter.keeps(order))
        });
        let page = page.await?;
        sum.matched += page.rows.len() as u64;
        let orders: Vec<_> = page.rows.iter().map(|order| order.id).collect();
        if !dry_run && !full && !orders.is_empty() {
            let moved = intake.move_orders(orders, to).await?;
            sum.done += moved.iter().filter(|moved| moved.is_ok()).count() as u64;
            full = moved.iter().any(|moved| matches!(moved, Err(Refusal::Overloaded { .. })));
        }
        match page.next {
            Some(next) => before = Some(OrderId(next)),
            None => return Ok(sum),
        }
    }
}

impl DeadLetter {
    /// The view of it.
    pub fn view(&self, job_ids: &JobIds) -> DeadLetterView<'_> {
        DeadLetterView::of(&self.order, &self.attempts, job_ids)
    }
}
