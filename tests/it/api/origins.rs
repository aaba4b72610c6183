//! Which pages of browsers may use the server.

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Server, assert_problem, request};

const SHOP: &str = "https://shop.example";
const TOKEN: &str = "correct-horse-battery-staple";

/// A request with these headers, as a browser sends it.
async fn asked(
    client: &Client,
    method: Method,
    path: &str,
    headers: &[(&'static str, &str)],
    body: Option<Value>,
) -> Answer {
    let bytes = body.as_ref().map(Value::to_string).unwrap_or_default();
    let mut asked = request(method, path, body.map(|_| "application/json"), bytes.as_bytes());
    for (name, value) in headers {
        asked.headers_mut().insert(*name, value.parse().unwrap());
    }
    client.try_send(asked).await.unwrap()
}

fn order(product: u64) -> Option<Value> {
    Some(json!({"productId": product, "userId": "ada", "quantity": 1}))
}

/// All ways to reach the server: a public read, an order, an operator's read and act, a page, a probe.
const WAYS: [(Method, &str); 7] = [
    (Method::GET, "/api/v1/inventory"),
    (Method::POST, "/api/v1/orders"),
    (Method::GET, "/api/v1/orders"),
    (Method::POST, "/api/v1/queue/pause"),
    (Method::GET, "/"),
    (Method::POST, "/acts/pause"),
    (Method::GET, "/livez"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_a_foreign_page_or_name_reaches_nothing() {
    let server = Server::start().await;
    let product = server.create(5).await;
    for (method, path) in WAYS {
        let body = if path.ends_with("/orders") && method == Method::POST { order(product) } else { None };
        for header in [
            ("host", "evil.example"),
            ("host", "127.0.0.1.evil.example:3000"),
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost.evil.example"),
        ] {
            let answer = asked(&server, method.clone(), path, &[header], body.clone()).await;
            assert_problem(&answer, 403, "forbidden");
        }
    }
    assert_eq!(server.stock(product).await, [5, 0, 0]);
    assert_eq!(server.get("/queue").await.expect(200).body["paused"], false);
    for origin in [format!("http://{}", server.address()), "http://localhost:5173".to_owned()] {
        asked(&server, Method::POST, "/api/v1/orders", &[("origin", &origin)], order(product)).await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_an_allowed_origin_orders_and_reads_what_it_gets() {
    for token in [None, Some(TOKEN)] {
        let launch = Server::with().env("CORS_ORIGINS", "https://other.example, https://Shop.example:443");
        let launch = token.into_iter().fold(launch, |launch, token| launch.env("ADMIN_TOKEN", token));
        let server = launch.env("RATE_LIMIT_PER_USER", "1").start().await;
        let product = server.create(500).await;
        let buyer = server.client().with_token(None);
        let page = [("origin", SHOP), ("sec-fetch-site", "cross-site")];
        let ask =
            [("origin", SHOP), ("access-control-request-method", "POST"), ("access-control-request-headers", "x")];
        let preflight = asked(&buyer, Method::OPTIONS, "/api/v1/orders", &ask, None).await.expect(204);
        assert_eq!(preflight.header("access-control-allow-origin"), SHOP);
        assert_eq!(preflight.header("access-control-allow-methods"), "POST");
        let allowed = preflight.header("access-control-allow-headers");
        assert!(["content-type", "idempotency-key"].iter().all(|name| allowed.contains(name)), "{allowed}");
        assert!(preflight.header("vary").contains("origin"), "{preflight}");
        // Every end of a request can be read: created, malformed, not found, too many.
        let mut statuses = Vec::new();
        for body in
            [order(product), Some(json!({})), order(product + 1)].into_iter().chain([(); 20].map(|()| order(product)))
        {
            let answer = asked(&buyer, Method::POST, "/api/v1/orders", &page, body).await;
            assert_eq!(answer.header("access-control-allow-origin"), SHOP, "{answer}");
            assert!(answer.header("access-control-expose-headers").contains("retry-after"), "{answer}");
            assert!(answer.header("vary").contains("origin"), "{answer}");
            statuses.push(answer.status);
        }
        assert_eq!(statuses[..3], [201, 400, 404]);
        assert!(statuses.contains(&429), "{statuses:?}");
        let read = asked(&buyer, Method::GET, "/api/v1/inventory/1", &page, None).await.expect(200);
        assert_eq!(read.header("access-control-allow-origin"), SHOP);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_page_and_no_route_of_operators_is_shared_and_credentials_never_are() {
    let server = Server::with().env("CORS_ORIGINS", SHOP).env("ADMIN_TOKEN", TOKEN).start().await;
    let product = server.create(5).await;
    let buyer = server.client().with_token(None);
    for (origin, method, path, status) in [
        ("https://evil.example", Method::GET, "/api/v1/inventory", 200),
        ("https://shop.example:8443", Method::POST, "/api/v1/orders", 201),
        ("http://shop.example", Method::GET, "/api/v1/inventory/1", 200),
        (SHOP, Method::GET, "/api/v1/orders", 401),
        (SHOP, Method::GET, "/api/v1/inventory/audit", 401),
        (SHOP, Method::GET, "/api/v1/inventory/metrics", 401),
        (SHOP, Method::POST, "/api/v1/orders/1/confirm", 401),
        (SHOP, Method::PUT, "/api/v1/inventory/1", 401),
        (SHOP, Method::GET, "/login", 200),
    ] {
        let body = (path == "/api/v1/orders").then(|| order(product)).flatten().filter(|_| method == Method::POST);
        let answer = asked(&buyer, method.clone(), path, &[("origin", origin)], body).await.expect(status);
        assert_eq!(answer.headers.get("access-control-allow-origin"), None, "{origin} {method} {path}");
        assert_eq!(answer.headers.get("access-control-allow-credentials"), None, "{origin} {method} {path}");
        let ask = [("origin", origin), ("access-control-request-method", method.as_str())];
        let preflight = asked(&buyer, Method::OPTIONS, path, &ask, None).await;
        assert_eq!(preflight.headers.get("access-control-allow-origin"), None, "{origin} {method} {path}");
    }
    let read = asked(&buyer, Method::GET, "/api/v1/inventory", &[], None).await.expect(200);
    assert!(read.header("vary").contains("origin"), "a cache must not keep it for pages: {read}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_beside_a_route_of_buyers_is_not_for_their_pages() {
    let server = Server::with().env("CORS_ORIGINS", SHOP).env("DOCS", "operator").start().await;
    for path in ["/api/v1/inventory/audit", "/api/v1/inventory/metrics", "/docs", "/openapi.json"] {
        assert_problem(&asked(&server, Method::GET, path, &[("origin", SHOP)], None).await, 403, "forbidden");
    }
    let missing = asked(&server, Method::GET, "/api/v1/inventory/7", &[("origin", SHOP)], None).await;
    assert_problem(&missing, 404, "product_not_found");
    assert_eq!(missing.header("access-control-allow-origin"), SHOP);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_origins_are_a_star_and_what_is_no_origin_ends_the_start() {
    let server = Server::with().env("CORS_ORIGINS", "*").start().await;
    let read = asked(&server, Method::GET, "/api/v1/inventory", &[("origin", SHOP)], None).await.expect(200);
    assert_eq!(read.header("access-control-allow-origin"), "*");
    assert_problem(&asked(&server, Method::GET, "/api/v1/orders", &[("origin", SHOP)], None).await, 403, "forbidden");
    for wrong in ["shop.example", "https://shop.example/", "*,https://shop.example", "https://*.shop.example/x"] {
        let exited = Server::with().env("CORS_ORIGINS", wrong).run().await;
        assert!(exited.code == Some(1) && exited.stderr.contains("CORS_ORIGINS"), "{wrong}: {exited:?}");
    }
}
