//! The live feed: what happens, to many clients at once, over plain WebSockets and over Socket.IO.
//!
//! One task follows the history by one tail for all clients. Nothing is pushed by an order, so clients cost its
//! way nothing.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use engineioxide::service::EngineIoService;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::Service;

use crate::alerts::Alerts;
use crate::domain::clock::Clock;
use crate::domain::refusal::Refusal;
use crate::http::{AdminToken, PublicUrl, check_none};
use crate::inventory::Inventory;
use crate::limits::FEED_PING;
use crate::metrics::Metrics;
use crate::monitor::Monitor;
use crate::store::Store;

mod asks;
mod changes;
mod client;
mod door;
mod entry;
mod frames;
mod hub;
mod packet;
mod seats;
mod session;
mod socketio;
mod sources;
mod websocket;

use door::Door;
use hub::Hub;
use seats::{Seat, Seats};
use socketio::Connections;
use sources::Sources;

/// The path of plain WebSockets.
const WEBSOCKET: &str = "/monitoring";

/// The rejection of a client for which there is no seat.
const FULL: Refusal = Refusal::Overloaded { retry_after: FEED_PING };

/// The rooms that the feed uses, and its settings.
#[derive(Debug)]
pub struct Deps {
    /// What is on disk.
    pub store: Arc<Store>,
    /// The products.
    pub inventory: Arc<Inventory>,
    /// The alerts that are raised.
    pub alerts: Arc<Alerts>,
    /// The figures of the moment.
    pub monitor: Arc<Monitor>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The time of day.
    pub clock: Clock,
    /// The operator's credential.
    pub token: AdminToken,
    /// Where a proxy shows the server.
    pub public: PublicUrl,
    /// Clients at once.
    pub max_clients: usize,
}

/// The feed, ready to respond.
#[derive(Debug)]
pub struct Feed {
    door: Arc<Door>,
    seats: Arc<Seats>,
    token: AdminToken,
    public: PublicUrl,
    engine: EngineIoService<Connections>,
}

/// The task of the feed.
#[derive(Debug)]
pub struct FeedTask(JoinHandle<()>);

impl Feed {
    /// Starts the task, which ends when `stopped` turns true, and with it all clients.
    pub fn start(deps: Deps, stopped: watch::Receiver<bool>) -> (Self, FeedTask) {
        let Deps { store, inventory, alerts, monitor, metrics, clock, token, public, max_clients } = deps;
        let history = store.head().history();
        let hub = Hub::new(Sources { store, inventory, alerts, monitor, clock, history });
        let (door, commands) = Door::new();
        let door = Arc::new(door);
        let connections = Arc::new(Connections::new(Arc::clone(&door), token.clone()));
        let engine = EngineIoService::with_config(Arc::clone(&connections), socketio::config());
        let task = tokio::spawn(async move {
            hub.run(commands, stopped).await;
            connections.close();
        });
        (Self { door, seats: Seats::new(max_clients, metrics), token, public, engine }, FeedTask(task))
    }

    /// Whether a request for this path is for the feed.
    pub fn is_for(path: &str) -> bool {
        path == WEBSOCKET || path == "/socket.io" || path.starts_with("/socket.io/")
    }

    /// Responds to a request for the feed. A refusal may be left in the response's extensions.
    pub async fn call(&self, request: Request) -> Response {
        let response = match request.uri().path() {
            WEBSOCKET => self.open_websocket(request),
            _ => self.call_engine(request).await,
        };
        response.unwrap_or_else(|response| *response)
    }

    fn open_websocket(&self, mut request: Request) -> Result<Response, Box<Response>> {
        if request.method() != Method::GET {
            let mut response = Refusal::MethodNotAllowed.into_response();
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            return Err(Box::new(response));
        }
        let upgrading = hyper::upgrade::on(&mut request);
        let (head, _) = request.into_parts();
        let is_operator = entry::is_operator(&head, &self.token, &self.public).map_err(rejected)?;
        check_none(&head.uri).map_err(rejected)?;
        let response = websocket::handshake(&head)?;
        if !is_operator {
            return Err(rejected(Refusal::Unauthorized));
        }
        let seat = self.seats.take().ok_or(FULL).map_err(rejected)?;
        tokio::spawn(websocket::serve(upgrading, Arc::clone(&self.door), seat));
        Ok(response)
    }

    async fn call_engine(&self, request: Request) -> Result<Response, Box<Response>> {
        let (mut head, body) = request.into_parts();
        let is_operator = entry::is_operator(&head, &self.token, &self.public).map_err(rejected)?;
        socketio::check_version(&head)?;
        if socketio::is_websocket(&head) {
            websocket::handshake(&head)?;
        }
        if socketio::is_first(&head) {
            head.extensions.insert(Arc::new(self.seat(is_operator).map_err(rejected)?));
        }
        // The service's error type has no values.
        let called: Result<_, Infallible> = self.engine.clone().call(Request::from_parts(head, body)).await;
        let Ok(response) = called;
        Ok(response.map(Body::new))
    }

    /// A seat for a session of Socket.IO: its client may show the token later.
    fn seat(&self, is_operator: bool) -> Result<Seat, Refusal> {
        let seat = if is_operator { self.seats.take() } else { self.seats.take_as_stranger() };
        seat.ok_or(FULL)
    }
}

fn rejected(refusal: Refusal) -> Box<Response> {
    Box::new(refusal.into_response())
}

impl FeedTask {
    /// Returns when the task has ended or panicked.
    pub async fn ended(&mut self) {
        let _ = (&mut self.0).await;
    }
}
