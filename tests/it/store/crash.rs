//! Kills the server under load, again and again, and holds it to what it has acknowledged.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Answer, Client, Server, assert_adds_up, eventually, request};

const BUYERS: u64 = 12;
const SCARCE_UNITS: u64 = 300;

/// Statuses that an order may have after all that was asked and answered.
type Allowed = &'static [&'static str];

/// What the buyers know for sure. A user name is used for one order only, so that an order which was not acknowledged
/// can be distinguished from one that was made twice.
#[derive(Debug, Default)]
struct Ledger {
    acknowledged: HashMap<u64, Claim>,
    /// Asked for, and never answered: may exist or not.
    open: HashSet<String>,
}

#[derive(Debug)]
struct Claim {
    job: String,
    product: u64,
    user: String,
    quantity: u64,
    allowed: Allowed,
}

/// The products of the test: one that never runs out, one that does, one whose orders wait for their buyer.
#[derive(Clone, Copy, Debug)]
struct Products {
    plenty: u64,
    scarce: u64,
    held: u64,
}

#[derive(Debug, Default)]
struct Load {
    ledger: Mutex<Ledger>,
    acknowledgements: AtomicU64,
}

impl Load {
    /// Buys until the server is gone.
    async fn buy(&self, client: &Client, products: Products, names: &str) {
        for turn in 0.. {
            let user = format!("{names}-{turn}");
            let product = [products.plenty, products.held, products.scarce][turn % 3];
            let quantity = 1 + turn as u64 % 3;
            self.ledger.lock().unwrap().open.insert(user.clone());
            let body = json!({"productId": product, "userId": user, "quantity": quantity});
            let Some(answer) = ask(client, "/orders", &body).await else { return };
            let Some(order) = self.note(answer, product, user, quantity, products) else { continue };
            if product == products.held && !self.decide(client, order, turn).await {
                return;
            }
        }
    }

    /// Writes down an answer to an order, and gives the number of the order if it was accepted.
    fn note(&self, answer: Answer, product: u64, user: String, quantity: u64, products: Products) -> Option<u64> {
        let mut ledger = self.ledger.lock().unwrap();
        ledger.open.remove(&user);
        if answer.status == 409 && product == products.scarce {
            assert_eq!(answer.body["code"], "sold_out", "{answer}");
            return None;
        }
        assert_eq!(answer.status, 201, "{answer}");
        let order = answer.body["orderId"].as_u64().unwrap();
        let job = answer.body["jobId"].as_str().unwrap().to_owned();
        let allowed: Allowed = if product == products.held { &["pending"] } else { &["pending", "confirmed"] };
        let before = ledger.acknowledged.insert(order, Claim { job, product, user, quantity, allowed });
        assert!(before.is_none(), "order {order} was given out twice");
        self.acknowledgements.fetch_add(1, Ordering::Relaxed);
        Some(order)
    }

    /// Confirms or cancels a held order, or leaves it; false when the server is gone.
    async fn decide(&self, client: &Client, order: u64, turn: usize) -> bool {
        let (action, unsure, sure): (_, Allowed, Allowed) = match turn / 3 % 3 {
            0 => ("confirm", &["pending", "confirmed"], &["confirmed"]),
            1 => ("cancel", &["pending", "cancelled"], &["cancelled"]),
            _ => return true,
        };
        self.allow(order, unsure);
        let Some(answer) = ask(client, &format!("/orders/{order}/{action}"), &Value::Null).await else { return false };
        answer.expect(200);
        self.allow(order, sure);
        true
    }

    fn allow(&self, order: u64, allowed: Allowed) {
        self.ledger.lock().unwrap().acknowledged.get_mut(&order).unwrap().allowed = allowed;
    }

