//! A fulfilment service of the rehearsal's own, which can be taken away for a while.

use std::collections::HashSet;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::RehearsalError;
use crate::limits::MAX_RESPONSE_BYTES;

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1_024;

/// The service, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) address: SocketAddr,
    state: watch::Sender<State>,
    seen: Arc<Mutex<HashSet<u64>>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Here,
    Away,
    Ended,
}

/// The part of a post that is looked at.
#[derive(Deserialize)]
struct Post {
    data: Order,
}

#[derive(Deserialize)]
struct Order {
    id: u64,
}

impl Service {
    pub(super) fn start() -> Result<Self, RehearsalError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(RehearsalError::Machine)?;
        let listener = runtime.block_on(async { listen((Ipv4Addr::LOCALHOST, 0).into()) });
        let listener = listener.map_err(RehearsalError::Machine)?;
        let address = listener.local_addr().map_err(RehearsalError::Machine)?;
        let (state, seen) = (watch::channel(State::Here).0, Arc::default());
        let (states, orders) = (state.subscribe(), Arc::clone(&seen));
        let run = move || runtime.block_on(serve(listener, address, states, orders));
        let thread = Builder::new().name("fulfilment".to_owned()).spawn(run).map_err(RehearsalError::Machine)?;
        Ok(Self { address, state, seen, thread: Some(thread) })
    }

    /// Where orders are posted.
    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Refuses connections, and closes those that are open, until it is back.
    pub(super) fn set_away(&self, is_away: bool) {
        self.state.send_replace(if is_away { State::Away } else { State::Here });
    }

    /// The orders that were posted and taken.
    pub(super) fn seen(&self) -> HashSet<u64> {
        self.seen.lock().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.state.send_replace(State::Ended);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    mut states: watch::Receiver<State>,
    seen: Arc<Mutex<HashSet<u64>>>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = accepted => {
                let Ok((stream, _)) = accepted else { continue };
                let seen = Arc::clone(&seen);
                let service = service_fn(move |request| take(request, Arc::clone(&seen)));
                let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move { drop(connection.await) });
            }
            Some(_) = connections.join_next() => {}
            changed = states.changed() => {
                let state = *states.borrow_and_update();
                match (state, changed) {
                    (State::Here, Ok(())) => listener = listener.take().or_else(|| listen(address).ok()),
                    (State::Away, Ok(())) => {
                        listener = None;
                        connections.shutdown().await;
                    }
                    _ => return,
                }
            }
        }
    }
}

async fn take(
    request: Request<Incoming>,
    seen: Arc<Mutex<HashSet<u64>>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let body = Limited::new(request.into_body(), MAX_RESPONSE_BYTES).collect().await;
    let post = body.ok().and_then(|body| serde_json::from_slice::<Post>(&body.to_bytes()).ok());
    let mut response = Response::new(Empty::new());
    match post {
        Some(post) => {
            seen.lock().insert(post.data.id);
        }
        None => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    Ok(response)
}
