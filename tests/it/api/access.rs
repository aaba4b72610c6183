//! Who may use what where an admin token is set.

use hyper::Method;
use hyper::header::HeaderValue;
use serde_json::{Value, json};

use crate::harness::{self, Server, assert_problem, job_id, order_id, request};

const TOKEN: &str = "correct-horse-battery-staple";
const SHOP: &str = "a-token-of-the-storefront";

async fn guarded() -> Server {
    Server::with().env("ADMIN_TOKEN", TOKEN).env("RUST_LOG", "trace").start().await
}

/// Every operation of the server's description: its method, its path with something in the place of its variable
/// parts, and whether it is described as an operator's.
async fn operations(server: &Server) -> Vec<(Method, String, bool)> {
    let described = harness::operations(server).await.into_iter();
    described.map(|operation| (operation.method.clone(), operation.filled("7"), operation.is_operators)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operator_route_needs_the_token_and_no_public_one_does() {
    let server = guarded().await;
    let strangers = [None, Some("wrong"), Some(&TOKEN[1..]), Some("")];
    let operations = operations(&server).await;
    let public = operations.iter().filter(|(.., operator)| !operator).map(|(_, path, _)| path.as_str());
    let expected = [
        "/api/v1/inventory",
        "/api/v1/inventory/7",
        "/api/v1/monitoring/health",
        "/api/v1/orders",
        "/api/v1/orders/queue/7",
        "/docs",
        "/docs/7",
        "/livez",
        "/openapi.json",
        "/readyz",
    ];
    assert_eq!(public.collect::<Vec<_>>(), expected);
    for (method, path, operator) in operations {
        let body = (method == Method::POST || method == Method::PUT).then(|| json!({}));
        for token in strangers {
            let answer = server.client().with_token(token).send(method.clone(), &path, body.as_ref()).await;
            match operator {
                true => assert_problem(&answer, 401, "unauthorized"),
                false => assert_ne!(answer.status, 401, "{method} {path}"),
            }
        }
        if !path.ends_with("/backup") {
            let answer = server.send(method.clone(), &path, body.as_ref()).await;
            assert_ne!(answer.status, 401, "{method} {path} with the token");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_storefront_token_is_set_orders_need_it_or_the_admin_token_and_it_opens_nothing_else() {
    let launch = Server::with().env("ADMIN_TOKEN", TOKEN).env("STOREFRONT_TOKEN", SHOP);
    let server = launch.env("RUST_LOG", "trace").start().await;
    let product = server.create(100).await;
    let order = json!({"productId": product, "userId": "ada", "quantity": 1});
    let urgent = json!({"productId": product, "userId": "ada", "quantity": 1, "priority": "high"});
    let batch = json!({"orders": [order]});
    for (token, status) in [(None, 401), (Some("wrong-token"), 401), (Some(SHOP), 201), (Some(TOKEN), 201)] {
        let client = server.client().with_token(token);
        let placed = client.post("/orders", order.clone()).await;
        assert_eq!(placed.status, status, "{token:?}: {placed}");
        let many = client.post("/orders/batch", batch.clone()).await;
        assert_eq!(many.status, if status == 201 { 200 } else { 401 }, "{token:?}: {many}");
        client.get("/inventory").await.expect(200);
        if status == 201 {
            // Its number is what lets a buyer follow an order.
            let path = format!("/orders/queue/{}", job_id(&placed));
            server.client().with_token(None).get(&path).await.expect(200);
        }
    }
    let shop = server.client().with_token(Some(SHOP));
    assert_problem(&shop.post("/orders", urgent.clone()).await, 401, "unauthorized");
    let many = shop.post("/orders/batch", json!({"orders": [urgent.clone(), order]})).await.expect(200).body;
    assert_eq!((&many["results"][0]["status"], &many["results"][1]["status"]), (&json!(401), &json!(201)));
    let many = server.post("/orders/batch", json!({"orders": [urgent]})).await.expect(200).body;
    assert_eq!(many["results"][0]["status"], 201);
    for path in ["/orders", "/queue", "/monitoring/metrics", "/inventory/metrics"] {
        assert_problem(&shop.get(path).await, 401, "unauthorized");
    }
    assert_eq!(server.stock(product).await.iter().sum::<i64>(), 100);
    assert!(!server.output().contains(SHOP), "the token is in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hidden_product_exists_for_operators_only() {
    let server = Server::with().env("ADMIN_TOKEN", TOKEN).env("STOREFRONT_TOKEN", SHOP).start().await;
    let shown = server.create(5).await;
    let hidden = server.create_with(json!({"hidden": true, "perUserLimit": 2})).await;
    let path = format!("/inventory/{hidden}");
    let listed = |products: &Value| products.as_array().unwrap().iter().any(|product| product["id"] == hidden);
    for token in [None, Some(SHOP)] {
        let shop = server.client().with_token(token);
        let products = shop.get("/inventory").await.expect(200).body;
        assert!(!listed(&products) && products[0]["id"] == shown, "{products}");
        assert_problem(&shop.get(&path).await, 404, "product_not_found");
    }
    let shop = server.client().with_token(Some(SHOP));
    let orders = [shown, hidden].map(|id| json!({"productId": id, "userId": "ada", "quantity": 1}));
    assert_problem(&shop.post("/orders", orders[1].clone()).await, 404, "product_not_found");
    let many = shop.post("/orders/batch", json!({"orders": orders})).await.expect(200).body;
    assert_eq!(
        (&many["results"][0]["status"], &many["results"][1]["code"]),
        (&json!(201), &json!("product_not_found"))
    );
    assert!(listed(&server.get("/inventory").await.body));
    server.get(&path).await.expect(200);
    server.order(hidden, "ada", 1).await.expect(201);
    let many = server.post("/orders/batch", json!({"orders": orders})).await.expect(200).body;
    assert_eq!(many["results"][1]["status"], 201);
    server.put(&path, json!({"hidden": false})).await.expect(200);
    assert!(listed(&shop.get("/inventory").await.body));
    shop.get(&path).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storefront_token_alone_leaves_operators_this_machine_and_asks_of_buyers_what_it_says() {
    let server = Server::with().env("STOREFRONT_TOKEN", SHOP).start().await;
    let product = server.create(5).await;
    assert_problem(&server.order(product, "ada", 1).await, 401, "unauthorized");
    server.client().with_token(Some(SHOP)).order(product, "ada", 1).await.expect(201);
    let exited = Server::with().env("STOREFRONT_TOKEN", SHOP).env("HOST", "0.0.0.0").run().await;
    assert!(exited.code == Some(1) && exited.stderr.contains("ADMIN_TOKEN"), "{exited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storefront_token_that_is_weak_or_the_admin_token_ends_the_start_with_a_sentence() {
    for (token, words) in [("short", "STOREFRONT_TOKEN must be at least 8"), (TOKEN, "are the same")] {
        let launch = Server::with().env("ADMIN_TOKEN", TOKEN).env("STOREFRONT_TOKEN", token);
        let exited = launch.run().await;
        assert!(exited.code == Some(1) && exited.stderr.contains(words), "{exited:?}");
        assert!(!exited.stderr.contains(TOKEN), "{exited:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotency_key_is_honoured_or_rejected_on_every_route_that_changes_something() {
    let server = Server::start().await;
    let product = server.create(100).await;
    let mut rejecting = 0;
    for (method, path, _) in operations(&server).await {
        let mut keyed = request(method.clone(), &path, Some("application/json"), b"{}");
        keyed.headers_mut().insert("idempotency-key", "once".parse().unwrap());
        let answer = server.try_send(keyed).await.unwrap();
        if method == Method::GET {
            assert_ne!(answer.body["errors"][0]["field"], "Idempotency-Key", "{path}: {answer}");
        } else if path != "/api/v1/orders" {
            assert_problem(&answer, 400, "invalid_request");
            assert_eq!(answer.body["errors"][0]["field"], "Idempotency-Key", "{method} {path}: {answer}");
            rejecting += 1;
        }
    }
    assert!(rejecting > 10, "{rejecting}");
    assert_eq!(server.stock(product).await, [100, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_headers_of_a_request_say_it_is_rejected_or_acts_and_never_fails() {
    let server = Server::start().await;
    server.create(100).await;
    let own = format!("http://{}", server.address());
    let values: [(&str, &[&str]); 5] = [
        ("host", &["evil.example", "localhost:1", "[::1]"]),
        ("origin", &["null", "https://evil.example", &own, "http://", "://"]),
        ("idempotency-key", &["a", "", "a b", &"k".repeat(256)]),
        ("if-match", &["*", "\"x\"", "W/\"1\"", ",", "\"0-0\", \"1-1\""]),
        ("access-control-request-method", &["POST", "PATCH", "\u{7f}x"]),
    ];
    for (method, path, _) in operations(&server).await.into_iter().filter(|(_, path, _)| !path.ends_with("/backup")) {
        for (name, given) in values {
            for value in given {
                let Ok(value) = value.parse::<HeaderValue>() else { continue };
                let mut varied = request(method.clone(), &path, Some("application/json"), b"{}");
                varied.headers_mut().insert(name, value.clone());
                let answer = server.try_send(varied).await.unwrap();
                assert!(answer.status < 500, "{method} {path} with {name}: {value:?}: {answer}");
                let foreign = ["evil.example", "null", "://", "http://"].iter().any(|text| {
                    ["host", "origin"].contains(&name) && value.to_str().is_ok_and(|value| value.ends_with(text))
                });
                assert_eq!(answer.status == 403, foreign, "{method} {path} with {name}: {value:?}: {answer}");
            }
        }
    }
    assert_eq!(server.get("/inventory/audit").await.expect(200).body["ok"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buyer_follows_an_order_by_its_job_and_reads_no_one_elses() {
    let server = guarded().await;
    let product = server.create(5).await;
    let buyer = server.client().with_token(None);
    let placed = buyer.order(product, "ada", 1).await.expect(201);
    let order = order_id(&placed);
    server.order_becomes(order, "confirmed").await;
    let job = job_id(&placed);
    assert_eq!(buyer.get(&format!("/orders/queue/{job}")).await.expect(200).body["status"], "completed");
    for path in [format!("/orders/{order}"), "/orders/user/ada".to_owned(), "/orders".to_owned()] {
        assert_problem(&buyer.get(&path).await, 401, "unauthorized");
    }
    for guessed in ["1", "1-0", &format!("{:x}-{}", order + 1, &job[2..])] {
        assert_problem(&buyer.get(&format!("/orders/queue/{guessed}")).await, 404, "job_not_found");
    }
    let urgent = json!({"productId": product, "userId": "ada", "quantity": 1, "priority": "high"});
    assert_problem(&buyer.post("/orders", urgent.clone()).await, 401, "unauthorized");
    server.post("/orders", urgent).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_in_the_query_opens_nothing_and_the_token_is_in_no_log() {
    let server = guarded().await;
    let stranger = server.client().with_token(None);
    for query in ["token", "access_token", "admin_token", "authorization"] {
        assert_problem(&stranger.get(&format!("/orders?{query}={TOKEN}")).await, 401, "unauthorized");
    }
    server.get("/orders").await.expect(200);
    server.create(1).await;
    assert!(!server.output().contains(TOKEN), "{}", server.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_may_come_from_a_file() {
    let launch = Server::with();
    let file = launch.directory().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let mut server = launch.env("ADMIN_TOKEN_FILE", file.to_str().unwrap()).start().await;
    let stranger = server.client();
    assert_problem(&stranger.get("/orders").await, 401, "unauthorized");
    stranger.clone().with_token(Some(TOKEN)).get("/orders").await.expect(200);
    server.terminate().await;
}
