//! What becomes of jobs that failed for good.

use serde_json::{Value, json};

use crate::harness::{Endpoint, Reply, Server, assert_problem, assert_refused, assert_time, job_id, order_id};

/// A server whose every order fails: two attempts each, unless the endpoint rejects at once.
pub(super) async fn server_without_luck(endpoint: &Endpoint) -> Server {
    endpoint.script([], Reply::Status(500));
    Server::with()
        .env("FULFILLMENT_URL", &endpoint.url())
        .env("FULFILLMENT_ALLOW_PRIVATE", "true")
        .env("FULFILLMENT_ATTEMPTS", "2")
        .env("FULFILLMENT_RETRY_DELAY_MS", "5")
        .start()
        .await
}

/// Places an order that fails, and gives its job.
pub(super) async fn dead_job(server: &Server, product: u64) -> String {
    let placed = server.order(product, "ada", 2).await.expect(201);
    server.order_becomes(order_id(&placed), "failed").await;
    job_id(&placed)
}

pub(super) async fn dead_jobs(server: &Server, filter: &str) -> Vec<String> {
    let letters = server.all(&format!("/queue/dead-letter{filter}")).await;
    let mut jobs: Vec<_> = letters.iter().map(|letter| letter["jobId"].as_str().unwrap().to_owned()).collect();
    jobs.sort();
    jobs
}

fn sorted<const N: usize>(jobs: [&String; N]) -> Vec<String> {
    let mut jobs = jobs.map(Clone::clone).to_vec();
    jobs.sort();
    jobs
}

