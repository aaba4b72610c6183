//! The one table from a refusal to its status and its text. The log's text is elsewhere.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_TYPE, ETAG, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::domain::refusal::{FieldError, RateLimited, Refusal};
use crate::limits::RATE_WINDOW_SECONDS;
use crate::view::problem::ProblemView;

use super::headers;

/// The status of a refusal.
pub const fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::InvalidRequest(_) => StatusCode::BAD_REQUEST,
        Refusal::Unauthorized => StatusCode::UNAUTHORIZED,
        Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
        Refusal::ProductNotFound | Refusal::OrderNotFound | Refusal::JobNotFound | Refusal::NotFound => {
            StatusCode::NOT_FOUND
        }
        Refusal::SoldOut
        | Refusal::SaleNotActive
        | Refusal::SaleNotStarted { .. }
        | Refusal::SaleEnded { .. }
        | Refusal::PurchaseLimitExceeded { .. }
        | Refusal::HoldExpired
        | Refusal::OrderNotPending { .. }
        | Refusal::SkuTaken
        | Refusal::ProductHasOrders
        | Refusal::RequestInFlight
        | Refusal::BackupInFlight => StatusCode::CONFLICT,
        Refusal::PreconditionFailed { .. } => StatusCode::PRECONDITION_FAILED,
        Refusal::PreconditionRequired { .. } => StatusCode::PRECONDITION_REQUIRED,
        Refusal::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
        Refusal::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Refusal::PayloadTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::UriTooLong => StatusCode::URI_TOO_LONG,
        Refusal::UnsupportedMediaType | Refusal::UnsupportedContentCoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::UnsupportedTransferCoding => StatusCode::NOT_IMPLEMENTED,
        Refusal::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Refusal::Overloaded { .. } | Refusal::ShuttingDown | Refusal::StorageUnavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The sentence for people.
pub fn message(refusal: &Refusal) -> Cow<'static, str> {
    match refusal {
        Refusal::InvalidRequest(errors) => invalid(errors).into(),
        Refusal::Unauthorized => "This needs the admin token: Authorization: Bearer …".into(),
        Refusal::Forbidden(what) => (*what).into(),
        Refusal::ProductNotFound => "There is no product with this id".into(),
        Refusal::OrderNotFound => "There is no order with this id".into(),
        Refusal::JobNotFound => "There is no such job".into(),
        Refusal::NotFound => "There is no such route".into(),
        Refusal::SoldOut => "Insufficient stock available".into(),
        Refusal::SaleNotActive => "Product is not available for flash sale".into(),
        Refusal::SaleNotStarted { starts_at } => format!("The sale starts at {starts_at}").into(),
        Refusal::SaleEnded { ended_at } => format!("The sale ended at {ended_at}").into(),
        Refusal::PurchaseLimitExceeded { limit, left } => {
            let are = if *left == 1 { "is" } else { "are" };
            format!("The limit is {limit} for each user, and {left} {are} left for this one").into()
        }
        Refusal::HoldExpired => "The hold ran out, and too few units are left: give the money back".into(),
        Refusal::OrderNotPending { status } => format!("The order is {}", status.as_str()).into(),
        Refusal::SkuTaken => "Another product has this sku".into(),
        Refusal::ProductHasOrders => "A product that has orders cannot be deleted".into(),
        Refusal::RequestInFlight => "A request with this Idempotency-Key is still being worked on".into(),
        Refusal::BackupInFlight => "A backup is being read already; there is one at a time".into(),
        Refusal::IdempotencyKeyReused => "This Idempotency-Key came before with another request".into(),
        Refusal::PreconditionFailed { .. } => "The product was changed since it was read. Read it again.".into(),
        Refusal::PreconditionRequired { .. } => {
            "A change of currentStock beside other fields needs If-Match with the ETag of the product as it was read"
                .into()
        }
        Refusal::RateLimited(limited) => {
            let who = if limited.policy == "ip" { "client address" } else { limited.policy };
            format!("Too many requests: {} a second are allowed for each {who}", limited.limit).into()
        }
        Refusal::MethodNotAllowed => "This route does not have this method".into(),
        Refusal::RequestTimeout => "The request took too long to arrive".into(),
        Refusal::PayloadTooLarge { limit } => format!("The body must be at most {limit} bytes").into(),
        Refusal::UriTooLong => "The address must be at most 8192 bytes".into(),
        Refusal::UnsupportedMediaType => "The body must be sent with Content-Type: application/json".into(),
        Refusal::UnsupportedContentCoding => "The body must be sent as it is, without a Content-Encoding".into(),
        Refusal::UnsupportedTransferCoding => "The only Transfer-Encoding that is understood is chunked".into(),
        Refusal::HeadersTooLarge => "The headers must be at most 32768 bytes together".into(),
        Refusal::Overloaded { .. } => "High demand! Please try again.".into(),
        Refusal::ShuttingDown => "The server is restarting. Please try again.".into(),
        Refusal::StorageUnavailable => {
            "The order store is not available. Please try again with the same Idempotency-Key.".into()
        }
        Refusal::Internal => "Something went wrong on our side".into(),
    }
}

