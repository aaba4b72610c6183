//! What must hold at the end of every test, as seen from outside.

use std::collections::BTreeMap;

use serde_json::Value;

use super::client::Client;
use super::eventually;

/// Fails unless `initial + adjusted = current + held + sold` with none of the last three below zero.
pub(crate) fn assert_conserved(product: &Value) {
    let units = |field: &str| product[field].as_i64().unwrap_or_else(|| panic!("{field} is missing: {product}"));
    let [current, held, sold] = ["currentStock", "heldStock", "soldStock"].map(units);
    assert!(current >= 0 && held >= 0 && sold >= 0, "below zero: {product}");
    let [initial, adjusted] = ["initialStock", "adjustedStock"].map(units);
    assert_eq!(initial + adjusted, current + held + sold, "not conserved: {product}");
}

/// All products, each of them conserved.
pub(crate) async fn products(client: &Client) -> Vec<Value> {
    let answer = client.get("/inventory").await.expect(200);
    answer.array().iter().for_each(assert_conserved);
    answer.array().clone()
}

/// Units of a product in pending and in confirmed orders.
type HeldAndSold = BTreeMap<u64, (u64, u64)>;

fn from_products(products: &[Value]) -> HeldAndSold {
    let units = |product: &Value, field: &str| product[field].as_u64().unwrap();
    products.iter().map(|p| (units(p, "id"), (units(p, "heldStock"), units(p, "soldStock")))).collect()
}

fn from_orders(products: &[Value], orders: &[Value]) -> HeldAndSold {
    let mut sums: HeldAndSold = products.iter().map(|p| (p["id"].as_u64().unwrap(), (0, 0))).collect();
    for order in orders {
        let (held, sold) = sums.entry(order["productId"].as_u64().unwrap()).or_default();
        match order["status"].as_str().unwrap() {
            "pending" => *held += order["quantity"].as_u64().unwrap(),
            "confirmed" => *sold += order["quantity"].as_u64().unwrap(),
            _ => {}
        }
    }
    sums
}

/// Waits until the stock is what the orders add up to, and fails if it never is. It has to wait because workers,
/// clocks and requests whose client has gone may still be moving orders between one look and the next.
pub(crate) async fn assert_adds_up(client: &Client) {
    eventually("the stock to be what the orders add up to", async || {
        let products = products(client).await;
        let orders = client.all("/orders?limit=500").await;
        (from_products(&products) == from_orders(&products, &orders)).then_some(())
    })
    .await;
    let audit = client.get("/inventory/audit").await.expect(200);
    assert_eq!(audit.body["ok"], true, "{audit}");
    for product in audit.body["products"].as_array().expect("the audited products") {
        assert_eq!(product["ok"], true, "{audit}");
        assert_conserved(product);
    }
}

/// Waits for the queue to run dry, unless the test has left it paused, and then for the books to balance. A delayed
/// job may wait for longer than any test, so it counts as dry.
pub(crate) async fn settle(client: &Client) {
    eventually("the queue to run dry", async || {
        let queue = client.get("/queue").await.expect(200).body;
        let busy = ["waiting", "prioritized", "active"].map(|state| queue["counts"][state].as_u64().unwrap());
        (queue["paused"] == true || busy == [0, 0, 0]).then_some(())
    })
    .await;
    assert_adds_up(client).await;
}
