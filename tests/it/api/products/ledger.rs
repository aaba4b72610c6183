//! The ledger of a product: every change of its stock and of its terms.

use serde_json::{Value, json};

use crate::harness::{Endpoint, Reply, Server, job_id, order_id};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_has_an_entry_for_every_change_of_the_stock() {
    let server = Server::start().await;
    let product = server.create_with(json!({"initialStock": 10, "holdSeconds": 3600})).await;
    let other = server.create(10).await;
    let path = format!("/inventory/{product}/ledger");
    let mut length = server.all(&path).await.len();
    assert!(length > 0, "creating a product is a change of its stock");
    let order = order_id(&server.order(product, "ada", 4).await.expect(201));
    let steps = [
        (format!("/orders/{order}/confirm"), json!({})),
        (format!("/orders/{order}/cancel"), json!({})),
        (format!("/inventory/{product}/restock"), json!({"quantity": 2})),
    ];
    length += 1;
    assert_eq!(server.all(&path).await.len(), length, "placing an order is one change of the stock");
    for (step, body) in steps {
        match body.as_object().unwrap().is_empty() {
            true => server.act(&step).await.expect(200),
            false => server.post(&step, body).await.expect(200),
        };
        length += 1;
        assert_eq!(server.all(&path).await.len(), length, "{step} is one change of the stock");
    }
    server.order(other, "ada", 1).await.expect(201);
    let whole = server.all(&path).await;
    assert_eq!(whole.len(), length, "another product's changes are not in it");
    assert_eq!(server.all(&format!("{path}?limit=2")).await, whole, "the same in pages of two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_says_what_an_operator_found_and_left() {
    let server = Server::start().await;
    let product = server.create_with(json!({"initialStock": 10, "price": "5.00"})).await;
    let of_product = format!("/inventory/{product}");
    let placed = order_id(&server.order(product, "ada", 1).await.expect(201));
    server.order_becomes(placed, "confirmed").await;
    server.put(&of_product, json!({"price": "4.00", "perUserLimit": 2})).await.expect(200);
    server.post(&format!("{of_product}/restock"), json!({"quantity": -3})).await.expect(200);
    let ledger = server.all(&format!("{of_product}/ledger")).await;
    let seen = |entry: &Value| {
        let price = |side: &str| entry[side]["price"].as_str().map(str::to_owned);
        (entry["kind"].as_str().unwrap().to_owned(), price("before"), price("after"))
    };
    let price = |price: &str| Some(price.to_owned());
    let expected = [
        ("adjusted".to_owned(), price("4.00"), price("4.00")),
        ("edited".to_owned(), price("5.00"), price("4.00")),
        ("sold".to_owned(), None, None),
        ("reserved".to_owned(), None, None),
        ("created".to_owned(), None, price("5.00")),
    ];
    assert_eq!(ledger.iter().map(seen).collect::<Vec<_>>(), expected);
    assert_eq!((&ledger[0]["before"]["currentStock"], &ledger[0]["after"]["currentStock"]), (&json!(9), &json!(6)));
    assert_eq!(ledger[1]["after"]["perUserLimit"], 2);
}

/// What a product's ledger says, oldest entry first: what happened, and the status of the order before and after it.
async fn statuses(server: &Server, product: u64) -> Vec<(String, Value, Value)> {
    let mut ledger = server.all(&format!("/inventory/{product}/ledger")).await;
    ledger.reverse();
    assert_eq!(ledger.remove(0)["kind"], "created");
    let side = |entry: &Value, side: &str| match entry[side].as_object() {
        None => Value::Null,
        Some(fields) => {
            assert_eq!(fields.len(), 1, "nothing but a status: {entry}");
            fields["status"].clone()
        }
    };
    let kind = |entry: &Value| entry["kind"].as_str().unwrap().to_owned();
    ledger.iter().map(|entry| (kind(entry), side(entry, "before"), side(entry, "after"))).collect()
}

/// The same as it is expected to be.
fn moves<const N: usize>(expected: [(&str, Option<&str>, &str); N]) -> Vec<(String, Value, Value)> {
    expected.map(|(kind, before, after)| (kind.to_owned(), json!(before), json!(after))).to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_says_between_which_statuses_an_order_moved() {
    let endpoint = Endpoint::start().await;
    let server =
        Server::with().env("FULFILLMENT_URL", &endpoint.url()).env("FULFILLMENT_ALLOW_PRIVATE", "true").start().await;

    // First, while nothing else is posted that could get this response.
    endpoint.script([Reply::Status(422)], Reply::Status(200));
    let refused = server.create(10).await;
    let placed = server.order(refused, "ada", 1).await.expect(201);
    server.order_becomes(order_id(&placed), "failed").await;
    server.act(&format!("/queue/dead-letter/{}/retry", job_id(&placed))).await.expect(200);
    server.order_becomes(order_id(&placed), "confirmed").await;
    let expected = [
        ("reserved", None, "pending"),
        ("failed", Some("pending"), "failed"),
        ("reserved_again", Some("failed"), "pending"),
        ("sold", Some("pending"), "confirmed"),
    ];
    assert_eq!(statuses(&server, refused).await, moves(expected));

    let held = server.create_with(json!({"holdSeconds": 3600})).await;
    let order = order_id(&server.order(held, "ada", 1).await.expect(201));
    server.act(&format!("/orders/{order}/cancel")).await.expect(200);
    let order = order_id(&server.order(held, "ada", 1).await.expect(201));
    server.act(&format!("/orders/{order}/confirm")).await.expect(200);
    server.act(&format!("/orders/{order}/cancel")).await.expect(200);
    let expected = [
        ("reserved", None, "pending"),
        ("cancelled", Some("pending"), "cancelled"),
        ("reserved", None, "pending"),
        ("sold", Some("pending"), "confirmed"),
        ("cancelled", Some("confirmed"), "cancelled"),
    ];
    assert_eq!(statuses(&server, held).await, moves(expected));

    let hasty = server.create_with(json!({"holdSeconds": 1})).await;
    let order = order_id(&server.order(hasty, "ada", 1).await.expect(201));
    server.order_becomes(order, "cancelled").await;
    server.act(&format!("/orders/{order}/confirm")).await.expect(200);
    let expected = [
        ("reserved", None, "pending"),
        ("expired", Some("pending"), "cancelled"),
        ("sold_late", Some("cancelled"), "confirmed"),
    ];
    assert_eq!(statuses(&server, hasty).await, moves(expected));
}
