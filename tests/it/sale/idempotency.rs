//! The same request again: one order and the same answer, whatever happened in between. And what is asked too often.

use std::collections::{HashMap, HashSet};

use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{
    Answer, Client, Server, assert_problem, eventually, keyed_request, named_fields, order_id, place_keyed, request,
};

fn order(product: u64, user: &str) -> Value {
    json!({"productId": product, "userId": user, "quantity": 1})
}

fn is_replayed(answer: &Answer) -> bool {
    match answer.headers.get("idempotency-replayed") {
        None => false,
        Some(replayed) => replayed == "true" || panic!("neither there nor true: {:?}", answer.headers),
    }
}

/// Fails unless the answer is `first`, replayed.
fn assert_replay_of(answer: &Answer, first: &Answer) {
    assert_eq!(answer.status, 201, "{answer}");
    assert!(is_replayed(answer), "{:?}", answer.headers);
    assert_eq!(answer.body, first.body);
    assert_eq!(answer.header("location"), first.header("location"));
}

/// Sends orders under one key, all at once.
async fn send_at_once(client: &Client, key: &'static str, orders: Vec<Value>) -> Vec<Answer> {
    let mut requests = JoinSet::new();
    for order in orders {
        let client = client.clone();
        requests.spawn(async move { place_keyed(&client, key, &order).await });
    }
    requests.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_order_under_the_same_key_is_answered_the_same_and_made_once() {
    let server = Server::start().await;
    let product = server.create(5).await;
    let first = place_keyed(&server, "once", &order(product, "ada")).await.expect(201);
    assert!(!is_replayed(&first), "{:?}", first.headers);
    for _ in 0..3 {
        assert_replay_of(&place_keyed(&server, "once", &order(product, "ada")).await, &first);
    }
    // The same order in other words.
    let written_otherwise = json!({"priority": "normal", "quantity": "1", "userId": "ada", "productId": "1"});
    assert_replay_of(&place_keyed(&server, "once", &written_otherwise).await, &first);
    assert_eq!(server.all("/orders").await.len(), 1);
    assert_eq!(server.stock(product).await[0], 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_answer_is_given_again_whatever_became_of_the_order() {
    let server = Server::start().await;
    let product = server.create_with(json!({"initialStock": 1, "holdSeconds": 3600})).await;
    let first = place_keyed(&server, "once", &order(product, "ada")).await.expect(201);
    for step in ["confirm", "cancel"] {
        server.act(&format!("/orders/{}/{step}", order_id(&first))).await.expect(200);
        assert_replay_of(&place_keyed(&server, "once", &order(product, "ada")).await, &first);
    }
    assert_eq!(server.stock(product).await, [1, 0, 0], "a replay takes no unit");
    server.order(product, "grace", 1).await.expect(201);
    server.put(&format!("/inventory/{product}"), json!({"flashSaleActive": false})).await.expect(200);
    assert_replay_of(&place_keyed(&server, "once", &order(product, "ada")).await, &first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_order_under_a_used_key_is_refused_and_changes_nothing() {
    let server = Server::start().await;
    let (product, other) = (server.create(5).await, server.create(5).await);
    let first = place_keyed(&server, "once", &order(product, "ada")).await.expect(201);
    server.order_becomes(order_id(&first), "confirmed").await;
    let state = async || [server.get("/inventory").await.body, server.get("/orders").await.body];
    let before = state().await;
    for (field, value) in
        [("productId", json!(other)), ("userId", json!("eve")), ("quantity", json!(2)), ("priority", json!("high"))]
    {
        let mut changed = order(product, "ada");
        changed[field] = value;
        assert_problem(&place_keyed(&server, "once", &changed).await, 422, "idempotency_key_reused");
    }
    assert_eq!(state().await, before);
    assert_replay_of(&place_keyed(&server, "once", &order(product, "ada")).await, &first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_requests_at_once_under_one_key_make_one_order() {
    let server = Server::start().await;
    let product = server.create(200).await;
    // Once more on connections that are open: then they come all at once indeed.
    for key in ["one", "two", "three", "four", "five"] {
        let answers = send_at_once(&server, key, vec![order(product, "ada"); 100]).await;
        let first: Vec<_> = answers.iter().filter(|answer| !is_replayed(answer)).collect();
        assert_eq!(first.len(), 1, "one of them is the first");
        answers.iter().filter(|answer| is_replayed(answer)).for_each(|answer| assert_replay_of(answer, first[0]));
        assert_eq!(order_id(first[0]), server.all("/orders").await[0]["id"]);
    }
    assert_eq!(server.all("/orders").await.len(), 5);
    assert_eq!(server.stock(product).await[0], 195);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_orders_at_once_under_one_key_one_is_made() {
    let server = Server::start().await;
    let product = server.create(200).await;
    for key in ["one", "two", "three", "four", "five"] {
        let orders = (0..100).map(|at| order(product, ["ada", "grace"][at % 2])).collect();
        let answers = send_at_once(&server, key, orders).await;
        let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
        assert_eq!(made.iter().map(|answer| order_id(answer)).collect::<HashSet<_>>().len(), 1);
        assert_eq!(made.iter().filter(|answer| !is_replayed(answer)).count(), 1, "one of them is the first");
        assert_eq!(refused.len(), 50);
        refused.iter().for_each(|answer| assert_problem(answer, 422, "idempotency_key_reused"));
    }
    assert_eq!(server.all("/orders").await.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_outlives_a_restart_and_a_kill() {
    let mut server = Server::start().await;
    let held = server.create_with(json!({"initialStock": 5, "holdSeconds": 3600})).await;
    let first = place_keyed(&server, "once", &order(held, "ada")).await.expect(201);
    for killed in [false, true, false] {
        if killed {
            server.kill9().await;
        }
        server.restart().await;
        assert_replay_of(&place_keyed(&server, "once", &order(held, "ada")).await, &first);
        assert_problem(&place_keyed(&server, "once", &order(held, "eve")).await, 422, "idempotency_key_reused");
    }
    assert_eq!(server.stock(held).await, [4, 1, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buyers_who_ask_again_after_a_kill_have_one_order_each() {
    let mut server = Server::start().await;
    let product = server.create(1_000).await;
    let mut buyers = JoinSet::new();
    for buyer in 0..200 {
        let (client, key) = (server.client(), format!("buyer-{buyer}"));
        buyers.spawn(async move {
            let asked = client.try_send(keyed_request(&[key.as_bytes()], &order(product, &key))).await;
            (key, asked.ok())
        });
    }
    let mut replied = HashMap::new();
    while replied.len() < 20 {
        replied.extend([buyers.join_next().await.unwrap().unwrap()]);
    }
    server.kill9().await;
    replied.extend(buyers.join_all().await);
    server.restart().await;
    for (buyer, first) in &replied {
        let again = place_keyed(&server, buyer, &order(product, buyer)).await.expect(201);
        if let Some(first) = first {
            assert_replay_of(&again, first);
        }
    }
    let orders = server.all("/orders?limit=500").await;
    let users: HashSet<_> = orders.iter().map(|order| order["userId"].as_str().unwrap()).collect();
    assert_eq!((orders.len(), users.len()), (200, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_order_leaves_its_key_free() {
    let server = Server::start().await;
    let product = server.create(0).await;
    assert_problem(&place_keyed(&server, "next-time", &order(product, "ada")).await, 409, "sold_out");
    assert_problem(&place_keyed(&server, "next-time", &order(product, "ada")).await, 409, "sold_out");
    server.post(&format!("/inventory/{product}/restock"), json!({"quantity": 1})).await.expect(200);
    let bought = place_keyed(&server, "next-time", &order(product, "ada")).await.expect(201);
    assert!(!is_replayed(&bought), "{:?}", bought.headers);
    assert_replay_of(&place_keyed(&server, "next-time", &order(product, "ada")).await, &bought);
    // Not even the same order has to come next under it.
    assert_problem(&place_keyed(&server, "later", &order(product, "ada")).await, 409, "sold_out");
    server.post(&format!("/inventory/{product}/restock"), json!({"quantity": 1})).await.expect(200);
    let other = place_keyed(&server, "later", &order(product, "grace")).await.expect(201);
    assert!(!is_replayed(&other), "{:?}", other.headers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_1_to_255_visible_characters_and_comes_once() {
    let server = Server::start().await;
    let product = server.create(5).await;
    let too_long = "k".repeat(256);
    let cases: [&[&[u8]]; 11] = [
        &[b""],
        &[b" "],
        &[b"two words"],
        &[b"a\tb"],
        &["clé".as_bytes()],
        &[b"\xff"],
        &[too_long.as_bytes()],
        &[b"once", b"once"],
        &[b"once", b"twice"],
        &[b"", b"once"],
        &[b"once", b""],
    ];
    for keys in cases {
        let answer = server.try_send(keyed_request(keys, &order(product, "ada"))).await.unwrap();
        assert_problem(&answer, 400, "invalid_request");
        assert_eq!(named_fields(&answer), ["Idempotency-Key"], "{keys:?}: {answer}");
    }
    assert_eq!(server.stock(product).await, [5, 0, 0]);
    assert_eq!(server.get("/orders").await.expect(200).body, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_visible_character_of_a_key_counts() {
    let server = Server::start().await;
    let product = server.create(10).await;
    let visible: String = ('!'..='~').collect();
    let longest = "k".repeat(254);
    let keys = ["k", "K", &visible, &format!("{longest}0"), &format!("{longest}1")];
    let mut orders = HashSet::new();
    for key in keys {
        let first = place_keyed(&server, key, &order(product, "ada")).await.expect(201);
        assert!(!is_replayed(&first), "{key:?} is a key of its own");
        assert!(orders.insert(order_id(&first)));
        assert_replay_of(&place_keyed(&server, key, &order(product, "ada")).await, &first);
    }
    assert_eq!(server.stock(product).await[0], 5);
}

/// Fails unless the answer says who asks too often, by which policy, and when to come again.
fn assert_rate_limited(answer: &Answer, policy: &str, quota: u32) {
    assert_problem(answer, 429, "rate_limited");
    let seconds = answer.header("retry-after");
    assert!(seconds.parse::<u64>().is_ok_and(|seconds| seconds >= 1), "{:?}", answer.headers);
    assert_eq!(answer.header("ratelimit-policy"), format!("\"{policy}\";q={quota};w=10"));
    assert_eq!(answer.header("ratelimit"), format!("\"{policy}\";r=0;t={seconds}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_orders_too_often_is_told_when_to_come_again_and_takes_nothing_from_others() {
    let server = Server::with().env("RATE_LIMIT_PER_USER", "1").start().await;
    let product = server.create(1_000).await;
    let mut bought = 0;
    let refused = eventually("a user who is refused", async || {
        let answer = server.order(product, "eve", 1).await;
        bought += u64::from(answer.status == 201);
        (answer.status != 201).then_some(answer)
    })
    .await;
    assert_rate_limited(&refused, "user", 10);
    assert!(bought >= 10, "ten seconds' worth may come at once, and {bought} did");
    server.order(product, "ada", 1).await.expect(201);
    assert_eq!(server.all("/orders/user/eve?limit=500").await.len() as u64, bought);
    eventually("a user who may order again", async || {
        (server.order(product, "eve", 1).await.status == 201).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_asks_too_often_is_refused_and_its_neighbour_is_not() {
    let limits = [("RATE_LIMIT_PER_IP", "20"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let launch = limits.into_iter().fold(Server::with(), |launch, (name, value)| launch.env(name, value));
    let server = launch.start().await;
    let ask = async |path: &str, address: &str| {
        let mut asked = request(Method::GET, path, None, b"");
        asked.headers_mut().insert("x-forwarded-for", address.parse().unwrap());
        server.try_send(asked).await.unwrap()
    };
    let mut answered = 0;
    let refused = loop {
        let answer = ask("/api/v1/inventory", "192.0.2.1").await;
        match answer.status {
            200 => answered += 1,
            _ => break answer,
        }
        assert!(answered < 10_000, "nobody is ever refused");
    };
    assert_rate_limited(&refused, "ip", 200);
    assert!(answered >= 200, "ten seconds' worth may come at once, and {answered} did");
    ask("/api/v1/inventory", "192.0.2.2").await.expect(200);
    for always_open in ["/livez", "/api/v1/monitoring/health"] {
        ask(always_open, "192.0.2.1").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_is_not_disturbed_by_another_order_under_its_key() {
    let server = Server::start().await;
    let product = server.create(200).await;
    let first = place_keyed(&server, "once", &order(product, "ada")).await.expect(201);
    let orders = (0..100).map(|at| order(product, ["ada", "grace"][at % 2])).collect();
    let answers = send_at_once(&server, "once", orders).await;
    let replayed: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    replayed.iter().for_each(|answer| assert_replay_of(answer, &first));
    assert_eq!(replayed.len(), 50);
}
