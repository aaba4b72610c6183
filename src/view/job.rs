//! The jobs of orders, and dead letters.

use serde::Serialize;
use utoipa::ToSchema;

use super::text::{AsText, Id, JobId, Units, UserName, Word, one_of};
use crate::domain::clock::Timestamp;
use crate::domain::job::{AttemptError, JobOutcome, JobState};
use crate::domain::job_id::JobIds;
use crate::domain::money::Money;
use crate::domain::order::{Failure, Order, OrderStatus};

/// The job of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Job)]
pub struct JobView {
    job_id: JobId,
    order_id: Id,
    status: Word<JobState>,
    /// Percent.
    #[schema(maximum = 100)]
    progress: u8,
    /// 1 is next.
    #[schema(required)]
    queue_position: Option<u64>,
    attempts_made: u32,
    /// When the last attempt ended.
    #[schema(required)]
    processed_on: Option<AsText<Timestamp>>,
    #[schema(required)]
    finished_on: Option<AsText<Timestamp>>,
    #[schema(required)]
    failed_reason: Option<String>,
}

impl JobView {
    /// The view of the job of an order: `status` is its state, `queue_position` its position in the line, if it is in
    /// one.
    pub fn of(order: &Order, status: JobState, queue_position: Option<u64>, job_ids: &JobIds) -> Self {
        Self {
            job_id: JobId::of(order.id, job_ids),
            order_id: Id(order.id.0),
            status: Word(status),
            progress: if order.job == JobOutcome::Open { 0 } else { 100 },
            queue_position,
            attempts_made: order.attempts,
            processed_on: order.processed_at.map(AsText),
            finished_on: order.finished_at.map(AsText),
            failed_reason: order.failure.as_ref().map(ToString::to_string),
        }
    }
}

/// Why a job failed, for the buyer: the code, and where the fulfilment service said more, a sentence of ours instead.
const fn for_buyer(failure: &Failure, status: OrderStatus) -> &'static str {
    match (failure, status) {
        (Failure::Expired | Failure::CancelledByOperator, _) => failure.code(),
        (Failure::Rejected(_), OrderStatus::Confirmed) => {
            "rejected: the order stays confirmed; its delivery is delayed"
        }
        (Failure::AttemptsExhausted(_), OrderStatus::Confirmed) => {
            "attempts_exhausted: the order stays confirmed; its delivery is delayed"
        }
        (Failure::Rejected(_), _) => "rejected: the order cannot be fulfilled",
        (Failure::AttemptsExhausted(_), _) => "attempts_exhausted: the order could not be fulfilled",
    }
}

/// The job of an order, for the buyer who follows it: with what a page needs to show the order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FollowedJob)]
// The fields of `JobView` again: a schema that is composed of two cannot be closed.
pub struct FollowedJobView {
    job_id: JobId,
    order_id: Id,
    status: Word<JobState>,
    /// Percent.
    #[schema(maximum = 100)]
    progress: u8,
    /// 1 is next.
    #[schema(required)]
    queue_position: Option<u64>,
    attempts_made: u32,
    /// When the last attempt ended.
    #[schema(required)]
    processed_on: Option<AsText<Timestamp>>,
    #[schema(required)]
    finished_on: Option<AsText<Timestamp>>,
    #[schema(required)]
    failed_reason: Option<String>,
    order_status: Word<OrderStatus>,
    product_id: Id,
    quantity: Units,
    total_price: AsText<Money>,
    created_at: AsText<Timestamp>,
    /// Until when it can be confirmed.
    #[schema(required)]
    expires_at: Option<AsText<Timestamp>>,
}

impl FollowedJobView {
    /// The view of the job of an order.
    pub fn of(job: JobView, order: &Order) -> Self {
        Self {
            job_id: job.job_id,
            order_id: job.order_id,
            status: job.status,
            progress: job.progress,
            queue_position: job.queue_position,
            attempts_made: job.attempts_made,
            processed_on: job.processed_on,
            finished_on: job.finished_on,
            failed_reason: order.failure.as_ref().map(|failure| for_buyer(failure, order.status).to_owned()),
            order_status: Word(order.status),
            product_id: Id(order.product.0),
            quantity: Units(order.quantity),
            total_price: AsText(order.total()),
            created_at: AsText(order.created_at),
            expires_at: order.expires_at.map(AsText),
        }
    }
}

/// The job of an order that failed for good.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetter)]
pub struct DeadLetterView<'a> {
    job_id: JobId,
    order_id: Id,
    product_id: Id,
    user_id: UserName<'a>,
    quantity: u32,
    #[schema(required)]
    reason: Option<DeadReason>,
    /// The reason with the last error after it.
    #[schema(required)]
    failed_reason: Option<String>,
    attempts_made: u32,
    /// The latest ones, oldest first.
    #[schema(inline)]
    attempts: Vec<AttemptView<'a>>,
    #[schema(required)]
    failed_at: Option<AsText<Timestamp>>,
}

impl<'a> DeadLetterView<'a> {
    /// The view of a dead letter with the errors that are kept of its attempts.
    pub fn of(order: &'a Order, attempts: &'a [AttemptError], job_ids: &JobIds) -> Self {
        Self {
            job_id: JobId::of(order.id, job_ids),
            order_id: Id(order.id.0),
            product_id: Id(order.product.0),
            user_id: UserName(order.user.as_str()),
            quantity: order.quantity,
            reason: order.failure.as_ref().map(|failure| DeadReason(failure.code())),
            failed_reason: order.failure.as_ref().map(ToString::to_string),
            attempts_made: order.attempts,
            attempts: attempts.iter().map(AttemptView::of).collect(),
            failed_at: order.finished_at.map(AsText),
        }
    }
}

/// An attempt that failed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptView<'a> {
    /// Counted from 1.
    attempt: u32,
    at: AsText<Timestamp>,
    error: &'a str,
}

impl<'a> AttemptView<'a> {
    fn of(attempt: &'a AttemptError) -> Self {
        Self { attempt: attempt.attempt, at: AsText(attempt.at), error: &attempt.error }
    }
}

/// Why a job is a dead letter: the code of its order's failure.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DeadReason(&'static str);

impl utoipa::PartialSchema for DeadReason {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let text = String::new;
        let reasons = [Failure::Rejected(text()), Failure::AttemptsExhausted(text())];
        one_of(reasons.iter().map(Failure::code)).into()
    }
}

impl ToSchema for DeadReason {}
