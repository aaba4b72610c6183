//! Posts one order to the fulfilment service and says what its response means.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, InvalidHeaderValue, USER_AGENT};
use hyper::http::Extensions;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::address::AddressPolicy;
use super::connect::{Addresses, Connector, Dial, History, is_local};
use super::faults::causes;
use super::lookup::{self, Lookups, Resolved};
use super::retry::retry_after;
use super::url::{Host, Target, UrlError};
use crate::client::tls_config;
use crate::domain::clock::Timestamp;
use crate::domain::order::OrderId;
use crate::limits::{
    IDLE_CONNECTION_AGE, MAX_ERROR_CHARS, MAX_IDLE_CONNECTIONS, MAX_RESPONSE_BODY_BYTES, MAX_RESPONSE_HEAD_BYTES,
    RESPONSE_BODY_TIMEOUT,
};

/// The most characters of foreign text, a response's body or a library's error, in an error of ours.
const MAX_QUOTED_CHARS: usize = MAX_ERROR_CHARS - 100;

/// Where and how orders are posted.
#[derive(Clone)]
pub struct WebhookConfig {
    /// The `http` or `https` URL that is posted to.
    pub url: String,
    /// The key for signing, base64 after `whsec_` as in Standard Webhooks; without it nothing is signed.
    pub secret: Option<String>,
    /// The longest that one attempt may take, from the look-up of the name to the end of the response; above zero.
    pub timeout: Duration,
    /// Whether addresses outside of the public internet may be called.
    pub allow_private: bool,
}

/// Why a [`WebhookConfig`] cannot be used. Never repeats the URL or the secret.
#[derive(Debug, thiserror::Error)]
pub enum WebhookConfigError {
    /// The URL can never be called.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Not base64, or empty.
    #[error("the fulfilment secret must be base64, with or without whsec_ before it")]
    Secret,
    /// A time-out of zero.
    #[error("the fulfilment time-out must be above zero")]
    Timeout,
    /// No certificates to trust, or no TLS at all.
    #[error("no TLS for the fulfilment URL: {0}; install the system's CA certificates or set SSL_CERT_FILE")]
    Tls(#[source] io::Error),
}

/// What one attempt came to. The texts are one sentence for an operator, without the URL or the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The service took the order.
    Fulfilled,
    /// The service refused the order for good.
    Rejected(String),
    /// The attempt failed, and another may not.
    Retry {
        /// What went wrong.
        error: String,
        /// How long the service asked to wait.
        after: Option<Duration>,
    },
    /// This machine could not make the attempt, which says nothing about the service.
    NotMade(String),
}

/// Posts orders to one URL over kept connections.
pub struct Webhook {
    client: Client<Dial, Full<Bytes>>,
    url: Uri,
    signer: Option<standardwebhooks::Webhook>,
    timeout: Duration,
    /// Texts from the URL that a response may echo and an error must not.
    secrets: Vec<String>,
    /// Whether the last attempt failed, and whether an order was rejected since one was taken.
    failing: AtomicBool,
    rejecting: AtomicBool,
    /// Whether no more connections are made.
    stopped: watch::Sender<bool>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Webhook")
    }
}

impl Webhook {
    /// Checks the configuration; nothing is called yet. For `https` it reads the system's trusted certificates.
    pub fn new(config: WebhookConfig) -> Result<Self, WebhookConfigError> {
        Self::with_lookup(config, lookup::system)
    }

