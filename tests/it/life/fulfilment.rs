//! What a shop relies on between payment and warehouse: paid orders are delivered, and an outage of the fulfilment
//! service costs no order its life.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Endpoint, Launch, Reply, Server, eventually, order_id};

/// Orders of the test with an outage in the middle.
const ORDERS: usize = 5_000;

/// How much longer the service is away than until fulfilment is suspended. `OUTAGE_SECONDS` sets it for long runs.
fn outage() -> Duration {
    let seconds = std::env::var("OUTAGE_SECONDS").ok();
    Duration::from_secs(seconds.map_or(0, |seconds| seconds.parse().expect("whole seconds")))
}

fn with(endpoint: &Endpoint) -> Launch {
    Server::with()
        .env("FULFILLMENT_URL", &endpoint.url())
        .env("FULFILLMENT_ALLOW_PRIVATE", "true")
        .env("FULFILLMENT_ATTEMPTS", "2")
        .env("FULFILLMENT_RETRY_DELAY_MS", "20")
        .env("FULFILLMENT_MAX_RETRY_DELAY_MS", "200")
}

/// Places an order of a held product of 10 units and gives it with its job.
async fn hold(server: &Server, seconds: u64) -> (u64, u64, String) {
    let product = server.create_with(json!({"holdSeconds": seconds})).await;
    let placed = server.order(product, "ada", 3).await.expect(201);
    (product, order_id(&placed), placed.body["jobId"].as_str().unwrap().to_owned())
}

async fn confirm(server: &Server, order: u64) {
    let confirmed = server.act(&format!("/orders/{order}/confirm")).await.expect(200);
    assert_eq!(confirmed.body["status"], "confirmed");
}

async fn job_becomes(server: &Server, job: &str, state: &str) -> Value {
    let path = format!("/orders/queue/{job}");
    eventually(&format!("a job that is {state}"), async || {
        let job = server.get(&path).await.expect(200).body;
        (job["status"] == state).then_some(job)
    })
    .await
}

