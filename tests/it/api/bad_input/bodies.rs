//! Bodies that are not what they must be.

use hyper::Method;
use serde_json::{Value, json};

use super::{Case, Expected, INVALID, case, order, order_with, refuse_all};
use crate::harness::{assert_problem, named_fields};

/// A good product with one field set to something else.
fn product_with(field: &str, value: Value) -> Case {
    let mut body = json!({"name": "Lamp", "price": "1.00", "initialStock": 1});
    body[field] = value;
    case(Method::POST, "/inventory", body.to_string(), INVALID)
}

fn update(field: &str, value: Value) -> Case {
    case(Method::PUT, "/inventory/1", json!({field: value}).to_string(), INVALID)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_json_is_refused() {
    let texts: [&[u8]; 14] = [
        b"",
        b" ",
        b"{",
        b"}",
        b"not json",
        b"{\"productId\":1,\"userId\":\"ada\",\"quantity\":1",
        b"{\"productId\":1,\"userId\":\"ada\",\"quantity\":1,}",
        b"{\"productId\":1,\"userId\":\"ada\",\"quantity\":1} and more",
        b"{\"productId\":1,\"userId\":\"ada\",\"quantity\":1}{}",
        b"{'productId':1,'userId':'ada','quantity':1}",
        b"{\"productId\":1,\"userId\":\"ada\",\"quantity\":NaN}",
        b"{\"productId\":1,\"userId\":\"a\xff\xfe\",\"quantity\":1}",
        b"{\"productId\":1,\"userId\":\"\\ud800\",\"quantity\":1}",
        b"productId=1&userId=ada&quantity=1",
    ];
    refuse_all(texts.into_iter().map(order)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_types_are_refused() {
    let mut cases: Vec<Case> = ["[]", "null", "true", "1", "\"order\"", "[1, \"ada\", 1]"].map(order).into();
    for field in ["productId", "quantity"] {
        for value in [json!(null), json!(true), json!([]), json!([1]), json!({}), json!("one"), json!("")] {
            cases.push(order_with(field, value));
        }
    }
    for value in [json!(null), json!(5), json!(true), json!([]), json!({"name": "ada"})] {
        cases.push(order_with("userId", value));
    }
    for value in [json!(1), json!("urgent"), json!("HIGH"), json!(""), json!([])] {
        cases.push(order_with("priority", value));
    }
    cases.push(product_with("name", json!(5)));
    cases.push(product_with("initialStock", json!("many")));
    cases.push(product_with("flashSaleActive", json!("yes")));
    cases.push(product_with("saleStartsAt", json!("tomorrow")));
    cases.push(update("name", json!(null)));
    cases.push(update("flashSaleActive", json!(1)));
    refuse_all(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_fields_are_refused_by_name() {
    let (server, _) = super::server_with_a_held_order().await;
    for field in ["productId", "userId", "quantity"] {
        let mut body = json!({"productId": 1, "userId": "ada", "quantity": 1});
        body.as_object_mut().unwrap().remove(field);
        let answer = server.post("/orders", body).await;
        assert_problem(&answer, 400, "invalid_request");
        assert_eq!(named_fields(&answer), [field], "{answer}");
    }
    for field in ["name", "price", "initialStock"] {
        let mut body = json!({"name": "Lamp", "price": "1.00", "initialStock": 1});
        body.as_object_mut().unwrap().remove(field);
        let answer = server.post("/inventory", body).await;
        assert_problem(&answer, 400, "invalid_request");
        assert_eq!(named_fields(&answer), [field], "{answer}");
    }
    assert_problem(&server.post("/inventory/1/restock", json!({})).await, 400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_fields_are_refused() {
    let restock = json!({"quantity": 1, "why": "more came"}).to_string();
    refuse_all([
        order_with("coupon", json!("FREE")),
        order_with("price", json!(0)),
        order_with("Quantity", json!(5)),
        order_with("", json!(5)),
        product_with("colour", json!("red")),
        product_with("soldStock", json!(5)),
        update("heldStock", json!(0)),
        update("id", json!(7)),
        case(Method::POST, "/inventory/1/restock", restock, INVALID),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quantities_that_are_no_counts_are_refused() {
    let mut cases: Vec<Case> =
        [json!(0), json!(-1), json!(1.5), json!(0.999), json!(-0.0), json!(4_294_967_296_u64), json!(u64::MAX)]
            .into_iter()
            .map(|quantity| order_with("quantity", quantity))
            .collect();
    for text in ["0", "-1", "+1", "1.5", "1e3", " 1", "1 ", "1_000", "0x10", "１", "٣", "4294967297", "1\u{0}"] {
        cases.push(order_with("quantity", json!(text)));
    }
    for literal in ["18446744073709551617", "99999999999999999999999999999999", "-9223372036854775809", "1e400"] {
        cases.push(order(format!("{{\"productId\":1,\"userId\":\"ada\",\"quantity\":{literal}}}")));
        cases.push(order(format!("{{\"productId\":1,\"userId\":\"ada\",\"quantity\":\"{literal}\"}}")));
    }
    refuse_all(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn product_ids_that_are_no_ids_are_refused() {
    let mut cases: Vec<Case> = ["-1", "+1", "1.0", "1.5", " 1", "one", "1\u{0}"]
        .into_iter()
        .map(|text| order_with("productId", json!(text)))
        .collect();
    cases.extend([json!(-1), json!(1.5)].map(|id| order_with("productId", id)));
    // Too large to be an id, or the id of no product: both are true.
    let huge = [json!(0), json!(u64::MAX), json!("18446744073709551617"), json!("9".repeat(400))];
    cases.extend(huge.map(|id| Case { expected: Expected::Refusal, ..order_with("productId", id) }));
    refuse_all(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_empty_too_long_or_hold_control_characters_are_refused() {
    let mut cases = Vec::new();
    for name in ["", &"a".repeat(256), &"é".repeat(256), &"x".repeat(10_000)] {
        cases.push(order_with("userId", json!(name)));
        cases.push(product_with("name", json!(name)));
        cases.push(update("name", json!(name)));
    }
    for control in ['\u{0}', '\u{1}', '\t', '\n', '\r', '\u{1b}', '\u{7f}', '\u{85}', '\u{9f}'] {
        cases.push(order_with("userId", json!(format!("a{control}b"))));
        cases.push(product_with("name", json!(format!("a{control}b"))));
    }
    // Unescaped in the text, a control character is no JSON at all.
    cases.push(order("{\"productId\":1,\"userId\":\"a\u{1}b\",\"quantity\":1}"));
    refuse_all(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_buyer_has_one_id_and_buys_up_to_the_limit_once() {
    let server = crate::harness::Server::start().await;
    let product = server.create_with(json!({"perUserLimit": 1})).await;
    for id in ["ada ", " ada", "ada\u{a0}", "ada\u{200b}", "a\u{ad}da", "\u{feff}ada", "\u{202e}ada", "ada\u{3164}"] {
        assert_problem(&server.order(product, id, 1).await, 400, "invalid_request");
    }
    server.order(product, "ada", 1).await.expect(201);
    server.order(product, "J\u{f6}rg", 1).await.expect(201);
    let refused = server.order(product, "Jo\u{308}rg", 1).await;
    assert_problem(&refused, 400, "invalid_request");
    assert!(refused.body["detail"].as_str().unwrap().contains("normalization form C"), "{refused}");
    // Case counts: these are two buyers.
    server.order(product, "Ada", 1).await.expect(201);
    assert_problem(&server.order(product, "ada", 1).await, 409, "purchase_limit_exceeded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn digits_that_a_float_would_lose_are_not_lost() {
    let mut cases = Vec::new();
    for price in ["0.1000000000000000000001", "9999999999.990000001", "1e400", "1e-99999999999", "-0.001"] {
        let product = format!("{{\"name\":\"Lamp\",\"initialStock\":1,\"price\":{price}}}");
        cases.push(case(Method::POST, "/inventory", product, INVALID));
    }
    for price in ["1e2", "+1", "1.", ".5", "-0", " 1", "1_000", "7.100", "١"] {
        cases.push(product_with("price", json!(price)));
    }
    for quantity in ["1.00000000000000000000001", "0.99999999999999999999999"] {
        cases.push(order(format!("{{\"productId\":1,\"userId\":\"ada\",\"quantity\":{quantity}}}")));
    }
    cases.push(product_with("initialStock", json!("-0")));
    for time in [
        "2026-01-31T09Z",
        "2026-01-31T12:00:00,5Z",
        "2026-01-31T12:00:00+25:00",
        "2026-01-31 12:00:00Z",
        "0000-01-01T00:00:00Z",
    ] {
        cases.push(update("saleStartsAt", json!(time)));
    }
    refuse_all(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicate_keys_are_refused() {
    let product = r#"{"name":"Lamp","price":"1.00","price":"0.01","initialStock":1}"#;
    refuse_all([
        order(r#"{"productId":1,"productId":2,"userId":"ada","quantity":1}"#),
        order(r#"{"productId":1,"userId":"ada","quantity":1,"quantity":1}"#),
        order(r#"{"productId":1,"userId":"ada","userId":"eve","quantity":1}"#),
        order(r#"{"productId":1,"userId":"ada","quantity":1,"\u0071uantity":2}"#),
        case(Method::POST, "/inventory", product, INVALID),
        case(Method::PUT, "/inventory/1", r#"{"currentStock":1,"currentStock":2}"#, INVALID),
        case(Method::POST, "/inventory/1/restock", r#"{"quantity":1,"quantity":-1}"#, INVALID),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deep_nesting_is_refused() {
    let (arrays, objects) = ("[".repeat(16_000), "{\"a\":".repeat(3_000));
    let closed = format!("{}{}", "[".repeat(8_000), "]".repeat(8_000));
    let mut cases = Vec::new();
    for deep in [&arrays, &objects, &closed] {
        cases.push(order(deep.as_str()));
        cases.push(order(format!("{{\"productId\":{deep}")));
        cases.push(order(format!("{{\"productId\":1,\"userId\":\"ada\",\"quantity\":1,\"x\":{deep}}}")));
    }
    refuse_all(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prices_that_are_no_prices_are_refused() {
    let mut cases = Vec::new();
    let texts =
        ["1.999", "0.001", "-0.01", "", "free", "1,50", "NaN", "Infinity", "1.00 €", " 1", "9".repeat(60).as_str()]
            .map(Value::from);
    let numbers =
        [json!(1.999), json!(0.001), json!(-1), json!(-0.01), json!(1e300), json!(null), json!(true), json!([])];
    for price in texts.into_iter().chain(numbers) {
        cases.push(product_with("price", price.clone()));
        cases.push(update("price", price));
    }
    refuse_all(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_that_cannot_be_is_refused() {
    let restock =
        |quantity: &str| case(Method::POST, "/inventory/1/restock", format!("{{\"quantity\":{quantity}}}"), INVALID);
    let mut cases = Vec::new();
    for stock in [json!(-1), json!(1.5), json!(null), json!(u64::MAX), json!(1e300)] {
        cases.push(product_with("initialStock", stock.clone()));
        cases.push(update("currentStock", stock));
    }
    for quantity in ["1.5", "null", "\"many\"", "9223372036854775808", "-9223372036854775809", "[]"] {
        cases.push(restock(quantity));
    }
    // More than a product can have, or less than is left after what is held: 6 of 10 units are.
    for quantity in ["9223372036854775807", "-9223372036854775808", "-7", "-10"] {
        cases.push(Case { expected: Expected::Refusal, ..restock(quantity) });
    }
    refuse_all(cases).await;
}