    /// The same with another way to look up names, which may block.
    pub(super) fn with_lookup(
        config: WebhookConfig,
        look_up: impl Fn(&str) -> Resolved + Send + Sync + 'static,
    ) -> Result<Self, WebhookConfigError> {
        let reach = if config.allow_private { AddressPolicy::Everywhere } else { AddressPolicy::Public };
        let target = Target::parse(&config.url, reach)?;
        if config.timeout.is_zero() {
            return Err(WebhookConfigError::Timeout);
        }
        let (patience, (stopped, stops)) = (config.timeout, watch::channel(false));
        let secrets = target.secrets();
        let addresses = match target.host {
            Host::Address(address) => Addresses::Known(SocketAddr::new(address, target.port)),
            Host::Name(name) => Addresses::Named(Arc::new(Lookups::new(name, look_up)), target.port),
        };
        let tls = HttpsConnectorBuilder::new()
            .with_tls_config(tls_config(&target.url).map_err(WebhookConfigError::Tls)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector { addresses, reach, patience });
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION_AGE)
            .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
            .http1_max_buf_size(MAX_RESPONSE_HEAD_BYTES)
            .build(Dial { tls, patience, stopped: stops });
        let signer = config.secret.as_deref().map(signer).transpose()?;
        let (failing, rejecting) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { client, secrets, url: target.url, signer, timeout: config.timeout, failing, rejecting, stopped })
    }

    /// Makes no more connections. What waits for one ends at once, as an attempt that was not made; what was sent is
    /// still awaited.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Posts one event. `id` is the `webhook-id`, the same over all attempts; `at` is the moment of this one; `body`
    /// is JSON. Ends within the configured time-out and follows no redirect. `order` is what the log names.
    pub async fn deliver(&self, id: &str, order: OrderId, at: Timestamp, body: Bytes) -> Verdict {
        let verdict = self.attempt(id, at, body).await;
        self.log(order, &verdict);
        verdict
    }

    /// Logs that attempts begin to fail, or orders to be rejected, and that they succeed again; a line for each would
    /// fill the log.
    fn log(&self, order: OrderId, verdict: &Verdict) {
        let order = order.0;
        match verdict {
            Verdict::Fulfilled => {
                self.rejecting.store(false, Ordering::Relaxed);
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(order, "orders are fulfilled again");
                }
            }
            Verdict::Rejected(error) => {
                self.failing.store(false, Ordering::Relaxed);
                if !self.rejecting.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        order,
                        error,
                        "the fulfilment service rejected order {order}; further rejections are logged after the next \
                         success"
                    );
                }
            }
            Verdict::Retry { error, .. } => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        order,
                        error,
                        "an attempt to fulfil order {order} failed; further failures are logged after the next success"
                    );
                }
            }
            Verdict::NotMade(_) => {}
        }
    }

    async fn attempt(&self, id: &str, at: Timestamp, body: Bytes) -> Verdict {
        let request = match self.request(id, at, body) {
            Ok(request) => request,
            Err(error) => return Verdict::retry(error.to_string()),
        };
        let signature = request.headers().get(HEADER_WEBHOOK_SIGNATURE).cloned();
        let began = Instant::now();
        let deadline = began + self.timeout;
        let response = match timeout_at(deadline, self.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(verdict)) => return verdict,
            Err(_) => {
                return Verdict::retry(format!("the fulfilment service gave no response within {:?}", self.timeout));
            }
        };
        // The status alone decides. The body is read for its words, and so that the connection can be used again.
        let status = response.status();
        let after = retry_after(response.headers(), at.after(began.elapsed()));
        let until = deadline.min(Instant::now() + RESPONSE_BODY_TIMEOUT);
        let body = read_start(response.into_body(), until).await;
        if status.is_success() {
            return Verdict::Fulfilled;
        }
        verdict(status, &self.quote(&body, signature.as_ref()), after)
    }

    fn request(&self, id: &str, at: Timestamp, body: Bytes) -> Result<Request<Full<Bytes>>, RequestError> {
        let seconds = at.millis() / 1000;
        let mut headers = HeaderMap::with_capacity(6);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("flashsale/", env!("CARGO_PKG_VERSION"))));
        headers.insert(HEADER_WEBHOOK_ID, HeaderValue::from_str(id)?);
        headers.insert(HEADER_WEBHOOK_TIMESTAMP, HeaderValue::from(seconds));
        if let Some(signer) = &self.signer {
            headers.insert(HEADER_WEBHOOK_SIGNATURE, HeaderValue::try_from(signer.sign(id, seconds, &body)?)?);
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Sends a request until there is the head of a response. Where a kept connection ends before a byte of it, the
    /// other side has closed it meanwhile: that says nothing about the order, which is sent again at once, as often as
    /// there can be such connections. A service takes a repeated `webhook-id` for the same order.
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Verdict> {
        let mut stale = 0;
        loop {
            let error = match self.client.request(request.clone()).await {
                Ok(response) => {
                    if let Some(history) = response.extensions().get::<Arc<History>>() {
                        history.note_response();
                    }
                    return Ok(response);
                }
                Err(error) => error,
            };
            let text = cause(&error);
            if is_local(&error) {
                return Err(Verdict::NotMade(text));
            }
            if error.is_connect() {
                return Err(Verdict::retry(format!("the fulfilment service cannot be reached: {text}")));
            }
            if stale == MAX_IDLE_CONNECTIONS || !is_stale(&error) {
                return Err(Verdict::retry(format!("the fulfilment service gave no usable answer: {text}")));
            }
            stale += 1;
        }
    }

    /// The beginning of a response's body for an error: without what we sent in confidence.
    fn quote(&self, response: &[u8], signature: Option<&HeaderValue>) -> String {
        let signature = signature.and_then(|value| value.to_str().ok()).map(|value| value.trim_start_matches("v1,"));
        let secrets = self.secrets.iter().map(String::as_str).chain(signature);
        let text =
            secrets.fold(one_line(&String::from_utf8_lossy(response)), |text, secret| text.replace(secret, "***"));
        text.chars().take(MAX_QUOTED_CHARS).collect()
    }
}

