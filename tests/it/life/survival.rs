//! What must not end or stop a server, and what ends it in order.

use std::fs::OpenOptions;
use std::time::{Duration, Instant};

use flashsale::domain::clock::Clock;
use serde_json::{Value, json};

use crate::harness::{Endpoint, Launch, Reply, Server, assert_problem, eventually, order_id};

/// A server that logs each connection that ends badly.
fn talkative() -> Launch {
    Server::with().env("RUST_LOG", "debug")
}

/// Makes the server log lines, takes orders, sees a sale start, and gives how many lines were lost so far.
async fn sell_in_silence(server: &Server) -> u64 {
    for _ in 0..100 {
        server.raw(b"this is no request\r\n\r\n").await;
    }
    let starts = Clock::system().now().after(Duration::from_millis(300)).to_string();
    let product = server.create_with(json!({"initialStock": 100, "saleStartsAt": starts})).await;
    eventually("the start of a sale", async || {
        let alerts = server.get("/monitoring/alerts").await.expect(200).body;
        let started = |alert: &Value| alert["productId"] == product && alert["code"] == "sale_started";
        alerts["alerts"].as_array().unwrap().iter().any(started).then_some(())
    })
    .await;
    for buyer in 0..20 {
        server.order(product, &format!("buyer-{buyer}"), 1).await.expect(201);
    }
    let metrics = server.get_root("/metrics").await.expect(200).body;
    let line = metrics.as_str().unwrap().lines().find_map(|line| line.strip_prefix("flash_sale_log_lines_lost_total "));
    line.expect("a count of lost lines").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_whose_reader_has_gone_stops_nothing() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let server = talkative().errors_to(writer).start().await;
    assert!(sell_in_silence(&server).await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_on_a_full_disk_stops_nothing() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let server = talkative().errors_to(full).start().await;
    assert!(sell_in_silence(&server).await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_reads_stops_neither_orders_nor_the_stop() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut server = talkative().errors_to(writer).start().await;
    eventually("lines without room", async || (sell_in_silence(&server).await > 0).then_some(())).await;
    server.terminate().await;
    drop(reader);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_up_ends_a_server_in_order() {
    let mut server = Server::with().hears_hang_up().start().await;
    let product = server.create(10).await;
    server.order(product, "ada", 1).await.expect(201);
    server.signal("HUP");
    let exited = server.exit().await;
    assert_eq!(exited.code, Some(0), "{exited:?}");
    server.restart().await;
    server.writes("recovery    clean shutdown;").await;
}

/// A server with an order at a service that does not answer, for longer than a stop may take.
async fn busy_server() -> (Server, Endpoint) {
    let endpoint = Endpoint::start().await;
    endpoint.script([Reply::Hang], Reply::Status(200));
    let server = Server::with()
        .env("FULFILLMENT_URL", &endpoint.url())
        .env("FULFILLMENT_ALLOW_PRIVATE", "true")
        .env("FULFILLMENT_TIMEOUT_MS", "60000")
        .start()
        .await;
    let product = server.create(10).await;
    server.order(product, "ada", 1).await.expect(201);
    endpoint.await_deliveries(1).await;
    (server, endpoint)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_gives_up_what_takes_longer_than_it_may() {
    let (mut server, _endpoint) = busy_server().await;
    let asked = Instant::now();
    server.terminate().await;
    assert!(asked.elapsed() < Duration::from_secs(45), "it took {:?}", asked.elapsed());
    server.restart().await;
    server.order_becomes(1, "confirmed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_a_server_at_once() {
    let (mut server, _endpoint) = busy_server().await;
    server.signal("TERM");
    server.writes("stopping").await;
    server.signal("INT");
    let exited = server.exit().await;
    assert_eq!(exited.code, Some(128 + 2), "{exited:?}");
    server.restart().await;
    server.order_becomes(1, "confirmed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_may_not_grow_is_an_error_and_not_the_end_of_the_process() {
    let mut server = Server::start().await;
    let product = server.create(1_000).await;
    for buyer in 0..100 {
        server.order(product, &format!("buyer-{buyer}"), 1).await.expect(201);
    }
    server.terminate().await;
    let launch = server.launch.clone().file_blocks(4);
    for args in [
        &["serve", "--port=0"][..],
        &["backup", "--output=backup", "--force"],
        &["export", "orders", "--output=orders.csv", "--force"],
        &["verify"],
    ] {
        let exited = launch.command(args).await;
        assert_eq!(exited.code, Some(1), "{args:?}: {exited:?}");
        assert!(exited.stderr.contains("error: "), "{args:?}: {exited:?}");
    }
    server.restart().await;
    assert_eq!(server.all("/orders").await.len(), 100);
}

/// Orders until the server rejects one, and gives those that it accepted.
async fn order_until_rejected(server: &Server, product: u64) -> Vec<u64> {
    let mut accepted = Vec::new();
    let rejected = eventually("a rejection", async || {
        let answer = server.order(product, "ada", 1).await;
        match answer.status {
            201 => {
                accepted.push(order_id(&answer));
                None
            }
            _ => Some(answer),
        }
    })
    .await;
    assert_problem(&rejected, 503, "storage_unavailable");
    accepted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_directory_is_renamed_takes_no_orders_until_it_is_back() {
    let server = Server::start().await;
    let product = server.create(1_000_000).await;
    let (data, aside) = (server.launch.data_dir(), server.launch.directory().join("aside"));
    std::fs::rename(&data, &aside).unwrap();
    let accepted = order_until_rejected(&server, product).await;
    let not_ready = server.get_root("/readyz").await.expect(503).body;
    assert_eq!(not_ready["notReady"], json!(["storage_missing"]));
    // A copy is not the store: it may be older than what was acknowledged.
    std::fs::create_dir(&data).unwrap();
    for file in std::fs::read_dir(&aside).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), data.join(file.file_name())).unwrap();
    }
    server.writes("replaced").await;
    server.get_root("/readyz").await.expect(503);
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&aside, &data).unwrap();
    eventually("a ready server", async || (server.get_root("/readyz").await.status == 200).then_some(())).await;
    server.order(product, "eve", 1).await.expect(201);
    for order in accepted {
        server.get(&format!("/orders/{order}")).await.expect(200);
    }
    let said = server.output().matches("was deleted, renamed or replaced").count();
    assert!(said <= 3, "it is said {said} times: {}", server.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_log_is_deleted_loses_nothing_and_makes_another() {
    let mut server = Server::start().await;
    let product = server.create(1_000_000).await;
    std::fs::remove_file(server.launch.data_dir().join("flashsale.redb.wal")).unwrap();
    let accepted = order_until_rejected(&server, product).await;
    eventually("a ready server", async || (server.get_root("/readyz").await.status == 200).then_some(())).await;
    server.order(product, "eve", 1).await.expect(201);
    server.kill9().await;
    server.restart().await;
    for order in accepted {
        server.get(&format!("/orders/{order}")).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_grow_is_still_read_and_takes_orders_again_when_it_can() {
    let server = Server::start().await;
    let product = server.create(1_000_000).await;
    // The log has its full length already; the tables stop at this one.
    server.limit_file_size(Some(34 * 1024 * 1024));
    let user = "u".repeat(200);
    let orders: Vec<_> = (0..1_000).map(|_| json!({"productId": product, "userId": user, "quantity": 1})).collect();
    let batch = json!({"orders": orders});
    let (mut last, mut refused) = (0, false);
    for _ in 0..400 {
        let results = server.post("/orders/batch", batch.clone()).await.expect(200).body["results"].clone();
        let results = results.as_array().unwrap().clone();
        last = results.iter().filter_map(|result| result["orderId"].as_u64()).max().unwrap_or(last);
        refused = results.iter().any(|result| result["code"] == "storage_unavailable");
        if refused {
            break;
        }
    }
    assert!(refused, "the tables never reached their bound");
    eventually("the last acknowledged order to be read", async || {
        let one = server.get(&format!("/orders/{last}")).await;
        let list = server.get("/orders?limit=5").await;
        let of_user = server.get(&format!("/orders/user/{user}?limit=5")).await;
        ([one.status, list.status, of_user.status] == [200; 3]).then(|| {
            assert!(list.array()[0]["id"].as_u64().unwrap() >= last);
            assert!(of_user.array()[0]["id"].as_u64().unwrap() >= last);
        })
    })
    .await;
    assert_problem(&server.order(product, "ada", 1).await, 503, "storage_unavailable");
    server.limit_file_size(None);
    eventually("orders to be taken again", async || {
        (server.order(product, "ada", 1).await.status == 201).then_some(())
    })
    .await;
}
