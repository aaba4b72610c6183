//! Receipts of accepted orders, alone and in a batch.

use serde::Serialize;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::problem::{Code, FieldErrorView, field_errors};
use super::text::{AsText, Id, JobId};
use crate::domain::clock::Timestamp;
use crate::domain::job_id::JobIds;
use crate::domain::receipt::Receipt;
use crate::domain::refusal::Refusal;

/// The receipt of an order, which is on disk.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Receipt)]
pub struct ReceiptView {
    /// Follows the order without a credential; cannot be guessed.
    job_id: JobId,
    order_id: Id,
    status: Placed,
    /// 1 is next; `null` for an order that waits for its confirmation.
    #[schema(required)]
    queue_position: Option<u64>,
    /// Whole seconds, from the measured rate.
    estimated_wait_time: u64,
    /// Until when the order can be confirmed, where the product holds orders.
    #[schema(required)]
    expires_at: Option<AsText<Timestamp>>,
}

impl ReceiptView {
    /// The receipt of an order.
    pub fn of(receipt: Receipt, job_ids: &JobIds) -> Self {
        Self {
            job_id: JobId::of(receipt.order, job_ids),
            order_id: Id(receipt.order.0),
            status: Placed::Pending,
            queue_position: receipt.position(),
            estimated_wait_time: receipt.estimated_wait,
            expires_at: receipt.expires_at.map(AsText),
        }
    }
}

/// The status of an order that was placed.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Placed {
    Pending,
}

/// One result for each order, in order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchResults)]
pub struct BatchResultsView<'a> {
    pub(crate) results: Vec<BatchResultView<'a>>,
}

/// What became of one order of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = BatchResult)]
pub enum BatchResultView<'a> {
    /// It was accepted.
    Placed(BatchPlacedView),
    /// It was rejected.
    Refused(BatchRefusedView<'a>),
}

/// An order of a batch that was accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BatchPlaced)]
pub struct BatchPlacedView {
    /// As the response to a single order would have.
    status: Created,
    /// Only where an earlier request with the same key made the order.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    idempotency_replayed: bool,
    job_id: JobId,
    order_id: Id,
    order_status: Placed,
    #[schema(required)]
    queue_position: Option<u64>,
    /// Whole seconds.
    estimated_wait_time: u64,
    #[schema(required)]
    expires_at: Option<AsText<Timestamp>>,
}

impl BatchPlacedView {
    /// The result of an accepted order; `replayed` where an earlier request made it.
    pub fn of(receipt: Receipt, replayed: bool, job_ids: &JobIds) -> Self {
        let ReceiptView { job_id, order_id, status, queue_position, estimated_wait_time, expires_at } =
            ReceiptView::of(receipt, job_ids);
        Self {
            status: Created,
            idempotency_replayed: replayed,
            job_id,
            order_id,
            order_status: status,
            queue_position,
            estimated_wait_time,
            expires_at,
        }
    }
}

/// The status 201.
#[derive(Clone, Copy, Debug)]
struct Created;

impl Created {
    const STATUS: u16 = 201;
}

impl Serialize for Created {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(Self::STATUS)
    }
}

impl PartialSchema for Created {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some([Self::STATUS])).into()
    }
}

impl ToSchema for Created {}

/// An order of a batch that was rejected.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BatchRefused)]
pub struct BatchRefusedView<'a> {
    code: Code,
    /// Where the code is `invalid_request`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    errors: Option<Vec<FieldErrorView<'a>>>,
    message: &'a str,
    /// Whole seconds, where it is worth trying again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 3600)]
    retry_after: Option<u64>,
    /// As the response to a single order would have.
    status: RefusedStatus,
}

/// The status of a rejected order, never that of an accepted one: results can be told apart by it.
#[derive(Clone, Copy, Debug, Serialize)]
struct RefusedStatus(u16);

impl RefusedStatus {
    const ALL: [u16; 8] = [400, 401, 404, 409, 422, 429, 500, 503];
}

impl PartialSchema for RefusedStatus {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some(Self::ALL)).into()
    }
}

impl ToSchema for RefusedStatus {}

impl<'a> BatchRefusedView<'a> {
    /// The result of a rejected order, with the status and the sentence that a single order's response would have, and
    /// the seconds after which it is worth trying again.
    pub fn of(refusal: &'a Refusal, status: u16, message: &'a str, retry_after: Option<u64>) -> Self {
        Self {
            code: Code::of(refusal),
            errors: field_errors(refusal),
            message,
            retry_after,
            status: RefusedStatus(status),
        }
    }
}
