//! Metrics and alerts, as an operator and a scraper see them.

use std::time::Duration;

use flashsale::domain::clock::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::harness::{Server, assert_problem, eventually};

/// The value of a sample in the text of the metrics.
async fn sample(server: &Server, name: &str) -> Option<f64> {
    let answer = server.get_root("/metrics").await.expect(200);
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"), "{answer}");
    let text = answer.body.as_str().unwrap().to_owned();
    let line = text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(other, _)| other == name))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

/// Waits for a value: an order is read as confirmed a moment before its job leaves the queue.
async fn await_sample(server: &Server, name: &str, value: f64) {
    eventually(&format!("{name} to be {value}"), async || (sample(server, name).await == Some(value)).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_orders_stands_in_the_metrics() {
    let server = Server::start().await;
    let product = server.create(3).await;
    let order = server.order(product, "ada", 2).await.expect(201).body["orderId"].as_u64().unwrap();
    server.order_becomes(order, "confirmed").await;
    assert_problem(&server.order(product, "eve", 2).await, 409, "sold_out");
    assert_problem(&server.order(99, "eve", 1).await, 404, "product_not_found");
    let batch = json!({"orders": [{"productId": product, "userId": "eve", "quantity": 2}]});
    server.post("/orders/batch", batch).await.expect(200);
    for (name, value) in [
        ("flash_sale_orders_total{status=\"confirmed\"}", 1.0),
        ("flash_sale_orders_total{status=\"pending\"}", 1.0),
        ("flash_sale_order_levels{status=\"pending\"}", 0.0),
        ("flash_sale_order_levels{status=\"confirmed\"}", 1.0),
        ("flash_sale_dead_letters", 0.0),
        ("flash_sale_orders_rejected_total{code=\"sold_out\"}", 2.0),
        ("flash_sale_orders_rejected_total{code=\"product_not_found\"}", 1.0),
        ("flash_sale_queue_length", 0.0),
    ] {
        await_sample(&server, name, value).await;
    }
    let level = format!("flash_sale_inventory_levels{{product_id=\"{product}\"}}");
    assert_eq!(sample(&server, &level).await, Some(1.0));
    assert!(sample(&server, "flash_sale_active_connections").await >= Some(1.0));
    // The product, the order and its confirmation.
    assert!(sample(&server, "flash_sale_commit_duration_seconds_count").await >= Some(3.0));
    let below = server.get("/metrics").await.expect(200);
    assert!(below.body.as_str().unwrap().contains("flash_sale_commit_batch_size_bucket"), "{below}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_confirmed_orders_cost_and_what_came_back_are_metrics() {
    let server = Server::start().await;
    let product = server.create_with(json!({"initialStock": 5, "price": "999.99"})).await;
    assert_eq!(sample(&server, "flash_sale_revenue_total").await, Some(0.0));
    let order = server.order(product, "ada", 2).await.expect(201).body["orderId"].as_u64().unwrap();
    server.order(product, "eve", 1).await.expect(201);
    await_sample(&server, "flash_sale_revenue_total", 2_999.97).await;
    server.act(&format!("/orders/{order}/cancel")).await.expect(200);
    await_sample(&server, "flash_sale_revenue_returned_total", 1_999.98).await;
    await_sample(&server, "flash_sale_revenue_total", 2_999.97).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_late_a_hold_expired_is_a_metric() {
    let server = Server::start().await;
    let product = server.create_with(json!({"initialStock": 1, "holdSeconds": 1})).await;
    assert_eq!(sample(&server, "flash_sale_hold_expiry_lag_seconds_count").await, Some(0.0));
    let order = server.order(product, "ada", 1).await.expect(201).body["orderId"].as_u64().unwrap();
    server.order_becomes(order, "cancelled").await;
    await_sample(&server, "flash_sale_hold_expiry_lag_seconds_count", 1.0).await;
    let lag = sample(&server, "flash_sale_hold_expiry_lag_seconds_sum").await.unwrap();
    assert!((0.0..30.0).contains(&lag), "{lag}");
}

async fn alerts(server: &Server) -> Vec<Value> {
    server.get("/monitoring/alerts").await.expect(200).body["alerts"].as_array().unwrap().clone()
}

async fn alert(server: &Server, code: &str) -> Value {
    let raised = async || alerts(server).await.into_iter().find(|alert| alert["code"] == code);
    eventually("the alert is raised", raised).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_is_announced_when_it_starts_and_when_it_ends() {
    let mut server = Server::start().await;
    let after = |millis| -> Timestamp { Clock::system().now().after(Duration::from_millis(millis)) };
    let later = after(3_600_000).to_string();
    let product = server.create_with(json!({"initialStock": 5, "saleStartsAt": later})).await;
    assert_problem(&server.order(product, "ada", 1).await, 409, "sale_not_started");
    assert!(alerts(&server).await.is_empty());
    let path = format!("/inventory/{product}");
    let starts = after(200);
    server.put(&path, json!({"saleStartsAt": starts.to_string()})).await.expect(200);
    let started = alert(&server, "sale_started").await;
    assert_eq!(started["since"], starts.to_string());
    assert_eq!((&started["productId"], &started["severity"]), (&json!(product), &json!("info")));
    let ends = after(200);
    server.put(&path, json!({"saleEndsAt": ends.to_string()})).await.expect(200);
    let ended = alert(&server, "sale_ended").await;
    assert_eq!(ended["since"], ends.to_string());
    assert_eq!(alerts(&server).await.len(), 1, "a sale that has ended has not merely started");
    assert_problem(&server.order(product, "ada", 1).await, 409, "sale_ended");
    server.writes("a sale has started").await;
    server.writes("a sale has ended").await;

    // What holds after a restart is what held before; nothing is announced again.
    server.terminate().await;
    server.restart().await;
    assert_eq!(alert(&server, "sale_ended").await["since"], ends.to_string());
    assert!(!server.output().contains("a sale has"), "{}", server.output());
    server.put(&path, json!({"saleEndsAt": null})).await.expect(200);
    alert(&server, "sale_started").await;
    server.delete(&path).await.expect(204);
    eventually("the alert is gone", async || alerts(&server).await.is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_and_alerts_are_for_operators_where_there_is_a_token() {
    let server = Server::with().env("ADMIN_TOKEN", "a-long-enough-token").start().await;
    let stranger = server.client().with_token(None);
    for path in ["/metrics", "/api/v1/metrics", "/api/v1/monitoring/alerts"] {
        assert_problem(&stranger.get_root(path).await, 401, "unauthorized");
        server.get_root(path).await.expect(200);
    }
}