/// Why a request could not be made from an event.
#[derive(Debug, thiserror::Error)]
enum RequestError {
    #[error("the order's event cannot be signed: {0}")]
    Signing(#[from] standardwebhooks::WebhookError),
    #[error("the order's event has an id that no header can carry")]
    Header(#[from] InvalidHeaderValue),
}

/// Whether a request failed on a kept connection that brought nothing for it.
fn is_stale(error: &hyper_util::client::legacy::Error) -> bool {
    let mut extras = Extensions::new();
    if let Some(connection) = error.connect_info() {
        connection.get_extras(&mut extras);
    }
    extras.get::<Arc<History>>().is_some_and(|history| history.is_stale())
}

fn signer(secret: &str) -> Result<standardwebhooks::Webhook, WebhookConfigError> {
    if secret.trim_start_matches("whsec_").is_empty() {
        return Err(WebhookConfigError::Secret);
    }
    standardwebhooks::Webhook::new(secret).map_err(|_| WebhookConfigError::Secret)
}

/// Reads a body until its end, until [`MAX_RESPONSE_BODY_BYTES`] or until a moment, whichever comes first. One that
/// breaks off is as long as it is.
async fn read_start(mut body: Incoming, until: Instant) -> Vec<u8> {
    let mut start = Vec::new();
    while start.len() < MAX_RESPONSE_BODY_BYTES {
        let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await else { break };
        if let Ok(data) = frame.into_data() {
            let room = MAX_RESPONSE_BODY_BYTES - start.len();
            start.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    start
}

/// The statuses by which the service rejects an order for good. Any other may be over at another time: a service that
/// is being rolled out or moved has a 401, 404 or 405 for a moment.
const FINAL: [StatusCode; 6] = [
    StatusCode::BAD_REQUEST,
    StatusCode::CONFLICT,
    StatusCode::GONE,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

impl Verdict {
    /// A failure of which nothing is known that says how long to wait.
    const fn retry(error: String) -> Self {
        Self::Retry { error, after: None }
    }
}

/// What a response other than a success means.
fn verdict(status: StatusCode, quoted: &str, after: Option<Duration>) -> Verdict {
    let separator = if quoted.is_empty() { "" } else { ": " };
    let error = format!("the fulfilment service answered {}{separator}{quoted}", words(status));
    match FINAL.contains(&status) {
        true => Verdict::Rejected(error),
        false => Verdict::Retry { error, after },
    }
}

/// A status as `404 Not Found`, with a word on redirects, which are not followed.
fn words(status: StatusCode) -> String {
    let reason = status.canonical_reason().map(|reason| format!(" {reason}")).unwrap_or_default();
    let note = if status.is_redirection() { " (redirects are not followed)" } else { "" };
    format!("{}{reason}{note}", status.as_u16())
}

/// The innermost cause of an error, which is the one that says what happened.
fn cause(error: &(dyn Error + 'static)) -> String {
    let text = causes(error).last().map(|innermost| one_line(&innermost.to_string())).unwrap_or_default();
    text.chars().take(MAX_QUOTED_CHARS).collect()
}

/// A text without control characters, on one line.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
