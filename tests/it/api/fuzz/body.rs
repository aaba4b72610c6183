//! Draws the body of a request, right for its route or broken.

use hyper::Method;
use serde_json::{Value, json};

use super::ask::{Ask, Part};
use super::known::Known;
use crate::harness::rng::Rng;

/// No route takes any of these.
const BROKEN: [&[u8]; 9] =
    [b"", b"{", b"[]", b"null", b"7", b"{}", b"{\"unknown\": 1}", b"\xff\xfe", b"{\"quantity\": 1, \"quantity\": 1}"];

const JSON: &str = "application/json";

/// What a body is drawn for.
pub(super) struct Seen<'a> {
    pub(super) known: &'a Known,
    pub(super) number: usize,
    /// Whether it must be right.
    pub(super) is_plain: bool,
}

pub(super) fn draw_body(rng: &mut Rng, ask: &mut Ask, seen: &Seen<'_>) {
    if !ask.operation.has_body {
        // What becomes of a body that nobody asked for is left open.
        if ask.is_act() && !seen.is_plain && rng.chance(1, 10) {
            ask.content = Part::Open;
            ask.body = (*rng.pick(&[&b"{}"[..], b"{\"quantity\": 1}", b"\xff"])).to_vec();
            ask.header("content-type", JSON);
        }
        return;
    }
    ask.json = draw_right(rng, ask, seen);
    ask.body = ask.json.to_string().into_bytes();
    let content_type = match rng.below(30) {
        _ if seen.is_plain => JSON,
        0..=2 => {
            ask.content = Part::Wrong;
            ask.body = (*rng.pick(&BROKEN)).to_vec();
            JSON
        }
        3 => {
            ask.content = Part::Wrong;
            let field = *rng.pick(&["productId", "name", "quantity", "orders", "price", "nothing"]);
            let mut json = ask.json.clone();
            json[field] = rng.pick(&[json!(true), json!([]), json!({"a": 1}), json!("\u{0}")]).clone();
            ask.body = json.to_string().into_bytes();
            JSON
        }
        4 => {
            ask.content = Part::Wrong;
            "text/plain"
        }
        5 => {
            ask.malformed.push(415);
            ask.header("content-encoding", "gzip");
            JSON
        }
        6 => {
            ask.malformed.push(400);
            ask.header("content-type", JSON);
            "text/plain"
        }
        7 => "application/problem+json; charset=utf-8",
        _ => JSON,
    };
    ask.header("content-type", content_type);
}

fn draw_right(rng: &mut Rng, ask: &Ask, &Seen { known, number, .. }: &Seen<'_>) -> Value {
    match (&ask.operation.method, ask.operation.path.as_str()) {
        (&Method::POST, "/api/v1/orders") => draw_order(rng, known),
        (&Method::POST, "/api/v1/orders/batch") => {
            let count = 1 + rng.below(4);
            let entry = |at| {
                let mut order = draw_order(rng, known);
                if rng.chance(1, 2) {
                    let kept: Vec<_> = known.keys.iter().collect();
                    let mut key = format!("b-{number}-{at}");
                    if rng.chance(1, 3) && !kept.is_empty() {
                        let (old, kept) = *rng.pick(&kept);
                        (key, order) = (old.clone(), kept.order.clone());
                    }
                    order["idempotencyKey"] = json!(key);
                }
                order
            };
            json!({"orders": (0..count).map(entry).collect::<Vec<_>>()})
        }
        (&Method::POST, "/api/v1/inventory") => {
            let mut product = json!({
                "name": format!("Lamp {number}"),
                "price": *rng.pick(&["0", "9.99", "1000"]),
                "initialStock": 100 + rng.below(900),
                "flashSaleActive": true,
                "holdSeconds": 3600,
                "hidden": rng.chance(1, 4),
            });
            if rng.chance(1, 2) {
                product["sku"] = json!(format!("L-{}", rng.below(20)));
            }
            product
        }
        (&Method::PUT, "/api/v1/inventory/{id}") => draw_change(rng, number),
        (&Method::POST, "/api/v1/inventory/{id}/restock") => {
            json!({"quantity": *rng.pick(&[1, 5, 50, -1, -3, -1_000_000])})
        }
        (method, path) => panic!("what does {method} {path} take?"),
    }
}

fn draw_order(rng: &mut Rng, known: &Known) -> Value {
    // The others stay without orders, and can be deleted.
    let products: Vec<_> = known.state.products.keys().copied().take(5).collect();
    let product = if products.is_empty() || rng.chance(1, 20) { 777_777 } else { *rng.pick(&products) };
    let mut order = json!({
        "productId": product,
        "userId": format!("user-{}", rng.below(40)),
        "quantity": 1 + rng.below(3),
    });
    if rng.chance(1, 8) {
        order["priority"] = json!(*rng.pick(&["low", "normal", "high", "critical"]));
    }
    if rng.chance(1, 8) {
        order["reference"] = json!(format!("shop-{}", rng.below(100)));
    }
    order
}

/// Any of the fields that leave a product held, so that nothing moves by itself.
fn draw_change(rng: &mut Rng, number: usize) -> Value {
    let sku = json!(format!("L-{}", rng.below(20)));
    let fields = [
        ("name", json!(format!("Lamp, changed {number}"))),
        ("price", json!(format!("{}.50", rng.below(100)))),
        ("currentStock", json!(rng.below(1_000))),
        ("flashSaleActive", json!(rng.chance(5, 6))),
        ("hidden", json!(rng.chance(1, 4))),
        ("perUserLimit", rng.pick(&[Value::Null, json!(50)]).clone()),
        ("sku", rng.pick(&[Value::Null, sku]).clone()),
    ];
    let mut change = json!({});
    for _ in 0..=rng.below(2) {
        let (name, value) = rng.pick(&fields).clone();
        change[name] = value;
    }
    change
}

/// Whether an order wants to go before others, which operators alone may ask for.
pub(super) fn is_urgent(order: &Value) -> bool {
    order["priority"] == "high" || order["priority"] == "critical"
}
