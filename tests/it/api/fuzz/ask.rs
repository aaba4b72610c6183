//! One request of the fuzz, and what the contract makes of each of its parts.

use std::fmt;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request};
use serde_json::Value;

use crate::harness::Operation;

/// A part of a request, as the contract sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Part {
    /// As it should be, or not there.
    #[default]
    Right,
    /// Such that the request is rejected for it.
    Wrong,
    /// The contract leaves open what becomes of it.
    Open,
}

/// Where a page comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Page {
    /// There is no `Origin`.
    #[default]
    None,
    /// Of this machine or of the server.
    Own,
    /// Of an origin that `CORS_ORIGINS` has.
    Allowed,
    Foreign,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Token {
    #[default]
    None,
    Wrong,
    Storefront,
    Admin,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Key {
    #[default]
    None,
    Valid(String),
    Malformed,
}

/// What `If-Match` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Condition {
    #[default]
    None,
    /// The state as it is.
    Holds,
    /// A state from before units were sold: only setting `currentStock` fails for it.
    HoldsButStock,
    /// Another state, or what names none.
    Fails,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Target {
    /// What the path names is there, or it names nothing.
    #[default]
    There,
    Missing,
    /// It cannot be the name of anything.
    Malformed,
}

#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) operation: Operation,
    /// The operation's, or `HEAD` or `OPTIONS`.
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The body, if it is a right one.
    pub(super) json: Value,
    pub(super) host: Part,
    /// The statuses of what is wrong with the headers on every route: two where there may be one, or no host.
    pub(super) malformed: Vec<u16>,
    pub(super) page: Page,
    pub(super) token: Token,
    pub(super) key: Key,
    pub(super) if_match: Condition,
    pub(super) knows_state: bool,
    pub(super) target: Target,
    pub(super) product: Option<u64>,
    pub(super) query: Part,
    pub(super) content: Part,
}

impl Ask {
    pub(super) fn new(operation: &Operation) -> Self {
        Self {
            operation: operation.clone(),
            method: operation.method.clone(),
            path: operation.path.clone(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            json: Value::Null,
            host: Part::Right,
            malformed: Vec::new(),
            page: Page::None,
            token: Token::None,
            key: Key::None,
            if_match: Condition::None,
            knows_state: false,
            target: Target::There,
            product: None,
            query: Part::Right,
            content: Part::Right,
        }
    }

    /// Adds a header.
    pub(super) fn header(&mut self, name: &'static str, value: impl AsRef<[u8]>) {
        let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
        self.headers.append(HeaderName::from_static(name), value);
    }

    pub(super) fn is(&self, method: &Method, path: &str) -> bool {
        self.method == *method && self.operation.path == format!("/api/v1{path}")
    }

    pub(super) fn places_an_order(&self) -> bool {
        self.is(&Method::POST, "/orders")
    }

    /// Whether it changes something if it is accepted.
    pub(super) fn is_act(&self) -> bool {
        !self.method.is_safe()
    }

    /// Whether its route honours `If-Match`.
    pub(super) fn is_conditional(&self) -> bool {
        self.is(&Method::PUT, "/inventory/{id}")
            || self.is(&Method::DELETE, "/inventory/{id}")
            || self.is(&Method::POST, "/inventory/{id}/restock")
    }

    pub(super) fn request(&self) -> Request<Full<Bytes>> {
        let body = Full::new(Bytes::copy_from_slice(&self.body));
        let mut request = Request::builder().method(self.method.clone()).uri(&self.path).body(body).unwrap();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        for (name, value) in &self.headers {
            write!(f, "\n  {name}: {value:?}")?;
        }
        write!(f, "\n  {}", String::from_utf8_lossy(&self.body[..self.body.len().min(300)]))
    }
}
