//! Socket.IO, protocol 5, over Engine.IO 4: WebSockets and polling, two namespaces, the same frames.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use engineioxide::config::EngineIoConfig;
use engineioxide::handler::EngineIoHandler;
use engineioxide::socket::Sid;
use engineioxide::{DisconnectReason, Socket, Str};
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::http::AdminToken;
use crate::limits::{
    FEED_ENTRY_TIMEOUT, FEED_PAYLOAD_BYTES, FEED_PING, FEED_QUEUE_FRAMES, FEED_READ_BYTES, MAX_FEED_MESSAGE_BYTES,
};

use super::asks::Ask;
use super::client::Way;
use super::door::{Command, Door};
use super::entry::parameters;
use super::frames::Namespace;
use super::packet::{Body, Packet};
use super::seats::Seat;
use super::session::Session;

/// The only version of Engine.IO that is spoken.
const VERSION: &str = "4";

const NO_SEAT: &str = "The feed has as many clients as it may; try again later";
const NO_TOKEN: &str = "This needs the admin token: io(url, { auth: { token } }), or an Authorization header";

/// The bounds of the engine.
pub(super) fn config() -> EngineIoConfig {
    EngineIoConfig::builder()
        .req_path("/socket.io")
        .ping_interval(FEED_PING)
        .ping_timeout(FEED_PING)
        .upgrade_timeout(FEED_ENTRY_TIMEOUT)
        .max_buffer_size(FEED_QUEUE_FRAMES)
        .max_payload(FEED_PAYLOAD_BYTES)
        .ws_read_buffer_size(FEED_READ_BYTES)
        .ws_max_message_size(MAX_FEED_MESSAGE_BYTES)
        .ws_max_frame_size(MAX_FEED_MESSAGE_BYTES)
        .build()
}

/// The response to a client of another version: such clients show the message.
pub(super) fn check_version(head: &Parts) -> Result<(), Box<Response>> {
    let version = parameters(head).find(|(name, _)| *name == "EIO").map(|(_, version)| version);
    if version == Some(VERSION) {
        return Ok(());
    }
    let message = "Unsupported protocol version: this server speaks Socket.IO protocol 5 (EIO=4), as socket.io-client \
                   3 and newer do";
    let mut response = (StatusCode::BAD_REQUEST, json!({ "code": 5, "message": message }).to_string()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Err(Box::new(response))
}

/// Whether a request begins a session, and does not belong to one.
pub(super) fn is_first(head: &Parts) -> bool {
    parameters(head).all(|(name, _)| name != "sid")
}

/// Whether a request asks for a WebSocket.
pub(super) fn is_websocket(head: &Parts) -> bool {
    parameters(head).any(|pair| pair == ("transport", "websocket"))
}

/// What happens on the connections of the engine. Nothing here waits: the tasks of the engine call it.
#[derive(Debug)]
pub(super) struct Connections {
    door: Arc<Door>,
    token: AdminToken,
    open: Mutex<HashMap<Sid, Arc<Socket<Session>>, RandomState>>,
}

impl Connections {
    pub(super) fn new(door: Arc<Door>, token: AdminToken) -> Self {
        Self { door, token, open: Mutex::default() }
    }

    /// Ends all connections.
    pub(super) fn close(&self) {
        let open: Vec<_> = self.open.lock().values().cloned().collect();
        open.into_iter().for_each(|socket| socket.close(DisconnectReason::ClosingServer));
    }

    fn connect(&self, path: &str, auth: &Value, socket: &Arc<Socket<Session>>) {
        let Some(namespace) = Namespace::ALL.into_iter().find(|namespace| namespace.path() == path) else {
            let path: String = path.chars().take(64).collect();
            let _ = socket.emit(format!("4{path},{}", json!({ "message": "Invalid namespace" })));
            return;
        };
        let reject = |message: &str| {
            let _ = socket.emit(format!("4{}{}", namespace.prefix(), json!({ "message": message })));
        };
        if let Err(message) = self.check_credential(auth, socket) {
            return reject(message);
        }
        let mut state = socket.data.0.lock();
        if state.client(namespace).is_some() {
            return;
        }
        let _ = socket.emit(format!("0{}{}", namespace.prefix(), json!({ "sid": socket.id.to_string() })));
        let client = self.door.number();
        match self.door.try_send(Command::Join { client, way: Way::SocketIo(Arc::clone(socket), namespace) }) {
            true => state.connect(namespace, client),
            // Closing takes the same lock on some ways.
            false => {
                drop(state);
                socket.close(DisconnectReason::TransportError);
            }
        }
    }

    /// A connection that was opened without a credential needs one in its first packet.
    fn check_credential(&self, auth: &Value, socket: &Socket<Session>) -> Result<(), &'static str> {
        let Some(seat) = socket.req_parts.extensions.get::<Arc<Seat>>() else { return Err(NO_SEAT) };
        if seat.is_client() {
            return Ok(());
        }
        let token = auth.get("token").and_then(Value::as_str);
        match token.is_some_and(|token| self.token.is(token)) {
            false => Err(NO_TOKEN),
            true if seat.promote() => Ok(()),
            true => Err(NO_SEAT),
        }
    }

    fn take_event(&self, namespace: Namespace, ask: Result<Ask, String>, ack: Option<u64>, socket: &Socket<Session>) {
        let Some(client) = socket.data.0.lock().client(namespace) else { return };
        if !self.door.try_send(Command::Ask { client, ask, ack }) {
            socket.close(DisconnectReason::TransportError);
        }
    }

    fn leave(&self, namespace: Namespace, socket: &Socket<Session>) {
        let client = socket.data.0.lock().disconnect(namespace);
        if let Some(client) = client {
            // Where there is no room, the task finds out by itself.
            self.door.try_send(Command::Leave { client });
        }
    }
}

