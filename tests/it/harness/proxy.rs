//! A proxy in front of a server, which shows it below a prefix and nothing else.

use std::io::Result;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::wire::{find, read_some, write_all};

/// What becomes of a request's head on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The prefix is taken off, `Host` is the server's, and `X-Forwarded-For` is added: as nginx does with
    /// `proxy_pass http://127.0.0.1:3000/`.
    Strips,
    /// All stays as it is.
    Keeps,
}

/// Listens while it is in scope.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: String,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy that shows the server at `server` below `prefix`.
    pub(crate) async fn start(server: &str, prefix: &'static str, way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = server.to_owned();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move { pass(client, &server, prefix, way).await });
            }
        });
        Self { address, accepting }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Passes one request on, and whatever follows it if it becomes a WebSocket.
async fn pass(mut client: TcpStream, server: &str, prefix: &str, way: Way) -> Result<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            break end;
        }
        if read_some(&client, &mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let Some(head) = passed_on(&head, server, prefix, way) else {
        let elsewhere = b"HTTP/1.1 418 I'm another server\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return write_all(&client, elsewhere).await;
    };
    let mut upstream = TcpStream::connect(server).await?;
    write_all(&upstream, head.as_bytes()).await?;
    write_all(&upstream, &bytes[end + 4..]).await?;
    copy_bidirectional(&mut client, &mut upstream).await.map(|_| ())
}

/// The head of a request as the server gets it, if the path is below the prefix.
fn passed_on(head: &str, server: &str, prefix: &str, way: Way) -> Option<String> {
    let mut lines = head.split("\r\n");
    let mut request = lines.next()?.split(' ');
    let (method, target) = (request.next()?, request.next()?);
    let rest = target.strip_prefix(prefix).filter(|rest| rest.starts_with('/'))?;
    let target = if way == Way::Strips { rest } else { target };
    let mut passed = format!("{method} {target} HTTP/1.1\r\n");
    let is_upgrade = head.to_ascii_lowercase().contains("\r\nupgrade:");
    for line in lines {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let is_replaced = (name == "host" && way == Way::Strips) || (name == "connection" && !is_upgrade);
        if !is_replaced {
            passed += &format!("{line}\r\n");
        }
    }
    if way == Way::Strips {
        passed += &format!("host: {server}\r\nx-forwarded-for: 192.0.2.7\r\n");
    }
    // One request a connection: the next one would need its head rewritten, too.
    passed += if is_upgrade { "\r\n" } else { "connection: close\r\n\r\n" };
    Some(passed)
}
