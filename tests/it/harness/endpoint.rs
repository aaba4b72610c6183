//! A fulfilment service that misbehaves by the script of a test.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use hyper::HeaderMap;
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{eventually, wire};

/// What to do with a delivery.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Answer at once with this status.
    Status(u16),
    /// Answer at once with this status and this `Retry-After`.
    RetryAfter(u16, String),
    /// Answer at once with this status and body.
    Text(u16, String),
    /// Answer `302` to this address.
    RedirectTo(String),
    /// Never answer, and keep the connection open.
    Hang,
    /// Answer with this status only after so many deliveries have come in.
    AfterDeliveries(usize, u16),
    /// Send the answer twice over.
    Twice(u16),
    /// Hang up in the middle of the answer.
    HangUp,
    /// Answer with this status and half a body, and keep the connection open.
    HalfBody(u16),
    /// The same, and hang up.
    CutBody(u16),
    /// Hang up without a byte.
    Close,
    /// Answer with something that is not HTTP.
    Gibberish,
}

/// One request that came in.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: Value,
}

impl Delivery {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn order_id(&self) -> u64 {
        self.body["data"]["id"].as_u64().unwrap_or_else(|| panic!("no order in {}", self.body))
    }

    /// Fails unless the delivery is signed with `secret`, just now.
    pub(crate) fn assert_signed_with(&self, secret: &str) {
        Webhook::new(secret).unwrap().verify(&self.bytes, &self.headers).expect("a valid signature");
    }
}

/// A server that listens while it is in scope.
#[derive(Debug)]
pub(crate) struct Endpoint {
    state: Arc<State>,
    port: u16,
    accepting: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    script: Mutex<(VecDeque<Reply>, Reply)>,
    deliveries: watch::Sender<Vec<Delivery>>,
    connections: watch::Sender<usize>,
}

impl Endpoint {
    /// An endpoint that takes everything.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Mutex::new((VecDeque::new(), Reply::Status(200)));
        let state = State { script, deliveries: watch::Sender::new(Vec::new()), connections: watch::Sender::new(0) };
        let state = Arc::new(state);
        let serving = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.connections.send_modify(|count| *count += 1);
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { state, port, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/fulfil", self.port)
    }

    /// The same address, where it never answers a TLS handshake.
    pub(crate) fn https_url(&self) -> String {
        format!("https://127.0.0.1:{}/fulfil", self.port)
    }

    /// The same address by a name that has to be looked up first.
    pub(crate) fn url_by_name(&self) -> String {
        format!("http://localhost:{}/fulfil", self.port)
    }

    /// What to do with the next deliveries, one each, and with all after them.
    pub(crate) fn script(&self, next: impl IntoIterator<Item = Reply>, after: Reply) {
        *self.state.script.lock().unwrap() = (next.into_iter().collect(), after);
    }

    /// All that has come in so far, oldest first.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.state.deliveries.borrow().clone()
    }

    /// Connections ever made.
    pub(crate) fn connections(&self) -> usize {
        *self.state.connections.borrow()
    }

    /// Waits until so many deliveries have come in, and gives them.
    pub(crate) async fn await_deliveries(&self, count: usize) -> Vec<Delivery> {
        eventually(&format!("{count} deliveries"), async || {
            let deliveries = self.deliveries();
            (deliveries.len() >= count).then_some(deliveries)
        })
        .await
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let mut unread = Vec::new();
    while let Some(delivery) = read_delivery(&stream, &mut unread).await {
        state.deliveries.send_modify(|all| all.push(delivery));
        let reply = {
            let mut script = state.script.lock().unwrap();
            script.0.pop_front().unwrap_or_else(|| script.1.clone())
        };
        if answer(&stream, &state, reply).await.is_none() {
            return;
        }
    }
}

/// Answers one delivery; None when the connection is done for.
async fn answer(stream: &TcpStream, state: &State, reply: Reply) -> Option<()> {
    let text = match reply {
        Reply::Status(status) => answer_text(status, ""),
        Reply::Text(status, body) => {
            format!("HTTP/1.1 {status} As Scripted\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        }
        Reply::RetryAfter(status, value) => answer_text(status, &format!("Retry-After: {value}\r\n")),
        Reply::RedirectTo(target) => answer_text(302, &format!("Location: {target}\r\n")),
        Reply::Hang => std::future::pending().await,
        Reply::AfterDeliveries(count, status) => {
            state.deliveries.subscribe().wait_for(|all| all.len() >= count).await.ok()?;
            answer_text(status, "")
        }
        Reply::Twice(status) => answer_text(status, "").repeat(2),
        Reply::HangUp => {
            let _ = wire::write_all(stream, b"HTTP/1.1 200 OK\r\nContent-Le").await;
            return None;
        }
        Reply::HalfBody(status) => {
            wire::write_all(stream, half_body(status).as_bytes()).await.ok()?;
            std::future::pending().await
        }
        Reply::CutBody(status) => {
            let _ = wire::write_all(stream, half_body(status).as_bytes()).await;
            return None;
        }
        Reply::Close => return None,
        Reply::Gibberish => "Fulfilled it, mate.\r\n\r\n".to_owned(),
    };
    wire::write_all(stream, text.as_bytes()).await.ok()
}

fn answer_text(status: u16, headers: &str) -> String {
    format!("HTTP/1.1 {status} As Scripted\r\n{headers}Content-Length: 0\r\n\r\n")
}

fn half_body(status: u16) -> String {
    format!("HTTP/1.1 {status} As Scripted\r\nContent-Length: 100\r\n\r\nonly this")
}

/// Reads one request from the connection; None at its end.
async fn read_delivery(stream: &TcpStream, unread: &mut Vec<u8>) -> Option<Delivery> {
    let length = loop {
        match wire::message_length(unread) {
            Some(length) if unread.len() >= length => break length,
            _ => {
                let Ok(1..) = wire::read_some(stream, unread).await else { return None };
            }
        }
    };
    let message: Vec<u8> = unread.drain(..length).collect();
    let head_ends = wire::find(&message, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&message[..head_ends]).into_owned();
    let headers = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.parse::<hyper::header::HeaderName>().unwrap(), value.trim().parse().unwrap()))
        .collect();
    let bytes = message[head_ends..].to_vec();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Some(Delivery { headers, bytes, body })
}
