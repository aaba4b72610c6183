//! Requests to a running server: over HTTP/1.1, with or without TLS, with the operator's token if there is one.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_MATCH};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as HttpClient, Error as HttpError};
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::config::{Secret, ServerUrl};
use crate::limits::{CLIENT_TIMEOUT, MAX_ERROR_CHARS, MAX_PROBLEM_BYTES};

mod call;
mod calls;

pub use call::{Call, encoded};
pub use calls::{Calls, Reply, pages_by};

/// Where the routes of the API begin.
const ROOT: &str = "/api/v1";

/// Why a server cannot be asked, or gave no response of use.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not the URL of a server.
    #[error("{0:?} is not the URL of a server; give one such as http://127.0.0.1:3000 or https://shop.example/flash")]
    NotAServer(String),
    /// The certificates of this machine cannot be read.
    #[error("TLS cannot be used: {0}")]
    Tls(#[source] io::Error),
    /// The token has characters that no header may have.
    #[error("the admin token cannot be sent in a header")]
    TokenUnfit,
    /// The operating system gives no runtime.
    #[error("cannot start a request: {0}")]
    Runtime(#[source] io::Error),
    /// No response within a minute.
    #[error("it did not respond in time")]
    TimedOut,
    /// No connection, or one that broke off.
    #[error("{}", innermost(.0))]
    Failed(#[source] HttpError),
    /// The server has another token.
    #[error("it does not accept this admin token")]
    WrongToken,
    /// The server has a token, and none was sent.
    #[error("it needs the admin token; set ADMIN_TOKEN")]
    TokenNeeded,
    /// More than a command reads at once.
    #[error("its response is larger than a command reads")]
    TooLarge,
    /// Something else than the API gives.
    #[error("its response is not one of this API")]
    NotTheApi,
    /// Any other response than success.
    #[error("it responded {status}: {detail}")]
    Rejected {
        /// The status.
        status: StatusCode,
        /// The reason, for people: at most [`MAX_ERROR_CHARS`].
        detail: String,
    },
}

/// A server, and the connections to it. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    server: Arc<str>,
    token: Option<HeaderValue>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the server at a URL such as `http://127.0.0.1:3000` or, behind a proxy,
    /// `https://shop.example/flash`. Nothing is sent yet.
    pub fn new(server: &str, token: Option<&Secret>) -> Result<Self, ClientError> {
        let not_a_server = || ClientError::NotAServer(server.to_owned());
        let url = ServerUrl::parse(server).map_err(|_| not_a_server())?;
        let root = url.origin().parse().map_err(|_| not_a_server())?;
        let token = token.map(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))?;
            value.set_sensitive(true);
            Ok::<_, hyper::header::InvalidHeaderValue>(value)
        });
        let token = token.transpose().map_err(|_| ClientError::TokenUnfit)?;
        let http = http_client(&root).map_err(ClientError::Tls)?;
        Ok(Self { http, server: url.to_string().into(), token })
    }

    /// The server's URL, without a slash at its end.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Asks for a path below `/api/v1`, such as `/admin/backup`, and gives the response if it is a success.
    pub async fn get(&self, path: &str) -> Result<Response<Incoming>, ClientError> {
        self.send(&Call::get(path)).await
    }

    async fn send(&self, call: &Call) -> Result<Response<Incoming>, ClientError> {
        let uri = format!("{}{ROOT}{}", self.server, call.path);
        let uri: Uri = uri.parse().map_err(|_| ClientError::NotAServer(uri))?;
        let mut request = Request::new(Full::new(call.body.clone()));
        (*request.method_mut(), *request.uri_mut()) = (call.method.clone(), uri);
        if !call.body.is_empty() {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(tag) = &call.if_match {
            request.headers_mut().insert(IF_MATCH, tag.clone());
        }
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        let response = tokio::time::timeout(CLIENT_TIMEOUT, self.http.request(request)).await;
        let response = response.map_err(|_| ClientError::TimedOut)?.map_err(ClientError::Failed)?;
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::UNAUTHORIZED if self.token.is_some() => Err(ClientError::WrongToken),
            StatusCode::UNAUTHORIZED => Err(ClientError::TokenNeeded),
            status => Err(ClientError::Rejected { status, detail: detail(response).await }),
        }
    }
}

