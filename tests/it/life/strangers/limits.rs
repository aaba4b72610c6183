//! Bounds of connections: the files of the process, all connections, those of one address.

use std::time::Duration;

use super::{exchange, get, is_closed, order, post, stranger};
use crate::harness::{Endpoint, Reply, Server, assert_problem, eventually, order_id, read_answer, within, write_all};

/// As many connections as are let in, and some more that want to be.
async fn crowd(server: &Server, connections: usize) -> Vec<tokio::net::TcpStream> {
    let mut crowd = Vec::new();
    for at in 0..connections {
        crowd.push(stranger(server, (at % 200 + 1) as u8).await);
    }
    crowd
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_up_to_the_limit_of_open_files_cost_no_order_its_fulfilment() {
    let endpoint = Endpoint::start().await;
    endpoint.script([], Reply::Status(204));
    let launch = Server::with().open_files(300).env("MAX_CONNECTIONS_PER_IP", "0").env("WORKERS", "4");
    let launch = launch.env("FULFILLMENT_URL", &endpoint.url()).env("FULFILLMENT_ALLOW_PRIVATE", "true");
    let server = launch.env("FULFILLMENT_ATTEMPTS", "1").start().await;
    server.writes("far fewer than MAX_CONNECTIONS").await;
    assert_eq!(server.output().matches("far fewer than MAX_CONNECTIONS").count(), 1, "{}", server.output());
    let product = server.create(100).await;
    let _crowd = crowd(&server, 400).await;
    for user in 0..20 {
        let placed = server.order(product, &format!("user{user}"), 1).await.expect(201);
        server.order_becomes(order_id(&placed), "confirmed").await;
    }
    assert_eq!(endpoint.deliveries().len(), 20);
    assert!(!server.output().contains("Too many open files"), "{}", server.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let server = Server::with().soft_open_files(200).start().await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.process_id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<_> = files.split_ascii_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers[0], numbers[1], "{files}");
    assert_ne!(numbers[0], "200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buyer_gets_in_where_those_who_have_sent_no_request_hold_every_connection() {
    let limits = [("MAX_CONNECTIONS", "8"), ("MAX_CONNECTIONS_PER_IP", "0")];
    let launch = limits.into_iter().fold(Server::with(), |launch, (name, value)| launch.env(name, value));
    let server = launch.start().await;
    let product = server.create(100).await;
    let starts = ["", "GET / HT", &post("/orders", "Content-Length: 100\r\n")].map(str::to_owned);
    // One after the other they take all that is left, again and again, as a buyer comes.
    for start in starts {
        let crowd = crowd(&server, 30).await;
        for stranger in &crowd {
            let _ = write_all(stranger, start.as_bytes()).await;
        }
        let buyer = async {
            let buyer = stranger(&server, 250).await;
            exchange(&buyer, &order(product, "ada")).await.expect(201)
        };
        // Strangers that are left alone go after 15 and 30 seconds.
        let placed = tokio::time::timeout(Duration::from_secs(12), buyer).await;
        assert!(placed.is_ok(), "a buyer waits behind {start:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_has_its_share_of_the_connections_and_no_more() {
    let server = Server::with().env("MAX_CONNECTIONS_PER_IP", "4").start().await;
    let product = server.create(100).await;
    let mut crowd = Vec::new();
    for _ in 0..20 {
        crowd.push(stranger(&server, 7).await);
    }
    let closed = eventually("all but its share to be closed", async || {
        let mut open = 0;
        for stranger in &crowd {
            open += usize::from(!is_closed(stranger).await);
        }
        (open <= 4).then_some(())
    });
    // Those that are left alone go after 30 seconds.
    assert!(tokio::time::timeout(Duration::from_secs(25), closed).await.is_ok(), "more than its share are open");
    let other = stranger(&server, 8).await;
    exchange(&other, &order(product, "ada")).await.expect(201);
    server.order(product, "grace", 1).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_is_trusted_may_have_more_connections_than_one_address() {
    let server = Server::with().env("MAX_CONNECTIONS_PER_IP", "4").env("TRUSTED_PROXIES", "127.0.1.0/24").start().await;
    let mut proxy = Vec::new();
    for _ in 0..20 {
        let stream = stranger(&server, 7).await;
        exchange(&stream, &get("/api/v1/inventory")).await.expect(200);
        proxy.push(stream);
    }
    for stream in &proxy {
        exchange(stream, &get("/api/v1/inventory")).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_nothing_is_cut_off_and_who_reads_gets_everything() {
    let limits = [("MAX_CONNECTIONS", "4"), ("MAX_CONNECTIONS_PER_IP", "0")];
    let launch = limits.into_iter().fold(Server::with(), |launch, (name, value)| launch.env(name, value));
    let server = launch.start().await;
    let product = server.create(100).await;
    let requests = get("/docs/swagger-ui-bundle.js").repeat(50);
    let mut strangers = Vec::new();
    for n in 1..=3 {
        let stranger = stranger(&server, n).await;
        write_all(&stranger, requests.as_bytes()).await.unwrap();
        strangers.push(stranger);
    }
    let reader = stranger(&server, 9).await;
    let bundle = exchange(&reader, &get("/docs/swagger-ui-bundle.js")).await.expect(200);
    let whole: usize = bundle.header("content-length").parse().unwrap();
    assert!(whole > 500_000, "a large response");
    drop(reader);
    // All but one connection are held by those who do not read; each gets free in time.
    let buyers = within("room for four buyers", async {
        let mut buyers = Vec::new();
        while buyers.len() < 4 {
            let buyer = stranger(&server, 20).await;
            if exchange(&buyer, &order(product, "ada")).await.status == 201 {
                buyers.push(buyer);
            }
        }
        buyers
    });
    buyers.await;
    for stranger in &strangers {
        eventually("the end of a stranger", async || is_closed(stranger).await.then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_behind_a_proxy_has_its_share_of_the_requests_under_way_and_no_more() {
    let launch = Server::with().env("MAX_CONNECTIONS_PER_IP", "4").env("TRUSTED_PROXIES", "127.0.1.0/24");
    let server = launch.start().await;
    let product = server.create(1_000_000).await;
    let forwarded =
        |request: &str, client: &str| request.replacen("Host:", &format!("X-Forwarded-For: {client}\r\nHost:"), 1);
    let mut held = Vec::new();
    for _ in 0..4 {
        let stream = stranger(&server, 7).await;
        let half = forwarded(&post("/orders", "Content-Length: 100\r\nExpect: 100-continue\r\n"), "192.0.2.1");
        write_all(&stream, half.as_bytes()).await.unwrap();
        // The body is waited for: the request is under way.
        let go_on = within("the word to go on", read_answer(&stream)).await;
        assert!(go_on.starts_with("HTTP/1.1 100 "), "{go_on}");
        held.push(stream);
    }
    let proxy = stranger(&server, 8).await;
    let refused = exchange(&proxy, &forwarded(&order(product, "ada"), "192.0.2.1")).await;
    assert_problem(&refused, 503, "overloaded");
    exchange(&proxy, &forwarded(&order(product, "ada"), "192.0.2.2")).await.expect(201);
    exchange(&proxy, &forwarded(&get("/livez"), "192.0.2.1")).await.expect(200);
    drop(held);
    eventually("a client whose requests have ended", async || {
        let answer = exchange(&proxy, &forwarded(&order(product, "ada"), "192.0.2.1")).await;
        (answer.status == 201).then_some(())
    })
    .await;
}
