//! Reading bodies: declared as JSON, not larger than allowed, and whole in time.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::BoxError;
use axum::body::HttpBody;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Frame;

use crate::domain::refusal::Refusal;
use crate::limits::{BODY_TIMEOUT, MAX_BATCH_BODY_BYTES, MAX_BODY_BYTES};

use super::arriving::BodyError;

/// A body that is declared as JSON and not larger than allowed.
#[derive(Debug)]
pub struct JsonBody(pub Bytes);

/// The same for a batch.
#[derive(Debug)]
pub struct BatchBody(pub Bytes);

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        read(request, MAX_BODY_BYTES).await.map(Self)
    }
}

impl<S: Sync> FromRequest<S> for BatchBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        read(request, MAX_BATCH_BODY_BYTES).await.map(Self)
    }
}

async fn read(request: Request, limit: usize) -> Result<Bytes, Refusal> {
    let (parts, body) = request.into_parts();
    read_body(&parts.headers, body, limit).await
}

/// Reads a body of at most `limit` bytes that the headers declare as JSON.
pub async fn read_body<B>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    match is_json(headers) {
        true => read_any(headers, body, limit).await,
        false => Err(Refusal::UnsupportedMediaType),
    }
}

/// Reads a body of at most `limit` bytes, whatever it is declared as.
pub(super) async fn read_any<B>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    let too_large = Refusal::PayloadTooLarge { limit };
    let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > limit) {
        return Err(too_large);
    }
    let mut whole = pin!(collect(Limited::new(body, limit)));
    // Most bodies come with their head; only one that does not is worth a timer.
    let read = match poll_fn(|context| Poll::Ready(whole.as_mut().poll(context))).await {
        Poll::Ready(read) => Ok(read),
        Poll::Pending => tokio::time::timeout(BODY_TIMEOUT, whole).await,
    };
    match read {
        Err(_) => Err(Refusal::RequestTimeout),
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large),
        Ok(Err(error)) if is_out_of_room(&*error) => Err(Refusal::Overloaded { retry_after: Duration::from_secs(1) }),
        Ok(Err(_)) => Err(Refusal::invalid("body", "ended before it was complete")),
    }
}

fn is_out_of_room(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if matches!(error.downcast_ref(), Some(BodyError::OutOfRoom)) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// All bytes of a body; those of one that came in one piece are not copied.
async fn collect<B>(body: Limited<B>) -> Result<Bytes, BoxError>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    let mut body = pin!(body);
    let first = loop {
        match body.frame().await.transpose()?.map(Frame::into_data) {
            None => return Ok(Bytes::new()),
            Some(Ok(data)) => break data,
            Some(Err(_trailers)) => {}
        }
    };
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut whole = BytesMut::from(first);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let subtype = match essence.split_once('/') {
        Some((kind, subtype)) if kind.eq_ignore_ascii_case("application") => subtype,
        _ => return false,
    };
    subtype.eq_ignore_ascii_case("json") || subtype.to_ascii_lowercase().ends_with("+json")
}
