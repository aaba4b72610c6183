//! Posts one event and says what the response means.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
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
use super::connect::{Addresses, Connector, Dial, History, is_local, refused};
use super::lookup::{self, Lookups, Resolved};
use super::receiver::Receiver;
use super::retry_after::retry_after;
use super::shortage::causes;
use super::url::{Host, Target, UrlError};
use crate::client::tls_config;
use crate::domain::clock::Timestamp;
use crate::limits::{
    IDLE_CONNECTION_AGE, MAX_ERROR_CHARS, MAX_IDLE_CONNECTIONS, MAX_RESPONSE_BODY_BYTES, MAX_RESPONSE_HEAD_BYTES,
    RESPONSE_BODY_TIMEOUT,
};

/// The most characters of foreign text, a response's body or a library's error, in an error of ours.
const MAX_QUOTED_CHARS: usize = MAX_ERROR_CHARS - 100;

/// Where and how events are posted.
#[derive(Clone)]
pub struct WebhookConfig {
    /// Who is posted to.
    pub to: &'static Receiver,
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
    #[error("{}", .1.text(.0))]
    Url(&'static Receiver, UrlError),
    /// Not base64, or empty.
    #[error("the {} secret must be base64, with or without whsec_ before it", .0.setting)]
    Secret(&'static Receiver),
    /// A time-out of zero.
    #[error("the {} time-out must be above zero", .0.setting)]
    Timeout(&'static Receiver),
    /// No certificates to trust, or no TLS at all.
    #[error("no TLS for the {} URL: {error}; install the system's CA certificates or set SSL_CERT_FILE", .to.setting)]
    Tls {
        /// Who is posted to.
        to: &'static Receiver,
        /// What went wrong.
        #[source]
        error: io::Error,
    },
}

/// What one attempt came to. The texts are one sentence for an operator, without the URL or the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Accepted,
    /// The receiver rejected it for good.
    Rejected(String),
    /// The attempt failed, and another may not.
    Retry {
        /// What went wrong.
        error: String,
        /// How long the receiver asked to wait.
        after: Option<Duration>,
    },
    /// This machine could not make the attempt, which says nothing about the receiver.
    NotMade(String),
}

/// Posts to one URL over kept connections.
pub struct Webhook {
    to: &'static Receiver,
    client: Client<Dial, Full<Bytes>>,
    url: Uri,
    signer: Option<standardwebhooks::Webhook>,
    timeout: Duration,
    /// Texts from the URL that a response may echo and an error must not.
    secrets: Vec<String>,
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
    pub(crate) fn with_lookup(
        config: WebhookConfig,
        look_up: impl Fn(&str) -> Resolved + Send + Sync + 'static,
    ) -> Result<Self, WebhookConfigError> {
        let reach = if config.allow_private { AddressPolicy::Everywhere } else { AddressPolicy::Public };
        let to = config.to;
        let target = Target::parse(&config.url, reach).map_err(|error| WebhookConfigError::Url(to, error))?;
        if config.timeout.is_zero() {
            return Err(WebhookConfigError::Timeout(to));
        }
        let (patience, (stopped, stops)) = (config.timeout, watch::channel(false));
        let secrets = target.secrets();
        let addresses = match target.host {
            Host::Address(address) => Addresses::Known(SocketAddr::new(address, target.port)),
            Host::Name(name) => Addresses::Named(Arc::new(Lookups::new(name, look_up)), target.port),
        };
        let tls = HttpsConnectorBuilder::new()
            .with_tls_config(tls_config(&target.url).map_err(|error| WebhookConfigError::Tls { to, error })?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector { addresses, reach, patience });
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION_AGE)
            .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
            .http1_max_buf_size(MAX_RESPONSE_HEAD_BYTES)
            .build(Dial { tls, patience, stopped: stops });
        let signer =
            config.secret.as_deref().map(signer).transpose().map_err(|BadSecret| WebhookConfigError::Secret(to))?;
        Ok(Self { to, client, secrets, url: target.url, signer, timeout: config.timeout, stopped })
    }

    /// Where it posts to, without the path and what else may be secret: scheme, host and port, and whether posts are
    /// signed.
    pub fn place(&self) -> String {
        let scheme = self.url.scheme_str().unwrap_or_default();
        let host = self.url.authority().map_or("", |authority| authority.as_str());
        let signed = if self.signer.is_some() { "signed" } else { "unsigned" };
        format!("{scheme}://{host}, {signed}")
    }

    /// Makes no more connections. What waits for one ends at once, as an attempt that was not made; what was sent is
    /// still awaited.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Posts one event. `id` is the `webhook-id`, the same over all attempts; `at` is the moment of this one; `body`
    /// is JSON. Ends within the configured time-out and follows no redirect.
    pub async fn post(&self, id: &str, at: Timestamp, body: Bytes) -> Verdict {
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
                return Verdict::retry(format!("{} gave no response within {:?}", self.to.name, self.timeout));
            }
        };
        // The status alone decides. The body is read for its words, and so that the connection can be used again.
        let status = response.status();
        let after = retry_after(response.headers(), at.after(began.elapsed()));
        let until = deadline.min(Instant::now() + RESPONSE_BODY_TIMEOUT);
        let body = read_start(response.into_body(), until).await;
        if status.is_success() {
            return Verdict::Accepted;
        }
        self.verdict(status, &self.quote(&body, signature.as_ref()), after)
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
    /// other side has closed it meanwhile: that says nothing about the event, which is sent again at once, as often as
    /// there can be such connections. A receiver takes a repeated `webhook-id` for the same event.
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Verdict> {
        let (mut stale, name) = (0, self.to.name);
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
            let text = refused(&error).map_or_else(|| cause(&error), |refused| refused.text(self.to));
            if is_local(&error) {
                return Err(Verdict::NotMade(text));
            }
            if error.is_connect() {
                return Err(Verdict::retry(format!("{name} cannot be reached: {text}")));
            }
            if stale == MAX_IDLE_CONNECTIONS || !is_stale(&error) {
                return Err(Verdict::retry(format!("{name} gave no usable response: {text}")));
            }
            stale += 1;
        }
    }

    /// What a response other than a success means.
    fn verdict(&self, status: StatusCode, quoted: &str, after: Option<Duration>) -> Verdict {
        let separator = if quoted.is_empty() { "" } else { ": " };
        let error = format!("{} responded with {}{separator}{quoted}", self.to.name, words(status));
        match FINAL.contains(&status) {
            true => Verdict::Rejected(error),
            false => Verdict::Retry { error, after },
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
    #[error("the event cannot be signed: {0}")]
    Signing(#[from] standardwebhooks::WebhookError),
    #[error("the event has an id that no header can carry")]
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

/// Not base64, or empty.
struct BadSecret;

fn signer(secret: &str) -> Result<standardwebhooks::Webhook, BadSecret> {
    if secret.trim_start_matches("whsec_").is_empty() {
        return Err(BadSecret);
    }
    standardwebhooks::Webhook::new(secret).map_err(|_| BadSecret)
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

/// The statuses by which a receiver rejects what is posted for good. Any other may be over at another time: a service
/// that is being rolled out or moved has a 401, 404 or 405 for a moment.
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
