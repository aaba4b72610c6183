//! What happens to every request before and after its handler: bounds, the request's number, the form of refusals.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header::ALLOW;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Incoming;
use ipnet::IpNet;

use crate::admission::{RateLimits, network};
use crate::domain::digits::push_hex;
use crate::domain::refusal::Refusal;
use crate::limits::MAX_URI_BYTES;
use crate::metrics::{Metrics, Outcome};

use super::activity::Activity;
use super::arriving::{self, Arriving, Lent};
use super::cors::{Cors, Sharing};
use super::handler::Handler;
use super::in_flight::{InFlight, Turn};
use super::origin::check_place;
use super::path::shown_path;
use super::public_url::PublicUrl;
use super::request_log::Entry;
use super::route_template::RouteTemplate;
use super::serve_config::ServeConfig;
use super::{headers, problem};

/// The refusal of a client that has as many requests under way as it may.
const BUSY: Refusal = Refusal::Overloaded { retry_after: Duration::from_secs(1) };

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The most characters of a request's number that a caller may choose.
const MAX_REQUEST_ID: usize = 128;

/// The client of a request, for handlers: among the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// Whether it came by TLS, as the public URL or a trusted proxy says.
    pub is_secure: bool,
}

/// The outermost layer. All connections share it.
#[derive(Debug)]
pub(super) struct Edge<H> {
    handler: H,
    ids: RequestIds,
    rate_limits: Arc<RateLimits>,
    trusted_proxies: Vec<IpNet>,
    public: PublicUrl,
    /// Whether an admin token is set: without one, it matters where a request comes from.
    has_token: bool,
    cors: Cors,
    /// Whether the log has said that a peer is not trusted.
    has_warned: AtomicBool,
    in_flight: Arc<InFlight>,
    metrics: Arc<Metrics>,
}

impl<H: Handler> Edge<H> {
    pub(super) fn new(handler: H, config: &ServeConfig) -> Self {
        Self {
            handler,
            ids: RequestIds::default(),
            rate_limits: Arc::clone(&config.rate_limits),
            trusted_proxies: config.trusted_proxies.clone(),
            public: config.public.clone(),
            has_token: config.has_token,
            cors: Cors::new(config.cors.clone()),
            has_warned: AtomicBool::default(),
            in_flight: Arc::new(InFlight::new(config.max_per_address)),
            metrics: Arc::clone(&config.metrics),
        }
    }

    /// Responds to one request of `peer`.
    pub(super) async fn respond(&self, request: Request<Incoming>, peer: IpAddr, activity: &Arc<Activity>) -> Response {
        let began = Instant::now();
        let (mut parts, body) = request.into_parts();
        if let Some(uri) = self.public.inside(&parts.uri, |path| self.handler.has(path)) {
            parts.uri = uri;
        }
        let id = self.ids.of(&parts.headers);
        let is_short = self.handler.takes_short_cut(&parts);
        let _under_way = is_short.then(|| self.metrics.count_order_request());
        self.note_forwarded(peer, &parts.headers);
        let address = client(peer, &parts.headers, &self.trusted_proxies);
        let entry = Entry::of(&parts, address, is_short);
        let sharing = self.cors.sharing(&parts, || self.handler.buyer_methods(parts.uri.path()));
        let checked = check(&parts)
            .and_then(|()| self.check_place(&parts, sharing.as_ref()))
            .and_then(|()| self.check_client(&parts, address, peer));
        let mut response = match checked {
            Err(refusal) => {
                let mut response = self.reject(&refusal, &parts, is_short, began);
                finish(Arriving::new(body, &**activity), &parts, &mut response, activity).await;
                response
            }
            Ok(_turn) if is_short => {
                let mut body = Arriving::new(body, &**activity);
                let response = self.handler.short_cut(&parts, &mut body).await;
                self.record_order(outcome(&response), began);
                let mut response = response.unwrap_or_else(|refusal| {
                    problem::problem_response(&refusal, &self.public.shown(parts.uri.path()))
                });
                log_failure(&response, parts.uri.path(), &id);
                finish(body, &parts, &mut response, activity).await;
                response
            }
            Ok(_turn) => match sharing.as_ref().and_then(Sharing::preflight) {
                Some(response) => response,
                None => {
                    parts.extensions.insert(Client { address, is_secure: self.is_secure(&parts, peer) });
                    // Boxed, as its state would otherwise be part of every connection.
                    Box::pin(self.route(parts, body, &id, activity, began)).await
                }
            },
        };
        if !is_short {
            headers::secure(response.headers_mut());
        }
        if let Some(sharing) = sharing {
            sharing.mark(response.headers_mut());
        }
        self.public.show_headers(response.headers_mut());
        if let Some(entry) = entry {
            entry.write(&response, &id, began.elapsed());
        }
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }

