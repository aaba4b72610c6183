//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::limits::HTTP_BUFFER_BYTES;

use super::activity::Activity;
use super::edge::Edge;
use super::handler::Handler;
use super::socket::Socket;

/// Serves a client until one of the two sides ends it, or the server stops. A connection that is upgraded ends with its
/// socket, which the task that upgraded it closes when the server stops.
pub(super) async fn serve<H: Handler>(
    stream: TcpStream,
    peer: SocketAddr,
    edge: Arc<Edge<H>>,
    activity: Arc<Activity>,
    mut stopped: watch::Receiver<bool>,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    // Some connections wait for long: what HTTP needs, some 20 KiB, is made once something has come.
    tokio::select! {
        biased;
        come = stream.readable() => if come.is_err() { return },
        () = end_of(&mut stopped) => return,
    }
    let held = Arc::clone(&activity);
    Box::pin(talk(stream, peer, edge, activity, stopped)).await;
    // What HTTP needed is freed by now.
    if let Some(leash) = held.leash() {
        leash.hold().await;
    }
}

async fn talk<H: Handler>(
    stream: TcpStream,
    peer: SocketAddr,
    edge: Arc<Edge<H>>,
    activity: Arc<Activity>,
    mut stopped: watch::Receiver<bool>,
) {
    let (edge, noted) = (&*edge, &activity);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        noted.head_arrived();
        // Not before it is polled: a request behind a response that nobody reads waits for that.
        async move {
            noted.work();
            let response = edge.respond(request, peer.ip(), noted).await;
            Ok::<_, Infallible>(wait_after(response, noted))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .max_buf_size(HTTP_BUFFER_BYTES)
        // Without it the socket is read, into a new buffer, for each response that is awaited, to see whether the
        // client is still there. One that hangs up is noticed with its response; its order was on its way in any case.
        .half_close(true)
        .serve_connection(TokioIo::new(Socket::new(stream, Arc::clone(&activity))), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    // The watch also changes without the word to stop, when commits have stalled: that alone wakes the connection, and
    // the order that waits in it looks whether it still should.
    let signal = stopped.clone();
    let mut end = pin!(end_of(&mut stopped));
    let mut asked = false;
    let ended = poll_fn(|context| {
        if let Poll::Ready(ended) = connection.as_mut().poll(context) {
            return Poll::Ready(Some(ended));
        }
        // A task's waker stays the same, so asking once to be woken is enough; asking with each wake would be felt.
        if std::mem::replace(&mut asked, true) && !signal.has_changed().unwrap_or(true) {
            return Poll::Pending;
        }
        end.as_mut().poll(context).map(|()| None)
    });
    let ended = match ended.await {
        Some(ended) => ended,
        // Nothing of an unfinished request was begun.
        None if !activity.is_owed_a_response() => return,
        None => {
            connection.as_mut().graceful_shutdown();
            let mut signal = signal;
            loop {
                tokio::select! {
                    ended = connection.as_mut() => break ended,
                    // Looked at again: commits may have stalled.
                    Ok(()) = signal.changed() => {}
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended badly");
    }
}

/// Returns when the server stops.
pub(super) async fn end_of(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// The connection waits for the next request once this response is made: now where all of it is there, at its end
/// where it is still being made.
fn wait_after(response: Response, activity: &Arc<Activity>) -> Response {
    if response.body().size_hint().exact().is_some() {
        match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => activity.upgrade(),
            _ => activity.responded(),
        }
        return response;
    }
    activity.stream();
    response.map(|body| Body::new(Streamed { body, activity: Arc::clone(activity) }))
}

/// A body that is made while it is sent.
struct Streamed {
    body: Body,
    activity: Arc<Activity>,
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.activity.responded();
    }
}
