//! The shapes of what is sent, with the bounds that the handlers check.

use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};

use crate::domain::order::Priority;
use crate::limits::{
    MAX_BATCH_ORDERS, MAX_HOLD_SECONDS, MAX_IDEMPOTENCY_KEY_CHARS, MAX_PER_USER_LIMIT, MAX_QUANTITY, MAX_STOCK,
};

use super::schema::{
    Field, Shape, any_of, anything, list_of, name, named, object, object_with, or_null, pattern, sent_delta,
    sent_moment, sent_price, sent_whole, truth, with_default, with_example, word,
};

/// All of them, by name.
pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
    let new = |field: &str| matches!(field, "name" | "price" | "initialStock");
    vec![
        ("NewOrder", new_order()),
        ("BatchOrder", batch_order()),
        ("Batch", batch()),
        ("NewProduct", object_with("A product to create.", new, product_fields())),
        ("ProductChanges", product_changes()),
        ("Restock", restock()),
    ]
}

/// An idempotency key.
pub(super) fn key() -> Shape {
    with_example(pattern("^[!-~]+$", 1, MAX_IDEMPOTENCY_KEY_CHARS), json!("checkout-7f3a"))
}

/// The units of a product, most of all.
fn max_stock() -> i64 {
    i64::try_from(MAX_STOCK).unwrap_or(i64::MAX)
}

fn order_fields() -> [Field; 4] {
    let priority = with_default(word(Priority::ALL.map(Priority::as_str)), json!(Priority::Normal.as_str()));
    [
        ("productId", "", with_example(sent_whole(1, i64::MAX), json!(1))),
        (
            "userId",
            "Who buys, in the shop's words: in Unicode normalization form C, without characters that are not shown. \
             Case counts.",
            name("ada"),
        ),
        ("quantity", "Units.", with_example(sent_whole(1, MAX_QUANTITY.into()), json!(1))),
        ("priority", "Above `normal` it needs the admin token, where one is set.", priority),
    ]
}

fn order_required(field: &str) -> bool {
    matches!(field, "productId" | "userId" | "quantity")
}

fn new_order() -> Shape {
    object_with("An order to place.", order_required, order_fields())
}

fn batch_order() -> Shape {
    let [product, user, quantity, priority] = order_fields();
    let key = ("idempotencyKey", "As the header Idempotency-Key of a single order.", or_null(key()));
    object_with("An order to place, in a batch.", order_required, [product, user, quantity, priority, key])
}

fn batch() -> Shape {
    // Each entry is read for itself, so a value of any other shape is no error of the batch.
    let other = anything("An order that is not as it must be is refused in its own result.");
    let orders = list_of(1, MAX_BATCH_ORDERS, any_of([named("BatchOrder"), other]));
    object("Orders to place in one trip.", [("orders", "", orders)])
}

fn product_fields() -> [Field; 9] {
    let stock = || with_example(sent_whole(0, max_stock()), json!(100));
    let seconds = sent_whole(1, MAX_HOLD_SECONDS.into());
    [
        ("name", "", name("iPhone 15 Pro")),
        ("price", "At most two digits after the point, at most 9999999999.99; never rounded.", sent_price()),
        ("initialStock", "", stock()),
        ("currentStock", "What can be bought. What differs from now is booked as an adjustment.", stock()),
        ("flashSaleActive", "Whether it can be bought at all; `false` for a new product.", truth()),
        ("perUserLimit", "Units that one user may have.", or_null(sent_whole(1, MAX_PER_USER_LIMIT.into()))),
        ("saleStartsAt", "From when it can be bought, inclusive.", or_null(sent_moment())),
        ("saleEndsAt", "Until when, exclusive; later than the start.", or_null(sent_moment())),
        ("holdSeconds", "How long an order waits for its confirmation; `null`: a worker fulfils it.", or_null(seconds)),
    ]
}

fn product_changes() -> Shape {
    let mut shape = object_with("The fields to change, at least one.", |_| false, product_fields());
    if let RefOr::T(Schema::Object(object)) = &mut shape {
        object.min_properties = Some(1);
    }
    shape
}

fn restock() -> Shape {
    let quantity = with_example(sent_delta(max_stock()), json!(25));
    object("Units to add, or to take away where negative.", [("quantity", "Not 0.", quantity)])
}

/// Bodies that work on the sample products, by the name of their shape.
pub(super) fn examples(shape: &str) -> Vec<(&'static str, Value)> {
    let order = json!({ "productId": 1, "userId": "ada", "quantity": 1 });
    match shape {
        "NewOrder" => vec![
            ("order", order),
            ("textNumbers", json!({ "productId": "2", "userId": "grace", "quantity": "2", "priority": "low" })),
        ],
        "Batch" => vec![(
            "orders",
            json!({ "orders": [order, { "productId": 2, "userId": "grace", "quantity": 1, "idempotencyKey": "a-1" }] }),
        )],
        "NewProduct" => vec![
            (
                "product",
                json!({ "name": "Headphones", "price": "349.99", "initialStock": 200, "flashSaleActive": true }),
            ),
            (
                "withHold",
                json!({
                    "name": "Ticket", "price": 25.5, "initialStock": 500, "flashSaleActive": true, "perUserLimit": 2,
                    "saleStartsAt": "2026-01-31T12:00:00Z", "saleEndsAt": null, "holdSeconds": 600,
                }),
            ),
        ],
        "ProductChanges" => vec![("startTheSale", json!({ "flashSaleActive": true, "perUserLimit": 2 }))],
        "Restock" => vec![("add", json!({ "quantity": 25 })), ("takeAway", json!({ "quantity": -1 }))],
        _ => Vec::new(),
    }
}
