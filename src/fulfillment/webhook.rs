//! Posts one order to the fulfilment service and says what its answer means.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, InvalidHeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP};

use super::address::{self, Connector, Reach, RefusedAddress};
use crate::clock::Timestamp;
use crate::limits::MAX_ERROR_CHARS;

/// The most bytes of an answer's body that are read; the connection of a longer one is closed.
const MAX_ANSWER_BYTES: usize = 4 * 1024;

/// The most bytes of an answer's head.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The most characters of foreign text, an answer's body or a library's error, in an error of ours.
const MAX_QUOTED_CHARS: usize = MAX_ERROR_CHARS - 100;

/// The most connections that are kept open without a request on them.
const MAX_IDLE_CONNECTIONS: usize = 32;

/// How long a connection is kept open without a request on it. Common servers close theirs after five seconds or more;
/// staying below keeps an order from being posted into a connection that the other side is closing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// How long the body of an answer that says yes may take before its connection is given up.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(250);

/// From this length in bytes on, what stands in the URL's query is kept out of error texts.
const MIN_QUERY_SECRET_LEN: usize = 6;

/// The same for each part of its path, where words of a name are more likely than a key.
const MIN_PATH_SECRET_LEN: usize = 20;

/// Where and how orders are posted.
#[derive(Clone)]
pub struct WebhookConfig {
    /// The `http` or `https` URL that is posted to.
    pub url: String,
    /// The key for signing, base64 after `whsec_` as in Standard Webhooks; without it nothing is signed.
    pub secret: Option<String>,
    /// The longest that one attempt may take, from the look-up of the name to the end of the answer; above zero.
    pub timeout: Duration,
    /// Whether addresses outside of the public internet may be called.
    pub allow_private: bool,
}

/// Why a [`WebhookConfig`] cannot be used. Never repeats the URL or the secret.
#[derive(Debug, thiserror::Error)]
pub enum WebhookConfigError {
    /// Not an absolute URL.
    #[error("the fulfilment URL must be one such as https://shop.example/orders")]
    NotAUrl,
    /// Another scheme, or none.
    #[error("the fulfilment URL must begin with http:// or https://")]
    NotHttp,
    /// A user name or password before the host.
    #[error("the fulfilment URL must not contain a user name or password; sign the orders with a secret instead")]
    Credentials,
    /// Something after `#`.
    #[error("the fulfilment URL must not contain a fragment (#), which is never sent")]
    Fragment,
    /// The URL names an address that is not called.
    #[error("the fulfilment URL cannot be called: {0}")]
    Refused(#[from] RefusedAddress),
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
    Retry(String),
}

/// Posts orders to one URL over kept connections.
pub struct Webhook {
    client: Client<HttpsConnector<Connector>, Full<Bytes>>,
    url: Uri,
    signer: Option<standardwebhooks::Webhook>,
    timeout: Duration,
    /// Texts from the URL that an answer may echo and an error must not.
    secrets: Vec<String>,
    /// Whether the last attempt failed.
    failing: AtomicBool,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Webhook")
    }
}

