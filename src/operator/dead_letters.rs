//! The dead letters: listing them, moving one, moving all that match.

use std::sync::Arc;

use serde::Serialize;

use crate::committer::{Intake, OperatorMove};
use crate::domain::clock::Timestamp;
use crate::domain::filter::OrderFilter;
use crate::domain::job::AttemptError;
use crate::domain::job_id::JobIds;
use crate::domain::order::{Failure, Order, OrderId};
use crate::domain::refusal::Refusal;
use crate::limits::MAX_PAGE;
use crate::store::{Page, Scan, Store, StoreError};
use crate::view::AsText;

use super::orders;

/// The order of a job that failed for good, and its latest attempts, oldest first.
#[derive(Debug)]
pub struct DeadLetter {
    /// The order.
    pub order: Order,
    /// The attempts that failed.
    pub attempts: Vec<AttemptError>,
}

/// What became of the dead letters that match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// How many match.
    pub matched: usize,
    /// How many were moved; none on a dry run.
    pub done: usize,
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
) -> Result<Moved, Refusal> {
    let mut sum = Moved::default();
    let (mut before, mut full) = (None, false);
    loop {
        let filter = filter.clone();
        let page = store.scan(Scan::Page, move |reader| {
            reader.snapshot()?.dead_letters(before, MAX_PAGE, |order| filter.keeps(order))
        });
        let page = page.await?;
        sum.matched += page.rows.len();
        let orders: Vec<_> = page.rows.iter().map(|order| order.id).collect();
        if !dry_run && !full && !orders.is_empty() {
            let moved = intake.move_orders(orders, to).await?;
            sum.done += moved.iter().filter(|moved| moved.is_ok()).count();
            full = moved.iter().any(|moved| matches!(moved, Err(Refusal::Overloaded { .. })));
        }
        match page.next {
            Some(next) => before = Some(OrderId(next)),
            None => return Ok(sum),
        }
    }
}

/// A dead letter as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterView<'a> {
    job_id: String,
    order_id: u64,
    product_id: u64,
    user_id: &'a str,
    quantity: u32,
    reason: Option<&'static str>,
    failed_reason: Option<String>,
    attempts_made: u32,
    attempts: Vec<AttemptView<'a>>,
    failed_at: Option<AsText<Timestamp>>,
}

#[derive(Debug, Serialize)]
struct AttemptView<'a> {
    attempt: u32,
    at: AsText<Timestamp>,
    error: &'a str,
}

impl DeadLetter {
    /// The view of it.
    pub fn view(&self, job_ids: &JobIds) -> DeadLetterView<'_> {
        let Self { order, attempts } = self;
        let attempts = attempts.iter();
        let attempts = attempts.map(|attempt| AttemptView {
            attempt: attempt.attempt,
            at: AsText(attempt.at),
            error: &attempt.error,
        });
        DeadLetterView {
            job_id: job_ids.job_id(order.id),
            order_id: order.id.0,
            product_id: order.product.0,
            user_id: order.user.as_str(),
            quantity: order.quantity,
            reason: order.failure.as_ref().map(Failure::code),
            failed_reason: order.failure.as_ref().map(ToString::to_string),
            attempts_made: order.attempts,
            attempts: attempts.collect(),
            failed_at: order.finished_at.map(AsText),
        }
    }
}
