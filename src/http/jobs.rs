//! The queue as operators see it: counts, pausing, lists of jobs, dead letters.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use crate::committer::{Intake, OperatorMove};
use crate::domain::clock::Timestamp;
use crate::domain::filter::{OrderFilter, Span};
use crate::domain::job::{AttemptError, JobOutcome, JobState};
use crate::domain::job_id::JobIds;
use crate::domain::order::{Order, OrderId};
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::domain::totals::Totals;
use crate::limits::{MAX_ID, MAX_PAGE};
use crate::queue::{Queue, QueueCounts, SlotKind};
use crate::store::{Page, Scan, Snapshot, Store, StoreError};
use crate::view::AsText;

use super::error;
use super::form::Segment;
use super::orders::job_view;
use super::page::{self, Cursors};
use super::query::Query;

/// Counts by state, as several routes show them.
pub(super) fn states(counts: &QueueCounts, totals: &Totals) -> Value {
    json!({
        "waiting": counts.waiting,
        "prioritized": counts.prioritized,
        "delayed": counts.delayed,
        "active": counts.active,
        "completed": totals.completed_jobs,
        "failed": totals.failed_jobs,
    })
}

/// `GET /queue`
pub(super) async fn counts(store: State<Arc<Store>>, queue: State<Arc<Queue>>) -> Response {
    show_counts(&store, &queue)
}

/// All of it is in memory, so that it is also answered while the store is away.
fn show_counts(store: &Store, queue: &Queue) -> Response {
    let head = store.head();
    let counts = queue.counts();
    Json(json!({
        "counts": states(&counts, &head.totals),
        "deadLetters": head.totals.dead_letters,
        "paused": counts.paused,
        "capacity": queue.capacity(SlotKind::Work),
        "holdCapacity": queue.capacity(SlotKind::Hold),
        "oldestJobAgeMs": counts.oldest_age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        "completedPerSecond": (counts.completed_per_second * 100.0).round() / 100.0,
    }))
    .into_response()
}

/// `POST /queue/pause`
pub(super) async fn pause(
    intake: State<Intake>,
    store: State<Arc<Store>>,
    queue: State<Arc<Queue>>,
) -> Result<Response, Refusal> {
    intake.set_paused(true).await?;
    Ok(show_counts(&store, &queue))
}

/// `POST /queue/resume`
pub(super) async fn resume(
    intake: State<Intake>,
    store: State<Arc<Store>>,
    queue: State<Arc<Queue>>,
) -> Result<Response, Refusal> {
    intake.set_paused(false).await?;
    Ok(show_counts(&store, &queue))
}

/// `GET /queue/jobs`: open jobs oldest first, finished ones newest first.
pub(super) async fn list(
    State(store): State<Arc<Store>>,
    State(queue): State<Arc<Queue>>,
    State(job_ids): State<Arc<JobIds>>,
    State(cursors): State<Arc<Cursors>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let mut query = Query::of(&uri, &["state", "limit", "cursor"]);
    let state = query.read("state", |text| {
        let known = JobState::ALL.into_iter().find(|state| state.as_str() == text);
        known.ok_or_else(|| "must be waiting, prioritized, delayed, active, completed or failed".to_owned())
    });
    let list = format!("jobs {state:?}");
    let (limit, position) = query.page(&cursors, &list);
    query.finish()?;
    let Some(state) = state else { return Err(Refusal::invalid("state", "is missing")) };
    let jobs = Arc::clone(&queue);
    let page = store.scan(Scan::Page, move |reader| match state {
        JobState::Completed | JobState::Failed => finished_jobs(&reader.snapshot()?, state, position, limit),
        _ => {
            // One more than asked for tells whether there is a next page. An order that was placed since this was asked
            // for may be in the queue and not in the tables.
            let ids = jobs.list(state, position.map(OrderId), limit + 1);
            open_jobs(&reader.snapshot()?, &ids, limit)
        }
    });
    let page = page.await.map_err(|error| error::unreadable(&error))?;
    let rows: Vec<_> = page.rows.iter().map(|order| job_view(order, &queue, &job_ids)).collect();
    Ok(page::answer(&rows, page.next, &uri, &cursors, &list))
}

fn open_jobs(snapshot: &Snapshot, ids: &[OrderId], limit: usize) -> Result<Page<Order>, StoreError> {
    let shown = &ids[..ids.len().min(limit)];
    let rows: Result<Vec<_>, _> = shown.iter().filter_map(|id| snapshot.order(*id).transpose()).collect();
    let next = (ids.len() > limit).then(|| shown.last().map(|id| id.0)).flatten();
    Ok(Page { rows: rows?, next })
}

fn finished_jobs(
    snapshot: &Snapshot,
    state: JobState,
    position: Option<u64>,
    limit: usize,
) -> Result<Page<Order>, StoreError> {
    let end = if state == JobState::Completed { JobOutcome::Completed } else { JobOutcome::Failed };
    snapshot.orders(position.map(OrderId), limit, Span::default(), |order| order.job == end)
}

/// A dead letter.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeadLetterView<'a> {
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

#[derive(Serialize)]
struct AttemptView<'a> {
    attempt: u32,
    at: AsText<Timestamp>,
    error: &'a str,
}

