//! Requests to what is not there, in the wrong way, or with the wrong label.

use hyper::Method;
use serde_json::json;

use super::{Case, Expected, INVALID, JSON, case, order, refuse_all, refuse_all_on, server_with_a_held_order};
use crate::harness::{Client, Server, assert_problem, order_id, request};

const PRODUCT_NOT_FOUND: Expected = Expected::Problem(404, "product_not_found");
const ORDER_NOT_FOUND: Expected = Expected::Problem(404, "order_not_found");
const JOB_NOT_FOUND: Expected = Expected::Problem(404, "job_not_found");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_do_not_exist_are_not_found() {
    let nowhere = json!({"productId": 999, "userId": "ada", "quantity": 1}).to_string();
    refuse_all([
        case(Method::POST, "/orders", nowhere, PRODUCT_NOT_FOUND),
        case(Method::GET, "/inventory/999", "", PRODUCT_NOT_FOUND),
        case(Method::PUT, "/inventory/999", r#"{"name":"Lamp"}"#, PRODUCT_NOT_FOUND),
        case(Method::POST, "/inventory/999/restock", r#"{"quantity":1}"#, PRODUCT_NOT_FOUND),
        case(Method::DELETE, "/inventory/999", "", PRODUCT_NOT_FOUND),
        case(Method::GET, "/inventory/999/ledger", "", PRODUCT_NOT_FOUND),
        case(Method::GET, "/orders/999", "", ORDER_NOT_FOUND),
        case(Method::POST, "/orders/999/confirm", "", ORDER_NOT_FOUND),
        case(Method::POST, "/orders/999/cancel", "", ORDER_NOT_FOUND),
        case(Method::GET, "/orders/queue/nobodys-job", "", JOB_NOT_FOUND),
        case(Method::POST, "/queue/dead-letter/nobodys-job/retry", "", JOB_NOT_FOUND),
        case(Method::DELETE, "/queue/dead-letter/nobodys-job", "", JOB_NOT_FOUND),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_are_no_ids_are_refused() {
    let mut cases = Vec::new();
    for id in ["abc", "-1", "1.5", "0", "18446744073709551617", "%00", "%FF", "1%20", "999999999999999999999999"] {
        for path in [format!("/inventory/{id}"), format!("/orders/{id}"), format!("/orders/queue/{id}")] {
            cases.push(case(Method::GET, path, "", Expected::Refusal));
        }
        cases.push(case(Method::POST, format!("/orders/{id}/cancel"), "", Expected::Refusal));
    }
    refuse_all(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_id_with_anything_changed_is_nobodys() {
    let (server, order) = server_with_a_held_order().await;
    let job = server.get(&format!("/orders/{order}")).await.body["jobId"].as_str().unwrap().to_owned();
    server.get(&format!("/orders/queue/{job}")).await.expect(200);
    let cases = tampered(&job).into_iter().map(|job| {
        let path = format!("/orders/queue/{job}");
        case(Method::GET, path, "", JOB_NOT_FOUND)
    });
    refuse_all_on(&server, cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_routes_are_not_found() {
    let expected = Expected::Problem(404, "not_found");
    let paths =
        ["", "/", "/nope", "/orders/1/explode", "/inventory/1/restock/again", "/queue/nope", "/ORDERS", "//orders"];
    refuse_all(paths.map(|path| case(Method::GET, path, "", expected))).await;
    let server = Server::start().await;
    for path in ["/nope", "/api", "/api/v2/orders", "/order", "/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd"] {
        assert_problem(&server.get_root(path).await, 404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_that_a_route_does_not_have_are_refused() {
    let expected = Expected::Problem(405, "method_not_allowed");
    refuse_all([
        case(Method::PUT, "/orders", "{}", expected),
        case(Method::DELETE, "/orders", "", expected),
        case(Method::PATCH, "/inventory/1", "{}", expected),
        case(Method::POST, "/inventory/1", "{}", expected),
        case(Method::GET, "/inventory/1/restock", "", expected),
        case(Method::GET, "/orders/1/confirm", "", expected),
        case(Method::DELETE, "/queue", "", expected),
        case(Method::GET, "/queue/pause", "", expected),
        case(Method::from_bytes(b"BREW").unwrap(), "/orders", "", expected),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_or_wrong_content_type_is_refused() {
    let body = json!({"productId": 1, "userId": "ada", "quantity": 1}).to_string();
    let labels = [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/xml"),
        Some("multipart/form-data; boundary=x"),
        Some("application/jsonp"),
        Some("json"),
        Some(""),
    ];
    let mut cases = Vec::new();
    for content_type in labels {
        let expected = Expected::Problem(415, "unsupported_media_type");
        cases.push(Case { content_type, expected, ..order(body.as_str()) });
        let product = r#"{"name":"Lamp","price":"1.00","initialStock":1}"#;
        cases.push(Case { content_type, ..case(Method::POST, "/inventory", product, expected) });
        cases.push(Case { content_type, ..case(Method::PUT, "/inventory/1", r#"{"name":"X"}"#, expected) });
        let restock = r#"{"quantity":1}"#;
        cases.push(Case { content_type, ..case(Method::POST, "/inventory/1/restock", restock, expected) });
    }
    refuse_all(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_that_say_nothing_are_refused() {
    let queries = [
        "limit=many",
        "limit=-1",
        "limit=1.5",
        "limit=99999999999999999999",
        "status=bought",
        "productId=lamp",
        "productId=-1",
        "from=yesterday",
        "to=2024-13-01T00:00:00Z",
        "cursor=%FF",
    ];
    let mut cases: Vec<Case> =
        queries.map(|query| case(Method::GET, format!("/orders?{query}"), "", INVALID)).into_iter().collect();
    for path in [
        "/orders/user/ada?limit=many",
        "/queue/jobs?state=asleep",
        "/queue/jobs?state=waiting&limit=many",
        "/queue/dead-letter?productId=lamp",
        "/inventory/1/ledger?limit=many",
    ] {
        cases.push(case(Method::GET, path, "", INVALID));
    }
    refuse_all(cases).await;
}

/// The text with one character changed, at every place, and with one less or more.
fn tampered(text: &str) -> Vec<String> {
    let mut all = vec![format!("{text}A"), text[..text.len() - 1].to_owned()];
    for place in 0..text.len() {
        let other = if &text[place..=place] == "b" { "c" } else { "b" };
        all.push(format!("{}{other}{}", &text[..place], &text[place + 1..]));
    }
    all
}

async fn cursor_of(client: &Client, path: &str) -> String {
    let next = client.get(path).await.expect(200).next_page().unwrap_or_else(|| panic!("no next page of {path}"));
    let cursor = next.split_once("cursor=").unwrap_or_else(|| panic!("no cursor in {next}")).1;
    cursor.split('&').next().unwrap_or(cursor).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_that_were_tampered_with_are_refused() {
    let (server, _) = server_with_a_held_order().await;
    let product = server.create(10).await;
    for _ in 0..3 {
        let placed = server.order(product, "ada", 1).await.expect(201);
        server.order_becomes(order_id(&placed), "confirmed").await;
    }
    let lists = [
        "/orders?limit=1",
        "/orders/user/ada?limit=1",
        "/queue/jobs?state=completed&limit=1",
        "/inventory/2/ledger?limit=1",
    ];
    let mut cases = Vec::new();
    for list in lists {
        let cursor = cursor_of(&server, list).await;
        server.get(&format!("{list}&cursor={cursor}")).await.expect(200);
        let garbage = ["x", "0", "-1", "AAAA", "null", "%F0%9F%98%80"].map(str::to_owned);
        for cursor in tampered(&cursor).into_iter().chain(garbage) {
            cases.push(case(Method::GET, format!("{list}&cursor={cursor}"), "", INVALID));
        }
    }
    refuse_all_on(&server, cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stray_body_on_a_route_that_takes_none_lets_it_do_all_of_its_work_or_nothing() {
    let (server, order) = server_with_a_held_order().await;
    let path = format!("/api/v1/orders/{order}/confirm");
    let answer = server.try_send(request(Method::POST, &path, JSON, b"{\"not\": json")).await.unwrap();
    match answer.status {
        200 => assert_eq!(server.stock(1).await, [6, 0, 4]),
        _ => assert_eq!(server.stock(1).await, [6, 4, 0]),
    }
}
