//! Jobs: what the store and the queue know of them together.

use std::sync::Arc;

use crate::domain::filter::Span;
use crate::domain::job::{JobOutcome, JobState};
use crate::domain::job_id::JobIds;
use crate::domain::order::{Order, OrderId};
use crate::domain::refusal::Refusal;
use crate::queue::Queue;
use crate::store::{Page, Scan, Snapshot, Store, StoreError};
use crate::view::{FollowedJobView, JobView};

use super::orders;

/// The job of an order, with what the queue knows of it.
pub fn view(order: &Order, queue: &Queue, job_ids: &JobIds) -> JobView {
    let (state, queue_position) = match order.job {
        JobOutcome::Open => queue.find(order.id, order.priority),
        JobOutcome::Completed => (JobState::Completed, None),
        JobOutcome::Failed => (JobState::Failed, None),
    };
    JobView::of(order, state, queue_position, job_ids)
}

/// A job by its number, for the buyer who follows it.
pub async fn follow(
    store: &Arc<Store>,
    queue: &Queue,
    job_ids: &JobIds,
    job_id: &str,
) -> Result<FollowedJobView, Refusal> {
    let id = job_ids.order(job_id).ok_or(Refusal::JobNotFound)?;
    let order = orders::find(store, id).await?.ok_or(Refusal::JobNotFound)?;
    Ok(FollowedJobView::of(view(&order, queue, job_ids), &order))
}

/// A page of the orders whose jobs are in one state: open jobs oldest first, finished ones newest first.
pub async fn page(
    store: &Arc<Store>,
    queue: &Arc<Queue>,
    state: JobState,
    position: Option<u64>,
    limit: usize,
) -> Result<Page<Order>, Refusal> {
    let queue = Arc::clone(queue);
    let page = store.scan(Scan::Page, move |reader| match state {
        JobState::Completed => finished(&reader.snapshot()?, JobOutcome::Completed, position, limit),
        JobState::Failed => finished(&reader.snapshot()?, JobOutcome::Failed, position, limit),
        JobState::Waiting | JobState::Prioritized | JobState::Delayed | JobState::Active => {
            // One more than asked for shows whether there is a next page. An order that was placed since this was asked
            // for may be in the queue and not in the tables.
            let ids = queue.list(state, position.map(OrderId), limit + 1);
            open(&reader.snapshot()?, &ids, limit)
        }
    });
    Ok(page.await?)
}

fn open(snapshot: &Snapshot, ids: &[OrderId], limit: usize) -> Result<Page<Order>, StoreError> {
    let shown = &ids[..ids.len().min(limit)];
    let rows: Result<Vec<_>, _> = shown.iter().filter_map(|id| snapshot.order(*id).transpose()).collect();
    let next = (ids.len() > limit).then(|| shown.last().map(|id| id.0)).flatten();
    Ok(Page { rows: rows?, next })
}

fn finished(
    snapshot: &Snapshot,
    outcome: JobOutcome,
    position: Option<u64>,
    limit: usize,
) -> Result<Page<Order>, StoreError> {
    snapshot.orders(position.map(OrderId), limit, Span::default(), |order| order.job == outcome)
}
