//! Products: made, read, changed, deleted, counted, audited.

mod ledger;
mod page;
mod sale;
mod tags;

use serde_json::{Value, json};

use crate::harness::{
    Server, assert_conserved, assert_problem, assert_refused, assert_time, named_fields, order_id, products,
};

const PRODUCT_FIELDS: [&str; 15] = [
    "id",
    "name",
    "price",
    "initialStock",
    "currentStock",
    "heldStock",
    "soldStock",
    "adjustedStock",
    "flashSaleActive",
    "perUserLimit",
    "saleStartsAt",
    "saleEndsAt",
    "holdSeconds",
    "createdAt",
    "updatedAt",
];

fn assert_has(value: &Value, expected: &Value) {
    for (field, expected) in expected.as_object().unwrap() {
        assert_eq!(value.get(field), Some(expected), "{field}: {value}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_product_needs_a_name_a_stock_and_a_price_and_gets_the_rest() {
    let server = Server::start().await;
    let lamp = json!({"name": "Lamp", "initialStock": 7, "price": "12.50"});
    let created = server.post("/inventory", lamp).await.expect(201);
    let expected = json!({"name": "Lamp", "price": "12.50", "initialStock": 7, "currentStock": 7, "heldStock": 0,
        "soldStock": 0, "adjustedStock": 0, "perUserLimit": null, "saleStartsAt": null, "saleEndsAt": null,
        "holdSeconds": null});
    assert_has(&created.body, &expected);
    for field in PRODUCT_FIELDS {
        assert!(created.body.get(field).is_some(), "{field} is missing: {created}");
    }
    assert!(created.body["flashSaleActive"].is_boolean(), "{created}");
    assert_time(&created.body["createdAt"]);
    assert_time(&created.body["updatedAt"]);
    let location = created.header("location");
    let path = location.strip_prefix(&format!("http://{}", server.address())).unwrap_or(location);
    assert_eq!(path, format!("/api/v1/inventory/{}", created.body["id"]));
    assert_eq!(server.get_root(path).await.expect(200).body, created.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_product_is_created_with_every_field_that_can_be_set() {
    let server = Server::start().await;
    let fields = json!({"name": "Lamp", "initialStock": 10, "currentStock": 6, "price": 99.5, "flashSaleActive": true,
        "perUserLimit": 2, "saleStartsAt": "2020-01-01T00:00:00.000Z", "saleEndsAt": "9000-01-01T00:00:00.000Z",
        "holdSeconds": 600, "sku": "LAMP-1", "hidden": true});
    let created = server.post("/inventory", fields.clone()).await.expect(201).body;
    let mut expected = fields;
    expected["price"] = json!("99.50");
    expected["adjustedStock"] = json!(-4);
    assert_has(&created, &expected);
    assert_conserved(&created);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prices_are_exact_whether_they_come_as_numbers_or_as_strings() {
    let server = Server::start().await;
    let prices = [
        (json!("0"), "0.00"),
        (json!(0), "0.00"),
        (json!(19), "19.00"),
        (json!("19.9"), "19.90"),
        (json!(0.1), "0.10"),
        (json!(1.15), "1.15"),
        (json!(4503599627.37), "4503599627.37"),
        (json!("9999999999.99"), "9999999999.99"),
    ];
    for (price, expected) in prices {
        let product = json!({"name": "Lamp", "initialStock": 1, "price": price});
        let created = server.post("/inventory", product).await.expect(201);
        assert_eq!(created.body["price"], expected, "from {price}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_every_script_come_back_as_they_were_given() {
    let server = Server::start().await;
    let longest = "é".repeat(255);
    // A product's name may have characters that join others, and any normalization form; a user's id has neither.
    let names = ["Ünï cödé", "山田太郎", "مصباح", "שלום", "लैंप", "😀👩🏽", "<b>\"&'\\", &longest];
    for name in ["👩‍👩‍👧", "e\u{301}"] {
        let product = server.create_with(json!({"name": name})).await;
        assert_eq!(server.get(&format!("/inventory/{product}")).await.expect(200).body["name"], name);
    }
    for name in names {
        let product = server.create_with(json!({"name": name})).await;
        assert_eq!(server.get(&format!("/inventory/{product}")).await.expect(200).body["name"], name);
        let placed = server.post("/orders", json!({"productId": product, "userId": name, "quantity": 1})).await;
        let order = server.get(&format!("/orders/{}", order_id(&placed.expect(201)))).await.expect(200);
        assert_eq!(order.body["userId"], name);
        let path: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let found = server.get(&format!("/orders/user/{path}")).await.expect(200);
        assert_eq!(found.array().len(), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn products_are_listed_newest_first() {
    let server = Server::start().await;
    assert_eq!(server.get("/inventory").await.expect(200).body, json!([]));
    let mut created = Vec::new();
    for stock in 1..=3 {
        created.push(server.create(stock).await);
    }
    created.reverse();
    let listed: Vec<u64> = products(&server).await.iter().map(|product| product["id"].as_u64().unwrap()).collect();
    assert_eq!(listed, created);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_changes_what_it_names_and_nothing_else() {
    let server = Server::start().await;
    let path = format!("/inventory/{}", server.create(7).await);
    let mut expected = server.get(&path).await.body;
    let changes = [
        json!({"name": "Big lamp"}),
        json!({"price": "1.01"}),
        json!({"flashSaleActive": false}),
        json!({"perUserLimit": 3, "holdSeconds": 60}),
        json!({"perUserLimit": null, "holdSeconds": null}),
        json!({"saleStartsAt": "2020-01-01T00:00:00.000Z", "saleEndsAt": "9000-01-01T00:00:00.000Z"}),
        json!({"saleStartsAt": null, "saleEndsAt": null}),
        json!({"sku": "LAMP-1", "hidden": true}),
        json!({"sku": null, "hidden": false}),
    ];
    for change in changes {
        let updated = server.put(&path, change.clone()).await.expect(200).body;
        expected.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        expected["updatedAt"] = updated["updatedAt"].clone();
        assert_eq!(updated, expected, "after {change}");
        assert_eq!(server.get(&path).await.expect(200).body, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_products_have_the_same_sku_also_after_a_restart() {
    let mut server = Server::start().await;
    let of = |sku: &str| json!({"name": "Lamp", "initialStock": 1, "price": 1, "sku": sku});
    let lamp = server.post("/inventory", of("LAMP-1")).await.expect(201).body;
    let path = format!("/inventory/{}", server.create(1).await);
    for _ in 0..2 {
        assert_problem(&server.post("/inventory", of("LAMP-1")).await, 409, "sku_taken");
        assert_problem(&server.put(&path, json!({"sku": "LAMP-1", "name": "new"})).await, 409, "sku_taken");
        assert_eq!(server.get(&path).await.body["sku"], json!(null), "a rejected change changed something");
        server.kill9().await;
        server.restart().await;
    }
    // Its own is no obstacle, another case is another one, and one that was given up is free.
    let own = format!("/inventory/{}", lamp["id"]);
    server.put(&own, json!({"sku": "LAMP-1", "name": "Lamp 1"})).await.expect(200);
    server.post("/inventory", of("lamp-1")).await.expect(201);
    server.put(&own, json!({"sku": "LAMP-2"})).await.expect(200);
    server.put(&path, json!({"sku": "LAMP-1"})).await.expect(200);
    for wrong in [json!(""), json!("a".repeat(65)), json!(7), json!("two\nlines")] {
        assert_problem(&server.put(&path, json!({"sku": wrong})).await, 400, "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn setting_the_stock_books_the_difference_as_an_adjustment() {
    let server = Server::start().await;
    let product = server.create_with(json!({"initialStock": 10, "holdSeconds": 3600})).await;
    server.order(product, "ada", 4).await.expect(201);
    for (set, adjusted) in [(20, 14), (0, -6), (6, 0)] {
        let path = format!("/inventory/{product}");
        let updated = server.put(&path, json!({"currentStock": set})).await.expect(200).body;
        assert_has(
            &updated,
            &json!({"initialStock": 10, "currentStock": set, "heldStock": 4,
            "adjustedStock": adjusted}),
        );
        assert_eq!(server.stock(product).await, [set, 4, 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restocking_adds_units_that_can_be_bought_and_takes_away_no_more_than_there_are() {
    let server = Server::start().await;
    let product = server.create(1).await;
    let path = format!("/inventory/{product}/restock");
    server.order(product, "ada", 1).await.expect(201);
    assert_problem(&server.order(product, "grace", 1).await, 409, "sold_out");
    let restocked = server.post(&path, json!({"quantity": 3})).await.expect(200).body;
    assert_has(&restocked, &json!({"id": product, "initialStock": 1, "currentStock": 3, "adjustedStock": 3}));
    server.order(product, "grace", 1).await.expect(201);
    let reduced = server.post(&path, json!({"quantity": -2})).await.expect(200).body;
    assert_has(&reduced, &json!({"currentStock": 0, "adjustedStock": 1}));
    assert_refused(&server.post(&path, json!({"quantity": -1})).await);
    assert_eq!(server.stock(product).await[0], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_product_is_deleted_only_while_it_has_no_orders() {
    let server = Server::start().await;
    let (unsold, sold) = (server.create(5).await, server.create(5).await);
    server.order(sold, "ada", 1).await.expect(201);
    let gone = server.delete(&format!("/inventory/{unsold}")).await.expect(204);
    assert_eq!(gone.body, Value::Null);
    assert_problem(&server.get(&format!("/inventory/{unsold}")).await, 404, "product_not_found");
    assert_problem(&server.order(unsold, "ada", 1).await, 404, "product_not_found");
    assert_problem(&server.delete(&format!("/inventory/{unsold}")).await, 404, "product_not_found");
    assert_problem(&server.delete(&format!("/inventory/{sold}")).await, 409, "product_has_orders");
    assert_eq!(server.stock(sold).await[0], 4);
    assert!(server.create(1).await > sold, "a product number was given out twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_product_does_not_come_back_with_a_restart() {
    let mut server = Server::start().await;
    let (kept, deleted) = (server.create(5).await, server.create(5).await);
    server.delete(&format!("/inventory/{deleted}")).await.expect(204);
    server.kill9().await;
    server.restart().await;
    assert_problem(&server.get(&format!("/inventory/{deleted}")).await, 404, "product_not_found");
    assert_eq!(server.stock(kept).await, [5, 0, 0]);
    assert!(server.create(1).await > deleted, "a product number was given out twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_metrics_add_up_the_products() {
    let server = Server::start().await;
    for bought in [0, 50, 95, 100] {
        let product = server.create(100).await;
        if bought > 0 {
            server.order(product, "ada", bought).await.expect(201);
        }
    }
    let metrics = server.get("/inventory/metrics").await.expect(200).body;
    assert_has(
        &metrics,
        &json!({"totalProducts": 4, "outOfStockProducts": 1, "totalInitialStock": 400, "totalCurrentStock": 155}),
    );
    // Whether a product without any stock is low on stock as well, is not said.
    assert!(matches!(metrics["lowStockProducts"].as_u64(), Some(1 | 2)), "{metrics}");
    // 245 of 400, however rounded.
    let utilization = metrics["stockUtilization"].as_f64().expect("a percentage");
    assert!((61.0..=62.0).contains(&utilization), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_lists_every_product_with_its_verdict() {
    let server = Server::start().await;
    let lamp = server.create_with(json!({"initialStock": 10, "holdSeconds": 3600})).await;
    let chair = server.create(5).await;
    server.order(lamp, "ada", 4).await.expect(201);
    server.post(&format!("/inventory/{chair}/restock"), json!({"quantity": 2})).await.expect(200);
    let audit = server.get("/inventory/audit").await.expect(200).body;
    assert_eq!(audit["ok"], true, "{audit}");
    let audited = |id: u64| {
        let found = audit["products"].as_array().unwrap().iter().find(|product| product["productId"] == id);
        found.unwrap_or_else(|| panic!("product {id} is missing: {audit}"))
    };
    assert_has(
        audited(lamp),
        &json!({"ok": true, "initialStock": 10, "adjustedStock": 0, "currentStock": 6,
        "heldStock": 4, "soldStock": 0}),
    );
    assert_has(
        audited(chair),
        &json!({"ok": true, "initialStock": 5, "adjustedStock": 2, "currentStock": 7,
        "heldStock": 0, "soldStock": 0}),
    );
    assert_eq!(audit["products"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sample_products_fill_an_empty_store_and_no_other() {
    let mut server = Server::with().arg("--sample-data").start().await;
    let expected = [
        (5, "Apple Watch Series 9", "399.99", 75, true),
        (4, "Sony WH-1000XM5", "349.99", 200, false),
        (3, "MacBook Air M3", "1299.99", 50, true),
        (2, "Samsung Galaxy S24", "799.99", 150, true),
        (1, "iPhone 15 Pro", "999.99", 100, true),
    ];
    for _ in 0..2 {
        let listed = products(&server).await;
        assert_eq!(listed.len(), expected.len());
        for (product, (id, name, price, stock, active)) in listed.iter().zip(expected) {
            assert_has(
                product,
                &json!({"id": id, "name": name, "price": price, "initialStock": stock,
                "currentStock": stock, "flashSaleActive": active}),
            );
        }
        server.restart().await;
    }
    assert_problem(&server.order(4, "ada", 1).await, 409, "sale_not_active");
    server.order(1, "ada", 1).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_names_every_field_that_is_wrong() {
    let server = Server::start().await;
    let product = json!({"name": "", "initialStock": -1, "price": "1.999"});
    let answer = server.post("/inventory", product).await;
    assert_problem(&answer, 400, "invalid_request");
    for field in ["name", "initialStock", "price"] {
        assert!(named_fields(&answer).contains(&field), "{field} is not named: {answer}");
    }
}

#[tokio::test]
async fn a_corrected_initial_stock_moves_what_can_be_bought_and_never_what_is_held() {
    let server = Server::start().await;
    let product = server.create_with(json!({"initialStock": 10, "holdSeconds": 3600})).await;
    server.order(product, "ada", 4).await.expect(201);
    let path = format!("/inventory/{product}");
    for (initial, current) in [(12, 8), (5, 1), (4, 0)] {
        let corrected = server.put(&path, json!({"initialStock": initial})).await.expect(200);
        let expected = json!({"initialStock": initial, "currentStock": current, "heldStock": 4, "adjustedStock": 0});
        assert_has(&corrected.body, &expected);
    }
    let refused = server.put(&path, json!({"initialStock": 3})).await;
    assert_problem(&refused, 400, "invalid_request");
    assert_eq!(refused.body["errors"][0]["field"], "initialStock");
    assert_eq!(server.get(&path).await.expect(200).body["initialStock"], 4);
    crate::harness::assert_adds_up(&server.client()).await;
}

#[tokio::test]
async fn a_limit_that_is_set_later_counts_what_was_bought_before() {
    let mut server = Server::start().await;
    let product = server.create(20).await;
    let bought = order_id(&server.order(product, "ada", 3).await.expect(201));
    server.order_becomes(bought, "confirmed").await;
    let path = format!("/inventory/{product}");
    server.put(&path, json!({"perUserLimit": 4})).await.expect(200);
    for restarted in [false, true] {
        if restarted {
            server.restart().await;
        }
        assert_problem(&server.order(product, "ada", 2).await, 409, "purchase_limit_exceeded");
    }
    server.order(product, "ada", 1).await.expect(201);
    assert_problem(&server.order(product, "ada", 1).await, 409, "purchase_limit_exceeded");
    server.put(&path, json!({"perUserLimit": null})).await.expect(200);
    server.order(product, "ada", 5).await.expect(201);
    server.put(&path, json!({"perUserLimit": 10})).await.expect(200);
    assert_problem(&server.order(product, "ada", 2).await, 409, "purchase_limit_exceeded");
    server.order(product, "ada", 1).await.expect(201);
}
