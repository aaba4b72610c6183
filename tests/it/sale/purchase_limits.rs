//! Limits on what one user may have, set on products that have orders already and counted after every start.

use serde_json::{Value, json};

use crate::harness::{Server, assert_problem, order_id};

/// Users that have a unit each.
const USERS: usize = 3_000;

/// A product with an order of each user, in batches.
async fn sold_to_many(server: &Server) -> u64 {
    let product = server.create(100_000).await;
    for batch in (0..USERS).collect::<Vec<_>>().chunks(1_000) {
        let order = |user: &usize| json!({"productId": product, "userId": format!("user{user}"), "quantity": 1});
        let orders: Vec<Value> = batch.iter().map(order).collect();
        let answer = server.post("/orders/batch", json!({ "orders": orders })).await.expect(200);
        let results = answer.body["results"].as_array().unwrap();
        assert!(results.iter().all(|result| result["status"] == 201), "{answer}");
    }
    product
}

async fn set_limit(server: &Server, product: u64, limit: Value) {
    server.put(&format!("/inventory/{product}"), json!({ "perUserLimit": limit })).await.expect(200);
}

/// A user who has `units` of a product that is limited to `limit`, and gets what is left and no more.
async fn gets_the_rest(server: &Server, product: u64, user: &str, units: u64, limit: u64) -> u64 {
    let left = limit - units;
    let too_many = server.order(product, user, left + 1).await;
    assert_problem(&too_many, 409, "purchase_limit_exceeded");
    assert!(too_many.body["detail"].as_str().is_some_and(|text| text.contains(&format!("{left} "))), "{too_many}");
    let order = order_id(&server.order(product, user, left).await.expect(201));
    assert_problem(&server.order(product, user, 1).await, 409, "purchase_limit_exceeded");
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_set_on_a_product_with_orders_counts_them_from_the_first_request_on() {
    let server = Server::start().await;
    let product = sold_to_many(&server).await;
    for round in 0..4 {
        // Off and on again, while what users have may still be counted from before.
        set_limit(&server, product, Value::Null).await;
        set_limit(&server, product, json!(3)).await;
        gets_the_rest(&server, product, &format!("user{}", 7 * round), 1, 3).await;
        gets_the_rest(&server, product, &format!("newcomer{round}"), 0, 3).await;
        gets_the_rest(&server, product, &format!("user{}", USERS - 1 - round), 1, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purchases_are_counted_right_from_the_first_request_after_a_start() {
    let mut server = Server::start().await;
    let product = sold_to_many(&server).await;
    set_limit(&server, product, json!(3)).await;
    let whole = gets_the_rest(&server, product, "user1", 1, 3).await;
    for round in 1..3 {
        server.kill9().await;
        server.restart().await;
        assert_problem(&server.order(product, "user1", 1).await, 409, "purchase_limit_exceeded");
        gets_the_rest(&server, product, &format!("user{}", 100 * round), 1, 3).await;
    }
    server.kill9().await;
    server.restart().await;
    // What is given back before the user is counted can be had again.
    server.act(&format!("/orders/{whole}/cancel")).await.expect(200);
    gets_the_rest(&server, product, "user1", 1, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_and_late_confirmations_keep_to_a_limit_that_is_being_counted() {
    let mut server = Server::start().await;
    let product = sold_to_many(&server).await;
    server.put(&format!("/inventory/{product}"), json!({"perUserLimit": 2, "holdSeconds": 1})).await.expect(200);
    let held = order_id(&server.order(product, "user5", 1).await.expect(201));
    server.order_becomes(held, "cancelled").await;
    server.put(&format!("/inventory/{product}"), json!({"holdSeconds": null})).await.expect(200);
    server.order(product, "user5", 1).await.expect(201);
    server.restart().await;
    let late = server.act(&format!("/orders/{held}/confirm")).await;
    assert_problem(&late, 409, "purchase_limit_exceeded");
    server.restart().await;
    let order = |user: &str, quantity: u32| json!({"productId": product, "userId": user, "quantity": quantity});
    let orders = [order("user5", 1), order("user6", 1), order("user6", 1), order("nobody", 2), order("nobody", 1)];
    let answer = server.post("/orders/batch", json!({ "orders": orders })).await.expect(200);
    let statuses: Vec<_> = answer.body["results"].as_array().unwrap().iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, [409, 201, 409, 201, 409], "{answer}");
}