    /// Fails unless the orders of the server are those that were acknowledged, and perhaps some that were not
    /// answered.
    fn check(&self, orders: &[Value]) {
        let ledger = self.ledger.lock().unwrap();
        let found: BTreeMap<u64, &Value> = orders.iter().map(|order| (order["id"].as_u64().unwrap(), order)).collect();
        assert_eq!(found.len(), orders.len(), "an order is listed twice");
        let users: HashSet<&str> = orders.iter().map(|order| order["userId"].as_str().unwrap()).collect();
        assert_eq!(users.len(), orders.len(), "one request made two orders");
        for (id, claim) in &ledger.acknowledged {
            let order = found.get(id).unwrap_or_else(|| panic!("order {id} was acknowledged and is gone: {claim:?}"));
            let same = order["jobId"] == claim.job
                && order["productId"] == claim.product
                && order["userId"] == claim.user
                && order["quantity"] == claim.quantity;
            assert!(same, "{claim:?} became {order}");
            assert!(claim.allowed.contains(&order["status"].as_str().unwrap()), "{claim:?} became {order}");
        }
        for (id, order) in &found {
            let known = ledger.acknowledged.contains_key(id) || ledger.open.contains(order["userId"].as_str().unwrap());
            assert!(known, "nobody asked for {order}");
        }
    }
}

/// Sends a request; None when no answer came.
async fn ask(client: &Client, path: &str, body: &Value) -> Option<Answer> {
    let (content_type, bytes) = match body {
        Value::Null => (None, String::new()),
        body => (Some("application/json"), body.to_string()),
    };
    client.try_send(request(Method::POST, &format!("/api/v1{path}"), content_type, bytes.as_bytes())).await.ok()
}

/// How often to kill: a few times in every run, and as often as `CRASH_KILLS` says where somebody has the time.
fn kills() -> u64 {
    std::env::var("CRASH_KILLS").map_or(10, |kills| kills.parse().expect("CRASH_KILLS is a number"))
}

/// A number of acknowledgements to wait for, different in every round and the same in every run.
fn moment(round: u64) -> u64 {
    1 + round.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 200
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_order_survives_being_killed_again_and_again() {
    let mut server = Server::start().await;
    let products = Products {
        plenty: server.create(1_000_000).await,
        scarce: server.create(SCARCE_UNITS).await,
        held: server.create_with(json!({"initialStock": 1_000_000, "holdSeconds": 36_000})).await,
    };
    let load = std::sync::Arc::new(Load::default());
    for round in 0..kills() {
        let mut buyers = JoinSet::new();
        for buyer in 0..BUYERS {
            let (client, load) = (server.client(), std::sync::Arc::clone(&load));
            buyers.spawn(async move { load.buy(&client, products, &format!("{round}-{buyer}")).await });
        }
        let enough = load.acknowledgements.load(Ordering::Relaxed) + moment(round);
        eventually("enough acknowledged orders", async || {
            (load.acknowledgements.load(Ordering::Relaxed) >= enough).then_some(())
        })
        .await;
        server.kill9().await;
        while let Some(buyer) = buyers.join_next().await {
            buyer.expect("a buyer whose checks passed");
        }
        if round % 3 == 0 {
            server.launch.start_and_kill().await;
        }
        server.restart().await;
        assert_adds_up(&server).await;
        load.check(&server.all("/orders?limit=500").await);
    }
    eventually("every order without a hold to be confirmed", async || {
        let pending = server.all("/orders?status=pending&limit=500").await;
        pending.iter().all(|order| order["productId"] == products.held).then_some(())
    })
    .await;
    load.check(&server.all("/orders?limit=500").await);
    let [left, held, sold] = server.stock(products.scarce).await;
    assert_eq!((left + sold, held), (i64::try_from(SCARCE_UNITS).unwrap(), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn being_killed_while_it_recovers_harms_nothing() {
    let mut server = Server::start().await;
    let product = server.create(1_000).await;
    server.act("/queue/pause").await.expect(200);
    for buyer in 0..50 {
        server.order(product, &format!("buyer-{buyer}"), 1).await.expect(201);
    }
    server.kill9().await;
    for _ in 0..5 {
        server.launch.start_and_kill().await;
    }
    server.restart().await;
    server.act("/queue/resume").await.expect(200);
    eventually("50 confirmed orders", async || {
        (server.get("/orders/admin/metrics").await.expect(200).body["confirmedOrders"] == 50).then_some(())
    })
    .await;
    assert_eq!(server.stock(product).await, [950, 0, 50]);
}