    /// Responds to a request that does not come to its handler.
    fn reject(&self, refusal: &Refusal, parts: &Parts, is_short: bool, began: Instant) -> Response {
        let response = problem::problem_response(refusal, &self.public.shown(&shown_path(&parts.uri)));
        match is_short {
            true => {
                self.metrics.count_rejected(refusal);
                self.record_order(Outcome::of(refusal), began);
            }
            false => self.record(&parts.method, &response, began),
        }
        response
    }

    async fn route(
        &self,
        parts: Parts,
        body: Incoming,
        id: &HeaderValue,
        activity: &Arc<Activity>,
        began: Instant,
    ) -> Response {
        let body = Arriving::new(body, Arc::clone(activity));
        let method = parts.method.clone();
        if body.is_whole() {
            let response = self.call(Request::from_parts(parts, Body::empty()), id).await;
            self.record(&method, &response, began);
            return response;
        }
        let head = parts.clone();
        let (lent, body) = Lent::lend(body);
        let mut response = self.call(Request::from_parts(parts, body), id).await;
        self.record(&method, &response, began);
        let body = lent.back();
        if !body.as_ref().is_some_and(Arriving::is_whole) {
            arriving::finish(body, &head, &mut response, activity).await;
        }
        response
    }

    async fn call(&self, request: Request<Body>, id: &HeaderValue) -> Response {
        let uri = request.uri().clone();
        let asks_options = request.method() == Method::OPTIONS;
        if asks_options && uri.path() == "*" {
            return headers::options_of_server();
        }
        let response = self.handler.call(request).await;
        log_failure(&response, uri.path(), id);
        match response.status() {
            // The handler knows what the route has, and that OPTIONS is not among it.
            StatusCode::METHOD_NOT_ALLOWED if asks_options => headers::options(response.headers().get(ALLOW)),
            status if status.as_u16() >= 400 => problem::render(response, &self.public.shown(uri.path())),
            _ => response,
        }
    }

    fn record_order(&self, outcome: Outcome, began: Instant) {
        let ended = Instant::now();
        self.metrics.record_order(outcome, ended - began, ended);
    }

    fn record(&self, method: &Method, response: &Response, began: Instant) {
        let route = response.extensions().get::<RouteTemplate>().map(|template| &template.path);
        self.metrics.record_request(route, method.as_str(), response.status().as_u16(), began.elapsed());
    }

    /// Whether a request came by TLS, as the public URL or a trusted proxy says.
    fn is_secure(&self, parts: &Parts, peer: IpAddr) -> bool {
        let proto = parts.headers.get(FORWARDED_PROTO).filter(|_| is_trusted(peer, &self.trusted_proxies));
        self.public.is_secure() || proto.is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
    }

    /// Checks where a request comes from, where no token says who sent it.
    fn check_place(&self, parts: &Parts, sharing: Option<&Sharing>) -> Result<(), Refusal> {
        match self.has_token {
            true => Ok(()),
            false => {
                check_place(&parts.method, &parts.headers, &self.public, || sharing.is_some_and(Sharing::is_allowed))
            }
        }
    }

    /// Counts a request whose client a peer names that is not believed: with such a proxy, the limits of each client
    /// count all clients as one. The log says it once.
    fn note_forwarded(&self, peer: IpAddr, headers: &HeaderMap) {
        if !headers.contains_key(FORWARDED_FOR) || is_trusted(peer, &self.trusted_proxies) {
            return;
        }
        self.metrics.count_forwarded_ignored();
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %peer,
                "X-Forwarded-For is ignored, as this peer is not in TRUSTED_PROXIES: limits count all of its clients \
                 as one; if it is your proxy, add its IP address to TRUSTED_PROXIES"
            );
        }
    }

    /// Counts a request for its client. One that a proxy forwards gets a turn, as its connection is the proxy's.
    fn check_client(&self, parts: &Parts, client: IpAddr, peer: IpAddr) -> Result<Option<Turn>, Refusal> {
        if self.handler.is_unlimited(parts.uri.path()) {
            return Ok(None);
        }
        self.metrics.note_address(network(client));
        self.rate_limits.check_address(client)?;
        match client == peer {
            true => Ok(None),
            false => self.in_flight.enter(client).map(Some).ok_or(BUSY),
        }
    }
}

/// How a request that took the short cut ended.
fn outcome(response: &Result<Response, Refusal>) -> Outcome {
    match response {
        Ok(response) if response.status() == StatusCode::CREATED => Outcome::ADMITTED,
        // The one refusal that is written as a response.
        Ok(_) => Outcome::SOLD_OUT,
        Err(refusal) => Outcome::of(refusal),
    }
}

