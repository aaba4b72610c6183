//! A server that stops waits only for the requests that it works on.

use std::time::{Duration, Instant};

use super::{get, order, post, stranger};
use crate::harness::{Server, write_all};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_request_and_a_response_that_nobody_reads_do_not_hold_up_the_stop() {
    let mut server = Server::start().await;
    let product = server.create(100).await;
    let batch = post("/orders/batch", "Content-Length: 100000\r\n") + &" ".repeat(50_000);
    let unread = get("/docs/swagger-ui-bundle.js").repeat(20);
    let half_order = order(product, "ada").replacen("\"quantity\":1}", "", 1);
    let starts = ["", "G", "GET /livez HTTP/1.1\r\nHost: localhost\r\n", &half_order, &batch, &unread];
    let mut strangers = Vec::new();
    for (at, start) in starts.iter().enumerate() {
        let stream = stranger(&server, at as u8 + 1).await;
        write_all(&stream, start.as_bytes()).await.unwrap();
        strangers.push(stream);
    }
    // The server has seen them all.
    server.order(product, "grace", 1).await.expect(201);
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.signal_term();
    let asked = Instant::now();
    let exited = server.exit().await;
    assert_eq!(exited.code, Some(0), "{exited:?}");
    // What half of a body or of a head may take to arrive is 15 and 30 seconds.
    assert!(asked.elapsed() < Duration::from_secs(14), "{:?}", asked.elapsed());
    assert!(!exited.stderr.contains("still open"), "{}", exited.stderr);
}
