//! Many orders in one request: each has a result of its own, and the stock is what it would be for single orders.

use std::collections::HashSet;

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{
    Answer, Client, Server, assert_problem, assert_time, named_fields, order_id, place_keyed, request,
};

const MAX_ORDERS: u64 = 1_000;
const MAX_BYTES: usize = 1024 * 1024;

fn entry(product: u64, user: &str, quantity: u64) -> Value {
    json!({"productId": product, "userId": user, "quantity": quantity})
}

fn with(mut entry: Value, field: &str, value: impl Into<Value>) -> Value {
    entry[field] = value.into();
    entry
}

/// `count` buyers of one unit each.
fn buyers(product: u64, count: u64) -> Vec<Value> {
    (0..count).map(|buyer| entry(product, &format!("buyer-{buyer}"), 1)).collect()
}

/// The same, each with a key of its own.
fn keyed_buyers(product: u64, count: u64) -> Vec<Value> {
    let entries = buyers(product, count).into_iter();
    entries.enumerate().map(|(at, entry)| with(entry, "idempotencyKey", format!("key-{at}"))).collect()
}

/// Places a batch and gives its results, one for each entry.
async fn place(client: &Client, orders: &[Value]) -> Vec<Value> {
    let answer = client.post("/orders/batch", json!({"orders": orders})).await.expect(200);
    assert!(answer.header("content-type").starts_with("application/json"), "{:?}", answer.headers);
    let results = answer.body["results"].as_array().unwrap_or_else(|| panic!("no results: {answer}"));
    assert_eq!(results.len(), orders.len(), "{answer}");
    results.clone()
}

async fn send(client: &Client, body: &[u8]) -> Answer {
    client.try_send(request(Method::POST, "/api/v1/orders/batch", Some("application/json"), body)).await.unwrap()
}

/// The number of the order, after a look at all that its buyer needs.
fn accepted(result: &Value) -> u64 {
    assert_eq!((&result["status"], &result["orderStatus"]), (&json!(201), &json!("pending")), "{result}");
    assert!(result["jobId"].as_str().is_some_and(|job| job.len() >= 16), "{result}");
    let is_in_line = result["expiresAt"].is_null();
    assert_eq!(result["queuePosition"].is_u64(), is_in_line, "{result}");
    assert!(result["estimatedWaitTime"].is_u64(), "{result}");
    assert!(result.get("expiresAt").is_some(), "{result}");
    result["orderId"].as_u64().unwrap_or_else(|| panic!("no orderId: {result}"))
}

fn assert_refused(result: &Value, status: u16, code: &str) {
    assert_eq!((&result["status"], &result["code"]), (&json!(status), &json!(code)), "{result}");
    assert!(result["message"].as_str().is_some_and(|message| !message.is_empty()), "{result}");
    assert_eq!(result.get("errors").is_some(), status == 400, "{result}");
    assert_eq!(result.get("orderId"), None, "{result}");
}

/// How many were accepted; every other result must be `sold_out`.
fn count_accepted(results: &[Value]) -> usize {
    let (placed, refused): (Vec<_>, Vec<_>) = results.iter().partition(|result| result["status"] == 201);
    refused.iter().for_each(|result| assert_refused(result, 409, "sold_out"));
    placed.into_iter().map(accepted).collect::<HashSet<_>>().len()
}

/// Fails unless the result is that of `first`, replayed.
fn assert_replayed(result: &Value, first: &Value) {
    assert_eq!(result, &with(first.clone(), "idempotencyReplayed", true));
}

/// Fails unless a result of a batch and the answer to a single order speak of the same receipt.
fn assert_same_receipt(result: &Value, single: &Answer) {
    for field in ["orderId", "jobId", "queuePosition", "estimatedWaitTime", "expiresAt"] {
        assert_eq!(result.get(field), single.body.get(field), "{field}: {result} and {single}");
    }
}

