//! Requests that are refused before their bodies are read: clients that send all of a body before they read still see
//! why, and a connection is either good for the next request or announced to end.

use tokio::net::TcpStream;

use super::{exchange, get, is_closed, order, post, stranger};
use crate::harness::{Answer, Server, eventually, read_answer, within, write_all};

const LARGE: usize = 5 * 1024 * 1024;
const TOKEN: &str = "correct-horse-battery-staple";

/// Requests that are refused by their heads, with the status that each must see.
fn refused_by_head(length: usize) -> Vec<(u16, String)> {
    let length = format!("Content-Length: {length}\r\n");
    let plain = |path: &str, method: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n{length}\r\n")
    };
    vec![
        (401, post("/inventory", &length)),
        (404, plain("/nowhere", "POST")),
        (405, plain("/api/v1/inventory", "PATCH")),
        (414, plain(&format!("/api/v1/{}", "a".repeat(10_000)), "POST")),
        (415, plain("/api/v1/orders", "POST")),
        (431, post("/orders", &format!("{length}X-Long: {}\r\n", "a".repeat(40_000)))),
    ]
}

async fn guarded() -> Server {
    Server::with().env("ADMIN_TOKEN", TOKEN).start().await
}

/// Sends all of a request before it reads anything.
async fn send_all_then_read(stream: &TcpStream, head: &str, body: &[u8]) -> Answer {
    let sent = async {
        write_all(stream, head.as_bytes()).await?;
        write_all(stream, body).await
    };
    let sent = within("a body to be taken", sent).await;
    assert!(sent.is_ok(), "{sent:?} while sending {}", &head[..head.len().min(80)]);
    Answer::parse(&within("an answer", read_answer(stream)).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_a_large_body_first_sees_the_status_and_that_the_connection_ends() {
    let server = guarded().await;
    let body = vec![b' '; LARGE];
    let mut cases = refused_by_head(LARGE);
    cases.push((413, post("/orders", &format!("Content-Length: {LARGE}\r\n"))));
    for round in 0..5 {
        for (status, head) in &cases {
            let stream = stranger(&server, round + 1).await;
            let answer = send_all_then_read(&stream, head, &body).await;
            assert_eq!(answer.status, *status, "{answer}");
            assert_eq!(answer.header("connection"), "close", "{status}: {:?}", answer.headers);
            eventually("the end of the connection", async || is_closed(&stream).await.then_some(())).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_chunks_that_grows_too_large_does_not_hide_the_status() {
    let server = Server::start().await;
    let stream = stranger(&server, 1).await;
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let body = chunk.repeat(100) + "0\r\n\r\n";
    let answer = send_all_then_read(&stream, &post("/orders", "Transfer-Encoding: chunked\r\n"), body.as_bytes()).await;
    assert_eq!((answer.status, answer.header("connection")), (413, "close"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_goes_on_after_a_refused_request_with_a_short_body() {
    let server = guarded().await;
    let product = server.create(100).await;
    let stream = stranger(&server, 1).await;
    for length in [1, 1_000, 16_000] {
        for (status, head) in refused_by_head(length) {
            let (first, second) = (" ".repeat(length / 2), " ".repeat(length - length / 2));
            write_all(&stream, (head + &first).as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
            write_all(&stream, second.as_bytes()).await.unwrap();
            let answer = Answer::parse(&read_answer(&stream).await);
            assert_eq!(answer.status, status, "{answer}");
            assert_eq!(answer.header("connection"), "", "{:?}", answer.headers);
            exchange(&stream, &order(product, "ada")).await.expect(201);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_asks_too_often_sees_it_whatever_it_sends() {
    let server = Server::with().env("RATE_LIMIT_PER_IP", "1").start().await;
    let body = vec![b' '; LARGE];
    let head = post("/orders", &format!("Content-Length: {LARGE}\r\n"));
    let statuses = async {
        let mut limited = 0;
        while limited < 5 {
            let stream = stranger(&server, 1).await;
            let answer = send_all_then_read(&stream, &head, &body).await;
            assert!([413, 429].contains(&answer.status), "{answer}");
            assert_eq!(answer.header("connection"), "close");
            limited += usize::from(answer.status == 429);
        }
    };
    within("refusals", statuses).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_leave_to_send_a_body_gets_it_or_the_refusal_and_no_leave() {
    let server = guarded().await;
    let product = server.create(100).await;
    let body = format!(r#"{{"productId":{product},"userId":"ada","quantity":1}}"#);
    let expects =
        |path: &str, length: usize| post(path, &format!("Content-Length: {length}\r\nExpect: 100-continue\r\n"));
    let stream = stranger(&server, 1).await;
    write_all(&stream, expects("/orders", body.len()).as_bytes()).await.unwrap();
    assert!(read_answer(&stream).await.starts_with("HTTP/1.1 100 "));
    exchange(&stream, &body).await.expect(201);
    let refused = exchange(&stream, &expects("/inventory", 100)).await;
    assert_eq!((refused.status, refused.header("connection")), (401, "close"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_come_at_once_and_clients_of_http_1_0_are_answered() {
    let server = Server::start().await;
    let product = server.create(100).await;
    let pipelined = stranger(&server, 1).await;
    write_all(&pipelined, (order(product, "ada") + &order(product, "eve") + &get("/livez")).as_bytes()).await.unwrap();
    let mut text = String::new();
    while text.matches("HTTP/1.1 ").count() < 3 {
        text += &within("three answers", read_answer(&pipelined)).await;
    }
    assert_eq!(text.matches("HTTP/1.1 201 ").count(), 2, "{text}");
    let old = stranger(&server, 2).await;
    let answer = exchange(&old, "GET /livez HTTP/1.0\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    eventually("the end of the connection", async || is_closed(&old).await.then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_for_at_the_root_counts_for_its_address_and_health_does_not() {
    let server = Server::with().env("RATE_LIMIT_PER_IP", "20").start().await;
    for (from, path) in (1..).zip(["/openapi.json", "/docs", "/docs/docs.css", "/docs/", "/", "/nowhere"]) {
        let stream = stranger(&server, from).await;
        let asking = async {
            for _ in 0..5_000 {
                if exchange(&stream, &get(path)).await.status == 429 {
                    return true;
                }
            }
            false
        };
        assert!(within("a refusal", asking).await, "{path} may be asked for at any rate");
        for health in ["/livez", "/readyz", "/api/v1/monitoring/health"] {
            exchange(&stream, &get(health)).await.expect(200);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_cannot_be_accepted_and_replays_take_nothing_from_what_a_user_may_order() {
    let server = Server::with().env("RATE_LIMIT_PER_USER", "1").start().await;
    let (sold_out, product) = (server.create(0).await, server.create(100).await);
    let mut keyed = order(product, "ada").replacen("Host:", "Idempotency-Key: once\r\nHost:", 1);
    let stream = stranger(&server, 1).await;
    exchange(&stream, &keyed).await.expect(201);
    for _ in 0..100 {
        exchange(&stream, &order(sold_out, "ada")).await.expect(409);
        exchange(&stream, &order(999, "ada")).await.expect(404);
        let replayed = exchange(&stream, &keyed).await.expect(201);
        assert_eq!(replayed.header("idempotency-replayed"), "true");
    }
    keyed = keyed.replacen("once", "twice", 1);
    exchange(&stream, &keyed).await.expect(201);
    exchange(&stream, &order(product, "ada")).await.expect(201);
}
