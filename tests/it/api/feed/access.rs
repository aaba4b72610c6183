//! Who may open the feed, and how.

use hyper::Method;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;

use super::listener::{Listener, handshake};
use crate::harness::{Answer, Client, Server, assert_problem, request};

const TOKEN: &str = "correct-horse-battery-staple";

/// The status of the response to a handshake that is rejected.
async fn rejected(server: &Client, headers: &[(&str, &str)]) -> u16 {
    let stream = TcpStream::connect(server.address()).await.unwrap();
    match client_async(handshake(server.address(), headers), stream).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("{headers:?}: {other:?}"),
    }
}

async fn asked(server: &Client, path: &str, headers: &[(&'static str, &str)]) -> Answer {
    let mut asked = request(Method::GET, path, None, b"");
    for (name, value) in headers {
        asked.headers_mut().insert(*name, value.parse().unwrap());
    }
    server.try_send(asked).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_token_is_set_the_feed_needs_it_in_a_header() {
    let server = Server::with().env("ADMIN_TOKEN", TOKEN).start().await;
    let product = server.create(5).await;
    assert_eq!(rejected(&server, &[]).await, 401);
    assert_eq!(rejected(&server, &[("authorization", "Bearer wrong-horse")]).await, 401);
    let bearer = format!("Bearer {TOKEN}");
    let mut feed = Listener::connect_as(&server, &[("authorization", &bearer)]).await;
    feed.next_of("inventory-update").await;
    server.order(product, "ada", 1).await.expect(201);
    assert_eq!(feed.next_of("order-update").await["data"]["orders"][0]["userId"], json!("ada"));
    assert_eq!(rejected(&server, &[("authorization", &bearer), ("origin", "http://evil.example")]).await, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_in_the_address_is_rejected_with_a_sentence() {
    let server = Server::with().env("ADMIN_TOKEN", TOKEN).start().await;
    let anyone = server.client().with_token(None);
    for path in [
        format!("/monitoring?token={TOKEN}"),
        format!("/monitoring?access_token={TOKEN}"),
        format!("/socket.io/?EIO=4&transport=polling&Token={TOKEN}"),
    ] {
        let answer = asked(&anyone, &path, &[]).await;
        assert_problem(&answer, 400, "invalid_request");
        assert!(answer.body["detail"].as_str().unwrap().contains("must not be in the address"), "{answer}");
    }
    assert!(!server.output().contains(TOKEN), "the token is in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_page_and_a_foreign_name_reach_no_feed() {
    let server = Server::start().await;
    let own = format!("http://{}", server.address());
    // A front end under development has a port of its own.
    for origin in [&own, "http://localhost:5173"] {
        Listener::connect_as(&server, &[("origin", origin)]).await.next().await;
    }
    for origin in ["http://evil.example", "null", "http://192.0.2.7:3000"] {
        assert_eq!(rejected(&server, &[("origin", origin)]).await, 403, "{origin}");
        let answer = asked(&server, "/socket.io/?EIO=4&transport=polling", &[("origin", origin)]).await;
        assert_problem(&answer, 403, "forbidden");
    }
    let answer = asked(&server, "/socket.io/?EIO=4&transport=polling", &[("host", "evil.example")]).await;
    assert_problem(&answer, 403, "forbidden");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_no_handshake_is_told_what_is_there() {
    let server = Server::start().await;
    let answer = asked(&server, "/monitoring", &[]).await;
    assert_eq!(answer.status, 426, "{answer}");
    assert_eq!((answer.header("upgrade"), answer.header("sec-websocket-version")), ("websocket", "13"));
    assert!(answer.body.as_str().unwrap().starts_with("This is the live feed"), "{answer}");
    let answer = server.send(Method::POST, "/monitoring", Some(&json!({}))).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET,OPTIONS"));
    let answer = asked(&server, "/monitoring?x=1", &[]).await;
    assert_problem(&answer, 400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_as_many_clients_as_is_set() {
    let server = Server::with().env("MAX_FEED_CLIENTS", "2").start().await;
    let first = Listener::connect(&server).await;
    let _second = Listener::connect(&server).await;
    assert_eq!(rejected(&server, &[]).await, 503);
    let answer = asked(&server, "/socket.io/?EIO=4&transport=polling", &[]).await;
    assert_problem(&answer, 503, "overloaded");
    drop(first);
    crate::harness::eventually("a seat", async || {
        let stream = TcpStream::connect(server.address()).await.unwrap();
        client_async(handshake(server.address(), &[]), stream).await.ok()
    })
    .await;
}
