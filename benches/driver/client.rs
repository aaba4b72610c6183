//! A keep-alive HTTP/1.1 client that costs little beside the servers it measures: one request outstanding on a
//! connection, request bytes formatted once, and no more of an answer parsed than its status and its length.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A server that leaves a request unanswered for this long has failed.
pub(crate) const STALLED: Duration = Duration::from_secs(30);

/// Holds an order's answer, head and body, with room to spare; longer answers make the buffer grow.
const USUAL_ANSWER: usize = 4 * 1024;
/// No route that the benchmark asks answers with more.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;

/// One connection to a server on this machine, kept open from answer to answer.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, valid until the connection's next request.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// Status line and headers.
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
}

/// The part of an answer's head that matters here.
#[derive(Clone, Copy)]
struct Head {
    status: u16,
    /// Bytes from the start of the answer to the start of its body.
    len: usize,
    /// Bytes of head and body together.
    end: usize,
}

impl Connection {
    /// Connects to `port` on loopback.
    pub(crate) async fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; USUAL_ANSWER] })
    }

    /// Sends one complete request and reads exactly its answer. Panics on anything else: a connection that ends, an
    /// answer without a length, a byte too many.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Answer<'_> {
        self.send(request).await;
        let head = self.receive().await;
        let (start, body) = self.buffer[..head.end].split_at(head.len);
        Answer { status: head.status, head: start, body }
    }

    /// As `exchange`, for a request outside the rounds: panics if the answer does not come in time.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Answer<'_> {
        timeout(STALLED, self.exchange(request)).await.expect("the server answers in time")
    }

    async fn send(&mut self, mut rest: &[u8]) {
        while !rest.is_empty() {
            match self.stream.try_write(rest) {
                Ok(sent) => rest = &rest[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stream.writable().await.expect("a socket that can be waited for");
                }
                Err(error) => panic!("the server did not take a request: {error}"),
            }
        }
    }

    async fn receive(&mut self) -> Head {
        let mut filled = 0;
        let mut head = None;
        loop {
            filled += self.read(filled).await;
            head = head.or_else(|| Head::parse(&self.buffer[..filled]));
            if let Some(head) = head {
                assert!(filled <= head.end, "{} bytes more than one answer", filled - head.end);
                if filled == head.end {
                    return head;
                }
            }
            if filled == self.buffer.len() {
                assert!(filled < LONGEST_ANSWER, "an answer of more than {LONGEST_ANSWER} bytes");
                self.buffer.resize(filled * 2, 0);
            }
        }
    }

    /// Reads what has arrived behind the first `filled` bytes.
    ///
    /// `poll_read` and not `try_read`: after a read that did not fill the buffer tokio knows that nothing is left,
    /// where `try_read` finds out by a second system call.
    async fn read(&mut self, filled: usize) -> usize {
        let mut space = ReadBuf::new(&mut self.buffer[filled..]);
        poll_fn(|context| Pin::new(&mut self.stream).poll_read(context, &mut space))
            .await
            .expect("the connection stays open");
        let read = space.filled().len();
        assert!(read > 0, "the server closed the connection after {filled} bytes of an answer");
        read
    }
}

impl Head {
    /// Reads the head once it is complete.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let len = position(bytes, b"\r\n\r\n")? + 4;
        let head = &bytes[..len];
        let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.trim().parse::<usize>().ok();
        let status = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| number(&rest[..3]));
        let length = head.split(|byte| *byte == b'\n').find_map(|line| number(value(line, b"content-length:")?));
        let (Some(status), Some(length)) = (status, length) else {
            panic!("not an HTTP/1.1 answer with a content-length: {}", String::from_utf8_lossy(head));
        };
        Some(Self { status: u16::try_from(status).expect("three digits"), len, end: len + length })
    }
}

/// The value of a header line, if it is the header called `name` (lower case, with its colon).
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(rest)
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
