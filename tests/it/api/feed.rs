//! The live feed, as clients of plain WebSockets see it.

mod access;
mod listener;
mod messages;
mod socketio;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Server, eventually};
use listener::Listener;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_gets_metrics_at_once_all_products_and_then_what_changes() {
    let server = Server::start().await;
    let (first, second) = (server.create(5).await, server.create(7).await);
    let mut feed = Listener::connect(&server).await;
    let metrics = feed.next().await;
    assert_eq!(metrics["event"], "metrics-update", "{metrics}");
    assert!(metrics["data"]["timestamp"].is_i64() && metrics["time"].is_i64(), "{metrics}");
    let inventory = feed.next().await;
    assert_eq!((&inventory["event"], &inventory["data"]["snapshot"]), (&json!("inventory-update"), &json!(true)));
    let ids: Vec<_> = inventory["data"]["products"].as_array().unwrap().iter().map(|it| it["id"].clone()).collect();
    assert_eq!(ids, [json!(second), json!(first)]);
    let order = server.order(first, "ada", 2).await.expect(201).body["orderId"].clone();
    let update = feed.next_of("order-update").await;
    let listed = &update["data"]["orders"][0];
    assert_eq!((&listed["orderId"], &listed["userId"], &listed["quantity"]), (&order, &json!("ada"), &json!(2)));
    assert_eq!(listed["productId"], json!(first));
    assert!(listed["updatedAt"].is_i64() && update["data"]["changed"].as_u64() >= Some(1), "{update}");
    let sold = feed
        .until(|frame| frame["event"] == "inventory-update" && frame["data"]["products"][0]["soldStock"] == json!(2));
    let sold = sold.await;
    assert_eq!(sold["data"]["products"].as_array().unwrap().len(), 1, "only what has changed: {sold}");
    assert_eq!(sold["data"]["products"][0]["currentStock"], json!(3));
    server.delete(&format!("/inventory/{second}")).await.expect(204);
    let removed = feed.until(|frame| frame["data"]["removed"] == json!([second]));
    removed.await;
    let gauge = server.get_root("/metrics").await.expect(200);
    assert!(gauge.body.as_str().unwrap().contains("flash_sale_feed_connections 1\n"), "{gauge}");
}

/// Applies the frames of a listener to the products that it knows.
fn apply(products: &mut BTreeMap<u64, [u64; 3]>, frame: &Value) {
    if frame["event"] != "inventory-update" {
        return;
    }
    if frame["data"]["snapshot"] == json!(true) {
        products.clear();
    }
    for product in frame["data"]["products"].as_array().unwrap() {
        let stock = ["currentStock", "heldStock", "soldStock"].map(|field| product[field].as_u64().unwrap());
        assert_eq!(stock.iter().sum::<u64>(), product["initialStock"].as_u64().unwrap(), "{product}");
        products.insert(product["id"].as_u64().unwrap(), stock);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_every_client_ends_with_what_was_committed_and_frames_come_in_order() {
    let server = Server::start().await;
    let mut products = Vec::new();
    for _ in 0..4 {
        products.push(server.create(500).await);
    }
    let load = products.iter().copied().map(|product| {
        let client = server.client();
        tokio::spawn(async move {
            for at in 0..400 {
                client.order(product, &format!("user-{at}"), 1).await.expect(201);
            }
        })
    });
    let load: Vec<_> = load.collect();
    // They come while orders are placed: whatever they miss between their snapshot and their first update is missing
    // at the end.
    let mut listening = Vec::new();
    for _ in 0..12 {
        let mut feed = Listener::connect(&server).await;
        listening.push(tokio::spawn(async move {
            let mut stock = BTreeMap::<u64, [u64; 3]>::new();
            let (mut sequence, mut changes) = (0, 0);
            while stock.values().map(|[_, _, sold]| sold).sum::<u64>() < 1_600 {
                let frame = feed.next().await;
                assert!(frame["sequence"].as_u64().unwrap() >= sequence, "{frame}");
                sequence = frame["sequence"].as_u64().unwrap();
                if frame["event"] == "order-update" {
                    assert!(frame["data"]["orders"].as_array().unwrap().len() <= 100);
                    changes += frame["data"]["changed"].as_u64().unwrap();
                }
                apply(&mut stock, &frame);
            }
            assert!(stock.values().all(|stock| *stock == [100, 0, 400]), "{stock:?}");
            changes
        }));
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    for task in load {
        task.await.unwrap();
    }
    for listener in listening {
        assert!(listener.await.unwrap() <= 3_200, "more changes than there were");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_says_goodbye_and_the_next_connection_continues_in_the_same_history() {
    let mut server = Server::start().await;
    let product = server.create(9).await;
    let mut feed = Listener::connect(&server).await;
    let before = feed.next_of("metrics-update").await;
    server.signal_term();
    let (code, reason) = feed.closed().await;
    assert_eq!((code, reason.as_str()), (1012, "the server is stopping"));
    let asked = std::time::Instant::now();
    assert_eq!(server.exit().await.code, Some(0));
    assert!(asked.elapsed() < Duration::from_secs(8));
    for _ in 0..2 {
        server.restart().await;
        let mut feed = Listener::connect(&server).await;
        let after = feed.next_of("inventory-update").await;
        assert_eq!(after["history"], before["history"]);
        assert!(after["sequence"].as_u64() >= before["sequence"].as_u64(), "{after}");
        assert_eq!(after["data"]["products"][0]["id"], json!(product));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_comes_when_it_begins_and_when_it_ends_and_to_whoever_connects_between() {
    let server = Server::start().await;
    let mut early = Listener::connect(&server).await;
    let id = server.create_with(json!({"saleStartsAt": "2001-01-01T00:00:00.000Z"})).await;
    let is_started = move |frame: &Value| {
        let (event, data) = (&frame["event"], &frame["data"]);
        *event == json!("system-alert") && data["code"] == json!("sale_started") && data["productId"] == json!(id)
    };
    let started = early.until(is_started).await;
    assert!(started["data"]["resolved"].is_null() && started["data"]["since"].is_string(), "{started}");
    let mut late = Listener::connect(&server).await;
    late.until(is_started).await;
    server.put(&format!("/inventory/{id}"), json!({"saleStartsAt": null})).await.expect(200);
    for feed in [&mut early, &mut late] {
        let ended = feed.until(is_started).await;
        assert_eq!(ended["data"]["resolved"], json!(true), "{ended}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_dropped_and_slows_nobody() {
    let server = Server::start().await;
    let product = server.create(1_000_000).await;
    let mut deaf = Listener::connect_with_small_buffer(&server).await;
    let mut feed = Listener::connect(&server).await;
    let gone = async {
        loop {
            for at in 0..50 {
                server.order(product, &format!("{at}-{}", "long-name-".repeat(20)), 1).await.expect(201);
            }
            let text = server.get_root("/metrics").await.expect(200).body.as_str().unwrap().to_owned();
            if text.contains("flash_sale_feed_connections 1\n") {
                return text;
            }
        }
    };
    let text = crate::harness::within("the deaf client's end", gone).await;
    assert!(text.contains("connections_closed_total{reason=\"unread\"} 1\n"), "{text}");
    deaf.assert_cut_off().await;
    eventually("the other client's frames", async || {
        feed.next().await["data"]["changed"].as_u64().filter(|changed| *changed > 0)
    })
    .await;
}
