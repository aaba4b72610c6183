//! Strangers: connections that send something and read nothing.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Addresses that the strangers come from.
const ADDRESSES: usize = 250;
/// So many connect at once.
const AT_ONCE: usize = 64;
/// A stranger that is not let in for so long gives up.
const PATIENCE: Duration = Duration::from_secs(2);

/// The strangers that got a connection.
pub(crate) struct Crowd(Vec<TcpStream>);

impl Crowd {
    /// Connects so many strangers, each of which sends `bytes`, or as much of them as is taken.
    pub(crate) async fn let_in(port: u16, strangers: usize, bytes: &[u8]) -> Self {
        let mut connecting = JoinSet::new();
        let mut crowd = Vec::with_capacity(strangers);
        for number in 0..strangers {
            if connecting.len() == AT_ONCE {
                crowd.extend(connecting.join_next().await.and_then(|stream| stream.expect("a stranger")));
            }
            let bytes = bytes.to_vec();
            connecting.spawn(async move { timeout(PATIENCE, stranger(port, number, &bytes)).await.ok().flatten() });
        }
        while let Some(stream) = connecting.join_next().await {
            crowd.extend(stream.expect("a stranger"));
        }
        Self(crowd)
    }

    /// How many still have their connection.
    pub(crate) fn connected(&self) -> usize {
        self.0.iter().filter(|stream| is_connected(stream)).count()
    }
}

async fn stranger(port: u16, number: usize, mut bytes: &[u8]) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind((Ipv4Addr::new(127, 1, 0, (number % ADDRESSES) as u8 + 1), 0).into()).ok()?;
    let stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await.ok()?;
    while !bytes.is_empty() {
        if timeout(PATIENCE / 4, stream.writable()).await.is_err() {
            break;
        }
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    Some(stream)
}

/// Reads a little of what has come; the end of it is the end of the connection.
fn is_connected(stream: &TcpStream) -> bool {
    let mut some = [0; 1024];
    match stream.try_read(&mut some) {
        Ok(read) => read > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
