//! Socket.IO, packet by packet; the clients from npm are in `tests/browser/feed.mjs`.

use futures_util::{SinkExt, StreamExt};
use hyper::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::listener::handshake;
use crate::harness::{Client, Server, request, within};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

/// A session over polling.
struct Polling<'s> {
    server: &'s Client,
    path: String,
}

impl<'s> Polling<'s> {
    async fn open(server: &'s Client) -> Self {
        let answer = server.try_send(request(Method::GET, POLLING, None, b"")).await.unwrap().expect(200);
        let open: Value = match &answer.body {
            Value::String(text) => serde_json::from_str(text.strip_prefix('0').unwrap()).unwrap(),
            other => panic!("{other}"),
        };
        assert_eq!(open["upgrades"], json!(["websocket"]), "{open}");
        Self { server, path: format!("{POLLING}&sid={}", open["sid"].as_str().unwrap()) }
    }

    async fn post(&self, packets: &str) -> u16 {
        let posted = request(Method::POST, &self.path, Some("text/plain"), packets.as_bytes());
        self.server.try_send(posted).await.unwrap().status
    }

    /// The packets that come with the next response.
    async fn poll(&self) -> Vec<String> {
        let answer = self.server.try_send(request(Method::GET, &self.path, None, b"")).await.unwrap().expect(200);
        let text = answer.body.as_str().map_or_else(|| answer.body.to_string(), str::to_owned);
        text.split('\u{1e}').map(str::to_owned).collect()
    }

    /// The packets up to one that begins so.
    async fn poll_until(&self, beginning: &str) -> String {
        loop {
            let packets = self.poll().await;
            if let Some(packet) = packets.into_iter().find(|packet| packet.starts_with(beginning)) {
                return packet;
            }
        }
    }
}

async fn websocket(server: &Client) -> WebSocketStream<TcpStream> {
    let mut asked = handshake(server.address(), &[]);
    *asked.uri_mut() = format!("ws://{}/socket.io/?EIO=4&transport=websocket", server.address()).parse().unwrap();
    let stream = TcpStream::connect(server.address()).await.unwrap();
    within("a WebSocket", client_async(asked, stream)).await.unwrap().0
}

/// The next packet that begins so.
async fn next(socket: &mut WebSocketStream<TcpStream>, beginning: &str) -> String {
    loop {
        match within("a packet", socket.next()).await {
            Some(Ok(Message::Text(text))) if text.starts_with(beginning) => return text.to_string(),
            Some(Ok(Message::Text(_))) => {}
            other => panic!("no {beginning}: {other:?}"),
        }
    }
}

/// The next packet that does not begin so.
async fn next_but(socket: &mut WebSocketStream<TcpStream>, beginning: &str) -> String {
    loop {
        let packet = next(socket, "").await;
        if !packet.starts_with(beginning) {
            return packet;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_over_polling_gets_the_same_frames_and_its_requests_are_answered() {
    let server = Server::start().await;
    let product = server.create(5).await;
    let session = Polling::open(&server).await;
    assert_eq!(session.post("40/monitoring,").await, 200);
    session.poll_until("40/monitoring,{\"sid\":").await;
    server.order(product, "ada", 2).await.expect(201);
    let update = session.poll_until("42/monitoring,[\"order-update\",").await;
    let arguments: Value = serde_json::from_str(update.strip_prefix("42/monitoring,").unwrap()).unwrap();
    assert_eq!(arguments[1]["orders"][0]["userId"], json!("ada"));
    assert!(arguments[2]["sequence"].is_u64() && arguments[2]["history"].is_string(), "{arguments}");
    assert_eq!(session.post("42/monitoring,7[\"fetch-total-orders\"]").await, 200);
    let acknowledged = session.poll_until("43/monitoring,7").await;
    assert_eq!(acknowledged, "43/monitoring,7[{\"totalOrders\":1}]");
    assert_eq!(session.post("42/monitoring,[\"dance\"]").await, 200);
    session.poll_until("42/monitoring,[\"error\",").await;
    assert_eq!(session.post("40/nowhere,").await, 200);
    assert_eq!(session.poll_until("44/nowhere,").await, "44/nowhere,{\"message\":\"Invalid namespace\"}");
    let large = format!("42[\"{}\"]", "x".repeat(200_000));
    assert_eq!(session.post(&large).await, 413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_comes_with_the_first_packet_and_without_it_nothing_is_shown() {
    const TOKEN: &str = "correct-horse-battery-staple";
    let server = Server::with().env("ADMIN_TOKEN", TOKEN).start().await;
    let anyone = server.client().with_token(None);
    let session = Polling::open(&anyone).await;
    assert_eq!(session.post("40").await, 200);
    assert!(session.poll_until("44").await.contains("admin token"));
    assert_eq!(session.post(r#"40{"token":"wrong"}"#).await, 200);
    session.poll_until("44").await;
    assert_eq!(session.post(r#"42["fetch-total-orders"]"#).await, 200);
    assert_eq!(session.post(&format!(r#"40{{"token":"{TOKEN}"}}"#)).await, 200);
    let first = loop {
        // A ping comes when it is time for one.
        let packets = session.poll().await;
        if let Some(packet) = packets.into_iter().find(|packet| packet != "2") {
            break packet;
        }
    };
    assert!(first.starts_with("40{\"sid\":"), "something came before: {first}");
    session.poll_until("42[\"metrics-update\",").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_is_told_when_the_server_stops_and_garbage_ends_it() {
    let mut server = Server::start().await;
    let mut garbage = websocket(&server).await;
    next(&mut garbage, "0{").await;
    garbage.send(Message::text("4junk")).await.unwrap();
    while within("the end", garbage.next()).await.is_some_and(|message| message.is_ok()) {}
    let mut socket = websocket(&server).await;
    let open: Value = serde_json::from_str(&next(&mut socket, "0{").await[1..]).unwrap();
    assert!(open["maxPayload"].as_u64() <= Some(65_536), "{open}");
    socket.send(Message::text("40")).await.unwrap();
    next(&mut socket, "40{").await;
    next(&mut socket, "42[\"metrics-update\",").await;
    let polling = server.client();
    let session = Polling::open(&polling).await;
    let stop = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        server.signal_term();
    };
    tokio::join!(session.poll(), stop);
    // Not `41`, after which clients do not come back. A slow machine may see a ping before.
    let last = loop {
        match next_but(&mut socket, "42[").await {
            ping if ping == "2" => {}
            other => break other,
        }
    };
    assert_eq!(last, "1");
    loop {
        match within("a close frame", socket.next()).await {
            Some(Ok(Message::Close(_))) => break,
            Some(Ok(_)) => {}
            other => panic!("no close frame: {other:?}"),
        }
    }
    assert_eq!(server.exit().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_client_is_told_which_version_is_spoken() {
    let server = Server::start().await;
    for path in ["/socket.io/?EIO=3&transport=polling", "/socket.io/?transport=polling", "/socket.io/"] {
        let answer = server.try_send(request(Method::GET, path, None, b"")).await.unwrap().expect(400);
        assert_eq!(answer.body["code"], json!(5), "{answer}");
        assert!(answer.body["message"].as_str().unwrap().contains("EIO=4"), "{answer}");
    }
}
