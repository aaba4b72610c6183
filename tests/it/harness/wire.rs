//! Bytes over TCP, for what a well-behaved HTTP client cannot be made to say.

use std::io::{Error, ErrorKind, Result};

use tokio::net::TcpStream;

/// Reads what has arrived, waiting for at least one byte; 0 is the end of the stream.
pub(crate) async fn read_some(stream: &TcpStream, into: &mut Vec<u8>) -> Result<usize> {
    let mut chunk = vec![0; 16 * 1024];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut chunk) {
            Ok(read) => {
                into.extend_from_slice(&chunk[..read]);
                return Ok(read);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Reads one HTTP message, or what came of it before the other side hung up. A reset after some bytes ends it, too: a
/// server may hang up on a request that it has refused without having read all of it.
pub(crate) async fn read_answer(stream: &TcpStream) -> String {
    let mut bytes = Vec::new();
    while message_length(&bytes).is_none_or(|length| bytes.len() < length) {
        let Ok(1..) = read_some(stream, &mut bytes).await else { break };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The length of the HTTP message that `bytes` begin with, once its head is complete. Only for bodies with a declared
/// length; none is taken as empty.
pub(crate) fn message_length(bytes: &[u8]) -> Option<usize> {
    let head_ends = find(bytes, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..head_ends]).to_ascii_lowercase();
    let declared = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    Some(head_ends + declared.map_or(0, |length| length.trim().parse().expect("a content-length in digits")))
}

pub(crate) async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(0) => return Err(Error::from(ErrorKind::WriteZero)),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Where `needle` begins in `haystack`.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