fn invalid(errors: &[FieldError]) -> String {
    let parts: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
    parts.join("; ")
}

/// The problem document for a refusal of a request to `path`.
pub fn problem_document(refusal: &Refusal, path: &str) -> Vec<u8> {
    let status = status(refusal);
    let title = status.canonical_reason().unwrap_or("Error");
    let message = message(refusal);
    let problem = ProblemView::of(refusal, status.as_u16(), title, &message, path);
    let mut body = Vec::with_capacity(512);
    // Strings and numbers only, into memory: this cannot fail.
    let _ = serde_json::to_writer(&mut body, &problem);
    body
}

/// The whole response for a refusal of a request to `path`.
pub fn problem_response(refusal: &Refusal, path: &str) -> Response {
    document_response(refusal, problem_document(refusal, path).into())
}

/// The response for a refusal, with a problem document that was written before.
pub fn document_response(refusal: &Refusal, document: Bytes) -> Response {
    let mut response = Response::new(Body::from(document));
    *response.status_mut() = status(refusal);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    let retry_after = retry_after(refusal);
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    match refusal {
        // The rest of the body is not read, and so the connection is of no more use.
        Refusal::PayloadTooLarge { .. } | Refusal::RequestTimeout | Refusal::UnsupportedTransferCoding => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Refusal::UnsupportedContentCoding => {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        Refusal::PreconditionFailed { tag } | Refusal::PreconditionRequired { tag } => {
            if let Ok(tag) = HeaderValue::try_from(tag.to_string()) {
                headers.insert(ETAG, tag);
            }
        }
        Refusal::Unauthorized => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"flashsale\""));
        }
        Refusal::RateLimited(limited) => {
            let RateLimited { policy, limit, .. } = limited;
            let quota = u64::from(*limit) * u64::from(RATE_WINDOW_SECONDS);
            // IETF draft-ietf-httpapi-ratelimit-headers: the policy's quota and window, what remains and for how long.
            let named = [
                ("ratelimit-policy", format!("\"{policy}\";q={quota};w={RATE_WINDOW_SECONDS}")),
                ("ratelimit", format!("\"{policy}\";r=0;t={}", retry_after.unwrap_or(1))),
            ];
            for (name, value) in named {
                if let Ok(value) = HeaderValue::try_from(value) {
                    headers.insert(HeaderName::from_static(name), value);
                }
            }
        }
        _ => {}
    }
    response
}

/// Whole seconds until it is worth trying again, where that is known.
pub fn retry_after(refusal: &Refusal) -> Option<u64> {
    match refusal {
        Refusal::Overloaded { retry_after } => Some(retry_after.as_secs().max(1)),
        Refusal::RateLimited(limited) => Some(limited.retry_after.as_secs_f64().ceil().max(1.0) as u64),
        Refusal::ShuttingDown | Refusal::StorageUnavailable => Some(2),
        _ => None,
    }
}

/// A handler's refusal on its way to the edge, which knows the request's path and writes the response.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status(&self);
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the response for a refusal that a handler left behind.
pub(super) fn render(response: Response, path: &str) -> Response {
    let Some(refusal) = response.extensions().get::<Refusal>() else { return response };
    let mut rendered = problem_response(refusal, path);
    if let Some(allow) = response.headers().get(ALLOW) {
        rendered.headers_mut().insert(ALLOW, headers::with_options(Some(allow)));
    }
    rendered
}
