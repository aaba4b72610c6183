//! Input that makes no sense: each gets its 4xx with a sentence, changes nothing, and leaves the connection usable.

mod bodies;
mod requests;
mod wire;

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Server, assert_problem, assert_refused, request};

const JSON: Option<&str> = Some("application/json");

/// A request and the refusal that it must get.
struct Case {
    method: Method,
    path: String,
    content_type: Option<&'static str>,
    body: Vec<u8>,
    expected: Expected,
}

#[derive(Clone, Copy)]
enum Expected {
    Problem(u16, &'static str),
    /// Some 4xx: the contract leaves open which.
    Refusal,
}

const INVALID: Expected = Expected::Problem(400, "invalid_request");

fn case(method: Method, path: impl Into<String>, body: impl Into<Vec<u8>>, expected: Expected) -> Case {
    let (path, body) = (path.into(), body.into());
    let content_type = if body.is_empty() { None } else { JSON };
    Case { method, path, content_type, body, expected }
}

/// A body that makes no order.
fn order(body: impl Into<Vec<u8>>) -> Case {
    Case { content_type: JSON, ..case(Method::POST, "/orders", body, INVALID) }
}

/// A good order with one field set to something else.
fn order_with(field: &str, value: Value) -> Case {
    let mut body = json!({"productId": 1, "userId": "ada", "quantity": 1});
    body[field] = value;
    order(body.to_string())
}

/// A server with one product of 10 units, 4 of them held by an order.
async fn server_with_a_held_order() -> (Server, u64) {
    let server = Server::start().await;
    let product = server.create_with(json!({"holdSeconds": 3600})).await;
    assert_eq!(product, 1, "the cases ask for product 1");
    let placed = server.order(product, "held", 4).await.expect(201);
    (server, crate::harness::order_id(&placed))
}

/// All that a refused request could have changed.
async fn state(server: &Server) -> Vec<Value> {
    let mut state = Vec::new();
    for path in ["/inventory", "/orders?limit=500", "/orders/admin/metrics", "/inventory/1/ledger"] {
        state.push(server.get(path).await.expect(200).body);
    }
    state
}

/// Sends every case over one connection, which must outlive them all.
async fn refuse_all(cases: impl IntoIterator<Item = Case>) {
    let (server, _) = server_with_a_held_order().await;
    refuse_all_on(&server, cases).await;
}

async fn refuse_all_on(server: &Server, cases: impl IntoIterator<Item = Case>) {
    let before = state(server).await;
    let mut connection = server.connect().await;
    for case in cases {
        let what = describe(&case);
        let path = format!("/api/v1{}", case.path);
        let answer = connection.send(request(case.method, &path, case.content_type, &case.body)).await;
        println!("{what}: {answer}");
        assert_is(&answer, case.expected);
        connection.assert_usable().await;
    }
    assert_eq!(state(server).await, before, "refused requests changed something");
}

fn assert_is(answer: &Answer, expected: Expected) {
    match expected {
        Expected::Problem(status, code) => assert_problem(answer, status, code),
        Expected::Refusal => assert_refused(answer),
    }
}

fn describe(case: &Case) -> String {
    let start = &case.body[..case.body.len().min(120)];
    format!("{} {} {}", case.method, case.path, String::from_utf8_lossy(start))
}