impl EngineIoHandler for Connections {
    type Data = Session;

    fn on_connect(self: Arc<Self>, socket: Arc<Socket<Session>>) {
        let opened = Arc::downgrade(&socket);
        self.open.lock().insert(socket.id, socket);
        tokio::spawn(async move {
            tokio::time::sleep(FEED_ENTRY_TIMEOUT).await;
            if let Some(socket) = opened.upgrade()
                && !socket.data.0.lock().is_connected()
            {
                socket.close(DisconnectReason::TransportClose);
            }
        });
    }

    fn on_disconnect(&self, socket: Arc<Socket<Session>>, _: DisconnectReason) {
        self.open.lock().remove(&socket.id);
        Namespace::ALL.into_iter().for_each(|namespace| self.leave(namespace, &socket));
    }

    fn on_message(self: &Arc<Self>, message: Str, socket: Arc<Socket<Session>>) {
        let spent = socket.data.0.lock().budget.spend();
        let Some(Packet { namespace: path, body }) = Packet::read(&message) else {
            return socket.close(DisconnectReason::PacketParsingError);
        };
        let namespace = Namespace::ALL.into_iter().find(|namespace| namespace.path() == path);
        match (body, namespace) {
            (Body::Event { name, data, ack }, Some(namespace)) => {
                let ask = spent.and_then(|()| Ask::of(&name, &data));
                self.take_event(namespace, ask, ack, &socket);
            }
            _ if spent.is_err() => socket.close(DisconnectReason::PacketParsingError),
            (Body::Connect { auth }, _) => self.connect(path, &auth, &socket),
            (Body::Disconnect, Some(namespace)) => self.leave(namespace, &socket),
            (Body::Event { .. } | Body::Disconnect, None) | (Body::Ack, _) => {}
        }
    }

    fn on_binary(self: &Arc<Self>, _: Bytes, socket: Arc<Socket<Session>>) {
        socket.close(DisconnectReason::PacketParsingError);
    }
}
