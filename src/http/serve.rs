//! Listening: connections, their time-outs and their end.
//!
//! hyper's own time-out for a request's head makes a timer for each request, which costs several per cent of a small
//! answer. Here a connection notes when it began to wait, in whole seconds, and one sweep a second ends those that have
//! waited too long.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::body::{Frame, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::admission::RateLimits;
use crate::limits::{HEADER_TIMEOUT, HTTP_BUFFER_BYTES};
use crate::metrics::Metrics;

use super::Api;
use super::edge::Edge;
use super::waiting::{Seconds, Waiting};

/// How connections are treated.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Connections at once. Further ones wait in the listener's backlog.
    pub max_connections: usize,
    /// How long connections may go on once the server is told to stop.
    pub shutdown_timeout: Duration,
    /// What each client address may send.
    pub rate_limits: Arc<RateLimits>,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Where open connections are counted.
    pub metrics: Arc<Metrics>,
}

/// Serves until `stopped` turns true, then takes no new connection and lets the others finish what they are at.
pub async fn serve(listener: TcpListener, api: Api, config: ServeConfig, mut stopped: watch::Receiver<bool>) {
    let edge = Edge::new(api, Arc::clone(&config.rate_limits), config.trusted_proxies);
    let permits = Arc::new(Semaphore::new(config.max_connections));
    let mut connections = JoinSet::new();
    let mut watched: Vec<(AbortHandle, Arc<Waiting>)> = Vec::new();
    let seconds = Seconds::default();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        let accepted = tokio::select! {
            biased;
            () = told(&mut stopped) => break,
            _ = ticks.tick() => {
                // What is kept of clients and of connections is what the last seconds saw.
                config.rate_limits.forget_idle();
                seconds.pass_one();
                watched.retain(|(task, _)| !task.is_finished());
                let late = watched.iter().filter(|(_, waiting)| waiting.seconds() > HEADER_TIMEOUT.as_secs());
                late.for_each(|(task, _)| task.abort());
                continue;
            }
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        let (edge, stopped, waiting) = (edge.clone(), stopped.clone(), Arc::new(Waiting::since_now(&seconds)));
        let noted = Arc::clone(&waiting);
        let counted = config.metrics.count_connection();
        let task = connections.spawn(async move {
            connection(stream, peer, edge, waiting, stopped).await;
            drop((permit, counted));
        });
        watched.push((task, noted));
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(config.shutdown_timeout, all).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections were still open at the end");
    }
}

/// Returns when the word to stop was given.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, permit)),
        Err(error) => {
            // Out of file descriptors, mostly: what helps is that connections end.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    edge: Edge,
    waiting: Arc<Waiting>,
    mut stopped: watch::Receiver<bool>,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut edge = edge.clone();
        let waiting = Arc::clone(&waiting);
        waiting.stop();
        async move {
            let response = edge.answer(request, peer.ip()).await;
            Ok::<_, std::convert::Infallible>(wait_after(response, waiting))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .max_buf_size(HTTP_BUFFER_BYTES)
        // Without it the socket is read, into a new buffer, for each answer that is awaited, to see whether the client
        // is still there. One that hangs up is noticed when it is answered; its order was on its way in any case.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let signal = stopped.clone();
    let mut told = pin!(told(&mut stopped));
    let mut asked = false;
    let ended = poll_fn(|context| {
        if let Poll::Ready(ended) = connection.as_mut().poll(context) {
            return Poll::Ready(Some(ended));
        }
        // A task's waker stays the same, so asking once to be woken is enough; asking with each wake would be felt.
        if std::mem::replace(&mut asked, true) && !signal.has_changed().unwrap_or(true) {
            return Poll::Pending;
        }
        told.as_mut().poll(context).map(|()| None)
    });
    let ended = match ended.await {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended badly");
    }
}

/// The connection waits for the next request once this answer is given: now where it fits the buffers, at its end where
/// it is still being made or takes its time.
fn wait_after(response: Response, waiting: Arc<Waiting>) -> Response {
    if response.body().size_hint().exact().is_some_and(|bytes| bytes <= PIECE_BYTES as u64) {
        waiting.start();
        return response;
    }
    response.map(|body| Body::new(Streamed { body, rest: Bytes::new(), waiting }))
}

/// Bytes of an answer that are handed to the connection at once.
const PIECE_BYTES: usize = 64 * 1024;

/// A body that is made while it is sent, or sent in pieces, so that its end is seen when the client has come near it.
struct Streamed {
    body: Body,
    /// Of the last frame.
    rest: Bytes,
    waiting: Arc<Waiting>,
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(std::pin::Pin::new(&mut self.body).poll_frame(context)).transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => self.rest = data,
                Some(Err(other)) => return Poll::Ready(Some(Ok(other))),
                None => return Poll::Ready(None),
            }
        }
        let piece = self.rest.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.waiting.start();
    }
}
