//! Placing an order: the path that a stampede takes.

use std::sync::Arc;

use axum::BoxError;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use crate::admission::{Accepted, Admission, IdempotencyKey, OrderRequest};
use crate::domain::digits::push_decimal;
use crate::domain::job_id::JobIds;
use crate::domain::order::{Priority, Quantity, UserId};
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::limits::{MAX_ORDER_BODY_BYTES, MAX_QUANTITY};
use crate::metrics::Metrics;

use super::access::AdminToken;
use super::form::{Form, Reader};
use super::{body, error, receipt};

/// Makes a repetition of the request answer the same.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What placing an order needs, in one piece: the hottest handler takes one share of it and not four.
#[derive(Debug)]
pub(super) struct PlaceOrder {
    pub(super) admission: Arc<Admission>,
    pub(super) job_ids: Arc<JobIds>,
    pub(super) token: AdminToken,
    pub(super) metrics: Arc<Metrics>,
}

/// Where orders are placed.
pub(super) const PATH: &str = "/api/v1/orders";

/// `POST /orders`
pub(super) async fn place(State(desk): State<Arc<PlaceOrder>>, request: Request) -> Result<Response, Refusal> {
    let (Parts { headers, .. }, body) = request.into_parts();
    desk.place(&headers, body).await
}

impl PlaceOrder {
    /// Places the order in a request's body.
    pub(super) async fn place<B>(&self, headers: &HeaderMap, body: B) -> Result<Response, Refusal>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
    {
        match self.accept(headers, body).await {
            Ok(accepted) => Ok(self.created(&accepted)),
            Err(refusal) => {
                self.count_rejected(&refusal);
                if refusal == Refusal::SoldOut { Ok(error::order_sold_out()) } else { Err(refusal) }
            }
        }
    }

    /// Counts an order that was refused.
    pub(super) fn count_rejected(&self, refusal: &Refusal) {
        self.metrics.count_rejected(refusal);
    }

    async fn accept<B>(&self, headers: &HeaderMap, body: B) -> Result<Accepted, Refusal>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
    {
        let body = body::read_body(headers, body, MAX_ORDER_BODY_BYTES).await?;
        let mut reader = Form::parse(&body)?.reader(&["productId", "userId", "quantity", "priority"]);
        let key = read_key(headers, &mut reader);
        let mut request = read_order(reader)?;
        request.key = key;
        // Priorities above normal are for operators.
        if request.priority > Priority::Normal && !self.token.allows(headers) {
            return Err(Refusal::Unauthorized);
        }
        self.admission.place(request).await
    }

    fn created(&self, accepted: &Accepted) -> Response {
        let order = accepted.receipt.order;
        let mut response = Response::new(Body::from(receipt::document(accepted, &self.job_ids)));
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
pub(super) fn read_order(mut reader: Reader<'_>) -> Result<OrderRequest, Refusal> {
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