async fn suspended(server: &Server) -> bool {
    let text = server.get("/metrics").await.expect(200).body.as_str().unwrap().to_owned();
    text.lines().any(|line| line == "flash_sale_fulfillment_suspended 1")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_order_is_posted_once_it_is_confirmed_and_not_before() {
    let endpoint = Endpoint::start().await;
    endpoint.script([Reply::Status(503)], Reply::Status(200));
    let server = with(&endpoint).start().await;
    let (product, order, job) = hold(&server, 3600).await;
    let (_, cancelled, _) = hold(&server, 3600).await;
    server.act(&format!("/orders/{cancelled}/cancel")).await.expect(200);
    confirm(&server, order).await;
    let job = job_becomes(&server, &job, "completed").await;
    assert_eq!((&job["attemptsMade"], &job["failedReason"]), (&json!(2), &Value::Null));
    let deliveries = endpoint.deliveries();
    assert_eq!(deliveries.len(), 2);
    for delivery in &deliveries {
        assert_eq!((delivery.order_id(), &delivery.body["type"]), (order, &json!("order.confirmed")));
        assert_eq!(delivery.body["data"]["status"], "confirmed");
        assert_eq!(delivery.header("webhook-id"), deliveries[0].header("webhook-id"));
    }
    assert_eq!(server.stock(product).await, [7, 0, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_confirmed_late_is_posted_as_well() {
    let endpoint = Endpoint::start().await;
    let server = with(&endpoint).start().await;
    let (product, order, job) = hold(&server, 1).await;
    server.order_becomes(order, "cancelled").await;
    confirm(&server, order).await;
    job_becomes(&server, &job, "completed").await;
    assert_eq!(endpoint.deliveries().len(), 1);
    assert_eq!(endpoint.deliveries()[0].body["type"], "order.confirmed");
    assert_eq!(server.stock(product).await, [7, 0, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_order_stays_confirmed_and_is_posted_again_from_the_dead_letters_without_touching_stock() {
    let endpoint = Endpoint::start().await;
    let server = with(&endpoint).start().await;
    for (replies, reason) in [
        (vec![Reply::Text(422, "no depot".into())], "rejected"),
        (vec![Reply::Status(500), Reply::Status(500)], "attempts_exhausted"),
    ] {
        endpoint.script(replies, Reply::Status(200));
        let (product, order, job) = hold(&server, 3600).await;
        confirm(&server, order).await;
        let failed = job_becomes(&server, &job, "failed").await;
        let said = failed["failedReason"].as_str().unwrap();
        assert!(said.contains("confirmed") && !said.contains("depot") && !said.contains("http"), "{said}");
        let letters = server.all("/queue/dead-letter").await;
        assert_eq!((letters.len(), &letters[0]["reason"]), (1, &json!(reason)));
        assert_eq!(server.get(&format!("/orders/{order}")).await.body["status"], "confirmed");
        assert_eq!(server.stock(product).await, [7, 0, 3]);
        // Not for sale any more, and all sold: no unit is needed.
        server.put(&format!("/inventory/{product}"), json!({"currentStock": 0})).await.expect(200);
        server.act(&format!("/queue/dead-letter/{job}/retry")).await.expect(200);
        job_becomes(&server, &job, "completed").await;
        assert_eq!(server.stock(product).await, [0, 0, 3]);
        assert!(server.all("/queue/dead-letter").await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_ends_the_job_of_a_confirmed_order_wherever_it_is() {
    let endpoint = Endpoint::start().await;
    endpoint.script([Reply::Status(500), Reply::Status(422)], Reply::Status(200));
    let server = with(&endpoint).env("FULFILLMENT_RETRY_DELAY_MS", "3600000").start().await;
    for state in ["delayed", "failed"] {
        let (product, order, job) = hold(&server, 3600).await;
        confirm(&server, order).await;
        job_becomes(&server, &job, state).await;
        server.act(&format!("/orders/{order}/cancel")).await.expect(200);
        assert_eq!(server.stock(product).await, [10, 0, 0]);
        assert!(server.all("/queue/dead-letter").await.is_empty());
        assert_eq!(server.get(&format!("/orders/queue/{job}")).await.body["status"], "failed");
    }
    assert_eq!(endpoint.deliveries().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_order_that_was_not_delivered_is_posted_after_a_kill_under_the_same_id() {
    let endpoint = Endpoint::start().await;
    endpoint.script([], Reply::Hang);
    let mut server = with(&endpoint).start().await;
    let (product, order, job) = hold(&server, 3600).await;
    confirm(&server, order).await;
    endpoint.await_deliveries(1).await;
    server.kill9().await;
    endpoint.script([], Reply::Status(200));
    server.restart().await;
    job_becomes(&server, &job, "completed").await;
    let deliveries = endpoint.deliveries();
    assert_eq!(deliveries.len(), 2);
    assert_eq!(deliveries[0].header("webhook-id"), deliveries[1].header("webhook-id"));
    assert_eq!(server.stock(product).await, [7, 0, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_the_service_keeps_what_is_undelivered_as_dead_letters() {
    let endpoint = Endpoint::start().await;
    endpoint.script([Reply::Status(500)], Reply::Status(200));
    let mut server = with(&endpoint).env("FULFILLMENT_RETRY_DELAY_MS", "100").start().await;
    let (_, order, job) = hold(&server, 3600).await;
    server.act("/queue/pause").await.expect(200);
    confirm(&server, order).await;
    server.launch.set("FULFILLMENT_URL", "");
    server.restart().await;
    server.writes("this store was used with a fulfilment service").await;
    server.act("/queue/resume").await.expect(200);
    job_becomes(&server, &job, "failed").await;
    assert_eq!(server.all("/queue/dead-letter").await.len(), 1);
    assert_eq!(server.get(&format!("/orders/{order}")).await.body["status"], "confirmed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_without_a_url_ends_the_start_with_a_sentence() {
    let exited = Server::with().env("FULFILLMENT_SECRET", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").run().await;
    assert!(matches!(exited.code, Some(1 | 2)), "{exited:?}");
    assert!(exited.stderr.contains("FULFILLMENT_URL") && !exited.stderr.contains("C2FV"), "{exited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_service_asks_to_wait_is_waited() {
    let endpoint = Endpoint::start().await;
    endpoint.script([Reply::RetryAfter(429, "3600".into())], Reply::Status(200));
    let server = with(&endpoint).start().await;
    let product = server.create(10).await;
    let placed = server.order(product, "ada", 1).await.expect(201);
    job_becomes(&server, placed.body["jobId"].as_str().unwrap(), "delayed").await;
    let path = format!("/orders/{}", order_id(&placed));
    let order = server.get(&path).await.expect(200).body;
    assert_eq!((&order["status"], &order["attempts"]), (&json!("pending"), &json!(1)));
    assert_eq!(endpoint.deliveries().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_orders_in_a_row_suspend_fulfilment_until_one_gets_a_response() {
    let endpoint = Endpoint::start().await;
    endpoint.script([], Reply::Status(503));
    let server = with(&endpoint).env("WORKERS", "1").start().await;
    let product = server.create(100).await;
    let mut orders = Vec::new();
    for _ in 0..4 {
        orders.push(order_id(&server.order(product, "ada", 1).await.expect(201)));
    }
    // Four orders alone say something about themselves: they are out of attempts.
    for order in orders.drain(..) {
        server.order_becomes(order, "failed").await;
    }
    assert!(!suspended(&server).await);
    for _ in 0..3 {
        orders.push(order_id(&server.order(product, "ada", 1).await.expect(201)));
    }
    eventually("the suspension", async || suspended(&server).await.then_some(())).await;
    eventually("its alert", async || {
        let alerts = server.get("/monitoring/alerts").await.expect(200).body.to_string();
        alerts.contains("\"fulfillment_suspended\"").then_some(())
    })
    .await;
    // More probes than attempts that any order has.
    endpoint.await_deliveries(endpoint.deliveries().len() + 6).await;
    endpoint.script([], Reply::Status(200));
    for order in orders {
        server.order_becomes(order, "confirmed").await;
    }
    assert!(!suspended(&server).await);
    eventually("the end of its alert", async || {
        let alerts = server.get("/monitoring/alerts").await.expect(200).body.to_string();
        (!alerts.contains("\"fulfillment_suspended\"")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_amid_many_orders_costs_none_of_them_and_posts_none_under_two_ids() {
    let endpoint = Endpoint::start().await;
    let server = with(&endpoint).env("FULFILLMENT_ATTEMPTS", "3").start().await;
    let plain = server.create(ORDERS as u64).await;
    let held = server.create_with(json!({"initialStock": ORDERS, "holdSeconds": 3600})).await;
    let batches = ORDERS / 250;
    for batch in 0..batches {
        if batch == batches / 3 {
            endpoint.script([], Reply::Status(503));
        }
        let order = |number: usize| {
            let product = if number.is_multiple_of(2) { plain } else { held };
            json!({"productId": product, "userId": format!("user-{batch}-{number}"), "quantity": 1})
        };
        let orders: Vec<_> = (0..250).map(order).collect();
        let placed = server.post("/orders/batch", json!({"orders": orders})).await.expect(200).body;
        for result in placed["results"].as_array().unwrap() {
            assert_eq!(result["status"], 201, "{result}");
            if !result["expiresAt"].is_null() {
                confirm(&server, result["orderId"].as_u64().unwrap()).await;
            }
        }
        if batch == batches * 2 / 3 {
            eventually("the suspension", async || suspended(&server).await.then_some(())).await;
            tokio::time::sleep(outage()).await;
            endpoint.script([], Reply::Status(200));
        }
    }
    eventually("all delivered", async || {
        let counts = server.get("/queue").await.expect(200).body["counts"].clone();
        (counts["completed"] == ORDERS).then_some(())
    })
    .await;
    let totals = server.get("/orders/admin/metrics").await.expect(200).body;
    assert_eq!((&totals["confirmedOrders"], &totals["failedOrders"]), (&json!(ORDERS), &json!(0)), "{totals}");
    assert!(server.all("/queue/dead-letter").await.is_empty());
    let mut ids = BTreeMap::new();
    for delivery in endpoint.deliveries() {
        let id = delivery.header("webhook-id").to_owned();
        assert_eq!(ids.entry(delivery.order_id()).or_insert_with(|| id.clone()), &id);
    }
    assert_eq!(ids.len(), ORDERS);
    assert!(!suspended(&server).await);
}
