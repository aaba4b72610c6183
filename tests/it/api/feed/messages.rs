//! What clients send, and what becomes of those that send something else.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::listener::Listener;
use crate::harness::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_gets_what_it_subscribes_to_and_begins_with_the_state_of_that() {
    let server = Server::start().await;
    let product = server.create(9).await;
    let mut feed = Listener::connect(&server).await;
    feed.next_of("inventory-update").await;
    feed.say(r#"{"event":"subscribe","data":{"events":["order-update"]}}"#).await;
    feed.say(r#"{"event":"fetch-total-orders"}"#).await;
    let total = feed.next_of("total-orders").await;
    assert_eq!(total["data"], json!({"totalOrders": 0}));
    server.order(product, "ada", 1).await.expect(201);
    for _ in 0..2 {
        assert_eq!(feed.next().await["event"], "order-update");
        server.order(product, "ada", 1).await.expect(201);
    }
    feed.say(r#"{"event":"subscribe","data":{"events":["inventory-update"]}}"#).await;
    let snapshot = feed.until(|frame| frame["event"] != "order-update").await;
    assert_eq!((&snapshot["event"], &snapshot["data"]["snapshot"]), (&json!("inventory-update"), &json!(true)));
    let unsubscribe = json!({"event": "unsubscribe", "data": {"events": ["order-update", "inventory-update"]}});
    feed.say(&unsubscribe.to_string()).await;
    feed.say(r#"{"event":"fetch-inventory-updates"}"#).await;
    let levels = feed.next_of("inventory-updates").await;
    assert_eq!(levels["data"]["products"][0]["productId"], json!(product.to_string()));
    assert!(levels["data"]["products"][0]["currentStock"].as_u64() <= Some(8), "{levels}");
    server.order(product, "ada", 1).await.expect(201);
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    feed.say(r#"{"event":"get-benchmark-report"}"#).await;
    let report = feed.next().await;
    assert_eq!(report["event"], "benchmark-report", "nothing else is wanted");
    assert!(report["data"]["totalRequests"].is_u64(), "{report}");
    feed.say(r#"{"event":"subscribe-metrics"}"#).await;
    assert_eq!(feed.next().await["event"], "metrics-update");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_no_request_gets_a_sentence_and_a_few_end_the_connection() {
    let server = Server::start().await;
    let mut feed = Listener::connect(&server).await;
    let wrong = ["{", "[]", r#"{"event":"dance"}"#, r#"{"event":"subscribe","data":{"events":["\u0000"]}}"#];
    for text in wrong {
        feed.say(text).await;
        let error = feed.next_of("error").await;
        assert!(error["data"]["message"].as_str().unwrap().len() > 20, "{error}");
    }
    feed.send(Message::Binary(Bytes::from_static(&[0, 255]))).await;
    feed.next_of("error").await;
    feed.say("once more").await;
    let (code, reason) = feed.closed().await;
    assert_eq!((code, reason.as_str()), (1008, "too many messages that are not requests"));
    server.get("/monitoring/metrics").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_too_long_and_too_many_of_them_end_the_connection() {
    let server = Server::start().await;
    let mut feed = Listener::connect(&server).await;
    feed.say(&"x".repeat(20_000)).await;
    assert_eq!(feed.closed().await.0, 1009);
    let mut feed = Listener::connect(&server).await;
    for _ in 0..60 {
        feed.say(r#"{"event":"fetch-total-orders"}"#).await;
    }
    let error: Value = feed.next_of("error").await;
    assert!(error["data"]["message"].as_str().unwrap().starts_with("Too many messages"), "{error}");
    assert_eq!(feed.closed().await.0, 1008);
}