fn assert_done(answer: &Value, matched: u64, done: u64) {
    assert_eq!(*answer, json!({"matched": matched, "done": done}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_tells_every_attempt_with_its_error() {
    let endpoint = Endpoint::start().await;
    let server = server_without_luck(&endpoint).await;
    let product = server.create(10).await;
    assert_eq!(server.get("/queue/dead-letter").await.expect(200).body, json!([]));
    let placed = server.order(product, "ada", 2).await.expect(201);
    server.order_becomes(order_id(&placed), "failed").await;
    let letters = server.get("/queue/dead-letter").await.expect(200);
    let [letter] = letters.array().as_slice() else { panic!("one letter: {letters}") };
    let expected = json!({"jobId": job_id(&placed), "orderId": order_id(&placed), "productId": product,
        "userId": "ada", "reason": "attempts_exhausted", "attemptsMade": 2});
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&letter[field], value, "{field}: {letter}");
    }
    assert!(letter["failedReason"].as_str().is_some_and(|reason| reason.contains("500")), "{letter}");
    let attempts = letter["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{letter}");
    for (number, attempt) in (1..).zip(attempts) {
        assert_eq!(attempt["attempt"], number, "{letter}");
        assert_time(&attempt["at"]);
        assert!(attempt["error"].as_str().is_some_and(|error| error.contains("500")), "{letter}");
    }
    let job = server.get(&format!("/orders/queue/{}", job_id(&placed))).await.expect(200).body;
    assert_eq!((&job["status"], &job["attemptsMade"]), (&json!("failed"), &json!(2)));
    assert!(job["failedReason"].is_string(), "{job}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_filtered_by_reason_and_product() {
    let endpoint = Endpoint::start().await;
    let server = server_without_luck(&endpoint).await;
    let (lamp, chair) = (server.create(10).await, server.create(10).await);
    let exhausted = dead_job(&server, lamp).await;
    endpoint.script([], Reply::Status(422));
    let rejected_lamp = dead_job(&server, lamp).await;
    let rejected_chair = dead_job(&server, chair).await;
    let cases = [
        (String::new(), sorted([&exhausted, &rejected_lamp, &rejected_chair])),
        ("?reason=attempts_exhausted".to_owned(), sorted([&exhausted])),
        ("?reason=rejected".to_owned(), sorted([&rejected_lamp, &rejected_chair])),
        (format!("?productId={lamp}"), sorted([&exhausted, &rejected_lamp])),
        (format!("?productId={chair}&reason=rejected"), sorted([&rejected_chair])),
        (format!("?productId={chair}&reason=attempts_exhausted"), vec![]),
    ];
    for (filter, expected) in cases {
        assert_eq!(dead_jobs(&server, &filter).await, expected, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retried_dead_letter_reserves_again_and_is_fulfilled() {
    let endpoint = Endpoint::start().await;
    let server = server_without_luck(&endpoint).await;
    let product = server.create(10).await;
    let job = dead_job(&server, product).await;
    assert_eq!(server.stock(product).await, [10, 0, 0]);
    endpoint.script([], Reply::Status(200));
    server.act("/queue/pause").await.expect(200);
    server.act(&format!("/queue/dead-letter/{job}/retry")).await.expect(200);
    assert_eq!(server.stock(product).await, [8, 2, 0], "retrying reserves again first");
    assert_eq!(dead_jobs(&server, "").await, [""; 0]);
    assert_refused(&server.act(&format!("/queue/dead-letter/{job}/retry")).await);
    server.act("/queue/resume").await.expect(200);
    let order = server.get(&format!("/orders/queue/{job}")).await.expect(200).body["orderId"].as_u64().unwrap();
    let confirmed = server.order_becomes(order, "confirmed").await;
    assert_eq!(confirmed["failureReason"], Value::Null);
    assert_eq!(server.stock(product).await, [8, 0, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_that_finds_no_stock_is_sold_out_and_the_letter_stays() {
    let endpoint = Endpoint::start().await;
    let server = server_without_luck(&endpoint).await;
    let product = server.create(2).await;
    let job = dead_job(&server, product).await;
    server.post(&format!("/inventory/{product}/restock"), json!({"quantity": -1})).await.expect(200);
    assert_problem(&server.act(&format!("/queue/dead-letter/{job}/retry")).await, 409, "sold_out");
    assert_done(&server.act("/queue/dead-letter/retry").await.expect(200).body, 1, 0);
    assert_eq!(dead_jobs(&server, "").await, [job]);
    assert_eq!(server.stock(product).await, [1, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_retried_together_by_the_same_filters_and_counted_first() {
    let endpoint = Endpoint::start().await;
    let server = server_without_luck(&endpoint).await;
    let (lamp, chair) = (server.create(10).await, server.create(10).await);
    let (first, second) = (dead_job(&server, lamp).await, dead_job(&server, lamp).await);
    let other = dead_job(&server, chair).await;
    endpoint.script([], Reply::Status(200));
    let path = format!("/queue/dead-letter/retry?productId={lamp}");
    let counted = server.act(&format!("{path}&dryRun=true")).await.expect(200).body;
    assert_eq!((&counted["matched"], &counted["done"]), (&json!(2), &json!(0)));
    assert_eq!(dead_jobs(&server, "").await, sorted([&first, &second, &other]));
    assert_done(&server.act(&path).await.expect(200).body, 2, 2);
    assert_eq!(dead_jobs(&server, "").await, [other]);
    for order in server.all(&format!("/orders?productId={lamp}")).await {
        server.order_becomes(order["id"].as_u64().unwrap(), "confirmed").await;
    }
    assert_eq!(server.stock(lamp).await, [6, 0, 4]);
    assert_eq!(server.stock(chair).await, [10, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_take_slots_of_the_queue_and_what_does_not_fit_stays() {
    let endpoint = Endpoint::start().await;
    let mut server = server_without_luck(&endpoint).await;
    let product = server.create(20).await;
    for _ in 0..4 {
        dead_job(&server, product).await;
    }
    server.launch.set("QUEUE_CAPACITY", "2");
    server.restart().await;
    server.act("/queue/pause").await.expect(200);
    assert_done(&server.act("/queue/dead-letter/retry").await.expect(200).body, 4, 2);
    assert_eq!(server.stock(product).await, [16, 4, 0]);
    let left = dead_jobs(&server, "").await;
    assert_eq!(left.len(), 2);
    assert_problem(&server.act(&format!("/queue/dead-letter/{}/retry", left[0])).await, 503, "overloaded");
    assert_eq!(server.stock(product).await, [16, 4, 0]);
    assert_done(&server.act("/queue/dead-letter/retry").await.expect(200).body, 2, 0);
    endpoint.script([], Reply::Status(200));
    server.act("/queue/resume").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_dead_letters_are_gone_and_their_orders_stay_failed() {
    let endpoint = Endpoint::start().await;
    let mut server = server_without_luck(&endpoint).await;
    let (lamp, chair) = (server.create(10).await, server.create(10).await);
    let (first, second) = (dead_job(&server, lamp).await, dead_job(&server, lamp).await);
    let other = dead_job(&server, chair).await;
    server.delete(&format!("/queue/dead-letter/{first}")).await.expect(204);
    assert_problem(&server.delete(&format!("/queue/dead-letter/{first}")).await, 404, "job_not_found");
    assert_problem(&server.act(&format!("/queue/dead-letter/{first}/retry")).await, 404, "job_not_found");
    let path = format!("/queue/dead-letter?productId={lamp}");
    let counted = server.delete(&format!("{path}&dryRun=true")).await.expect(200).body;
    assert_eq!((&counted["matched"], &counted["done"]), (&json!(1), &json!(0)));
    assert_eq!(dead_jobs(&server, "").await, sorted([&second, &other]));
    assert_done(&server.delete(&path).await.expect(200).body, 1, 1);
    assert_eq!(dead_jobs(&server, "").await, sorted([&other]));
    server.kill9().await;
    server.restart().await;
    assert_eq!(dead_jobs(&server, "").await, [other], "the same after a restart");
    assert_eq!(server.all("/orders?status=failed").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_not_dead_is_no_dead_letter() {
    let server = Server::start().await;
    let product = server.create(10).await;
    server.act("/queue/pause").await.expect(200);
    let job = job_id(&server.order(product, "ada", 1).await.expect(201));
    assert_refused(&server.act(&format!("/queue/dead-letter/{job}/retry")).await);
    assert_refused(&server.delete(&format!("/queue/dead-letter/{job}")).await);
    assert_eq!(server.stock(product).await, [9, 1, 0]);
    server.act("/queue/resume").await.expect(200);
}
