//! A keep-alive HTTP/1.1 connection that costs little beside the server that it measures: request bytes are made by the
//! caller, and no more of a response is read than its status, its length, and what the caller looks for.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};

use crate::limits::MAX_RESPONSE_BYTES;

/// Bytes that hold a usual response, head and body; longer ones make the buffer grow.
const USUAL_RESPONSE: usize = 4 * 1024;
/// Headers of a response that are read.
const MAX_HEADERS: usize = 64;

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// No connection, or one that broke off.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The other side closed the connection.
    #[error("the connection was closed")]
    Closed,
    /// Something else than one HTTP/1.1 response of known length.
    #[error("the response is no HTTP/1.1 response with a content-length")]
    NotHttp,
}

/// One connection to a server, kept open from response to response.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A response, valid until the connection's next request.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// The status code.
    pub status: u16,
    /// Status line and headers.
    pub head: &'a [u8],
    /// The whole body.
    pub body: &'a [u8],
    /// Whether another request may follow on this connection.
    pub keep: bool,
    /// `Retry-After`, if it is a number of seconds.
    pub retry_after: Option<Duration>,
}

/// The part of a response's head that matters here.
#[derive(Clone, Copy, Debug)]
struct Head {
    status: u16,
    keep: bool,
    retry_after: Option<Duration>,
    /// Bytes from the start of the response to the start of its body.
    len: usize,
    /// Bytes of head and body together.
    end: usize,
}

impl Connection {
    /// Connects to a server, from this IP address of the same machine if one is given.
    pub async fn open(server: SocketAddr, from: Option<Ipv4Addr>) -> io::Result<Self> {
        let stream = match from {
            Some(from) => {
                let socket = TcpSocket::new_v4()?;
                socket.bind((IpAddr::V4(from), 0).into())?;
                socket.connect(server).await?
            }
            None => TcpStream::connect(server).await?,
        };
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; USUAL_RESPONSE] })
    }

    /// Sends one complete request and reads exactly its response.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Response<'_>, WireError> {
        self.send(request).await?;
        let head = self.receive().await?;
        let (start, body) = self.buffer[..head.end].split_at(head.len);
        let Head { status, keep, retry_after, .. } = head;
        Ok(Response { status, head: start, body, keep, retry_after })
    }

    /// Sends one complete request.
    pub async fn send(&mut self, mut rest: &[u8]) -> Result<(), WireError> {
        while !rest.is_empty() {
            match self.stream.try_write(rest) {
                Ok(sent) => rest = &rest[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether the other side has kept it open, as far as that is known, while no request was under way.
    pub fn is_open(&self) -> bool {
        matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    async fn receive(&mut self) -> Result<Head, WireError> {
        let mut filled = 0;
        let mut head = None;
        loop {
            filled += self.read(filled).await?;
            if head.is_none() {
                head = Head::parse(&self.buffer[..filled])?;
            }
            match head {
                Some(head) if filled == head.end => return Ok(head),
                Some(head) if filled > head.end || head.end > MAX_RESPONSE_BYTES => return Err(WireError::NotHttp),
                Some(head) if head.end > self.buffer.len() => self.buffer.resize(head.end, 0),
                None if filled == self.buffer.len() => return Err(WireError::NotHttp),
                _ => {}
            }
        }
    }

    /// Reads what has arrived behind the first `filled` bytes.
    ///
    /// `poll_read` and not `try_read`: after a read that did not fill the buffer tokio knows that nothing is left,
    /// where `try_read` finds out by a second system call.
    async fn read(&mut self, filled: usize) -> Result<usize, WireError> {
        let mut space = ReadBuf::new(&mut self.buffer[filled..]);
        poll_fn(|context| Pin::new(&mut self.stream).poll_read(context, &mut space)).await?;
        match space.filled().len() {
            0 => Err(WireError::Closed),
            read => Ok(read),
        }
    }
}

impl Head {
    /// Reads the head once it is complete.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let len = match response.parse(bytes) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(WireError::NotHttp),
        };
        let status = response.code.ok_or(WireError::NotHttp)?;
        let value = |name: &str| response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        let number = |header: &httparse::Header<'_>| std::str::from_utf8(header.value).ok()?.trim().parse::<u64>().ok();
        let body = match value("content-length") {
            Some(length) => {
                let bytes = number(length).and_then(|bytes| usize::try_from(bytes).ok());
                bytes.filter(|bytes| *bytes <= MAX_RESPONSE_BYTES).ok_or(WireError::NotHttp)?
            }
            None if [204, 304].contains(&status) => 0,
            None => return Err(WireError::NotHttp),
        };
        let closes = value("connection").is_some_and(|header| header.value.eq_ignore_ascii_case(b"close"));
        let retry_after = value("retry-after").and_then(number).map(Duration::from_secs);
        Ok(Some(Self { status, keep: !closes, retry_after, len, end: len + body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole_and_only_with_a_known_length() {
        let text = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        for cut in 0..text.len() - 2 {
            assert!(Head::parse(&text[..cut]).unwrap().is_none(), "{cut}");
        }
        let head = Head::parse(text).unwrap().unwrap();
        assert_eq!((head.status, head.keep, head.end), (201, false, text.len()));
        assert!(Head::parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().keep);
        let busy = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(Head::parse(busy).unwrap().unwrap().retry_after, Some(Duration::from_secs(7)));
        for wrong in [
            &b"HTTP/1.1 200 OK\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
            b"SSH-2.0-OpenSSH\r\n\r\n",
        ] {
            assert!(Head::parse(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }
}
