//! Listening: connections, their time-outs and their end.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::admission::RateLimits;
use crate::limits::{HEADER_TIMEOUT, HTTP_BUFFER_BYTES};

use super::edge::Edge;

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
}

/// Serves until `stopped` turns true, then takes no new connection and lets the others finish what they are at.
pub async fn serve(listener: TcpListener, router: Router, config: ServeConfig, mut stopped: watch::Receiver<bool>) {
    let edge = Edge::new(router, Arc::clone(&config.rate_limits), config.trusted_proxies);
    let sweeper = tokio::spawn(sweep(config.rate_limits));
    let permits = Arc::new(Semaphore::new(config.max_connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = told(&mut stopped) => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        let (edge, stopped) = (edge.clone(), stopped.clone());
        connections.spawn(async move {
            connection(stream, peer, edge, stopped).await;
            drop(permit);
        });
    }
    drop(listener);
    sweeper.abort();
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(config.shutdown_timeout, all).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections were still open at the end");
    }
}

/// Returns when the word to stop was given.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Keeps the rate limits' memory to the callers of the last seconds.
async fn sweep(rate_limits: Arc<RateLimits>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        rate_limits.forget_idle();
    }
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

async fn connection(stream: TcpStream, peer: SocketAddr, edge: Edge, mut stopped: watch::Receiver<bool>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut edge = edge.clone();
        async move { Ok::<_, std::convert::Infallible>(edge.answer(request.map(Body::new), peer.ip()).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HTTP_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = told(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended badly");
    }
}