impl Webhook {
    /// Checks the configuration; nothing is called yet. For `https` it reads the system's trusted certificates.
    pub fn new(config: WebhookConfig) -> Result<Self, WebhookConfigError> {
        let url = parse_url(&config.url)?;
        let reach = if config.allow_private { Reach::Everywhere } else { Reach::Public };
        address::literal(&url).map_or(Ok(()), |address| reach.check(address))?;
        if config.timeout.is_zero() {
            return Err(WebhookConfigError::Timeout);
        }
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls_config(&url).map_err(WebhookConfigError::Tls)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector { reach, patience: config.timeout });
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
            .http1_max_buf_size(MAX_HEAD_BYTES)
            .build(connector);
        let signer = config.secret.as_deref().map(signer).transpose()?;
        let (secrets, failing) = (secrets_of(&url), AtomicBool::new(false));
        Ok(Self { client, secrets, url, signer, timeout: config.timeout, failing })
    }

    /// Posts one event. `id` is the `webhook-id`, the same over all attempts; `at` is the moment of this one; `body`
    /// is JSON. Ends within the configured time-out and follows no redirect.
    pub async fn deliver(&self, id: &str, at: Timestamp, body: Bytes) -> Verdict {
        let verdict = self.attempt(id, at, body).await;
        self.tell(&verdict);
        verdict
    }

    /// Logs that attempts begin to fail and that they succeed again; a line for each would fill the log.
    fn tell(&self, verdict: &Verdict) {
        match verdict {
            Verdict::Fulfilled => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("orders are fulfilled again");
                }
            }
            Verdict::Rejected(error) | Verdict::Retry(error) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(error, "an order was not fulfilled; the next ones are told when one is again");
                }
            }
        }
    }

    async fn attempt(&self, id: &str, at: Timestamp, body: Bytes) -> Verdict {
        let request = match self.request(id, at, body) {
            Ok(request) => request,
            Err(error) => return Verdict::Retry(error.to_string()),
        };
        let timed = tokio::time::timeout(self.timeout, self.exchange(request)).await;
        timed.unwrap_or_else(|_| {
            Verdict::Retry(format!("the fulfilment service gave no complete answer within {:?}", self.timeout))
        })
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

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Verdict {
        let signature = request.headers().get(HEADER_WEBHOOK_SIGNATURE).cloned();
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                return Verdict::Retry(format!("the fulfilment service cannot be reached: {}", cause(&error)));
            }
            Err(error) => {
                return Verdict::Retry(format!("the fulfilment service gave no usable answer: {}", cause(&error)));
            }
        };
        let status = response.status();
        if status.is_success() {
            // The status decides. The body is read only so that the connection can be used again.
            let _unread = tokio::time::timeout(DRAIN_TIMEOUT, read_start(response.into_body())).await;
            return Verdict::Fulfilled;
        }
        match read_start(response.into_body()).await {
            Ok(answer) => verdict(status, &self.quote(&answer, signature.as_ref())),
            Err(error) => Verdict::Retry(format!(
                "the fulfilment service answered {} and then broke off: {}",
                words(status),
                cause(&error)
            )),
        }
    }

    /// The beginning of an answer's body as it may stand in an error: without what we sent in confidence.
    fn quote(&self, answer: &[u8], signature: Option<&HeaderValue>) -> String {
        let signature = signature.and_then(|value| value.to_str().ok()).map(|value| value.trim_start_matches("v1,"));
        let secrets = self.secrets.iter().map(String::as_str).chain(signature);
        let text = secrets.fold(one_line(&String::from_utf8_lossy(answer)), |text, secret| text.replace(secret, "***"));
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

fn parse_url(text: &str) -> Result<Uri, WebhookConfigError> {
    // `Uri` drops a fragment without a word.
    if text.contains('#') {
        return Err(WebhookConfigError::Fragment);
    }
    let url: Uri = text.parse().map_err(|_| WebhookConfigError::NotAUrl)?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err(WebhookConfigError::NotHttp);
    }
    match url.authority() {
        Some(authority) if authority.as_str().contains('@') => Err(WebhookConfigError::Credentials),
        Some(authority) if !authority.host().is_empty() => Ok(url),
        _ => Err(WebhookConfigError::NotAUrl),
    }
}

fn signer(secret: &str) -> Result<standardwebhooks::Webhook, WebhookConfigError> {
    if secret.trim_start_matches("whsec_").is_empty() {
        return Err(WebhookConfigError::Secret);
    }
    standardwebhooks::Webhook::new(secret).map_err(|_| WebhookConfigError::Secret)
}

/// TLS with the system's trusted certificates; none are looked for where the URL needs none.
fn tls_config(url: &Uri) -> io::Result<ClientConfig> {
    // The provider is named: the process-wide one is ambiguous as soon as another crate brings its own.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let config = match url.scheme_str() {
        Some("https") => config.with_native_roots()?,
        _ => config.with_root_certificates(RootCertStore::empty()),
    };
    Ok(config.with_no_client_auth())
}

/// What in a URL may be a secret: the query, its longer values, and long parts of the path.
fn secrets_of(url: &Uri) -> Vec<String> {
    let query = url.query().unwrap_or_default();
    let values = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
    let in_query = std::iter::once(query).chain(values).filter(|text| text.len() >= MIN_QUERY_SECRET_LEN);
    let in_path = url.path().split('/').filter(|part| part.len() >= MIN_PATH_SECRET_LEN);
    in_query.chain(in_path).map(str::to_owned).collect()
}

/// Reads a body to its end or to [`MAX_ANSWER_BYTES`], whichever comes first.
async fn read_start(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut start = Vec::new();
    while start.len() < MAX_ANSWER_BYTES {
        let Some(frame) = body.frame().await.transpose()? else { break };
        if let Ok(data) = frame.into_data() {
            let room = MAX_ANSWER_BYTES - start.len();
            start.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    Ok(start)
}

/// What an answer other than yes means.
fn verdict(status: StatusCode, quoted: &str) -> Verdict {
    let separator = if quoted.is_empty() { "" } else { ": " };
    let error = format!("the fulfilment service answered {}{separator}{quoted}", words(status));
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => Verdict::Retry(error),
        _ if status.is_client_error() => Verdict::Rejected(error),
        _ => Verdict::Retry(error),
    }
}

/// A status as `404 Not Found`, with a word on redirects, which are not followed.
fn words(status: StatusCode) -> String {
    let reason = status.canonical_reason().map(|reason| format!(" {reason}")).unwrap_or_default();
    let note = if status.is_redirection() { " (redirects are not followed)" } else { "" };
    format!("{}{reason}{note}", status.as_u16())
}

/// The innermost cause of an error, which is the one that says what happened.
fn cause(mut error: &dyn Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    one_line(&error.to_string()).chars().take(MAX_QUOTED_CHARS).collect()
}

/// A text without control characters, on one line.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
