//! Placing orders, following them, listing them.

use std::collections::HashSet;

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Server, assert_problem, assert_time, eventually, job_id, order_id, place_keyed, request};

const ORDER_FIELDS: [&str; 17] = [
    "id",
    "jobId",
    "productId",
    "userId",
    "reference",
    "metadata",
    "quantity",
    "unitPrice",
    "totalPrice",
    "status",
    "priority",
    "reservedAt",
    "expiresAt",
    "attempts",
    "failureReason",
    "createdAt",
    "updatedAt",
];

/// The path of a page without the base path, as `get` takes it.
fn next_path(answer: &Answer) -> String {
    let next = answer.next_page().unwrap_or_else(|| panic!("no next page: {:?}", answer.headers));
    next.strip_prefix("/api/v1").unwrap_or(&next).to_owned()
}

fn ids(orders: &[Value]) -> Vec<u64> {
    orders.iter().map(|order| order["id"].as_u64().expect("an id")).collect()
}

fn assert_is_order(order: &Value) {
    for field in ORDER_FIELDS {
        assert!(order.get(field).is_some(), "{field} is missing: {order}");
    }
    for field in ["reservedAt", "createdAt", "updatedAt"] {
        assert_time(&order[field]);
    }
    for field in ["id", "productId", "quantity", "attempts"] {
        assert!(order[field].is_u64(), "{field} is not an integer: {order}");
    }
    for field in ["jobId", "userId", "unitPrice", "totalPrice", "status", "priority"] {
        assert!(order[field].is_string(), "{field} is not a string: {order}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_placed_order_is_answered_with_all_that_its_buyer_needs() {
    let server = Server::start().await;
    let product = server.create(5).await;
    server.act("/queue/pause").await.expect(200);
    let answer = server.order(product, "ada", 2).await.expect(201);
    assert!(answer.header("content-type").starts_with("application/json"), "{:?}", answer.headers);
    assert!(job_id(&answer).len() >= 16, "a job id that can be guessed: {answer}");
    assert!(order_id(&answer) > 0);
    assert_eq!(answer.body["status"], "pending");
    assert!(answer.body["queuePosition"].is_u64(), "{answer}");
    assert!(answer.body["estimatedWaitTime"].is_u64(), "{answer}");
    assert_eq!(answer.body.get("expiresAt"), Some(&Value::Null), "{answer}");
    let location = answer.header("location");
    let path = location.strip_prefix(&format!("http://{}", server.address())).unwrap_or(location);
    let found = server.get_root(path).await.expect(200);
    assert_eq!(found.body["jobId"], job_id(&answer), "{location} leads to {found}");
    assert_eq!(server.stock(product).await, [3, 2, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_confirmed_by_a_worker_and_read_back_whole() {
    let server = Server::start().await;
    let product = server.create_with(json!({"price": "999.99", "name": "iPhone"})).await;
    let placed = server.order(product, "user123", 2).await.expect(201);
    let order = server.order_becomes(order_id(&placed), "confirmed").await;
    assert_is_order(&order);
    let expected = json!({
        "id": order_id(&placed), "jobId": job_id(&placed), "productId": product, "userId": "user123", "quantity": 2,
        "unitPrice": "999.99", "totalPrice": "1999.98", "priority": "normal", "expiresAt": null, "failureReason": null,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(order.get(field), Some(value), "{field}: {order}");
    }
    assert_eq!(order["product"]["id"], product);
    assert_eq!(order["product"]["name"], "iPhone");
    assert_eq!(server.stock(product).await, [8, 0, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buyer_follows_an_order_by_its_job() {
    let server = Server::start().await;
    let product = server.create(5).await;
    server.act("/queue/pause").await.expect(200);
    let placed = server.order(product, "ada", 1).await.expect(201);
    let path = format!("/orders/queue/{}", job_id(&placed));
    let waiting = server.get(&path).await.expect(200);
    for field in ["progress", "queuePosition", "attemptsMade", "processedOn", "finishedOn", "failedReason"] {
        assert!(waiting.body.get(field).is_some(), "{field} is missing: {waiting}");
    }
    assert_eq!(waiting.body["jobId"], job_id(&placed));
    assert_eq!(waiting.body["orderId"], order_id(&placed));
    assert_eq!(waiting.body["status"], "waiting");
    assert_eq!(waiting.body["finishedOn"], Value::Null);
    server.act("/queue/resume").await.expect(200);
    let done = eventually("a completed job", async || {
        let job = server.get(&path).await.expect(200).body;
        (job["status"] == "completed").then_some(job)
    })
    .await;
    assert_ne!(done["finishedOn"], Value::Null, "{done}");
    assert_eq!(done["failedReason"], Value::Null, "{done}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_may_come_as_strings_of_digits() {
    let server = Server::start().await;
    let product = server.create(5).await;
    let body = json!({"productId": product.to_string(), "userId": "ada", "quantity": "2"});
    let placed = server.post("/orders", body).await.expect(201);
    let order = server.order_becomes(order_id(&placed), "confirmed").await;
    assert_eq!((&order["productId"], &order["quantity"]), (&json!(product), &json!(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_priority_is_kept() {
    let server = Server::start().await;
    let product = server.create(5).await;
    for priority in ["low", "normal", "high", "critical"] {
        let body = json!({"productId": product, "userId": "ada", "quantity": 1, "priority": priority});
        let placed = server.post("/orders", body).await.expect(201);
        assert_eq!(server.get(&format!("/orders/{}", order_id(&placed))).await.body["priority"], priority);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_with_a_charset_and_a_body_of_exactly_16_kib_are_taken() {
    let server = Server::start().await;
    let product = server.create(5).await;
    let mut body = json!({"productId": product, "userId": "ada", "quantity": 1}).to_string();
    body.push_str(&" ".repeat(16 * 1024 - body.len()));
    let request = request(Method::POST, "/api/v1/orders", Some("application/json; charset=utf-8"), body.as_bytes());
    server.try_send(request).await.unwrap().expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_ids_share_neither_their_whole_nor_their_tail() {
    let server = Server::start().await;
    let product = server.create(100).await;
    let mut tails = HashSet::new();
    for buyer in 0..50 {
        let job = job_id(&server.order(product, &format!("buyer-{buyer}"), 1).await.expect(201));
        assert!(tails.insert(job[job.len() - 16..].to_owned()), "{job} could be guessed from another");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_orders_come_newest_first_page_by_page_while_new_ones_arrive() {
    let server = Server::start().await;
    let product = server.create(100).await;
    let mut placed = Vec::new();
    for _ in 0..7 {
        placed.push(order_id(&server.order(product, "ada", 1).await.expect(201)));
        server.order(product, "grace", 1).await.expect(201);
    }
    placed.reverse();
    let first = server.get("/orders/user/ada?limit=3").await.expect(200);
    assert_eq!(ids(first.array()), placed[..3]);
    first.array().iter().for_each(assert_is_order);
    server.order(product, "ada", 1).await.expect(201);
    let second = server.get(&next_path(&first)).await.expect(200);
    assert_eq!(ids(second.array()), placed[3..6]);
    let last = server.get(&next_path(&second)).await.expect(200);
    assert_eq!(ids(last.array()), placed[6..]);
    assert_eq!(last.next_page(), None);
    assert_eq!(server.get("/orders/user/nobody").await.expect(200).body, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_has_50_orders_where_nothing_is_said() {
    let server = Server::start().await;
    let product = server.create(100).await;
    for _ in 0..51 {
        server.order(product, "ada", 1).await.expect(201);
    }
    for path in ["/orders/user/ada", "/orders"] {
        let page = server.get(path).await.expect(200);
        assert_eq!(page.array().len(), 50, "{path}");
        assert_eq!(server.get(&next_path(&page)).await.expect(200).array().len(), 1, "{path}");
    }
    assert_eq!(server.get("/orders?limit=500").await.expect(200).array().len(), 51);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_found_by_every_filter() {
    let server = Server::start().await;
    let (lamp, chair) = (server.create(10).await, server.create_with(json!({"holdSeconds": 3600})).await);
    let first = order_id(&server.order(lamp, "ada", 1).await.expect(201));
    let second = order_id(&server.order(chair, "ada", 1).await.expect(201));
    let third = order_id(&server.order(chair, "grace", 1).await.expect(201));
    server.order_becomes(first, "confirmed").await;
    server.act(&format!("/orders/{third}/cancel")).await.expect(200);
    let cases = [
        ("", vec![third, second, first]),
        ("?status=confirmed", vec![first]),
        ("?status=pending", vec![second]),
        ("?status=cancelled", vec![third]),
        ("?status=failed", vec![]),
        (&format!("?productId={chair}"), vec![third, second]),
        ("?userId=ada", vec![second, first]),
        (&format!("?userId=ada&productId={chair}&status=pending"), vec![second]),
        ("?from=2000-01-01T00:00:00.000Z", vec![third, second, first]),
        ("?from=9000-01-01T00:00:00.000Z", vec![]),
        ("?to=2000-01-01T00:00:00.000Z", vec![]),
        ("?to=9000-01-01T00:00:00.000Z&limit=500", vec![third, second, first]),
    ];
    for (filter, expected) in cases {
        let answer = server.get(&format!("/orders{filter}")).await.expect(200);
        assert_eq!(ids(answer.array()), expected, "{filter}");
        answer.array().iter().for_each(assert_is_order);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filtered_list_can_be_paged_to_its_end() {
    let server = Server::start().await;
    let (lamp, chair) = (server.create(50).await, server.create(50).await);
    let mut placed = Vec::new();
    for _ in 0..9 {
        server.order(chair, "ada", 1).await.expect(201);
        placed.push(order_id(&server.order(lamp, "ada", 1).await.expect(201)));
    }
    placed.reverse();
    for limit in [1, 2, 4, 9, 10] {
        let found = server.all(&format!("/orders?productId={lamp}&limit={limit}")).await;
        assert_eq!(ids(&found), placed, "in pages of {limit}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_metrics_count_by_status() {
    let server = Server::start().await;
    let (lamp, chair) = (server.create(10).await, server.create_with(json!({"holdSeconds": 3600})).await);
    for _ in 0..3 {
        let order = order_id(&server.order(lamp, "ada", 1).await.expect(201));
        server.order_becomes(order, "confirmed").await;
    }
    server.order(chair, "ada", 1).await.expect(201);
    let cancelled = order_id(&server.order(chair, "ada", 1).await.expect(201));
    server.act(&format!("/orders/{cancelled}/cancel")).await.expect(200);
    let metrics = server.get("/orders/admin/metrics").await.expect(200).body;
    let expected = json!({"totalOrders": 5, "confirmedOrders": 3, "failedOrders": 0, "pendingOrders": 1,
        "cancelledOrders": 1});
    for (field, count) in expected.as_object().unwrap() {
        assert_eq!(&metrics[field], count, "{field}: {metrics}");
    }
    assert_eq!(metrics["queueStats"]["completed"], 3, "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_for_more_than_is_left_is_sold_out_and_a_smaller_one_is_not() {
    let server = Server::start().await;
    let product = server.create(3).await;
    assert_problem(&server.order(product, "ada", 4).await, 409, "sold_out");
    assert_eq!(server.stock(product).await, [3, 0, 0]);
    server.order(product, "ada", 3).await.expect(201);
    assert_problem(&server.order(product, "grace", 1).await, 409, "sold_out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_survive_a_restart() {
    let mut server = Server::start().await;
    let product = server.create(10).await;
    let placed = server.order(product, "ada", 2).await.expect(201);
    let before = server.order_becomes(order_id(&placed), "confirmed").await;
    server.restart().await;
    assert_eq!(server.get(&format!("/orders/{}", order_id(&placed))).await.expect(200).body, before);
    assert_eq!(server.get(&format!("/orders/queue/{}", job_id(&placed))).await.expect(200).body["status"], "completed");
    let next = order_id(&server.order(product, "ada", 1).await.expect(201));
    assert!(next > order_id(&placed), "an order number was given out twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_shop_attaches_to_an_order_comes_back_wherever_the_order_does() {
    let server = Server::start().await;
    let product = server.create_with(json!({"holdSeconds": 600})).await;
    let attached = json!({"reference": "cart-7", "metadata": {"gift": "yes", "山": ""}});
    let order = |more: &Value| {
        let mut order = json!({"productId": product, "userId": "ada", "quantity": 1});
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        order
    };
    let first = order_id(&server.post("/orders", order(&attached)).await.expect(201));
    let batch = json!({"orders": [order(&json!({"reference": "cart-8", "metadata": {}})), order(&json!({}))]});
    server.post("/orders/batch", batch).await.expect(200);
    for act in ["read", "confirm", "cancel"] {
        let read = match act {
            "read" => server.get(&format!("/orders/{first}")).await.expect(200),
            act => server.act(&format!("/orders/{first}/{act}")).await.expect(200),
        };
        assert_eq!([&read.body["reference"], &read.body["metadata"]], [&attached["reference"], &attached["metadata"]]);
    }
    let listed = server.get("/orders").await.expect(200);
    let references: Vec<_> = listed.body.as_array().unwrap().iter().map(|order| &order["reference"]).collect();
    assert_eq!(references, [&Value::Null, &json!("cart-8"), &json!("cart-7")]);
    assert_eq!(listed.body[1]["metadata"], Value::Null, "no pairs are no metadata");
    let found = server.get("/orders?reference=cart-7").await.expect(200);
    assert_eq!(ids(found.body.as_array().unwrap()), [first]);
    let exported = server.get_root("/orders/export.csv?reference=cart-7").await.expect(200).body;
    let row = r#",cart-7,"{""gift"":""yes"",""山"":""""}","#;
    assert!(exported.as_str().unwrap().contains(row), "{exported}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_shop_attaches_is_bounded_and_part_of_what_a_key_stands_for() {
    let server = Server::start().await;
    let product = server.create(10).await;
    let pairs = |count: usize, chars: usize| {
        let pairs = (0..count).map(|key| (format!("k{key}"), Value::from("v".repeat(chars))));
        Value::Object(pairs.collect())
    };
    let order = |reference: Value, metadata: Value| {
        let mut order = json!({"productId": product, "userId": "ada", "quantity": 1});
        (order["reference"], order["metadata"]) = (reference, metadata);
        order
    };
    for (field, reference, metadata) in [
        ("reference", json!(""), json!({})),
        ("reference", json!("r".repeat(256)), json!({})),
        ("reference", json!(7), json!({})),
        ("metadata", Value::Null, json!([])),
        ("metadata", Value::Null, json!("gift")),
        ("metadata", Value::Null, json!({"a": 1})),
        ("metadata", Value::Null, json!({"a": {}})),
        ("metadata", Value::Null, json!({"": "a"})),
        ("metadata", Value::Null, json!({"k".repeat(41): "a"})),
        ("metadata", Value::Null, pairs(21, 1)),
        ("metadata", Value::Null, pairs(1, 501)),
        ("metadata", Value::Null, pairs(9, 500)),
    ] {
        let refused = server.post("/orders", order(reference, metadata)).await;
        assert_problem(&refused, 400, "invalid_request");
        assert_eq!(refused.body["errors"][0]["field"], field, "{refused}");
    }
    let most = order(json!("r".repeat(255)), pairs(8, 500));
    let placed = place_keyed(&server.client(), "cart", &most).await.expect(201);
    let again = place_keyed(&server.client(), "cart", &most).await.expect(201);
    assert_eq!(order_id(&again), order_id(&placed));
    let other = order(json!("r".repeat(255)), pairs(8, 499));
    assert_problem(&place_keyed(&server.client(), "cart", &other).await, 422, "idempotency_key_reused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buyer_who_follows_a_job_sees_what_a_countdown_needs() {
    let server = Server::start().await;
    let product = server.create_with(json!({"holdSeconds": 600, "price": "2.50"})).await;
    let placed = server.order(product, "ada", 2).await.expect(201);
    assert_eq!(placed.body["queuePosition"], Value::Null, "a hold is not in line");
    let job = server.get(&format!("/orders/queue/{}", job_id(&placed))).await.expect(200).body;
    for (field, expected) in [
        ("orderStatus", json!("pending")),
        ("productId", json!(product)),
        ("quantity", json!(2)),
        ("totalPrice", json!("5.00")),
        ("expiresAt", placed.body["expiresAt"].clone()),
        ("queuePosition", Value::Null),
    ] {
        assert_eq!(job[field], expected, "{field}: {job}");
    }
    assert_time(&job["createdAt"]);
}
