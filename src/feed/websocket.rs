//! Plain WebSockets (RFC 6455): the handshake, and the task that speaks with one client.

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};

use crate::domain::refusal::Refusal;
use crate::limits::{FEED_PING, FEED_QUEUE_FRAMES, FEED_READ_BYTES, FEED_WRITE_BYTES, MAX_FEED_MESSAGE_BYTES};

use super::asks::{Ask, Budget};
use super::client::Way;
use super::door::{Command, Door};
use super::entry::has_body;
use super::seats::Seat;

/// The only version that there is.
const VERSION: &str = "13";

const EXPLANATION: &str = "This is the live feed, which speaks WebSocket: connect to it with a WebSocket client \
                           (Upgrade: websocket, Sec-WebSocket-Version: 13). The same figures are at \
                           /api/v1/monitoring/metrics.\n";

/// Checks the handshake of a client and gives the response that completes it; the error is one that rejects it.
pub(super) fn handshake(head: &Parts) -> Result<Response, Box<Response>> {
    let headers = &head.headers;
    let asks = has_word(headers, &UPGRADE, "websocket") && has_word(headers, &CONNECTION, "upgrade");
    if !asks || head.version != Version::HTTP_11 || headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|it| it != VERSION) {
        return Err(Box::new(upgrade_required()));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).filter(|key| is_key(key));
    let invalid = |name, message: &str| Err(Box::new(Refusal::invalid(name, message).into_response()));
    let Some(key) = key else { return invalid("Sec-WebSocket-Key", "must be 16 bytes in base64") };
    if has_body(head) {
        return invalid("body", "must not be there");
    }
    let Ok(accept) = HeaderValue::try_from(derive_accept_key(key)) else {
        return Err(Box::new(Refusal::Internal.into_response()));
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().extend([
        (UPGRADE, HeaderValue::from_static("websocket")),
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ]);
    Ok(response)
}

fn upgrade_required() -> Response {
    let headers = [(UPGRADE, "websocket"), (CONNECTION, "Upgrade"), (SEC_WEBSOCKET_VERSION, VERSION)];
    (StatusCode::UPGRADE_REQUIRED, headers, EXPLANATION).into_response()
}

/// Whether one of the words of a header is this one.
fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|it| it.trim().eq_ignore_ascii_case(word))
}

/// 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    key.len() == 24 && key[..22].iter().all(is_digit) && key.ends_with(b"==")
}

/// Speaks with a client until one of the two sides ends it.
pub(super) async fn serve(upgrading: OnUpgrade, door: Arc<Door>, seat: Seat) {
    let Ok(upgraded) = upgrading.await else { return };
    let config = WebSocketConfig::default()
        .read_buffer_size(FEED_READ_BYTES)
        .write_buffer_size(FEED_WRITE_BYTES)
        .max_message_size(Some(MAX_FEED_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_FEED_MESSAGE_BYTES));
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let (queue, frames) = mpsc::channel(FEED_QUEUE_FRAMES);
    let (client, last_word) = (door.number(), Arc::default());
    let way = Way::WebSocket { queue, last_word: Arc::clone(&last_word) };
    if door.send(Command::Join { client, way }).await {
        let conversation = Conversation { socket, frames, last_word, client, door: &door };
        if let Err(error) = conversation.run().await {
            tracing::debug!(%error, "a client of the feed ended badly");
        }
        door.send(Command::Leave { client }).await;
    }
    drop(seat);
}

