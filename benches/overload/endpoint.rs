//! The fulfilment service: takes every order after a fixed time, and remembers what it was posted.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// How often each job was posted, by the fingerprint of its id.
type Posts = Arc<Mutex<HashMap<u128, u32>>>;

/// A running service, on a thread of its own: what the client is doing must not change how fast it answers.
pub(crate) struct Endpoint {
    port: u16,
    posts: Posts,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Endpoint {
    /// Starts it on a free port of loopback.
    pub(crate) fn start(delay: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let port = listener.local_addr().expect("its address").port();
        let posts = Posts::default();
        let (stop, stopped) = oneshot::channel();
        let seen = Arc::clone(&posts);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let routes = Router::new().route("/orders", post(move |headers| take(headers, delay, Arc::clone(&seen))));
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    served = async { axum::serve(listener, routes).await } => served.expect("serving continues"),
                    _ = stopped => {}
                }
            });
        });
        Self { port, posts, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/orders", self.port)
    }

    /// How often each job was posted.
    pub(crate) fn posts(&self) -> HashMap<u128, u32> {
        self.posts.lock().clone()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Fails only if the thread has ended already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn take(headers: HeaderMap, delay: Duration, posts: Posts) -> StatusCode {
    tokio::time::sleep(delay).await;
    let Some(id) = headers.get("webhook-id") else { return StatusCode::BAD_REQUEST };
    *posts.lock().entry(fingerprint(id.as_bytes())).or_default() += 1;
    StatusCode::NO_CONTENT
}

/// Stands for a job's id in less memory.
pub(crate) fn fingerprint(id: &[u8]) -> u128 {
    let hash = blake3::hash(id);
    let (first, _) = hash.as_bytes().split_at(16);
    u128::from_le_bytes(first.try_into().expect("sixteen bytes"))
}