/// Which dead letters are meant.
fn read_filter(query: &mut Query) -> OrderFilter {
    OrderFilter {
        reason: query.read("reason", |text| match text.is_empty() {
            true => Err("must not be empty".to_owned()),
            false => Ok(text.to_lowercase()),
        }),
        product: query.number("productId", 1, MAX_ID).map(ProductId),
        ..OrderFilter::default()
    }
}

/// `GET /queue/dead-letter`
pub(super) async fn dead_letters(
    State(store): State<Arc<Store>>,
    State(job_ids): State<Arc<JobIds>>,
    State(cursors): State<Arc<Cursors>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let mut query = Query::of(&uri, &["reason", "productId", "limit", "cursor"]);
    let filter = read_filter(&mut query);
    let list = format!("dead letters {filter:?}");
    let (limit, position) = query.page(&cursors, &list);
    query.finish()?;
    let found = store.scan(Scan::Page, move |reader| {
        let snapshot = reader.snapshot()?;
        let page = snapshot.dead_letters(position.map(OrderId), limit, |order| filter.keeps(order))?;
        let attempts: Result<Vec<_>, _> = page.rows.iter().map(|order| snapshot.attempts(order.id)).collect();
        Ok((page, attempts?))
    });
    let (page, attempts) = found.await.map_err(|error| error::unreadable(&error))?;
    let rows = page.rows.iter().zip(&attempts).map(|(order, attempts)| dead_letter(order, attempts, &job_ids));
    Ok(page::answer(&rows.collect::<Vec<_>>(), page.next, &uri, &cursors, &list))
}

fn dead_letter<'a>(order: &'a Order, attempts: &'a [AttemptError], job_ids: &JobIds) -> DeadLetterView<'a> {
    let view = |attempt: &'a AttemptError| AttemptView {
        attempt: attempt.attempt,
        at: AsText(attempt.at),
        error: &attempt.error,
    };
    DeadLetterView {
        job_id: job_ids.job_id(order.id),
        order_id: order.id.0,
        product_id: order.product.0,
        user_id: order.user.as_str(),
        quantity: order.quantity,
        reason: order.failure.as_ref().map(crate::domain::order::Failure::code),
        failed_reason: order.failure.as_ref().map(ToString::to_string),
        attempts_made: order.attempts,
        attempts: attempts.iter().map(view).collect(),
        failed_at: order.finished_at.map(AsText),
    }
}

/// `POST /queue/dead-letter/{jobId}/retry`
pub(super) async fn retry(
    State(intake): State<Intake>,
    State(queue): State<Arc<Queue>>,
    State(job_ids): State<Arc<JobIds>>,
    Segment(job_id): Segment,
) -> Result<Response, Refusal> {
    let order = move_one(&intake, &job_ids, &job_id, OperatorMove::Retry).await?;
    Ok(Json(job_view(&order, &queue, &job_ids)).into_response())
}

/// `DELETE /queue/dead-letter/{jobId}`
pub(super) async fn forget(
    State(intake): State<Intake>,
    State(job_ids): State<Arc<JobIds>>,
    Segment(job_id): Segment,
) -> Result<StatusCode, Refusal> {
    move_one(&intake, &job_ids, &job_id, OperatorMove::Forget).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn move_one(intake: &Intake, job_ids: &JobIds, job_id: &str, to: OperatorMove) -> Result<Arc<Order>, Refusal> {
    let id = job_ids.order(job_id).ok_or(Refusal::JobNotFound)?;
    intake.move_orders(vec![id], to).await?.pop().unwrap_or(Err(Refusal::Internal))
}

/// `POST /queue/dead-letter/retry`
pub(super) async fn retry_all(store: State<Arc<Store>>, intake: State<Intake>, uri: Uri) -> Result<Response, Refusal> {
    move_all(&store, &intake, &uri, OperatorMove::Retry).await
}

/// `DELETE /queue/dead-letter`
pub(super) async fn forget_all(store: State<Arc<Store>>, intake: State<Intake>, uri: Uri) -> Result<Response, Refusal> {
    move_all(&store, &intake, &uri, OperatorMove::Forget).await
}

/// Moves all dead letters that match, a page at a time, from new to old. Where the queue is full, the rest is counted
/// and stays.
async fn move_all(store: &Arc<Store>, intake: &Intake, uri: &Uri, to: OperatorMove) -> Result<Response, Refusal> {
    let mut query = Query::of(uri, &["reason", "productId", "dryRun"]);
    let filter = read_filter(&mut query);
    let dry_run = query.flag("dryRun");
    query.finish()?;
    let (mut matched, mut done) = (0, 0);
    let (mut before, mut full) = (None, false);
    loop {
        let filter = filter.clone();
        let page = store.scan(Scan::Page, move |reader| {
            reader.snapshot()?.dead_letters(before, MAX_PAGE, |order| filter.keeps(order))
        });
        let page = page.await.map_err(|error| error::unreadable(&error))?;
        matched += page.rows.len();
        let orders: Vec<_> = page.rows.iter().map(|order| order.id).collect();
        if !dry_run && !full && !orders.is_empty() {
            let moved = intake.move_orders(orders, to).await?;
            done += moved.iter().filter(|moved| moved.is_ok()).count();
            full = moved.iter().any(|moved| matches!(moved, Err(Refusal::Overloaded { .. })));
        }
        match page.next {
            Some(next) => before = Some(OrderId(next)),
            None => return Ok(Json(json!({ "matched": matched, "done": done })).into_response()),
        }
    }
}
