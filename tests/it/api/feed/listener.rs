//! A client of the feed over a plain WebSocket.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::harness::{Client, within};

/// What a client sends to connect.
pub(super) fn handshake(address: &str, headers: &[(&str, &str)]) -> Request {
    let request = Request::builder()
        .uri(format!("ws://{address}/monitoring"))
        .header("host", address)
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(()).unwrap()
}

pub(super) struct Listener(WebSocketStream<TcpStream>);

impl Listener {
    pub(super) async fn connect(server: &Client) -> Self {
        Self::connect_as(server, &[]).await
    }

    pub(super) async fn connect_as(server: &Client, headers: &[(&str, &str)]) -> Self {
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let connected = within("a WebSocket", client_async(handshake(server.address(), headers), stream)).await;
        Self(connected.unwrap().0)
    }

    /// A client for which the system keeps few bytes.
    pub(super) async fn connect_with_small_buffer(server: &Client) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(2_048).unwrap();
        let stream = socket.connect(server.address().parse().unwrap()).await.unwrap();
        Self(client_async(handshake(server.address(), &[]), stream).await.unwrap().0)
    }

    /// The next frame.
    pub(super) async fn next(&mut self) -> Value {
        loop {
            match within("a frame", self.0.next()).await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(text.as_str()).unwrap(),
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("no frame: {other:?}"),
            }
        }
    }

    /// The next frame that is what `wanted` looks for.
    pub(super) async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.next().await;
            if wanted(&frame) {
                return frame;
            }
        }
    }

    /// The next frame with this event.
    pub(super) async fn next_of(&mut self, event: &str) -> Value {
        self.until(|frame| frame["event"] == event).await
    }

    pub(super) async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    pub(super) async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    /// Reads to the server's close frame.
    pub(super) async fn closed(&mut self) -> (u16, String) {
        loop {
            match within("a close frame", self.0.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
                Some(Ok(_)) => {}
                other => panic!("no close frame: {other:?}"),
            }
        }
    }

    /// Reads what is left of a connection that the server has cut off.
    pub(super) async fn assert_cut_off(&mut self) {
        loop {
            match within("the end", self.0.next()).await {
                None | Some(Err(Error::Io(_) | Error::Protocol(_))) => return,
                Some(Ok(Message::Close(frame))) => panic!("a goodbye: {frame:?}"),
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("{error:?}"),
            }
        }
    }
}
