//! The queue from outside: paused and resumed, counted, full, served in order, and its dead letters.

mod dead_letters;
mod letter_groups;
mod page;

use serde_json::{Value, json};

use crate::harness::{Endpoint, Reply, Server, assert_problem, eventually, job_id, order_id};

const STATES: [&str; 6] = ["waiting", "prioritized", "delayed", "active", "completed", "failed"];

async fn place(server: &Server, product: u64, priority: &str) -> u64 {
    let body = json!({"productId": product, "userId": "ada", "quantity": 1, "priority": priority});
    order_id(&server.post("/orders", body).await.expect(201))
}

async fn counts(server: &Server) -> Value {
    server.get("/queue").await.expect(200).body["counts"].clone()
}

async fn await_count(server: &Server, state: &str, count: u64) {
    eventually(&format!("{count} jobs to be {state}"), async || (counts(server).await[state] == count).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_tells_its_counts_its_limits_and_its_pace() {
    let server = Server::with().env("QUEUE_CAPACITY", "77").start().await;
    let queue = server.get("/queue").await.expect(200).body;
    for state in STATES {
        assert_eq!(queue["counts"][state], 0, "{state}: {queue}");
    }
    assert_eq!(queue["paused"], false);
    assert_eq!(queue["capacity"], 77);
    assert!(queue.get("oldestJobAgeMs").is_some(), "{queue}");
    assert!(queue["completedPerSecond"].is_number(), "{queue}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_queue_takes_orders_and_works_on_them_once_resumed() {
    let server = Server::start().await;
    let product = server.create(10).await;
    assert_eq!(server.act("/queue/pause").await.expect(200).body["paused"], true);
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(place(&server, product, "normal").await);
    }
    let queue = server.get("/queue").await.expect(200).body;
    assert_eq!((&queue["paused"], &queue["counts"]["waiting"]), (&json!(true), &json!(3)));
    assert!(queue["oldestJobAgeMs"].is_number(), "{queue}");
    assert_eq!(server.stock(product).await, [7, 3, 0]);
    assert_eq!(server.act("/queue/pause").await.expect(200).body["paused"], true, "pausing twice");
    assert_eq!(server.act("/queue/resume").await.expect(200).body["paused"], false);
    for order in orders {
        server.order_becomes(order, "confirmed").await;
    }
    await_count(&server, "completed", 3).await;
    assert_eq!(server.stock(product).await, [7, 0, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_in_the_queue_are_counted_from_its_front() {
    let server = Server::start().await;
    let product = server.create(10).await;
    server.act("/queue/pause").await.expect(200);
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(job_id(&server.order(product, "ada", 1).await.expect(201)));
    }
    let mut positions = Vec::new();
    for job in &jobs {
        let body = server.get(&format!("/orders/queue/{job}")).await.expect(200).body;
        positions.push(body["queuePosition"].as_u64().unwrap_or_else(|| panic!("no position: {body}")));
    }
    assert_eq!(positions[1], positions[0] + 1);
    assert_eq!(positions[2], positions[0] + 2);
    server.act("/queue/resume").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn higher_priorities_go_first_and_within_one_the_first_come() {
    let endpoint = Endpoint::start().await;
    let server = Server::with()
        .env("WORKERS", "1")
        .env("FULFILLMENT_URL", &endpoint.url())
        .env("FULFILLMENT_ALLOW_PRIVATE", "true")
        .start()
        .await;
    let product = server.create(100).await;
    server.act("/queue/pause").await.expect(200);
    let mut placed = Vec::new();
    for priority in ["low", "normal", "high", "critical", "normal", "high", "low", "critical", "normal"] {
        placed.push(place(&server, product, priority).await);
    }
    let counted = counts(&server).await;
    let queued = counted["waiting"].as_u64().unwrap() + counted["prioritized"].as_u64().unwrap();
    assert_eq!(queued, 9, "{counted}");
    assert!(counted["prioritized"].as_u64().unwrap() >= 4, "high and critical jobs are prioritized: {counted}");
    server.act("/queue/resume").await.expect(200);
    let served: Vec<u64> = endpoint.await_deliveries(9).await.iter().map(|delivery| delivery.order_id()).collect();
    assert_eq!(served, [3, 7, 2, 5, 1, 4, 8, 0, 6].map(|place: usize| placed[place]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_overloaded_and_touches_no_stock() {
    let server = Server::with().env("QUEUE_CAPACITY", "5").start().await;
    let product = server.create(100).await;
    server.act("/queue/pause").await.expect(200);
    for _ in 0..5 {
        place(&server, product, "normal").await;
    }
    for priority in ["normal", "critical"] {
        let body = json!({"productId": product, "userId": "ada", "quantity": 1, "priority": priority});
        assert_problem(&server.post("/orders", body).await, 503, "overloaded");
        assert_eq!(server.stock(product).await, [95, 5, 0]);
    }
    assert_eq!(server.all("/orders").await.len(), 5);
    server.act("/queue/resume").await.expect(200);
    await_count(&server, "completed", 5).await;
    place(&server, product, "normal").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_at_a_full_queue_gets_as_many_orders_as_there_are_places() {
    let server = Server::with().env("QUEUE_CAPACITY", "5").start().await;
    let product = server.create(100).await;
    server.act("/queue/pause").await.expect(200);
    let mut buyers = tokio::task::JoinSet::new();
    for buyer in 0..100 {
        let client = server.client();
        buyers.spawn(async move { client.order(product, &format!("buyer-{buyer}"), 1).await });
    }
    let answers = buyers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 5);
    answers.iter().filter(|answer| answer.status != 201).for_each(|answer| assert_problem(answer, 503, "overloaded"));
    assert_eq!(server.stock(product).await, [95, 5, 0]);
    server.act("/queue/resume").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_order_leaves_the_queue_and_is_never_worked_on() {
    let endpoint = Endpoint::start().await;
    let server = Server::with()
        .env("WORKERS", "1")
        .env("QUEUE_CAPACITY", "2")
        .env("FULFILLMENT_URL", &endpoint.url())
        .env("FULFILLMENT_ALLOW_PRIVATE", "true")
        .start()
        .await;
    let product = server.create(100).await;
    server.act("/queue/pause").await.expect(200);
    let (kept, cancelled) = (place(&server, product, "normal").await, place(&server, product, "high").await);
    server.act(&format!("/orders/{cancelled}/cancel")).await.expect(200);
    assert_eq!(server.stock(product).await, [99, 1, 0]);
    let after = place(&server, product, "normal").await;
    server.act("/queue/resume").await.expect(200);
    server.order_becomes(after, "confirmed").await;
    let served: Vec<u64> = endpoint.deliveries().iter().map(|delivery| delivery.order_id()).collect();
    assert_eq!(served, [kept, after]);
    assert_eq!(server.get(&format!("/orders/{cancelled}")).await.body["status"], "cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_listed_by_state_page_by_page() {
    let server = Server::start().await;
    let product = server.create(100).await;
    let mut finished = Vec::new();
    for _ in 0..3 {
        let placed = server.order(product, "ada", 1).await.expect(201);
        server.order_becomes(order_id(&placed), "confirmed").await;
        finished.push(job_id(&placed));
    }
    server.act("/queue/pause").await.expect(200);
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(job_id(&server.order(product, "ada", 1).await.expect(201)));
    }
    for (state, expected) in [("waiting", waiting), ("completed", finished), ("failed", vec![]), ("active", vec![])] {
        let pages = server.pages(&format!("/queue/jobs?state={state}&limit=2")).await;
        assert!(pages.iter().all(|page| page.len() <= 2), "{state}");
        let jobs = pages.concat();
        assert!(jobs.iter().all(|job| job["status"] == state && job["orderId"].is_u64()), "{state}: {jobs:?}");
        let mut listed: Vec<_> = jobs.iter().map(|job| job["jobId"].as_str().unwrap().to_owned()).collect();
        let mut expected = expected;
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected, "{state}");
    }
    server.act("/queue/resume").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_jobs_are_worked_on_at_once_as_there_are_workers() {
    let endpoint = Endpoint::start().await;
    // Nobody is answered before all three workers have called.
    endpoint.script([], Reply::AfterDeliveries(3, 200));
    let server = Server::with()
        .env("WORKERS", "3")
        .env("FULFILLMENT_URL", &endpoint.url())
        .env("FULFILLMENT_ALLOW_PRIVATE", "true")
        .start()
        .await;
    let product = server.create(10).await;
    for _ in 0..3 {
        place(&server, product, "normal").await;
    }
    await_count(&server, "completed", 3).await;
    assert_eq!(endpoint.deliveries().len(), 3);
}
