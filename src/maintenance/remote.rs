//! A backup as a running server streams it.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Runtime;

use crate::config::{Secret, has_usable_port};

use super::MaintenanceError;

/// Where a server gives out its backup.
const ROUTE: &str = "/api/v1/admin/backup";

/// How long the server may say nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most bytes of a refusal that are read.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;

/// The stream of a backup. Dropping it ends the connection.
#[derive(Debug)]
pub(super) struct Download {
    runtime: Runtime,
    body: Incoming,
    chunk: Bytes,
}

impl Download {
    /// Asks the server at `server`, such as `http://127.0.0.1:3000`, for a backup.
    pub(super) fn start(server: &str, token: Option<&Secret>) -> Result<Self, MaintenanceError> {
        let uri = route(server)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(server, &error.to_string()))?;
        let response = runtime.block_on(ask(server, uri, token))?;
        Ok(Self { runtime, body: response.into_body(), chunk: Bytes::new() })
    }
}

impl Read for Download {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let frame = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, self.body.frame()).await });
            let Some(frame) = frame.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? else { return Ok(0) };
            let frame = frame.map_err(|_| io::Error::other("the server broke off"))?;
            self.chunk = frame.into_data().unwrap_or_default();
        }
        let len = out.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut out[..len]);
        Ok(len)
    }
}

fn failed(server: &str, why: &str) -> MaintenanceError {
    MaintenanceError::Server(server.to_owned(), why.to_owned())
}

fn route(server: &str) -> Result<Uri, MaintenanceError> {
    let not_a_server = || MaintenanceError::NotAServer(server.to_owned());
    let uri: Uri =
        format!("{}{ROUTE}", server.strip_suffix('/').unwrap_or(server)).parse().map_err(|_| not_a_server())?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let is_server = !authority.contains('@') && uri.path() == ROUTE && uri.query().is_none() && has_usable_port(&uri);
    match matches!(uri.scheme_str(), Some("http" | "https")) && is_server {
        true => Ok(uri),
        false => Err(not_a_server()),
    }
}

async fn ask(server: &str, uri: Uri, token: Option<&Secret>) -> Result<Response<Incoming>, MaintenanceError> {
    let client = client(&uri).map_err(|error| failed(server, &format!("no TLS: {error}")))?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = uri;
    if let Some(token) = token {
        let value = HeaderValue::try_from(format!("Bearer {}", token.expose()));
        let mut value = value.map_err(|_| failed(server, "the admin token cannot be sent in a header"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    let answered = tokio::time::timeout(PATIENCE, client.request(request)).await;
    let answered = answered.map_err(|_| failed(server, "no answer came in time"))?;
    let response = answered.map_err(|error| failed(server, &innermost(&error)))?;
    match response.status() {
        StatusCode::OK => Ok(response),
        StatusCode::UNAUTHORIZED if token.is_some() => Err(failed(server, "it does not accept this admin token")),
        StatusCode::UNAUTHORIZED => Err(failed(server, "it needs the admin token; set ADMIN_TOKEN")),
        status => Err(failed(server, &refusal(status, response).await)),
    }
}

fn client(uri: &Uri) -> io::Result<Client<HttpsConnector<HttpConnector>, Empty<Bytes>>> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let config = match uri.scheme_str() {
        Some("https") => config.with_native_roots()?,
        _ => config.with_root_certificates(RootCertStore::empty()),
    };
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(PATIENCE));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config.with_no_client_auth())
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// What a refusal says for people.
async fn refusal(status: StatusCode, response: Response<Incoming>) -> String {
    let body = Limited::new(response.into_body(), MAX_REFUSAL_BYTES).collect();
    let body = tokio::time::timeout(PATIENCE, body).await.ok().and_then(Result::ok);
    let problem = body.and_then(|body| serde_json::from_slice::<serde_json::Value>(&body.to_bytes()).ok());
    let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str()).unwrap_or("it gives no reason");
    let detail: String = detail.chars().filter(|c| !c.is_control()).take(300).collect();
    format!("it answered {status}: {detail}")
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
    fn only_the_address_of_a_server_is_asked() {
        assert_eq!(route("http://localhost:3000/").unwrap(), "http://localhost:3000/api/v1/admin/backup");
        assert_eq!(route("https://shop.example").unwrap().scheme_str(), Some("https"));
        for wrong in [
            "",
            "localhost:3000",
            "ftp://shop.example",
            "http://me:pw@shop.example",
            "http://shop.example/x",
            "http://shop.example//",
            "http://shop.example?x",
            "http://shop.example#x",
            "http://shop.example:99999",
            "http://shop.example:0",
            "http://shop.example:",
            " http://shop.example",
        ] {
            assert!(matches!(route(wrong), Err(MaintenanceError::NotAServer(_))), "{wrong}");
        }
    }
}
