//! Orders that wait for their buyer to pay: confirm, cancel, expire; and which check speaks first.

use serde_json::{Value, json};

use crate::harness::{Answer, Server, assert_problem, assert_time, order_id};

async fn confirm(server: &Server, order: u64) -> Answer {
    server.act(&format!("/orders/{order}/confirm")).await
}

async fn cancel(server: &Server, order: u64) -> Answer {
    server.act(&format!("/orders/{order}/cancel")).await
}

async fn held_product(server: &Server, stock: u64, seconds: u64) -> u64 {
    server.create_with(json!({"initialStock": stock, "holdSeconds": seconds})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_order_is_sold_when_it_is_confirmed() {
    let server = Server::start().await;
    let product = held_product(&server, 10, 3600).await;
    let placed = server.order(product, "ada", 4).await.expect(201);
    assert_time(&placed.body["expiresAt"]);
    assert_eq!(server.stock(product).await, [6, 4, 0]);
    let confirmed = confirm(&server, order_id(&placed)).await.expect(200);
    assert_eq!(confirmed.body["id"], order_id(&placed));
    assert_eq!(confirmed.body["status"], "confirmed");
    assert_eq!(server.stock(product).await, [6, 0, 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_have_a_bound_of_their_own_and_leave_the_queue_to_others() {
    let launch = Server::with().env("QUEUE_CAPACITY", "1").env("HOLD_CAPACITY", "3");
    let mut server = launch.start().await;
    let (held, plain) = (held_product(&server, 10, 3600).await, server.create(10).await);
    let mut orders = Vec::new();
    for user in ["ada", "eve", "bob"] {
        orders.push(order_id(&server.order(held, user, 1).await.expect(201)));
    }
    assert_problem(&server.order(held, "joe", 1).await, 503, "overloaded");
    assert_eq!(server.stock(held).await, [7, 3, 0]);
    assert_eq!(server.get("/queue").await.expect(200).body["holdCapacity"], 3);
    server.act("/queue/pause").await.expect(200);
    server.order(plain, "joe", 1).await.expect(201);
    assert_problem(&server.order(plain, "joe", 1).await, 503, "overloaded");
    // What the store holds fits, whatever is set.
    server.launch.set("HOLD_CAPACITY", "2");
    server.restart().await;
    for order in &orders[..2] {
        assert_problem(&server.order(held, "joe", 1).await, 503, "overloaded");
        confirm(&server, *order).await.expect(200);
    }
    server.order(held, "joe", 1).await.expect(201);
    // Held no more, the product's orders are work.
    server.put(&format!("/inventory/{held}"), json!({"holdSeconds": null})).await.expect(200);
    assert_problem(&server.order(held, "zoe", 1).await, 503, "overloaded");
    server.act("/queue/resume").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_order_returns_its_stock_once() {
    let server = Server::start().await;
    let product = held_product(&server, 10, 3600).await;
    let order = order_id(&server.order(product, "ada", 4).await.expect(201));
    let cancelled = cancel(&server, order).await.expect(200);
    assert_eq!(cancelled.body["status"], "cancelled");
    assert_eq!(server.stock(product).await, [10, 0, 0]);
    assert_eq!(cancel(&server, order).await.expect(200).body, cancelled.body);
    let refused = confirm(&server, order).await;
    assert_problem(&refused, 409, "order_not_pending");
    assert_eq!(refused.body["orderStatus"], "cancelled");
    assert_eq!(server.stock(product).await, [10, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmed_order_that_is_cancelled_returns_its_stock() {
    let server = Server::start().await;
    let (held, plain) = (held_product(&server, 10, 3600).await, server.create(10).await);
    let by_buyer = order_id(&server.order(held, "ada", 4).await.expect(201));
    confirm(&server, by_buyer).await.expect(200);
    let by_worker = order_id(&server.order(plain, "ada", 3).await.expect(201));
    server.order_becomes(by_worker, "confirmed").await;
    for (order, product) in [(by_buyer, held), (by_worker, plain)] {
        assert_eq!(cancel(&server, order).await.expect(200).body["status"], "cancelled");
        assert_eq!(server.stock(product).await, [10, 0, 0]);
        assert_problem(&confirm(&server, order).await, 409, "order_not_pending");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_nobody_confirms_expires_and_returns_its_stock() {
    let server = Server::start().await;
    let product = held_product(&server, 10, 1).await;
    let order = order_id(&server.order(product, "ada", 4).await.expect(201));
    let expired = server.order_becomes(order, "cancelled").await;
    assert_eq!(expired["failureReason"], "expired");
    assert_eq!(server.stock(product).await, [10, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_runs_out_while_the_server_is_down_expires_at_the_next_start() {
    let mut server = Server::start().await;
    let product = held_product(&server, 10, 1).await;
    let order = order_id(&server.order(product, "ada", 4).await.expect(201));
    server.kill9().await;
    server.restart().await;
    server.order_becomes(order, "cancelled").await;
    assert_eq!(server.stock(product).await, [10, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_hold_is_confirmed_late_only_while_stock_remains() {
    let server = Server::start().await;
    let product = held_product(&server, 4, 1).await;
    let first = order_id(&server.order(product, "ada", 3).await.expect(201));
    server.order_becomes(first, "cancelled").await;
    let second = order_id(&server.order(product, "grace", 3).await.expect(201));
    server.order_becomes(second, "cancelled").await;
    assert_eq!(confirm(&server, first).await.expect(200).body["status"], "confirmed");
    assert_eq!(server.stock(product).await, [1, 0, 3]);
    let too_late = confirm(&server, second).await;
    assert_problem(&too_late, 409, "hold_expired");
    // Who is paid twice for one event gets the same again.
    assert_problem(&confirm(&server, second).await, 409, "hold_expired");
    assert_eq!(confirm(&server, first).await.expect(200).body["status"], "confirmed");
    assert_eq!(server.stock(product).await, [1, 0, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_racing_confirms_and_cancels_the_stock_moves_once() {
    let server = Server::start().await;
    let product = held_product(&server, 100, 3600).await;
    for _ in 0..20 {
        let order = order_id(&server.order(product, "ada", 5).await.expect(201));
        let (one, two, three) = tokio::join!(cancel(&server, order), confirm(&server, order), cancel(&server, order));
        assert_eq!([one.status, three.status], [200, 200], "{one} {two} {three}");
        assert!(two.status == 200 || two.body["code"] == "order_not_pending", "{two}");
        assert_eq!(server.get(&format!("/orders/{order}")).await.body["status"], "cancelled");
        assert_eq!(server.stock(product).await, [100, 0, 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_the_request_is_said_before_what_is_wrong_with_the_product() {
    let server = Server::start().await;
    let shapeless = json!({"productId": 999, "userId": "", "quantity": 1});
    assert_problem(&server.post("/orders", shapeless).await, 400, "invalid_request");
    assert_problem(&server.order(999, "ada", 1).await, 404, "product_not_found");
    let closed = server.create_with(json!({"initialStock": 0, "flashSaleActive": false})).await;
    assert_problem(&server.order(closed, "ada", 1).await, 409, "sale_not_active");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_window_is_said_before_a_purchase_limit_and_that_before_sold_out() {
    let server = Server::start().await;
    let terms = |more: Value| {
        let mut terms = json!({"initialStock": 0, "perUserLimit": 1});
        terms.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.create_with(terms)
    };
    let early = terms(json!({"saleStartsAt": "9000-01-01T00:00:00.000Z"})).await;
    let answer = server.order(early, "ada", 2).await;
    assert_problem(&answer, 409, "sale_not_started");
    assert!(answer.body.to_string().contains("9000-01-01"), "the time is missing: {answer}");
    let late = terms(json!({"saleEndsAt": "2001-01-01T00:00:00.000Z"})).await;
    let answer = server.order(late, "ada", 2).await;
    assert_problem(&answer, 409, "sale_ended");
    assert!(answer.body.to_string().contains("2001-01-01"), "the time is missing: {answer}");
    let open = terms(json!({})).await;
    assert_problem(&server.order(open, "ada", 2).await, 409, "purchase_limit_exceeded");
    assert_problem(&server.order(open, "ada", 1).await, 409, "sold_out");
}