/// The states of jobs that are not finished.
pub const OPEN_STATES: [&str; 4] = ["waiting", "prioritized", "delayed", "active"];

/// How many jobs are in these states, in a response of `GET /queue`.
pub fn jobs(queue: &Value, states: &[&str]) -> u64 {
    states.iter().filter_map(|state| queue["counts"][state].as_u64()).sum()
}

/// The body of a response, for a thread that may block. Dropping it closes the connection.
#[derive(Debug)]
pub struct Download {
    runtime: Runtime,
    body: Incoming,
    chunk: Bytes,
}

impl Download {
    /// Asks for a path as [`Client::get`] does. Outside of a runtime only: it has its own.
    pub fn start(client: &Client, path: &str) -> Result<Self, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(ClientError::Runtime)?;
        let response = runtime.block_on(client.get(path))?;
        Ok(Self { runtime, body: response.into_body(), chunk: Bytes::new() })
    }
}

impl Read for Download {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let frame = self.runtime.block_on(async { tokio::time::timeout(CLIENT_TIMEOUT, self.body.frame()).await });
            let Some(frame) = frame.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? else { return Ok(0) };
            let frame = frame.map_err(|_| io::Error::other("the connection broke off"))?;
            self.chunk = frame.into_data().unwrap_or_default();
        }
        let len = out.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut out[..len]);
        Ok(len)
    }
}

fn http_client(root: &Uri) -> io::Result<HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CLIENT_TIMEOUT));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls_config(root)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Ok(HttpClient::builder(TokioExecutor::new()).build(connector))
}

/// TLS with the system's trusted certificates; none are looked for where the URL needs none.
pub fn tls_config(url: &Uri) -> io::Result<ClientConfig> {
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

/// The reason that a problem gives for people.
async fn detail(response: Response<Incoming>) -> String {
    let body = Limited::new(response.into_body(), MAX_PROBLEM_BYTES).collect();
    let body = tokio::time::timeout(CLIENT_TIMEOUT, body).await.ok().and_then(Result::ok);
    let problem = body.and_then(|body| serde_json::from_slice::<Value>(&body.to_bytes()).ok());
    let detail = problem.as_ref().map_or_else(|| "it gives no reason".to_owned(), reason);
    detail.chars().filter(|c| !c.is_control()).take(MAX_ERROR_CHARS).collect()
}

/// What a problem says, with each wrong field if it names some.
fn reason(problem: &Value) -> String {
    let fields = problem["errors"].as_array().into_iter().flatten();
    let fields =
        fields.filter_map(|error| Some(format!("{} {}", error["field"].as_str()?, error["message"].as_str()?)));
    let fields: Vec<_> = fields.collect();
    match problem["detail"].as_str() {
        _ if !fields.is_empty() => fields.join("; "),
        Some(detail) => detail.to_owned(),
        None => "it gives no reason".to_owned(),
    }
}

fn innermost(mut error: &dyn std::error::Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_url_of_a_server_is_asked() {
        for (given, server) in [
            ("http://localhost:3000/", "http://localhost:3000"),
            ("https://shop.example", "https://shop.example"),
            ("https://shop.example/flash/", "https://shop.example/flash"),
        ] {
            assert_eq!(Client::new(given, None).unwrap().server(), server);
        }
        for wrong in [
            "",
            "localhost:3000",
            "ftp://shop.example",
            "http://me:pw@shop.example",
            "http://shop.example//",
            "http://shop.example/a/../b",
            "http://shop.example?x",
            "http://shop.example#x",
            "http://shop.example:99999",
            "http://shop.example:0",
            "http://shop.example:",
            " http://shop.example",
        ] {
            assert!(matches!(Client::new(wrong, None), Err(ClientError::NotAServer(_))), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_not_shown_and_one_that_no_header_can_have_is_refused() {
        let token = Secret::new("hunter2hunter2".to_owned());
        let client = Client::new("http://localhost:3000", Some(&token)).unwrap();
        assert!(!format!("{client:?} {:?}", client.token).contains("hunter2"));
        let token = Secret::new("two\nlines".to_owned());
        assert!(matches!(Client::new("http://localhost:3000", Some(&token)), Err(ClientError::TokenUnfit)));
    }
}