/// Sees to a body that was not read to its end.
async fn finish(body: Arriving<&Activity>, head: &Parts, response: &mut Response, activity: &Activity) {
    if !body.is_whole() {
        // Boxed, as its state would otherwise be part of every order's.
        Box::pin(arriving::finish(Some(body), head, response, activity)).await;
    }
}

/// The address of the client: the peer, or, where the peer is a trusted proxy, the last address in `X-Forwarded-For`
/// that is not one. What precedes it may be forged.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer;
    if trusted.is_empty() {
        return client;
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    // As bytes: what somebody has put before the part that counts need not be text.
    for hop in lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
        if !is_trusted(client, trusted) {
            break;
        }
        match std::str::from_utf8(hop).ok().and_then(forwarded_address) {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

fn is_trusted(peer: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&peer.to_canonical()))
}

/// An address as proxies write it: alone, in brackets, or with a port.
fn forwarded_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// Logs a response that means a defect of ours, under the id that the client got. Other failures of a server are
/// logged where they begin: an overload would fill the log, a line for each.
fn log_failure(response: &Response, path: &str, id: &HeaderValue) {
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(path, request_id = ?id, "a request failed on our side");
    }
}

/// The bounds that hold whatever the route is.
fn check(parts: &Parts) -> Result<(), Refusal> {
    let uri_bytes = parts.uri.path().len() + parts.uri.query().map_or(0, str::len);
    if uri_bytes > MAX_URI_BYTES {
        return Err(Refusal::UriTooLong);
    }
    headers::check(parts)
}

/// Ids for requests: the caller's where it sent one that can be used, else ours.
#[derive(Debug, Default)]
struct RequestIds {
    next: AtomicU64,
    /// Two keyed hashes (SipHash, keys from the system) of the request's number: an id does not reveal how many
    /// requests there were, and differs from start to start.
    keys: [RandomState; 2],
}

impl RequestIds {
    fn of(&self, headers: &HeaderMap) -> HeaderValue {
        let mut given = headers.get_all(&REQUEST_ID).iter();
        if let (Some(given), None) = (given.next(), given.next()) {
            let bytes = given.as_bytes();
            if (1..=MAX_REQUEST_ID).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic) {
                return given.clone();
            }
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut id = String::with_capacity(32);
        for key in &self.keys {
            push_hex(&mut id, key.hash_one(number), 16);
        }
        HeaderValue::from_maybe_shared(Bytes::from(id)).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_requests_are_unlike_each_other_and_say_no_number() {
        let ids = RequestIds::default();
        let made: Vec<_> = (0..100).map(|_| ids.of(&HeaderMap::new()).to_str().unwrap().to_owned()).collect();
        let beginnings: std::collections::HashSet<_> = made.iter().map(|id| &id[..8]).collect();
        let ends: std::collections::HashSet<_> = made.iter().map(|id| &id[24..]).collect();
        assert!(made.iter().all(|id| id.len() == 32), "{made:?}");
        assert_eq!((beginnings.len(), ends.len()), (100, 100), "{made:?}");
        let mut sorted = made.clone();
        sorted.sort();
        assert_ne!(sorted, made, "ids count");
    }

    #[test]
    fn an_id_of_the_callers_is_taken_where_there_is_one_that_can_be_used() {
        let ids = RequestIds::default();
        let of = |given: &[&str]| {
            let mut headers = HeaderMap::new();
            for id in given {
                headers.append(REQUEST_ID, HeaderValue::from_bytes(id.as_bytes()).unwrap());
            }
            ids.of(&headers)
        };
        let longest = "x".repeat(MAX_REQUEST_ID);
        for id in ["a", "trace/7", longest.as_str()] {
            assert_eq!(of(&[id]), id);
        }
        for given in [&[""][..], &["a b"], &["\u{e9}"], &["x".repeat(MAX_REQUEST_ID + 1).as_str()], &["a", "b"]] {
            assert_eq!(of(given).len(), 32, "{given:?}");
        }
    }

    #[test]
    fn forwarded_addresses_are_believed_only_from_trusted_proxies_and_only_the_last_of_others() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        for (peer, forwarded, expected) in [
            ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
            ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.2.3.4", "198.51.100.7"),
            ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "forged, 10.9.9.9", "10.9.9.9"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "\u{e9}, 198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "198.51.100.7:4567", "198.51.100.7"),
            ("10.0.0.1", "[2001:db8::7]:443", "2001:db8::7"),
            ("10.0.0.1", "[2001:db8::7]", "2001:db8::7"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED_FOR, HeaderValue::from_bytes(forwarded.as_bytes()).unwrap());
            assert_eq!(client(address(peer), &headers, &trusted), address(expected), "{peer} {forwarded}");
        }
    }
}
