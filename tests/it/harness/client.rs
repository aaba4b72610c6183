//! A small HTTP client: JSON in, JSON out, nothing hidden.

use std::fmt;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::wire;
use super::within;

const BASE: &str = "/api/v1";

/// Requests under way at once over all tests of this process: a usual limit of 1,024 open files must do.
static OPEN_AT_ONCE: Semaphore = Semaphore::const_new(400);

/// Connections that a client keeps open between requests, for the same reason.
const KEPT_OPEN: usize = 40;

/// One answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Null for an empty body, a string where it is not JSON.
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or("not ASCII"))
    }

    /// Fails unless the status is `status`; gives the answer on, to read its body.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        assert!(!self.header("x-request-id").is_empty(), "no x-request-id: {self}");
        self
    }

    pub(crate) fn array(&self) -> &Vec<Value> {
        self.body.as_array().unwrap_or_else(|| panic!("not an array: {self}"))
    }

    /// The path and query that the `Link` header names as the next page.
    pub(crate) fn next_page(&self) -> Option<String> {
        let links = self.header("link");
        let link = links.split(',').find(|link| link.contains("rel=\"next\"") || link.contains("rel=next"))?;
        let target = link.split_once('<')?.1.split_once('>')?.0;
        let path = match target.split_once("://") {
            Some((_, rest)) => &rest[rest.find('/')?..],
            None => target,
        };
        Some(path.to_owned())
    }

    /// Reads an answer as it came over the wire; the body must not be chunked.
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap_or("").split(' ').nth(1).and_then(|code| code.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.parse::<hyper::header::HeaderName>().unwrap(), value.trim().parse().unwrap()))
            .collect();
        let status = status.unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
        Self { status, headers, body: to_json(body.as_bytes()) }
    }

    async fn read(response: Response<hyper::body::Incoming>) -> Result<Self, String> {
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Self { status: head.status.as_u16(), headers: head.headers, body: to_json(&bytes) })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.body)
    }
}

fn to_json(bytes: &[u8]) -> Value {
    match bytes {
        [] => Value::Null,
        bytes => {
            serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
        }
    }
}

/// What to send; the path is the whole one, base path included.
pub(crate) fn request(method: Method, path: &str, content_type: Option<&str>, body: &[u8]) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    request.body(Full::new(Bytes::copy_from_slice(body))).unwrap()
}

/// Talks to one server. Clones share their connections.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    address: String,
    /// The admin token that goes with every request.
    token: Option<String>,
}

impl Client {
    /// A client for the server at `address`, which is `host:port`.
    pub(crate) fn new(address: &str) -> Self {
        let http = legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(KEPT_OPEN).build_http();
        Self { http, address: address.to_owned(), token: None }
    }

    /// The same with another token, or with none.
    pub(crate) fn with_token(self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends a request to a whole path; an error means that no answer came.
    pub(crate) async fn try_send(&self, mut request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let _permit = OPEN_AT_ONCE.acquire().await.unwrap();
        let uri = format!("http://{}{}", self.address, request.uri());
        *request.uri_mut() = uri.parse().unwrap();
        if let Some(token) = &self.token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let exchange = async {
            let response = self.http.request(request).await.map_err(|error| format!("{error:?}"))?;
            Answer::read(response).await
        };
        within("an answer", exchange).await
    }

    /// Sends a request to a whole path.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let bytes = body.map(Value::to_string).unwrap_or_default();
        let content_type = body.map(|_| "application/json");
        let request = request(method.clone(), path, content_type, bytes.as_bytes());
        match self.try_send(request).await {
            Ok(answer) => answer,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, &format!("{BASE}{path}"), None).await
    }

    /// Reads a path that is not under the base path.
    pub(crate) async fn get_root(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, &format!("{BASE}{path}"), Some(&body)).await
    }

    /// Posts without a body, as to `/queue/pause`.
    pub(crate) async fn act(&self, path: &str) -> Answer {
        self.send(Method::POST, &format!("{BASE}{path}"), None).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, &format!("{BASE}{path}"), Some(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, &format!("{BASE}{path}"), None).await
    }

    /// Places an order for `quantity` units.
    pub(crate) async fn order(&self, product: u64, user: &str, quantity: u64) -> Answer {
        self.post("/orders", json!({"productId": product, "userId": user, "quantity": quantity})).await
    }

    /// Every page of a list, from `path` on along the `Link` headers.
    pub(crate) async fn pages(&self, path: &str) -> Vec<Vec<Value>> {
        let mut pages = Vec::new();
        let mut next = Some(format!("{BASE}{path}"));
        while let Some(path) = next {
            assert!(pages.len() < 10_000, "the pages of {path} do not end");
            let answer = self.get_root(&path).await.expect(200);
            pages.push(answer.array().clone());
            next = answer.next_page().map(|target| match target.strip_prefix('?') {
                Some(query) => format!("{}?{query}", path.split('?').next().unwrap_or("")),
                None => target,
            });
        }
        pages
    }

    /// Every entry of a list, over all its pages.
    pub(crate) async fn all(&self, path: &str) -> Vec<Value> {
        self.pages(path).await.concat()
    }

    /// Sends bytes as they are and gives back one answer, or what came of it until the server hung up.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        // A server that refuses early may hang up before it has read everything; its answer still counts.
        let _ = within("sending", wire::write_all(&stream, bytes)).await;
        within("an answer", wire::read_answer(&stream)).await
    }

    /// A connection that is not replaced when it breaks.
    pub(crate) async fn connect(&self) -> Connection {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Connection { sender, address: self.address.clone() }
    }
}

/// One connection, to see whether it survives what is sent over it.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    address: String,
}

impl Connection {
    pub(crate) async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Answer {
        let host = self.address.parse().unwrap();
        request.headers_mut().insert("host", host);
        self.send_as_it_is(request).await
    }

    /// Sends a request with the headers that it has and no others, not even `Host`.
    pub(crate) async fn send_as_it_is(&mut self, request: Request<Full<Bytes>>) -> Answer {
        let exchange = async {
            self.sender.ready().await.map_err(|error| format!("the connection is gone: {error}"))?;
            let response = self.sender.send_request(request).await.map_err(|error| error.to_string())?;
            Answer::read(response).await
        };
        within("an answer", exchange).await.unwrap()
    }

    /// Fails unless a request over this same connection is still answered.
    pub(crate) async fn assert_usable(&mut self) {
        let answer = self.send(request(Method::GET, "/livez", None, b"")).await;
        assert_eq!(answer.status, StatusCode::OK.as_u16(), "{answer}");
    }
}