/// What the task of one client works with.
struct Conversation<'d, S> {
    socket: WebSocketStream<S>,
    frames: mpsc::Receiver<Utf8Bytes>,
    last_word: Arc<OnceLock<CloseFrame>>,
    client: u64,
    door: &'d Door,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<'_, S> {
    async fn run(mut self) -> Result<(), Error> {
        let mut pings = interval_at(Instant::now() + FEED_PING, FEED_PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut budget, mut is_silent) = (Budget::default(), false);
        loop {
            tokio::select! {
                frame = self.frames.recv() => match frame {
                    Some(frame) => self.write(frame).await?,
                    None => return self.end().await,
                },
                message = self.socket.next() => {
                    is_silent = false;
                    match message {
                        Some(Ok(message)) => self.take(message, &mut budget).await,
                        Some(Err(error)) => return self.reject(error).await,
                        None => return Ok(()),
                    }
                }
                _ = pings.tick() => {
                    // Nothing came since the last one, not even the response to it.
                    if std::mem::replace(&mut is_silent, true) {
                        return Ok(());
                    }
                    self.socket.send(Message::Ping(Bytes::new())).await?;
                }
            }
        }
    }

    /// Writes a frame with all that wait behind it in one go.
    async fn write(&mut self, first: Utf8Bytes) -> Result<(), Error> {
        self.socket.feed(Message::Text(first)).await?;
        while let Ok(frame) = self.frames.try_recv() {
            self.socket.feed(Message::Text(frame)).await?;
        }
        self.socket.flush().await
    }

    async fn take(&mut self, message: Message, budget: &mut Budget) {
        let ask = match message {
            Message::Text(text) => budget.spend().and_then(|()| Ask::of_message(text.as_str())),
            Message::Binary(_) => Err("Messages must be text".to_owned()),
            // The library responds to pings and to the end.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => match budget.spend() {
                Ok(()) => return,
                Err(message) => Err(message),
            },
        };
        self.door.send(Command::Ask { client: self.client, ask, ack: None }).await;
    }

    /// Says goodbye, and waits for the same: the connection's bounds end a client that does not.
    async fn end(mut self) -> Result<(), Error> {
        let stopping = || CloseFrame { code: CloseCode::Restart, reason: "the server is stopping".into() };
        let why = self.last_word.get().cloned().unwrap_or_else(stopping);
        self.say_goodbye(why).await
    }

    async fn reject(mut self, error: Error) -> Result<(), Error> {
        let (code, reason) = match error {
            Error::Capacity(_) => {
                (CloseCode::Size, format!("a message must be at most {MAX_FEED_MESSAGE_BYTES} bytes"))
            }
            Error::Protocol(_) => (CloseCode::Protocol, "this is not the protocol of WebSockets".to_owned()),
            Error::Utf8(_) => (CloseCode::Invalid, "text must be UTF-8".to_owned()),
            error => return Err(error),
        };
        self.say_goodbye(CloseFrame { code, reason: reason.into() }).await
    }

    async fn say_goodbye(&mut self, why: CloseFrame) -> Result<(), Error> {
        let goodbye = async {
            self.socket.close(Some(why)).await?;
            while let Some(message) = self.socket.next().await {
                message?;
            }
            Ok(())
        };
        // Who does not respond has had the last word sent all the same.
        tokio::time::timeout(crate::limits::FEED_GOODBYE, goodbye).await.unwrap_or(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn head(pairs: &[(&str, &str)]) -> Parts {
        let request =
            pairs.iter().fold(Request::get("/monitoring"), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_handshake_is_completed_as_the_rfc_says_and_every_other_is_rejected() {
        let whole = [
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let response = handshake(&head(&whole)).unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for (at, value, status) in [
            (0, "h2c", 426),
            (1, "keep-alive", 426),
            (2, "8", 426),
            (3, "dGhlIHNhbXBsZSBub25jZQ=", 400),
            (3, "dGhlIHNhbXBsZSBub25jZSEh", 400),
            (3, "", 400),
        ] {
            let mut wrong = whole;
            wrong[at].1 = value;
            let response = handshake(&head(&wrong)).unwrap_err();
            assert_eq!(response.status(), status, "{wrong:?}");
            assert_eq!(response.headers().contains_key(SEC_WEBSOCKET_VERSION), status == 426, "{wrong:?}");
            let missing: Vec<_> = whole.iter().enumerate().filter(|(it, _)| *it != at).map(|(_, pair)| *pair).collect();
            assert_eq!(handshake(&head(&missing)).unwrap_err().status(), status, "{missing:?}");
        }
        let with_body = [&whole[..], &[("content-length", "2")]].concat();
        assert_eq!(handshake(&head(&with_body)).unwrap_err().status(), 400);
    }
}
