//! Placing orders: one at a time, on the path that a stampede takes, and many in one trip.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Json};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::admission::{Accepted, Admission, IdempotencyKey, OrderRequest, RateLimits};
use crate::clock::Timestamp;
use crate::committer::Receipt;
use crate::job_id::JobIds;
use crate::limits::{MAX_BATCH_ORDERS, MAX_BODY_BYTES};
use crate::metrics::Metrics;
use crate::order::{MAX_QUANTITY, OrderStatus, Priority, Quantity, UserId};
use crate::product::ProductId;
use crate::refusal::Refusal;
use crate::view::Shown;

use super::access::AdminToken;
use super::error;
use super::form::{self, BatchBody, Form, Reader};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What a buyer is answered.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReceiptView {
    job_id: String,
    order_id: u64,
    status: &'static str,
    queue_position: u64,
    estimated_wait_time: u64,
    expires_at: Option<Shown<Timestamp>>,
}

impl ReceiptView {
    fn of(accepted: &Accepted, job_ids: &JobIds) -> Self {
        let receipt = accepted.receipt;
        Self {
            job_id: job_ids.job_id(receipt.order),
            order_id: receipt.order.0,
            status: OrderStatus::Pending.as_str(),
            queue_position: receipt.queue_position,
            estimated_wait_time: receipt.estimated_wait,
            expires_at: receipt.expires_at.map(Shown),
        }
    }
}

/// What placing an order needs, in one piece: the hottest handler takes one share of it and not four.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) admission: Arc<Admission>,
    pub(super) job_ids: Arc<JobIds>,
    pub(super) token: AdminToken,
    pub(super) rate_limits: Arc<RateLimits>,
    pub(super) metrics: Arc<Metrics>,
}

/// Where orders are placed.
pub(super) const PATH: &str = "/api/v1/orders";

/// `POST /orders`
pub(super) async fn place(State(desk): State<Arc<Desk>>, request: Request) -> Result<Response, Refusal> {
    let (Parts { headers, .. }, body) = request.into_parts();
    desk.place(&headers, body).await
}

impl Desk {
    /// Places the order in a request's body.
    pub(super) async fn place<B>(&self, headers: &HeaderMap, body: B) -> Result<Response, Refusal>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
    {
        match self.accept(headers, body).await {
            Ok(accepted) => Ok(self.created(&accepted)),
            Err(refusal) => {
                self.metrics.count_rejected(&refusal);
                if refusal == Refusal::SoldOut { Ok(error::order_sold_out()) } else { Err(refusal) }
            }
        }
    }

    async fn accept<B>(&self, headers: &HeaderMap, body: B) -> Result<Accepted, Refusal>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
    {
        let body = form::read_body(headers, body, MAX_BODY_BYTES).await?;
        let mut reader = Form::parse(&body)?.reader(&["productId", "userId", "quantity", "priority"]);
        let key = read_key(headers, &mut reader);
        let mut request = read_order(reader)?;
        request.key = key;
        // Priorities above normal are for operators.
        if request.priority > Priority::Normal && !self.token.allows(headers) {
            return Err(Refusal::Unauthorized);
        }
        self.rate_limits.check_user(&request.user)?;
        self.admission.place(request).await
    }

