//! HTTP that goes wrong below JSON: too much, too slow, never ending, not HTTP at all.

use tokio::net::TcpStream;

use super::{server_with_a_held_order, state};
use crate::harness::{Answer, Server, assert_problem, read_answer, within, write_all};

const LIMIT: usize = 16 * 1024;

fn post_head(headers: &str) -> String {
    format!("POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}\r\n")
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address()).await.unwrap()
}

/// Sends `piece` again and again until the server answers or hangs up, and gives its answer.
async fn pour(stream: &TcpStream, piece: &[u8]) -> String {
    let pouring = async {
        while write_all(stream, piece).await.is_ok() {
            tokio::task::yield_now().await;
        }
        std::future::pending::<String>().await
    };
    let answer = async {
        tokio::select! {
            answer = read_answer(stream) => answer,
            never = pouring => never,
        }
    };
    within("an answer to an endless request", answer).await
}

/// Fails unless the server has answered with this status, or has hung up without a word where it may.
fn assert_status_or_silence(answer: &str, statuses: &[u16]) {
    if !answer.is_empty() {
        let answer = Answer::parse(answer);
        assert!(statuses.contains(&answer.status), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_over_the_limit_is_refused() {
    let (server, _) = server_with_a_held_order().await;
    let before = state(&server).await;
    for length in [LIMIT + 1, LIMIT * 4] {
        let order = r#"{"productId":1,"userId":"ada","quantity":1}"#;
        let body = format!("{order}{}", " ".repeat(length - order.len()));
        let request = post_head(&format!("Content-Length: {length}\r\n")) + &body;
        let answer = Answer::parse(&server.raw(request.as_bytes()).await);
        assert_problem(&answer, 413, "payload_too_large");
    }
    assert_eq!(state(&server).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_that_never_end_are_cut_off_at_the_limit() {
    let (server, _) = server_with_a_held_order().await;
    let before = state(&server).await;
    let stream = connect(&server).await;
    let head = post_head("Transfer-Encoding: chunked\r\n");
    write_all(&stream, head.as_bytes()).await.unwrap();
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let answer = Answer::parse(&pour(&stream, chunk.as_bytes()).await);
    assert_problem(&answer, 413, "payload_too_large");
    assert_eq!(state(&server).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stops_half_way_is_given_up() {
    let (server, _) = server_with_a_held_order().await;
    let before = state(&server).await;
    let declared = post_head("Content-Length: 1000\r\n") + "{\"pro";
    let chunked = post_head("Transfer-Encoding: chunked\r\n") + "5\r\n{\"pro\r\n";
    let (declared, chunked) = tokio::join!(server.raw(declared.as_bytes()), server.raw(chunked.as_bytes()));
    for answer in [declared, chunked] {
        assert_problem(&Answer::parse(&answer), 408, "request_timeout");
    }
    assert_eq!(state(&server).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_never_end_are_cut_off() {
    let (server, _) = server_with_a_held_order().await;
    let begin = "GET /api/v1/inventory HTTP/1.1\r\nHost: localhost\r\n";
    let one_long = connect(&server).await;
    write_all(&one_long, format!("{begin}X-Long: ").as_bytes()).await.unwrap();
    assert_status_or_silence(&pour(&one_long, &[b'a'; 4096]).await, &[400, 431]);
    let many = connect(&server).await;
    write_all(&many, begin.as_bytes()).await.unwrap();
    assert_status_or_silence(&pour(&many, "X-More: more\r\n".repeat(100).as_bytes()).await, &[400, 431]);
    server.get("/inventory").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_stop_half_way_are_given_up() {
    let (server, _) = server_with_a_held_order().await;
    let stream = connect(&server).await;
    write_all(&stream, b"GET /api/v1/inventory HTTP/1.1\r\nHost: flash").await.unwrap();
    let answer = within("the end of half a request", read_answer(&stream)).await;
    assert_status_or_silence(&answer, &[400, 408]);
    // On a connection of its own: the one that is kept open has idled as long and is ending, too.
    let request = b"GET /api/v1/inventory HTTP/1.1\r\nHost: localhost\r\n\r\n";
    Answer::parse(&server.raw(request).await).expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_and_addresses_somewhat_over_the_limit_are_told_so() {
    let server = Server::start().await;
    let headers = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "a".repeat(50_000));
    let answer = Answer::parse(&server.raw(headers.as_bytes()).await);
    assert_problem(&answer, 431, "headers_too_large");
    let address = format!("GET /api/v1/orders?userId={} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(20_000));
    let answer = Answer::parse(&server.raw(address.as_bytes()).await);
    assert_problem(&answer, 414, "uri_too_long");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_and_addresses_far_over_the_limit_are_refused() {
    let server = Server::start().await;
    let headers = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "a".repeat(1_000_000));
    assert_status_or_silence(&server.raw(headers.as_bytes()).await, &[431]);
    let many = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X-More: more\r\n".repeat(10_000));
    assert_status_or_silence(&server.raw(many.as_bytes()).await, &[431]);
    let address = format!("GET /api/v1/orders?userId={} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(1_000_000));
    assert_status_or_silence(&server.raw(address.as_bytes()).await, &[414, 431]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_http_gets_a_400_and_harms_nobody() {
    let (server, _) = server_with_a_held_order().await;
    let before = state(&server).await;
    let requests: [&[u8]; 8] = [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost : flashsale\r\n\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
    ];
    for request in requests {
        assert_status_or_silence(&server.raw(request).await, &[400, 501, 505]);
    }
    assert_eq!(state(&server).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_smuggled_in_a_body_is_not_served() {
    let (server, order) = server_with_a_held_order().await;
    let before = state(&server).await;
    let hidden = format!("POST /api/v1/orders/{order}/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    // Both lengths given: the chunked one counts or the request is refused; the rest must never become a request of
    // its own behind a front end that counted the other way.
    let head = post_head(&format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", hidden.len() + 5));
    let answer = server.raw(format!("{head}0\r\n\r\n{hidden}").as_bytes()).await;
    assert_status_or_silence(&answer, &[400]);
    assert_eq!(state(&server).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_slow_strangers_do_not_keep_a_buyer_waiting() {
    let (server, _) = server_with_a_held_order().await;
    let mut strangers = Vec::new();
    for _ in 0..100 {
        let stream = connect(&server).await;
        write_all(&stream, post_head("Content-Length: 1000\r\n").as_bytes()).await.unwrap();
        strangers.push(stream);
    }
    server.order(1, "ada", 1).await.expect(201);
    assert_eq!(server.stock(1).await, [5, 5, 0]);
}
