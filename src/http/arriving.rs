//! The body of a request as it arrives, and what becomes of one that nobody reads.

use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use parking_lot::Mutex;

use crate::limits::{DRAIN_TIMEOUT, MAX_DRAINED_BYTES};

use super::activity::Activity;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The client has gone, or what it sent is not a body.
    #[error("the body ended before it was complete: {0}")]
    Broken(#[from] hyper::Error),
    /// Too many bytes are arriving from all clients together.
    #[error("there is no room for the body")]
    OutOfRoom,
}

/// A body on its way in. It notes in the connection's activity whether it is waited for, which costs nothing where it
/// came with its head.
#[derive(Debug)]
pub(super) struct Arriving<A> {
    body: Incoming,
    activity: A,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Coming,
    Whole,
    Failed,
}

impl<A: Deref<Target = Activity>> Arriving<A> {
    pub(super) fn new(body: Incoming, activity: A) -> Self {
        let state = if body.is_end_stream() { State::Whole } else { State::Coming };
        Self { body, activity, state }
    }

    /// Whether nothing more comes.
    pub(super) fn is_whole(&self) -> bool {
        self.state == State::Whole
    }

    fn end(&mut self, state: State) {
        if self.state == State::Coming {
            self.state = state;
            if state == State::Whole {
                self.activity.body_arrived();
            }
        }
    }
}

impl<A: Deref<Target = Activity> + Unpin> HttpBody for Arriving<A> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_pending() && self.state == State::Coming {
            self.activity.await_body();
        }
        match ready!(polled) {
            Some(Ok(frame)) => {
                if self.body.is_end_stream() {
                    self.end(State::Whole);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                self.end(State::Whole);
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                self.end(State::Failed);
                let out_of_room = self.activity.is_out_of_room();
                Poll::Ready(Some(Err(if out_of_room { BodyError::OutOfRoom } else { error.into() })))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that is lent to a handler and comes back when the handler drops it, read or not.
pub(super) struct Lent(Arc<Mutex<Option<Arriving<Arc<Activity>>>>>);

struct OnLoan {
    body: Option<Arriving<Arc<Activity>>>,
    owner: Arc<Mutex<Option<Arriving<Arc<Activity>>>>>,
}

impl Lent {
    /// Lends a body out.
    pub(super) fn lend(body: Arriving<Arc<Activity>>) -> (Self, Body) {
        let owner = Arc::default();
        (Self(Arc::clone(&owner)), Body::new(OnLoan { body: Some(body), owner }))
    }

    /// The body, if it came back.
    pub(super) fn back(self) -> Option<Arriving<Arc<Activity>>> {
        self.0.lock().take()
    }
}

impl HttpBody for OnLoan {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

impl Drop for OnLoan {
    fn drop(&mut self) {
        *self.owner.lock() = self.body.take();
    }
}

/// Sees to a body that the response was made without: reads the rest of a short one, so that the connection can be used
/// again, or announces that the connection ends with the response.
pub(super) async fn finish<A>(body: Option<Arriving<A>>, head: &Parts, response: &mut Response, activity: &Activity)
where
    A: Deref<Target = Activity> + Unpin,
{
    // Who waits for leave to send a body must not get it for nothing, and who took too long has had its time.
    let is_worth_it = !head.headers.contains_key(EXPECT) && response.status() != StatusCode::REQUEST_TIMEOUT;
    if let Some(body) = body.filter(|_| is_worth_it)
        && tokio::time::timeout(DRAIN_TIMEOUT, drain(body)).await == Ok(true)
    {
        return;
    }
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    activity.cut_short();
}

/// Reads a body to its end. False if it is too long for that, or has no end.
async fn drain<A: Deref<Target = Activity> + Unpin>(mut body: Arriving<A>) -> bool {
    let mut left = MAX_DRAINED_BYTES;
    if body.state == State::Failed || body.size_hint().lower() > left {
        return false;
    }
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    true
}
