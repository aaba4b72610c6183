//! One order at a time: following, reading, confirming, cancelling.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::committer::{Intake, OperatorMove};
use crate::domain::job::{JobOutcome, JobState};
use crate::domain::job_id::JobIds;
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::domain::refusal::Refusal;
use crate::inventory::Inventory;
use crate::queue::Queue;
use crate::store::Store;
use crate::view::{JobView, OrderView};

use super::error;
use super::form::{Segment, plain_number};

/// `GET /orders/{id}`
pub(super) async fn read(
    State(store): State<Arc<Store>>,
    State(inventory): State<Arc<Inventory>>,
    State(job_ids): State<Arc<JobIds>>,
    Segment(id): Segment,
) -> Result<Response, Refusal> {
    let id = order_id(&id)?;
    let order = find(&store, id).await?.ok_or(Refusal::OrderNotFound)?;
    let product = inventory.item(order.product).map(|item| item.product());
    Ok(Json(OrderView::of(&order, &job_ids).with_product(product.as_deref())).into_response())
}

/// `POST /orders/{id}/confirm`
pub(super) async fn confirm(
    intake: State<Intake>,
    job_ids: State<Arc<JobIds>>,
    id: Segment,
) -> Result<Response, Refusal> {
    move_one(&intake, &job_ids, &id.0, OperatorMove::Confirm).await
}

/// `POST /orders/{id}/cancel`
pub(super) async fn cancel(
    intake: State<Intake>,
    job_ids: State<Arc<JobIds>>,
    id: Segment,
) -> Result<Response, Refusal> {
    move_one(&intake, &job_ids, &id.0, OperatorMove::Cancel).await
}

async fn move_one(intake: &Intake, job_ids: &JobIds, id: &str, to: OperatorMove) -> Result<Response, Refusal> {
    let moved = intake.move_orders(vec![order_id(id)?], to).await?.pop();
    let order = moved.unwrap_or(Err(Refusal::Internal))?;
    Ok(Json(OrderView::of(&order, job_ids)).into_response())
}

/// The job of an order, with what the queue knows of it.
pub(super) fn job_view(order: &Order, queue: &Queue, job_ids: &JobIds) -> JobView {
    let (state, queue_position) = match order.job {
        JobOutcome::Open => queue.find(order.id, order.priority),
        JobOutcome::Completed => (JobState::Completed, None),
        JobOutcome::Failed => (JobState::Failed, None),
    };
    JobView::of(order, state, queue_position, job_ids)
}

/// `GET /orders/queue/{jobId}`
pub(super) async fn follow(
    State(store): State<Arc<Store>>,
    State(queue): State<Arc<Queue>>,
    State(job_ids): State<Arc<JobIds>>,
    Segment(job_id): Segment,
) -> Result<Response, Refusal> {
    let id = job_ids.order(&job_id).ok_or(Refusal::JobNotFound)?;
    let order = find(&store, id).await?.ok_or(Refusal::JobNotFound)?;
    Ok(Json(job_view(&order, &queue, &job_ids)).into_response())
}

/// `GET /orders/admin/metrics`
pub(super) async fn metrics(State(store): State<Arc<Store>>, State(queue): State<Arc<Queue>>) -> Response {
    let totals = store.head().totals;
    Json(json!({
        "totalOrders": totals.all_orders(),
        "confirmedOrders": totals.orders(OrderStatus::Confirmed),
        "failedOrders": totals.orders(OrderStatus::Failed),
        "pendingOrders": totals.orders(OrderStatus::Pending),
        "cancelledOrders": totals.orders(OrderStatus::Cancelled),
        "queueStats": super::jobs::states(&queue.counts(), &totals),
    }))
    .into_response()
}

async fn find(store: &Arc<Store>, id: OrderId) -> Result<Option<Arc<Order>>, Refusal> {
    store.query(move |store| store.order(id)).await.map_err(|error| error::unreadable(&error))
}

fn order_id(text: &str) -> Result<OrderId, Refusal> {
    whole_id(text).map(OrderId)
}

/// An id in a path.
pub(super) fn whole_id(text: &str) -> Result<u64, Refusal> {
    plain_number(text).ok_or_else(|| Refusal::invalid("id", "must be a whole number"))
}
