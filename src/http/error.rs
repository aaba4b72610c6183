//! The one table from a refusal to its status and its text. The log's text is elsewhere.

use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::order::OrderStatus;
use crate::refusal::{FieldError, Refusal};
use crate::store::StoreError;

/// The status of a refusal.
pub(super) const fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::InvalidRequest(_) => StatusCode::BAD_REQUEST,
        Refusal::Unauthorized => StatusCode::UNAUTHORIZED,
        Refusal::ProductNotFound | Refusal::OrderNotFound | Refusal::JobNotFound | Refusal::NotFound => {
            StatusCode::NOT_FOUND
        }
        Refusal::SoldOut
        | Refusal::SaleNotActive
        | Refusal::SaleNotStarted { .. }
        | Refusal::SaleEnded { .. }
        | Refusal::PurchaseLimitExceeded { .. }
        | Refusal::OrderNotPending { .. }
        | Refusal::ProductHasOrders
        | Refusal::RequestInFlight => StatusCode::CONFLICT,
        Refusal::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
        Refusal::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Refusal::PayloadTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::UriTooLong => StatusCode::URI_TOO_LONG,
        Refusal::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Refusal::Overloaded { .. } | Refusal::ShuttingDown | Refusal::StorageUnavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The sentence for people.
fn message(refusal: &Refusal) -> String {
    match refusal {
        Refusal::InvalidRequest(errors) => invalid(errors),
        Refusal::Unauthorized => "This route needs the admin token: Authorization: Bearer …".to_owned(),
        Refusal::ProductNotFound => "There is no product with this id".to_owned(),
        Refusal::OrderNotFound => "There is no order with this id".to_owned(),
        Refusal::JobNotFound => "There is no such job".to_owned(),
        Refusal::NotFound => "There is no such route".to_owned(),
        Refusal::SoldOut => "Insufficient stock available".to_owned(),
        Refusal::SaleNotActive => "Product is not available for flash sale".to_owned(),
        Refusal::SaleNotStarted { starts_at } => format!("The sale starts at {starts_at}"),
        Refusal::SaleEnded { ended_at } => format!("The sale ended at {ended_at}"),
        Refusal::PurchaseLimitExceeded { limit, left } => {
            format!("The limit is {limit} for each user, and {left} are left for this one")
        }
        Refusal::OrderNotPending { status, detail } => not_pending(*status, *detail),
        Refusal::ProductHasOrders => "A product that has orders cannot be deleted".to_owned(),
        Refusal::RequestInFlight => "A request with this Idempotency-Key is still being worked on".to_owned(),
        Refusal::IdempotencyKeyReused => "This Idempotency-Key came before with another request".to_owned(),
        Refusal::RateLimited(limited) => {
            format!("Too many requests: {} a second are allowed for each {}", limited.limit, limited.policy)
        }
        Refusal::MethodNotAllowed => "This route does not have this method".to_owned(),
        Refusal::RequestTimeout => "The request took too long to arrive".to_owned(),
        Refusal::PayloadTooLarge { limit } => format!("The body must be at most {limit} bytes"),
        Refusal::UriTooLong => "The address must be at most 8192 bytes".to_owned(),
        Refusal::UnsupportedMediaType => "The body must be sent with Content-Type: application/json".to_owned(),
        Refusal::HeadersTooLarge => "The headers must be at most 32768 bytes together".to_owned(),
        Refusal::Overloaded { .. } => "High demand! Please try again.".to_owned(),
        Refusal::ShuttingDown => "The server is restarting. Please try again.".to_owned(),
        Refusal::StorageUnavailable => {
            "The order store is not available. Please try again with the same Idempotency-Key.".to_owned()
        }
        Refusal::Internal => "Something went wrong on our side".to_owned(),
    }
}

fn invalid(errors: &[FieldError]) -> String {
    let parts: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
    parts.join("; ")
}

fn not_pending(status: OrderStatus, detail: Option<&str>) -> String {
    let status = status.as_str();
    detail.map_or_else(|| format!("The order is {status}"), |detail| format!("The order is {status}: {detail}"))
}

/// A problem document (RFC 9457) with the members that older clients read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    code: &'static str,
    status_code: u16,
    message: &'a str,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<Field<'a>>>,
}

#[derive(Serialize)]
struct Field<'a> {
    field: &'a str,
    message: &'a str,
}

/// The whole answer for a refusal of a request to `path`.
pub(super) fn problem(refusal: &Refusal, path: &str) -> Response {
    let status = status(refusal);
    let title = status.canonical_reason().unwrap_or("Error");
    let message = message(refusal);
    let errors = match refusal {
        Refusal::InvalidRequest(errors) => {
            Some(errors.iter().map(|error| Field { field: &error.field, message: &error.message }).collect())
        }
        _ => None,
    };
    let code = refusal.code();
    let problem = Problem {
        r#type: format!("urn:flashsale:problem:{code}"),
        title,
        status: status.as_u16(),
        detail: &message,
        instance: path,
        code,
        status_code: status.as_u16(),
        message: &message,
        error: title,
        errors,
    };
    // Strings and numbers only: this cannot fail.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    match refusal {
        Refusal::Unauthorized => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"flashsale\""));
        }
        Refusal::Overloaded { retry_after } => {
            headers.insert(RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)));
        }
        Refusal::RateLimited(limited) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(limited.retry_after.as_secs().max(1)));
        }
        Refusal::ShuttingDown | Refusal::StorageUnavailable => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        _ => {}
    }
    response
}

/// A refusal as the result of one entry of a batch.
pub(super) fn entry(refusal: &Refusal) -> serde_json::Value {
    let status = status(refusal);
    let mut entry = serde_json::json!({
        "status": status.as_u16(),
        "code": refusal.code(),
        "message": message(refusal),
    });
    if let Refusal::InvalidRequest(errors) = refusal {
        let fields = errors.iter().map(|error| serde_json::json!({ "field": error.field, "message": error.message }));
        entry["errors"] = fields.collect();
    }
    entry
}

/// A handler's refusal on its way to the edge, which knows the request's path and writes the answer.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = status(&self).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the answer for a refusal that a handler left behind.
pub(super) fn render(response: Response, path: &str) -> Response {
    let Some(refusal) = response.extensions().get::<Refusal>() else { return response };
    let mut rendered = problem(refusal, path);
    if let Some(allow) = response.headers().get(ALLOW) {
        rendered.headers_mut().insert(ALLOW, allow.clone());
    }
    rendered
}

/// A read that failed: the log has the reason.
pub(super) fn unreadable(error: &StoreError) -> Refusal {
    match error {
        StoreError::Closed => Refusal::StorageUnavailable,
        StoreError::Failed(_) | StoreError::Damaged(_) => {
            tracing::error!(%error, "the store could not be read");
            Refusal::StorageUnavailable
        }
    }
}