/// Fails unless each result is an order for what its entry asked for.
async fn assert_placed(server: &Server, entries: &[Value], results: &[Value]) {
    for (entry, result) in entries.iter().zip(results) {
        let order = server.get(&format!("/orders/{}", accepted(result))).await.expect(200).body;
        for field in ["productId", "userId", "quantity"] {
            assert_eq!(order[field], entry[field], "{entry} became {order}");
        }
        assert_eq!((&order["jobId"], &order["expiresAt"]), (&result["jobId"], &result["expiresAt"]), "{order}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_one_is_one_order() {
    let server = Server::start().await;
    let product = server.create(5).await;
    let entries = [entry(product, "ada", 2)];
    let results = place(&server, &entries).await;
    assert_placed(&server, &entries, &results).await;
    assert_eq!(results[0].get("idempotencyReplayed"), None, "{}", results[0]);
    server.order_becomes(accepted(&results[0]), "confirmed").await;
    assert_eq!(server.stock(product).await, [3, 0, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_orders_have_a_result_each_in_the_order_of_the_request() {
    let server = Server::start().await;
    let (lamp, chair) = (server.create(3_000).await, server.create(3_000).await);
    let product = |at: u64| if at.is_multiple_of(7) { chair } else { lamp };
    let entries: Vec<_> = (0..MAX_ORDERS).map(|at| entry(product(at), &format!("buyer-{at}"), 1 + at % 3)).collect();
    let results = place(&server, &entries).await;
    assert_placed(&server, &entries, &results).await;
    for product in [lamp, chair] {
        let of_product = entries.iter().filter(|entry| entry["productId"] == product);
        let units: i64 = of_product.map(|entry| entry["quantity"].as_i64().unwrap()).sum();
        assert_eq!(server.stock(product).await[0], 3_000 - units);
    }
    assert_eq!(server.all("/orders?limit=500").await.len(), 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_of_a_batch_stand_in_line_as_they_stand_in_the_request() {
    let server = Server::start().await;
    let product = server.create(10).await;
    server.act("/queue/pause").await.expect(200);
    let results = place(&server, &buyers(product, 5)).await;
    let positions: Vec<_> = results.iter().map(|result| result["queuePosition"].as_u64().unwrap()).collect();
    assert_eq!(positions, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_entry_is_told_what_a_single_order_is_and_holds_up_no_other() {
    let server = Server::start().await;
    let lamp = server.create(3).await;
    let chair = server.create_with(json!({"perUserLimit": 2})).await;
    let closed = server.create_with(json!({"flashSaleActive": false})).await;
    let cases = [
        (entry(lamp, "ada", 2), None),
        (entry(lamp, "ada", 0), Some((400, "invalid_request"))),
        (entry(999, "ada", 1), Some((404, "product_not_found"))),
        (entry(chair, "ada", 2), None),
        (entry(lamp, "grace", 2), Some((409, "sold_out"))),
        (entry(chair, "ada", 1), Some((409, "purchase_limit_exceeded"))),
        (entry(chair, "grace", 1), None),
        (entry(closed, "ada", 1), Some((409, "sale_not_active"))),
        (with(entry(lamp, "", 1), "quantity", "many"), Some((400, "invalid_request"))),
        (with(entry(lamp, "ada", 1), "priority", "urgent"), Some((400, "invalid_request"))),
        (json!({"quantity": 1}), Some((400, "invalid_request"))),
        (json!({}), Some((400, "invalid_request"))),
        (entry(lamp, "grace", 1), None),
    ];
    let entries: Vec<_> = cases.iter().map(|(entry, _)| entry.clone()).collect();
    let results = place(&server, &entries).await;
    for ((entry, refusal), result) in cases.iter().zip(&results) {
        let Some((status, code)) = *refusal else {
            assert_placed(&server, std::slice::from_ref(entry), std::slice::from_ref(result)).await;
            continue;
        };
        assert_refused(result, status, code);
        let single = server.post("/orders", entry.clone()).await;
        assert_problem(&single, status, code);
        for field in ["message", "errors"] {
            assert_eq!(result.get(field), single.body.get(field), "{field} of {entry}: {result} and {single}");
        }
    }
    assert_eq!(server.all("/orders").await.len(), 4);
    assert_eq!([server.stock(lamp).await[0], server.stock(chair).await[0], server.stock(closed).await[0]], [0, 7, 10]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wrong_field_of_an_entry_is_named() {
    let server = Server::start().await;
    let product = server.create(5).await;
    let good = || entry(product, "ada", 1);
    let mut shapeless = with(with(good(), "quantity", -1), "coupon", "FREE");
    shapeless.as_object_mut().unwrap().remove("userId");
    let mut cases = vec![(shapeless, vec!["coupon", "quantity", "userId"])];
    let keys =
        [json!(""), json!("two words"), json!("x".repeat(256)), json!("clé"), json!("a\nb"), json!(7), json!([])];
    cases.extend(keys.map(|key| (with(good(), "idempotencyKey", key), vec!["idempotencyKey"])));
    let entries: Vec<_> = cases.iter().map(|(entry, _)| entry.clone()).collect();
    let results = place(&server, &entries).await;
    for ((entry, expected), result) in cases.iter().zip(&results) {
        assert_refused(result, 400, "invalid_request");
        let errors = result["errors"].as_array().unwrap();
        let mut named: Vec<_> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
        named.sort_unstable();
        assert_eq!(&named, expected, "{entry}: {result}");
        assert!(errors.iter().all(|error| error["message"].as_str().is_some_and(|text| !text.is_empty())), "{result}");
    }
    assert_eq!(server.stock(product).await, [5, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_batch_of_1_to_1000_orders_is_refused_whole() {
    let server = Server::start().await;
    let product = server.create(5_000).await;
    let good = entry(product, "ada", 1);
    let mut bodies = ["", " ", "not json", "{", "null", "7", "[]", "{}", "{\"orders\":[]}", "{\"orders\":[}"]
        .map(str::to_owned)
        .to_vec();
    bodies.extend(["null", "7", "true", "\"all\"", "{}"].map(|no_list| format!("{{\"orders\":{no_list}}}")));
    bodies.extend([
        format!("[{good}]"),
        format!("{{\"orders\":{good}}}"),
        format!("{{\"orders\":[{good}]"),
        format!("{{\"orders\":[{good},]}}"),
        format!("{{\"orders\":[{good}]}} and more"),
        format!("{{\"orders\":[{good}],\"dryRun\":true}}"),
        format!("{{\"Orders\":[{good}]}}"),
        format!("{{\"orders\":[{good}],\"orders\":[{good}]}}"),
        json!({"orders": buyers(product, MAX_ORDERS + 1)}).to_string(),
        json!({"orders": vec![json!({}); 1_001]}).to_string(),
    ]);
    for body in bodies {
        let answer = send(&server, body.as_bytes()).await;
        assert_problem(&answer, 400, "invalid_request");
        println!("{body:.80}: {answer}");
    }
    for count in [0, MAX_ORDERS + 1] {
        let answer = server.post("/orders/batch", json!({"orders": buyers(product, count)})).await;
        assert_eq!(named_fields(&answer), ["orders"], "{count} orders: {answer}");
    }
    assert_eq!(server.stock(product).await, [5_000, 0, 0]);
    assert_eq!(server.get("/orders").await.expect(200).body, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_exactly_1_mib_is_taken_and_a_byte_more_is_not() {
    let server = Server::start().await;
    let product = server.create(5).await;
    let mut body = json!({"orders": [entry(product, "ada", 1)]}).to_string();
    body.push_str(&" ".repeat(MAX_BYTES - body.len()));
    let answer = send(&server, body.as_bytes()).await.expect(200);
    accepted(&answer.body["results"][0]);
    // Without a client that wants to use the connection again: a server may hang up on what it has not read.
    let head = "POST /api/v1/orders/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let larger = format!("{head}Content-Length: {}\r\n\r\n{body} ", body.len() + 1);
    assert_problem(&Answer::parse(&server.raw(larger.as_bytes()).await), 413, "payload_too_large");
    assert_eq!(server.all("/orders").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_comes_twice_in_a_batch_makes_one_order() {
    let server = Server::start().await;
    let product = server.create(10).await;
    let keyed = |user: &str| with(entry(product, user, 2), "idempotencyKey", "once");
    let results = place(&server, &[keyed("ada"), entry(product, "ada", 1), keyed("ada"), keyed("eve")]).await;
    assert_eq!(results[0].get("idempotencyReplayed"), None, "{}", results[0]);
    assert_replayed(&results[2], &results[0]);
    assert_ne!(accepted(&results[1]), accepted(&results[0]));
    assert_refused(&results[3], 422, "idempotency_key_reused");
    assert_eq!(server.all("/orders").await.len(), 2);
    assert_eq!(server.stock(product).await[0], 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_the_same_key_in_a_batch_and_in_the_header_of_a_single_order() {
    let server = Server::start().await;
    let product = server.create(10).await;
    server.act("/queue/pause").await.expect(200);
    let order = with(entry(product, "ada", 2), "priority", "high");
    let in_batch =
        async |key: &str, order: &Value| place(&server, &[with(order.clone(), "idempotencyKey", key)]).await.remove(0);
    let batched = in_batch("batch-first", &order).await;
    let replayed = place_keyed(&server, "batch-first", &order).await.expect(201);
    assert_eq!(replayed.header("idempotency-replayed"), "true");
    assert_same_receipt(&batched, &replayed);
    let single = place_keyed(&server, "single-first", &order).await.expect(201);
    let again = in_batch("single-first", &order).await;
    assert_eq!(again["idempotencyReplayed"], true, "{again}");
    assert_same_receipt(&again, &single);
    assert_ne!(order_id(&replayed), order_id(&single));
    let other = with(order, "quantity", 1);
    assert_problem(&place_keyed(&server, "batch-first", &other).await, 422, "idempotency_key_reused");
    assert_refused(&in_batch("single-first", &other).await, 422, "idempotency_key_reused");
    assert_eq!(server.stock(product).await, [6, 4, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_keyed_orders_that_is_sent_again_replays_each_and_sells_nothing() {
    let mut server = Server::start().await;
    let product = server.create(200).await;
    let entries = keyed_buyers(product, 150);
    let first = place(&server, &entries).await;
    for killed in [false, true] {
        if killed {
            server.kill9().await;
            server.restart().await;
        }
        let again = place(&server, &entries).await;
        again.iter().zip(&first).for_each(|(result, first)| assert_replayed(result, first));
        assert_eq!(server.stock(product).await[0], 50);
    }
    assert_eq!(server.all("/orders").await.len(), 150);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_was_sold_out_in_part_buys_the_rest_after_a_restock() {
    let server = Server::start().await;
    let product = server.create(20).await;
    let entries = keyed_buyers(product, 50);
    let first = place(&server, &entries).await;
    assert_eq!(count_accepted(&first), 20);
    server.post(&format!("/inventory/{product}/restock"), json!({"quantity": 30})).await.expect(200);
    let again = place(&server, &entries).await;
    for (result, first) in again.iter().zip(&first) {
        match first["status"] == 201 {
            true => assert_replayed(result, first),
            false => assert_eq!(result.get("idempotencyReplayed"), None, "{result}"),
        }
    }
    assert_eq!(count_accepted(&again), 50);
    assert_eq!(server.stock(product).await[0], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_for_more_than_the_stock_sells_exactly_the_stock() {
    let server = Server::start().await;
    let (singles, triples) = (server.create(30).await, server.create(100).await);
    assert_eq!(count_accepted(&place(&server, &buyers(singles, 100)).await), 30);
    assert_eq!(server.stock(singles).await[0], 0);
    let mut entries: Vec<_> = (0..50).map(|buyer| entry(triples, &format!("buyer-{buyer}"), 3)).collect();
    entries.push(entry(triples, "last", 1));
    let results = place(&server, &entries).await;
    assert_eq!(count_accepted(&results), 34, "33 times 3 units, and the one that is left");
    accepted(&results[50]);
    assert_eq!(server.stock(triples).await[0], 0);
    assert_eq!(server.all("/orders?limit=500").await.len(), 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_held_says_until_when() {
    let server = Server::start().await;
    let (held, plain) = (server.create_with(json!({"holdSeconds": 3600})).await, server.create(10).await);
    let entries = [entry(plain, "ada", 1), entry(held, "ada", 4)];
    let results = place(&server, &entries).await;
    assert_placed(&server, &entries, &results).await;
    assert_eq!(results[0]["expiresAt"], Value::Null, "{}", results[0]);
    assert_time(&results[1]["expiresAt"]);
    assert_eq!(results[1]["queuePosition"], Value::Null, "a held order is not in line");
    assert_eq!(server.stock(held).await, [6, 4, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_batches_at_once_share_the_last_units() {
    let server = Server::start().await;
    for round in 0..10 {
        let product = server.create(100).await;
        let entries = buyers(product, 80);
        let (one, other) = tokio::join!(place(&server, &entries), place(&server, &entries));
        assert_eq!(count_accepted(&[one, other].concat()), 100, "round {round}");
        assert_eq!(server.stock(product).await[0], 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_batches_at_once_with_the_same_keys_make_each_order_once() {
    let server = Server::start().await;
    for round in 0..10 {
        let product = server.create(100).await;
        let key = |entry: Value| with(entry.clone(), "idempotencyKey", format!("{round}-{}", entry["userId"]));
        let entries: Vec<_> = buyers(product, 60).into_iter().map(key).collect();
        // Each of the two comes to the other's first orders last.
        let backwards: Vec<_> = entries.iter().rev().cloned().collect();
        let (one, mut other) = tokio::join!(place(&server, &entries), place(&server, &backwards));
        other.reverse();
        for (one, other) in one.iter().zip(&other) {
            assert_eq!(accepted(one), accepted(other));
            let replayed = [one, other].map(|result| result["idempotencyReplayed"] == true);
            assert!(replayed[0] != replayed[1], "one of the two was the first: {one} {other}");
        }
        assert_eq!(server.stock(product).await[0], 40);
    }
}

#[tokio::test]
async fn an_entry_that_is_no_object_or_has_a_field_twice_is_refused_alone() {
    let server = Server::start().await;
    let product = server.create(9).await;
    let good = entry(product, "ada", 1).to_string();
    let twice = format!("{{\"productId\":{product},\"productId\":{product},\"userId\":\"eve\",\"quantity\":1}}");
    let bad = ["1", "-1", "0.5", "null", "true", "\"x\"", "[[{}]]", &twice];
    let entries: Vec<_> = bad.iter().flat_map(|bad| [*bad, &good]).collect();
    let answer = send(&server.client(), format!("{{\"orders\":[{}]}}", entries.join(",")).as_bytes()).await.expect(200);
    for pair in answer.body["results"].as_array().unwrap().chunks(2) {
        assert_refused(&pair[0], 400, "invalid_request");
        accepted(&pair[1]);
    }
    assert_eq!(server.stock(product).await[0], 1);
}

#[tokio::test]
async fn a_list_in_the_place_of_the_batch_and_a_key_in_its_header_are_refused() {
    let server = Server::start().await;
    let product = server.create(9).await;
    let orders = json!([entry(product, "ada", 1)]);
    assert_problem(&server.post("/orders/batch", json!([orders])).await, 400, "invalid_request");
    let body = json!({"orders": orders}).to_string();
    let mut keyed = request(Method::POST, "/api/v1/orders/batch", Some("application/json"), body.as_bytes());
    keyed.headers_mut().insert("idempotency-key", "once".parse().unwrap());
    assert_problem(&server.client().try_send(keyed).await.unwrap(), 400, "invalid_request");
    assert_eq!(server.stock(product).await, [9, 0, 0]);
}

#[tokio::test]
async fn an_entry_for_which_there_is_no_room_says_when_to_try_again() {
    let server = Server::with().env("QUEUE_CAPACITY", "2").start().await;
    server.act("/queue/pause").await.expect(200);
    let product = server.create(9).await;
    let results = place(&server.client(), &buyers(product, 3)).await;
    for result in &results[..2] {
        accepted(result);
    }
    assert_refused(&results[2], 503, "overloaded");
    assert!(results[2]["retryAfter"].as_u64().is_some_and(|seconds| (1..=30).contains(&seconds)), "{results:?}");
}