    fn created(&self, accepted: &Accepted) -> Response {
        let order = accepted.receipt.order;
        let mut response = Response::new(Body::from(receipt_text(accepted, &self.job_ids)));
        *response.status_mut() = StatusCode::CREATED;
        let headers = response.headers_mut();
        headers.reserve(4);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut location = String::with_capacity(PATH.len() + 1 + 20);
        location.push_str(PATH);
        location.push('/');
        push_decimal(&mut location, order.0);
        if let Ok(location) = HeaderValue::from_maybe_shared(Bytes::from(location)) {
            headers.insert(LOCATION, location);
        }
        if accepted.replayed {
            headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// The receipt as [`ReceiptView`] has it. The one document that is made as often as there are orders is written
/// by hand, at a fifth of what a serializer costs.
fn receipt_text(accepted: &Accepted, job_ids: &JobIds) -> String {
    let Receipt { order, queue_position, estimated_wait, expires_at } = accepted.receipt;
    let mut text = String::with_capacity(256);
    text.push_str("{\"jobId\":\"");
    job_ids.push(&mut text, order);
    text.push_str("\",\"orderId\":");
    push_decimal(&mut text, order.0);
    text.push_str(",\"status\":\"pending\",\"queuePosition\":");
    push_decimal(&mut text, queue_position);
    text.push_str(",\"estimatedWaitTime\":");
    push_decimal(&mut text, estimated_wait);
    text.push_str(",\"expiresAt\":");
    match expires_at {
        None => text.push_str("null}"),
        Some(at) => text.push_str(&format!("\"{at}\"}}")),
    }
    text
}

/// Appends a number in decimal.
fn push_decimal(text: &mut String, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.extend(digits[first..].iter().copied().map(char::from));
}

fn read_key(headers: &HeaderMap, reader: &mut Reader<'_>) -> Option<IdempotencyKey> {
    let mut given = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let key = given.next()?;
    if given.next().is_some() {
        reader.complain("Idempotency-Key", "comes twice");
        return None;
    }
    // Bytes beyond ASCII have no text; the check of the key refuses them like other bad characters.
    match IdempotencyKey::new(key.to_str().unwrap_or_default()) {
        Ok(key) => Some(key),
        Err(message) => {
            reader.complain("Idempotency-Key", message);
            None
        }
    }
}

/// Reads an order's fields; fields beyond them are the caller's.
fn read_order(mut reader: Reader<'_>) -> Result<OrderRequest, Refusal> {
    let product = reader.required("productId", |value| value.whole(1, i64::MAX));
    let user = reader.required("userId", |value| UserId::new(value.text()?).map_err(Into::into));
    let quantity = reader.required("quantity", |value| value.whole(1, MAX_QUANTITY.into()));
    let priority = reader.optional("priority", |value| {
        let word = value.text()?;
        let known = Priority::ALL.into_iter().find(|priority| priority.as_str() == word);
        known.ok_or_else(|| "must be low, normal, high or critical".into())
    });
    reader.finish()?;
    let quantity = quantity.and_then(|units| u32::try_from(units).ok()).and_then(Quantity::new);
    match (product, user, quantity) {
        (Some(product), Some(user), Some(quantity)) => Ok(OrderRequest {
            product: ProductId(product.unsigned_abs()),
            user,
            quantity,
            priority: priority.unwrap_or_default(),
            key: None,
        }),
        // A field without a value has left an error behind.
        _ => Err(Refusal::Internal),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow)]
    orders: Vec<Form<'a>>,
}

/// `POST /orders/batch`
pub(super) async fn place_batch(
    State(admission): State<Arc<Admission>>,
    State(job_ids): State<Arc<JobIds>>,
    State(metrics): State<Arc<Metrics>>,
    BatchBody(body): BatchBody,
) -> Result<Response, Refusal> {
    let batch: Batch<'_> = serde_json::from_slice(&body).map_err(|error| form::not_json(&error))?;
    if batch.orders.is_empty() || batch.orders.len() > MAX_BATCH_ORDERS {
        return Err(Refusal::invalid("orders", format!("must have 1 to {MAX_BATCH_ORDERS} entries")));
    }
    // Each entry is read for itself: a wrong one does not hold up the others.
    let entries: Vec<_> = batch.orders.into_iter().map(read_entry).collect();
    let requests = entries.iter().filter_map(|entry| entry.as_ref().ok().cloned()).collect();
    let mut placed = admission.place_many(requests).await.into_iter();
    let results = entries.into_iter().map(|entry| match entry {
        Ok(_) => placed.next().unwrap_or(Err(Refusal::Internal)),
        Err(refusal) => Err(refusal),
    });
    let counted = results.inspect(|result| {
        if let Err(refusal) = result {
            metrics.count_rejected(refusal);
        }
    });
    let results: Vec<_> = counted.map(|result| EntryView::of(result, &job_ids)).collect();
    Ok(Json(BatchView { results }).into_response())
}

fn read_entry(entry: Form<'_>) -> Result<OrderRequest, Refusal> {
    let mut reader = entry.reader(&["productId", "userId", "quantity", "priority", "idempotencyKey"]);
    let key = reader.optional("idempotencyKey", |value| {
        value.nullable(|value| IdempotencyKey::new(value.text()?).map_err(Into::into))
    });
    let request = read_order(reader)?;
    Ok(OrderRequest { key: key.flatten(), ..request })
}

#[derive(Serialize)]
struct BatchView {
    results: Vec<EntryView>,
}

/// One entry's result in a batch's answer.
#[derive(Serialize)]
#[serde(untagged)]
enum EntryView {
    Placed {
        status: u16,
        #[serde(rename = "idempotencyReplayed", skip_serializing_if = "std::ops::Not::not")]
        replayed: bool,
        #[serde(flatten)]
        receipt: EntryReceipt,
    },
    Refused(serde_json::Value),
}

/// A receipt inside of a batch's result, where `status` is the HTTP status.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryReceipt {
    job_id: String,
    order_id: u64,
    order_status: &'static str,
    queue_position: u64,
    estimated_wait_time: u64,
    expires_at: Option<Shown<Timestamp>>,
}

impl EntryView {
    fn of(result: Result<Accepted, Refusal>, job_ids: &JobIds) -> Self {
        match result {
            Ok(accepted) => {
                let ReceiptView { job_id, order_id, status, queue_position, estimated_wait_time, expires_at } =
                    ReceiptView::of(&accepted, job_ids);
                let receipt = EntryReceipt {
                    job_id,
                    order_id,
                    order_status: status,
                    queue_position,
                    estimated_wait_time,
                    expires_at,
                };
                Self::Placed { status: 201, replayed: accepted.replayed, receipt }
            }
            Err(refusal) => Self::Refused(error::entry(&refusal)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::order::OrderId;

    use super::*;

    #[test]
    fn the_receipt_written_by_hand_is_the_one_that_is_described() {
        let job_ids = Arc::new(JobIds::new([7; 32]));
        for (order, expires_at) in [(1, None), (10, Some(Timestamp::from_millis(5))), (u64::MAX, None)] {
            let receipt = Receipt { order: OrderId(order), queue_position: order, estimated_wait: 90, expires_at };
            let accepted = Accepted { receipt, replayed: false };
            let described = serde_json::to_string(&ReceiptView::of(&accepted, &job_ids)).unwrap();
            assert_eq!(receipt_text(&accepted, &job_ids), described);
        }
    }
}
