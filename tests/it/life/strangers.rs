//! Connections of strangers, who hold them, send half of something or read nothing: buyers get what they need.

mod limits;
mod memory;
mod refused;
mod stop;

use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{Answer, Server, read_answer, write_all};

/// Connects from a loopback address of its own, `127.0.1.n`.
async fn stranger(server: &Server, n: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 1, n], 0))).unwrap();
    socket.connect(server.address().parse().unwrap()).await.unwrap()
}

/// The head of a `POST` to a path below the base path, with its further headers.
fn post(path: &str, headers: &str) -> String {
    format!("POST /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}\r\n")
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// The whole request for an order of one unit.
fn order(product: u64, user: &str) -> String {
    let body = format!(r#"{{"productId":{product},"userId":"{user}","quantity":1}}"#);
    post("/orders", &format!("Content-Length: {}\r\n", body.len())) + &body
}

/// Sends a request and reads its answer.
async fn exchange(stream: &TcpStream, request: &str) -> Answer {
    write_all(stream, request.as_bytes()).await.unwrap();
    Answer::parse(&read_answer(stream).await)
}

/// Whether the server has closed the connection, once all that it sent is read.
async fn is_closed(stream: &TcpStream) -> bool {
    let mut some = [0; 64 * 1024];
    loop {
        match stream.try_read(&mut some) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}
