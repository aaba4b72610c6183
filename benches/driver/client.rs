//! The load generator's connection, for measurements that end with a panic when anything goes wrong.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use flashsale::rehearsal;
use tokio::time::timeout;

pub(crate) use flashsale::rehearsal::Response as Answer;

/// A server that leaves a request unanswered for this long has failed.
pub(crate) const STALLED: Duration = Duration::from_secs(30);

/// One connection to a server on this machine, kept open from answer to answer.
pub(crate) struct Connection(rehearsal::Connection);

impl Connection {
    /// Connects to `port` on loopback.
    pub(crate) async fn open(port: u16) -> io::Result<Self> {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        rehearsal::Connection::open(server, None).await.map(Self)
    }

    /// Sends one complete request and reads exactly its answer. Panics on anything else: a connection that ends, an
    /// answer without a length, a byte too many.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Answer<'_> {
        self.0.exchange(request).await.expect("the server answers")
    }

    /// As `exchange`, for a request outside the rounds: panics if the answer does not come in time.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Answer<'_> {
        timeout(STALLED, self.exchange(request)).await.expect("the server answers in time")
    }
}

/// Where `needle` first is in `bytes`.
pub(crate) fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, needle)
}

/// The bytes of a `GET`.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").into_bytes()
}

/// The bytes of a `POST` of a JSON text.
pub(crate) fn post(path: &str, json: &str) -> Vec<u8> {
    post_with(path, "", json)
}

/// The same with further headers, a whole line each.
pub(crate) fn post_with(path: &str, further: &str, json: &str) -> Vec<u8> {
    let length = json.len();
    let headers = format!("host: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{further}");
    format!("POST {path} HTTP/1.1\r\n{headers}\r\n{json}").into_bytes()
}
