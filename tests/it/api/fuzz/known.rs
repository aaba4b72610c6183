//! What the test was told by the server, and what it sees there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::ask::{Ask, Key};
use crate::harness::{Answer, Client, eventually};

/// All that a rejected request could have changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    /// The tag of each product, and whether it is hidden.
    pub(super) products: BTreeMap<u64, (String, bool)>,
    /// The status of what would be the next product.
    next: u16,
    /// Orders by status.
    orders: BTreeMap<String, Value>,
    is_paused: bool,
    /// The jobs of the dead letters.
    pub(super) dead: Vec<String>,
}

/// An order that was placed under a key.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) order: Value,
    pub(super) id: u64,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) state: State,
    products: BTreeSet<u64>,
    /// Those that have had orders, and so stay.
    ordered: BTreeSet<u64>,
    /// The highest id that a product ever had.
    last: u64,
    /// Tags that products had, the newest last.
    pub(super) past: BTreeMap<u64, Vec<String>>,
    pub(super) orders: Vec<u64>,
    pub(super) jobs: Vec<String>,
    pub(super) keys: BTreeMap<String, Kept>,
}

impl Known {
    /// What is to be seen at the server now, once nothing moves there by itself.
    pub(super) async fn look(&self, operator: &Client) -> State {
        let (is_paused, letters) = eventually("the queue to be quiet", async || {
            let queue = operator.get("/queue").await.expect(200).body;
            let busy = |name: &str| queue["counts"][name] != 0;
            let is_paused = queue["paused"] == true;
            let waits = !is_paused && (busy("waiting") || busy("prioritized"));
            (!busy("active") && !waits).then(|| (is_paused, queue["deadLetters"].as_u64().unwrap()))
        })
        .await;
        let mut products = BTreeMap::new();
        for &id in &self.products {
            let product = operator.get(&format!("/inventory/{id}")).await.expect(200);
            products.insert(id, (product.header("etag").to_owned(), product.body["hidden"] == true));
        }
        let next = operator.get(&format!("/inventory/{}", self.last + 1)).await.status;
        let metrics = operator.get("/orders/admin/metrics").await.expect(200).body;
        let counts = metrics.as_object().unwrap().clone().into_iter().filter(|(name, _)| name.ends_with("Orders"));
        let dead = match letters == self.state.dead.len() as u64 {
            true => self.state.dead.clone(),
            false => {
                let dead = operator.get("/queue/dead-letter?limit=500").await.expect(200);
                dead.array().iter().map(|letter| letter["jobId"].as_str().unwrap().to_owned()).collect()
            }
        };
        State { products, next, orders: counts.collect(), is_paused, dead }
    }

    /// The products that can be deleted.
    pub(super) fn deletable(&self) -> Vec<u64> {
        self.products.difference(&self.ordered).copied().collect()
    }

    /// Takes a state as the one that is known.
    pub(super) fn take(&mut self, state: State) {
        for (id, (tag, _)) in &state.products {
            let past = self.past.entry(*id).or_default();
            if past.last() != Some(tag) {
                past.push(tag.clone());
            }
        }
        self.state = state;
    }

    /// Takes note of what a successful response said.
    pub(super) fn hear(&mut self, ask: &Ask, answer: &Answer) {
        if ask.is(&hyper::Method::POST, "/inventory") {
            let id = answer.body["id"].as_u64().unwrap();
            assert!(id > self.last, "an id was given twice: {answer}");
            self.last = id;
            self.products.insert(id);
        } else if ask.is(&hyper::Method::DELETE, "/inventory/{id}") {
            assert!(self.products.remove(&ask.product.unwrap()), "a product was deleted twice: {ask}");
        } else if ask.places_an_order() {
            let key = if let Key::Valid(key) = &ask.key { Some(key.as_str()) } else { None };
            self.placed(&ask.json, key, &answer.body, answer.header("idempotency-replayed") == "true");
        } else if ask.is(&hyper::Method::POST, "/orders/batch") {
            let orders = ask.json["orders"].as_array().unwrap();
            for (order, result) in orders.iter().zip(answer.body["results"].as_array().unwrap()) {
                if result["status"] == 201 {
                    let (mut order, is_replayed) = (order.clone(), result["idempotencyReplayed"] == true);
                    let key = order.as_object_mut().unwrap().remove("idempotencyKey");
                    self.placed(&order, key.as_ref().and_then(Value::as_str), result, is_replayed);
                }
            }
        }
    }

    /// An order was acknowledged: a new one, or again the one that the key is for.
    fn placed(&mut self, order: &Value, key: Option<&str>, receipt: &Value, is_replayed: bool) {
        let id = receipt["orderId"].as_u64().unwrap();
        let kept = key.and_then(|key| self.keys.get(key));
        assert_eq!(kept.is_some(), is_replayed, "{key:?} {order}: {receipt}");
        if let Some(kept) = kept {
            assert_eq!((kept.id, &kept.order), (id, order), "another order under the same key: {receipt}");
            return;
        }
        assert!(!self.orders.contains(&id), "an order was acknowledged twice: {receipt}");
        self.orders.push(id);
        self.ordered.insert(order["productId"].as_u64().unwrap());
        self.jobs.push(receipt["jobId"].as_str().unwrap().to_owned());
        if let Some(key) = key {
            self.keys.insert(key.to_owned(), Kept { order: order.clone(), id });
        }
    }

    /// Fails unless the server has the orders and the products that it acknowledged, and no others.
    pub(super) async fn check(&self, operator: &Client) {
        let ids = |all: Vec<Value>| all.iter().map(|one| one["id"].as_u64().unwrap()).collect::<BTreeSet<_>>();
        let orders = ids(operator.all("/orders?limit=500").await);
        assert_eq!(orders, self.orders.iter().copied().collect());
        let listed = eventually("the list to be up to date", async || {
            let listed = ids(operator.get("/inventory").await.expect(200).array().clone());
            (listed == self.products).then_some(listed)
        });
        listed.await;
        let audit = operator.get("/inventory/audit").await.expect(200);
        assert_eq!(audit.body["ok"], true, "{audit}");
    }
}
