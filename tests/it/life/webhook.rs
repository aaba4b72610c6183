//! The fulfilment webhook against a service that misbehaves in every way it can.

use hyper::Method;
use serde_json::Value;

use crate::harness::{Delivery, Endpoint, Launch, Reply, Server, assert_time, eventually, order_id, request};

/// A time-out in milliseconds within which an endpoint that answers does so on a busy machine, too.
const LONG_ENOUGH: &str = "3000";
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn with(endpoint: &Endpoint) -> Launch {
    Server::with()
        .env("FULFILLMENT_URL", &endpoint.url())
        .env("FULFILLMENT_ALLOW_PRIVATE", "true")
        .env("FULFILLMENT_SECRET", SECRET)
        .env("FULFILLMENT_ATTEMPTS", "3")
        .env("FULFILLMENT_RETRY_DELAY_MS", "20")
}

/// Places an order for 3 of 10 units and waits until it has this status.
async fn order_ends(server: &Server, status: &str) -> Value {
    let product = server.create(10).await;
    let placed = server.order(product, "ada", 3).await.expect(201);
    let order = server.order_becomes(order_id(&placed), status).await;
    let stock = if status == "confirmed" { [7, 0, 3] } else { [10, 0, 0] };
    assert_eq!(server.stock(product).await, stock);
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_posted_signed_and_whole() {
    let endpoint = Endpoint::start().await;
    let server = with(&endpoint).start().await;
    let order = order_ends(&server, "confirmed").await;
    let deliveries = endpoint.deliveries();
    let [delivery] = deliveries.as_slice() else { panic!("one delivery: {deliveries:?}") };
    delivery.assert_signed_with(SECRET);
    assert!(!delivery.header("webhook-id").is_empty());
    assert!(delivery.header("content-type").starts_with("application/json"), "{:?}", delivery.headers);
    assert_eq!(delivery.body["type"], "order.placed");
    assert_time(&delivery.body["timestamp"]);
    let data = &delivery.body["data"];
    assert_eq!(data["status"], "pending");
    for field in ["id", "jobId", "productId", "userId", "quantity", "unitPrice", "totalPrice", "priority", "createdAt"]
    {
        assert_eq!(data[field], order[field], "{field}: {data}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_url_may_also_come_as_a_flag() {
    let endpoint = Endpoint::start().await;
    let flag = format!("--fulfillment-url={}", endpoint.url());
    let server = Server::with().env("FULFILLMENT_ALLOW_PRIVATE", "true").arg(&flag).start().await;
    order_ends(&server, "confirmed").await;
    assert_eq!(endpoint.deliveries().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_attempts_are_repeated_under_the_same_id_until_one_succeeds() {
    let endpoint = Endpoint::start().await;
    endpoint.script([Reply::Status(500), Reply::Status(503)], Reply::Status(204));
    let server = with(&endpoint).start().await;
    let order = order_ends(&server, "confirmed").await;
    assert_eq!(order["attempts"], 3);
    assert_eq!(order["failureReason"], Value::Null);
    let deliveries = endpoint.deliveries();
    assert_eq!(deliveries.len(), 3);
    for delivery in &deliveries {
        delivery.assert_signed_with(SECRET);
        assert_eq!(delivery.header("webhook-id"), deliveries[0].header("webhook-id"));
        assert_eq!(delivery.order_id(), order["id"].as_u64().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_orders_have_different_ids() {
    let endpoint = Endpoint::start().await;
    let server = with(&endpoint).start().await;
    order_ends(&server, "confirmed").await;
    order_ends(&server, "confirmed").await;
    let deliveries = endpoint.deliveries();
    assert_ne!(deliveries[0].header("webhook-id"), deliveries[1].header("webhook-id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_final_status_fails_the_order_at_once() {
    let endpoint = Endpoint::start().await;
    let server = with(&endpoint).start().await;
    for (count, status) in (1..).zip([400, 409, 410, 413, 415, 422]) {
        endpoint.script([Reply::Status(status)], Reply::Status(200));
        let order = order_ends(&server, "failed").await;
        assert_eq!(order["attempts"], 1, "{status}");
        assert!(order["failureReason"].is_string(), "{order}");
        assert_eq!(endpoint.deliveries().len(), count, "{status}");
        let letters = server.all("/queue/dead-letter").await;
        assert_eq!(letters.len(), count, "{status}");
        assert!(letters.iter().all(|letter| letter["reason"] == "rejected"), "{status}: {letters:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_counts_whatever_becomes_of_its_body() {
    let endpoint = Endpoint::start().await;
    let server = with(&endpoint).start().await;
    for (count, (reply, status)) in (1..).zip([
        (Reply::HalfBody(400), "failed"),
        (Reply::CutBody(400), "failed"),
        (Reply::HalfBody(200), "confirmed"),
        (Reply::CutBody(200), "confirmed"),
    ]) {
        endpoint.script([reply], Reply::Status(500));
        let order = order_ends(&server, status).await;
        assert_eq!((&order["attempts"], endpoint.deliveries().len()), (&Value::from(1), count), "{order}");
    }
    let letters = server.all("/queue/dead-letter").await;
    assert!(letters.iter().all(|letter| letter["reason"] == "rejected"), "{letters:?}");
    assert!(letters[0]["failedReason"].as_str().unwrap().contains("only this"), "{letters:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_connection_that_ends_without_a_byte_costs_no_attempt() {
    let endpoint = Endpoint::start().await;
    endpoint.script([Reply::Status(200), Reply::Close], Reply::Status(200));
    let server = with(&endpoint).env("WORKERS", "1").env("FULFILLMENT_RETRY_DELAY_MS", "3600000").start().await;
    let product = server.create(10).await;
    server.act("/queue/pause").await.expect(200);
    let first = order_id(&server.order(product, "ada", 1).await.expect(201));
    let second = order_id(&server.order(product, "ada", 1).await.expect(201));
    server.act("/queue/resume").await.expect(200);
    for order in [first, second] {
        assert_eq!(server.order_becomes(order, "confirmed").await["attempts"], 1);
    }
    let deliveries = endpoint.deliveries();
    let orders: Vec<_> = deliveries.iter().map(Delivery::order_id).collect();
    assert_eq!(orders, [first, second, second]);
    assert_eq!(deliveries[1].header("webhook-id"), deliveries[2].header("webhook-id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_this_machine_lacks_costs_no_attempt_and_is_logged_once() {
    let endpoint = Endpoint::start().await;
    let server = with(&endpoint).env("FULFILLMENT_ATTEMPTS", "1").start().await;
    let product = server.create(10).await;
    server.act("/queue/pause").await.expect(200);
    let order = order_id(&server.order(product, "ada", 3).await.expect(201));
    // This connection is open already; one to the service is a file too many, and so would be a second one of a client.
    let mut connection = server.connect().await;
    connection.assert_usable().await;
    server.limit_files(1);
    let mut ask = async |method, path: &str| {
        let asked = request(method, &format!("/api/v1{path}"), None, b"");
        connection.send(asked).await.expect(200).body
    };
    ask(Method::POST, "/queue/resume").await;
    eventually("three faults of this machine", async || {
        let text = ask(Method::GET, "/metrics").await.as_str().unwrap().to_owned();
        let count = text.lines().find_map(|line| line.strip_prefix("flash_sale_fulfillment_local_faults_total "))?;
        (count.parse::<u64>().unwrap() >= 3).then_some(())
    })
    .await;
    let waiting = ask(Method::GET, &format!("/orders/{order}")).await;
    assert_eq!((&waiting["status"], &waiting["attempts"]), (&Value::from("pending"), &Value::from(0)));
    server.limit_files(1024);
    assert_eq!(server.order_becomes(order, "confirmed").await["attempts"], 1);
    assert_eq!(endpoint.deliveries().len(), 1);
    for said in ["this machine cannot make fulfilment attempts", "this machine makes fulfilment attempts again"] {
        server.writes(said).await;
        assert_eq!(server.output().matches(said).count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_a_connection_that_is_being_made() {
    let endpoint = Endpoint::start().await;
    let launch = with(&endpoint).env("FULFILLMENT_TIMEOUT_MS", "600000");
    let mut server = launch.env("FULFILLMENT_URL", &endpoint.https_url()).start().await;
    let product = server.create(10).await;
    let order = order_id(&server.order(product, "ada", 3).await.expect(201));
    eventually("a connection", async || (endpoint.connections() > 0).then_some(())).await;
    server.signal_term();
    let exited = server.exit().await;
    assert_eq!(exited.code, Some(0), "{exited:?}");
    assert!(!exited.stderr.contains("still busy") && !exited.stderr.contains("this machine"), "{exited:?}");
    server.launch.set("FULFILLMENT_URL", &endpoint.url());
    server.restart().await;
    assert_eq!(server.order_becomes(order, "confirmed").await["attempts"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_that_can_never_be_called_ends_the_start_with_a_sentence() {
    for (url, words) in [
        ("http://shop.example:0/", "port"),
        ("http://shop.example:65536/", "port"),
        ("http://shop.example:/", "port"),
        ("http://shop.example/a b", "spaces"),
        ("https://ada:hunter2@shop.example/", "user name"),
        ("http://[fe80::1%25eth0]/", "zone"),
        ("http://b\u{fc}cher.example/", "punycode"),
        ("http://localhost:3001/", "FULFILLMENT_ALLOW_PRIVATE"),
        ("http://10.1.2.3/", "FULFILLMENT_ALLOW_PRIVATE"),
        ("http://fulfilment:8080/", "FULFILLMENT_ALLOW_PRIVATE"),
    ] {
        let exited = Server::with().env("FULFILLMENT_URL", url).run().await;
        assert!(matches!(exited.code, Some(1 | 2)), "{url}: {exited:?}");
        assert!(exited.stderr.contains(words) && !exited.stderr.contains("hunter2"), "{url}: {exited:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_other_status_is_repeated() {
    let endpoint = Endpoint::start().await;
    let statuses = [401, 403, 404, 405, 408, 425, 429, 451, 500, 503];
    endpoint.script(statuses.map(Reply::Status), Reply::Status(200));
    let launch = with(&endpoint).env("FULFILLMENT_ATTEMPTS", "11").env("FULFILLMENT_RETRY_DELAY_MS", "1");
    let server = launch.start().await;
    assert_eq!(order_ends(&server, "confirmed").await["attempts"], 11);
    assert_eq!(endpoint.deliveries().len(), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_out_of_attempts_fails_returns_its_stock_and_is_a_dead_letter() {
    let endpoint = Endpoint::start().await;
    endpoint.script([Reply::Status(500), Reply::HangUp, Reply::Gibberish], Reply::Status(200));
    let server = with(&endpoint).start().await;
    let order = order_ends(&server, "failed").await;
    assert_eq!(order["attempts"], 3);
    assert!(order["failureReason"].is_string(), "{order}");
    assert_eq!(endpoint.deliveries().len(), 3);
    let letters = server.all("/queue/dead-letter").await;
    assert_eq!(letters[0]["reason"], "attempts_exhausted");
    assert_eq!(letters[0]["orderId"], order["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retried_order_has_all_of_its_attempts_again() {
    let endpoint = Endpoint::start().await;
    let fail = || Reply::Status(500);
    endpoint.script([fail(), fail(), fail(), fail(), fail()], Reply::Status(200));
    let server = with(&endpoint).start().await;
    let order = order_ends(&server, "failed").await;
    let job = order["jobId"].as_str().unwrap();
    server.act(&format!("/queue/dead-letter/{job}/retry")).await.expect(200);
    server.order_becomes(order["id"].as_u64().unwrap(), "confirmed").await;
    assert_eq!(endpoint.deliveries().len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_hangs_is_given_up_and_asked_again() {
    let endpoint = Endpoint::start().await;
    endpoint.script([Reply::Hang], Reply::Status(200));
    let server = with(&endpoint).env("FULFILLMENT_TIMEOUT_MS", LONG_ENOUGH).start().await;
    let order = order_ends(&server, "confirmed").await;
    assert_eq!(order["attempts"], 2);
    let deliveries = endpoint.deliveries();
    assert_eq!(deliveries[0].header("webhook-id"), deliveries[1].header("webhook-id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_only_hangs_fails_the_order_and_returns_its_stock() {
    let endpoint = Endpoint::start().await;
    endpoint.script([], Reply::Hang);
    let server = with(&endpoint).env("FULFILLMENT_TIMEOUT_MS", "50").start().await;
    assert_eq!(order_ends(&server, "failed").await["attempts"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_after_the_time_out_moves_nothing() {
    let endpoint = Endpoint::start().await;
    // The yes to the first attempt comes when it has been given up and the second one has been refused for good.
    endpoint.script([Reply::AfterDeliveries(2, 200)], Reply::Status(422));
    let server = with(&endpoint).env("FULFILLMENT_TIMEOUT_MS", LONG_ENOUGH).start().await;
    let order = order_ends(&server, "failed").await;
    assert_eq!(endpoint.deliveries().len(), 2);
    assert_eq!(server.get(&format!("/orders/{}", order["id"])).await.body["status"], "failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_twice_counts_once_and_for_its_own_order_only() {
    let endpoint = Endpoint::start().await;
    endpoint.script([Reply::Twice(200), Reply::Status(422), Reply::Twice(422)], Reply::Status(200));
    let server = with(&endpoint).env("WORKERS", "1").start().await;
    order_ends(&server, "confirmed").await;
    order_ends(&server, "failed").await;
    order_ends(&server, "failed").await;
    order_ends(&server, "confirmed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_are_not_followed() {
    let (endpoint, elsewhere) = (Endpoint::start().await, Endpoint::start().await);
    endpoint.script([], Reply::RedirectTo(elsewhere.url()));
    let server = with(&endpoint).start().await;
    order_ends(&server, "failed").await;
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_address_is_never_called_unless_it_is_allowed() {
    let endpoint = Endpoint::start().await;
    for url in [endpoint.url(), endpoint.url_by_name()] {
        let launch = Server::with()
            .env("FULFILLMENT_URL", &url)
            .env("FULFILLMENT_ATTEMPTS", "2")
            .env("FULFILLMENT_RETRY_DELAY_MS", "5");
        // It may also refuse to start, if it says why.
        match launch.try_start().await {
            Ok(server) => {
                let order = order_ends(&server, "failed").await;
                assert!(order["failureReason"].is_string(), "{order}");
            }
            Err(exited) => {
                assert!(matches!(exited.code, Some(1 | 2)), "{exited:?}");
                assert!(exited.stderr.to_lowercase().contains("fulfillment"), "{exited:?}");
            }
        }
        assert_eq!(endpoint.connections(), 0, "{url} was called");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_between_two_attempts_is_delayed_and_can_be_cancelled() {
    let endpoint = Endpoint::start().await;
    endpoint.script([], Reply::Status(500));
    let server = with(&endpoint).env("FULFILLMENT_RETRY_DELAY_MS", "3600000").start().await;
    let product = server.create(10).await;
    let placed = server.order(product, "ada", 3).await.expect(201);
    let path = format!("/orders/queue/{}", placed.body["jobId"].as_str().unwrap());
    eventually("a delayed job", async || {
        let job = server.get(&path).await.expect(200).body;
        (job["status"] == "delayed" && job["attemptsMade"] == 1).then_some(())
    })
    .await;
    assert_eq!(server.get("/queue").await.body["counts"]["delayed"], 1);
    assert_eq!(server.all("/queue/jobs?state=delayed").await.len(), 1);
    assert_eq!(server.stock(product).await, [7, 3, 0]);
    server.act(&format!("/orders/{}/cancel", order_id(&placed))).await.expect(200);
    assert_eq!(server.stock(product).await, [10, 0, 0]);
    assert_eq!(server.get("/queue").await.body["counts"]["delayed"], 0);
    assert_eq!(endpoint.deliveries().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_cancelled_while_it_is_being_fulfilled_returns_its_stock_once() {
    let endpoint = Endpoint::start().await;
    endpoint.script([], Reply::AfterDeliveries(2, 200));
    let server = with(&endpoint).env("WORKERS", "2").start().await;
    let product = server.create(10).await;
    let first = order_id(&server.order(product, "ada", 3).await.expect(201));
    endpoint.await_deliveries(1).await;
    let cancelled = server.act(&format!("/orders/{first}/cancel")).await.expect(200);
    assert_eq!(cancelled.body["status"], "cancelled");
    // The second order lets the endpoint say yes to the first one, too late.
    let second = order_id(&server.order(product, "grace", 1).await.expect(201));
    server.order_becomes(second, "confirmed").await;
    assert_eq!(server.get(&format!("/orders/{first}")).await.body["status"], "cancelled");
    assert_eq!(server.stock(product).await, [9, 0, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delayed_jobs_go_on_after_a_kill_under_the_same_id() {
    let endpoint = Endpoint::start().await;
    endpoint.script([Reply::Status(500)], Reply::Status(200));
    let mut server = with(&endpoint).env("FULFILLMENT_RETRY_DELAY_MS", "500").start().await;
    let product = server.create(10).await;
    let order = order_id(&server.order(product, "ada", 3).await.expect(201));
    endpoint.await_deliveries(1).await;
    server.kill9().await;
    server.restart().await;
    server.order_becomes(order, "confirmed").await;
    assert_eq!(server.stock(product).await, [7, 0, 3]);
    let deliveries = endpoint.deliveries();
    assert!(deliveries.iter().all(|delivery| delivery.header("webhook-id") == deliveries[0].header("webhook-id")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_were_being_fulfilled_at_a_kill_are_fulfilled_after_it() {
    let endpoint = Endpoint::start().await;
    endpoint.script([], Reply::Hang);
    let mut server = with(&endpoint).env("WORKERS", "4").start().await;
    let product = server.create(100).await;
    let mut orders = Vec::new();
    for _ in 0..20 {
        orders.push(order_id(&server.order(product, "ada", 1).await.expect(201)));
    }
    endpoint.await_deliveries(4).await;
    server.kill9().await;
    endpoint.script([], Reply::Status(200));
    server.restart().await;
    for order in orders {
        server.order_becomes(order, "confirmed").await;
    }
    assert_eq!(server.stock(product).await, [80, 0, 20]);
    eventually("20 completed jobs", async || {
        (server.get("/queue").await.expect(200).body["counts"]["completed"] == 20).then_some(())
    })
    .await;
}
