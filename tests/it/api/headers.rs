//! The rules of HTTP that hold whatever the route is: hosts, codings, methods, parameters, what responses carry.

use hyper::Method;
use serde_json::json;

use crate::harness::{Answer, Client, Server, assert_problem, named_fields, request};

const ORDER: &str = r#"{"productId":1,"userId":"ada","quantity":1}"#;

/// A server with one product of 10 units in the sale.
async fn server() -> Server {
    let server = Server::start().await;
    server.create(10).await;
    server
}

/// The response to an order with these headers and this body, whatever they say of each other.
async fn order(server: &Server, headers: &str, body: &[u8]) -> Answer {
    let head = format!("POST /api/v1/orders HTTP/1.1\r\nContent-Type: application/json\r\n{headers}\r\n");
    Answer::parse(&server.raw(&[head.as_bytes(), body].concat()).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_has_exactly_one_host() {
    let server = server().await;
    let length = format!("Content-Length: {}\r\n", ORDER.len());
    for hosts in [
        "",
        "Host:\r\n",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nHost: b\r\n",
        "Host: a b\r\n",
        "Host: http://a/\r\n",
    ] {
        let refused = order(&server, &format!("{hosts}{length}"), ORDER.as_bytes()).await;
        assert_problem(&refused, 400, "invalid_request");
        assert_eq!(named_fields(&refused), ["Host"], "{hosts}");
        let read = format!("GET /api/v1/inventory HTTP/1.1\r\n{hosts}\r\n");
        assert_problem(&Answer::parse(&server.raw(read.as_bytes()).await), 400, "invalid_request");
    }
    assert_eq!(server.stock(1).await, [10, 0, 0]);
    // A client of 1.0 need not know its host.
    let old = format!("POST /api/v1/orders HTTP/1.0\r\nContent-Type: application/json\r\n{length}\r\n{ORDER}");
    Answer::parse(&server.raw(old.as_bytes()).await).expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_in_a_coding_that_is_not_understood_is_refused_for_its_coding() {
    let server = server().await;
    let sent =
        |coding: &str| format!("Host: localhost\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n", ORDER.len());
    for coding in ["gzip", "br", "identity, gzip"] {
        let refused = order(&server, &sent(coding), ORDER.as_bytes()).await;
        assert_problem(&refused, 415, "unsupported_media_type");
        assert_eq!(refused.header("accept-encoding"), "identity");
        assert!(refused.body["detail"].as_str().unwrap().contains("Content-Encoding"), "{refused}");
    }
    for coding in ["gzip, chunked", "chunked, chunked"] {
        let headers = format!("Host: localhost\r\nTransfer-Encoding: {coding}\r\n");
        let body = format!("{:x}\r\n{ORDER}\r\n0\r\n\r\n", ORDER.len());
        let refused = order(&server, &headers, body.as_bytes()).await;
        assert_problem(&refused, 501, "not_implemented");
        assert_eq!(refused.header("connection"), "close");
    }
    let refused = order(&server, "Host: localhost\r\nTransfer-Encoding: gzip\r\n", ORDER.as_bytes()).await;
    assert_eq!((refused.status, refused.header("connection")), (400, "close"));
    assert_eq!(server.stock(1).await, [10, 0, 0]);
    order(&server, &sent("identity"), ORDER.as_bytes()).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_is_doubled_or_contradicted_never_lets_a_second_request_in() {
    let server = server().await;
    let length = ORDER.len();
    let shorter = length - 1;
    for lengths in [
        format!("Content-Length: {length}\r\nContent-Length: {shorter}\r\n"),
        format!("Content-Length: {length}, {length}\r\n"),
        format!("Content-Length: +{length}\r\n"),
        format!("Content-Length: 0x{length:x}\r\n"),
    ] {
        let refused = order(&server, &format!("Host: localhost\r\n{lengths}"), ORDER.as_bytes()).await;
        assert_eq!((refused.status, refused.header("connection")), (400, "close"), "{lengths}");
    }
    assert_eq!(server.stock(1).await, [10, 0, 0]);
    // Chunks win over a length, and the connection ends after the response, so that nothing after them is a request.
    let head = "POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    let hidden = format!("{head}\r\nContent-Length: {length}\r\n\r\n{ORDER}");
    let both = "Host: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n";
    let body = format!("{length:x}\r\n{ORDER}\r\n0\r\n\r\n{hidden}");
    let answered = order(&server, both, body.as_bytes()).await.expect(201);
    assert_eq!(answered.header("connection"), "close");
    server.order_becomes(1, "confirmed").await;
    assert_eq!(server.stock(1).await, [9, 0, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_come_once_are_refused_when_they_come_twice() {
    let server = Server::with().env("ADMIN_TOKEN", "long-enough").start().await;
    server.create(10).await;
    for (header, first, second) in [
        ("Content-Type", "application/json", "text/plain"),
        ("Authorization", "Bearer long-enough", "Bearer something-else"),
        ("Authorization", "Bearer something-else", "Bearer long-enough"),
        ("Origin", "http://localhost", "https://evil.example"),
    ] {
        let mut twice = request(Method::POST, "/api/v1/inventory", None, b"{}");
        twice.headers_mut().append(header.parse::<hyper::header::HeaderName>().unwrap(), first.parse().unwrap());
        twice.headers_mut().append(header.parse::<hyper::header::HeaderName>().unwrap(), second.parse().unwrap());
        let refused = server.client().with_token(None).try_send(twice).await.unwrap();
        assert_problem(&refused, 400, "invalid_request");
        assert_eq!(named_fields(&refused), [header]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_that_a_route_does_not_know_are_refused_by_name_on_every_route() {
    let server = server().await;
    let order = json!({"productId": 1, "userId": "ada", "quantity": 1});
    let product = json!({"name": "Cap", "price": 1, "initialStock": 1});
    let routes = [
        (Method::POST, "/api/v1/orders", Some(&order)),
        (Method::POST, "/api/v1/inventory", Some(&product)),
        (Method::PUT, "/api/v1/inventory/1", Some(&product)),
        (Method::DELETE, "/api/v1/inventory/1", None),
        (Method::POST, "/api/v1/queue/pause", None),
        (Method::DELETE, "/api/v1/queue/dead-letter", None),
        (Method::GET, "/api/v1/inventory", None),
        (Method::GET, "/api/v1/orders", None),
        (Method::GET, "/api/v1/orders/user/ada", None),
        (Method::HEAD, "/api/v1/inventory/1", None),
        (Method::GET, "/livez", None),
        (Method::GET, "/metrics", None),
        (Method::GET, "/docs", None),
    ];
    for (method, path, body) in routes {
        let is_head = method == Method::HEAD;
        let refused = server.send(method, &format!("{path}?dryrun=1"), body).await;
        assert_eq!(refused.status, 400, "{path}: {refused}");
        if !is_head {
            assert_problem(&refused, 400, "invalid_request");
            assert_eq!(named_fields(&refused), ["dryrun"], "{path}");
        }
    }
    assert_eq!(server.get("/queue").await.body["paused"], false);
    assert_eq!(server.stock(1).await, [10, 0, 0]);
    server.send(Method::POST, "/api/v1/orders?", Some(&order)).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_are_answered_for_every_route_without_a_credential() {
    let server = Server::with().env("ADMIN_TOKEN", "long-enough").start().await;
    let stranger = server.client().with_token(None);
    let allowed = async |path: &str| -> Vec<String> {
        let answer = stranger.send(Method::OPTIONS, path, None).await.expect(204);
        answer.header("allow").split(',').map(|method| method.trim().to_owned()).collect()
    };
    for (path, methods) in [
        ("/api/v1/orders", &["GET", "HEAD", "POST", "OPTIONS"][..]),
        ("/api/v1/inventory/1", &["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]),
        ("/api/v1/queue/pause", &["POST", "OPTIONS"]),
        ("/livez", &["GET", "HEAD", "OPTIONS"]),
    ] {
        let found = allowed(path).await;
        assert!(found.len() == methods.len() && methods.iter().all(|m| found.contains(&(*m).to_owned())), "{found:?}");
    }
    let star = Answer::parse(&server.raw(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n").await).expect(204);
    assert!(star.header("allow").contains("POST"), "{:?}", star.headers);
    assert_problem(&stranger.send(Method::OPTIONS, "/nope", None).await, 404, "not_found");
    let refused = stranger.send(Method::PATCH, "/api/v1/orders", None).await;
    assert!(refused.header("allow").contains("OPTIONS"), "{:?}", refused.headers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_is_get_without_a_body() {
    let server = server().await;
    for path in ["/api/v1/inventory", "/api/v1/inventory/1", "/api/v1/orders", "/livez", "/docs", "/openapi.json"] {
        let got = server.get_root(path).await.expect(200);
        let head = server.send(Method::HEAD, path, None).await.expect(200);
        assert!(head.body.is_null(), "{path}: {head}");
        for header in ["content-type", "content-length", "cache-control"] {
            assert_eq!(head.header(header), got.header(header), "{path} {header}");
        }
    }
    let missing = server.send(Method::HEAD, "/api/v1/inventory/9", None).await.expect(404);
    assert!(missing.body.is_null(), "{missing}");
    assert_eq!(server.send(Method::HEAD, "/api/v1/queue/pause", None).await.status, 405);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_say_what_they_are_and_who_may_keep_them() {
    let server = server().await;
    server.order(1, "ada", 1).await.expect(201);
    let carried = async |client: &Client, path: &str| {
        let answer = client.get_root(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        (answer.status, answer.header("cache-control").to_owned(), answer)
    };
    for path in
        ["/api/v1/orders", "/api/v1/orders/1", "/api/v1/inventory", "/api/v1/queue", "/metrics", "/livez", "/nope"]
    {
        assert_eq!(carried(&server, path).await.1, "no-store", "{path}");
    }
    assert_eq!(carried(&server, "/docs/docs.js").await.1, "public, max-age=3600");
    let (status, cached, page) = carried(&server, "/docs").await;
    assert_eq!((status, cached.as_str()), (200, "no-cache"));
    let policy = page.header("content-security-policy");
    for rule in ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert_eq!(page.header("referrer-policy"), "no-referrer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_id_of_a_request_tells_nobody_how_many_there_were() {
    let server = server().await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(server.get("/inventory").await.expect(200).header("x-request-id").to_owned());
    }
    let mut sorted = ids.clone();
    sorted.sort();
    sorted.dedup();
    assert!(sorted.len() == ids.len() && sorted != ids, "{ids:?}");
    let begins_alike = ids.iter().filter(|id| id[..4] == ids[0][..4]).count();
    assert!(begins_alike < 4, "{ids:?}");
}
