//! Stopping the whole sale, and starting it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::harness::{Answer, Server, assert_conserved, assert_problem};

fn ids(answer: &Answer) -> Vec<u64> {
    answer.array().iter().map(|product| product["id"].as_u64().unwrap()).collect()
}

async fn is_active(server: &Server, product: u64) -> bool {
    server.get(&format!("/inventory/{product}")).await.expect(200).body["flashSaleActive"] == json!(true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_takes_all_out_of_the_sale_and_a_start_brings_exactly_those_back() {
    let server = Server::start().await;
    let (phone, lamp) = (server.create(10).await, server.create(10).await);
    let off = server.create_with(json!({"flashSaleActive": false})).await;
    let stopped = server.act("/inventory/stop").await.expect(200);
    assert_eq!(ids(&stopped), [phone, lamp]);
    assert!(stopped.array().iter().all(|product| product["flashSaleActive"] == json!(false)), "{stopped}");
    assert_eq!(server.act("/inventory/stop").await.expect(200).body, json!([]), "there is nothing left to stop");
    for product in [phone, lamp, off] {
        assert_problem(&server.order(product, "ada", 1).await, 409, "sale_not_active");
    }
    let started = server.act("/inventory/start").await.expect(200);
    assert_eq!(ids(&started), [phone, lamp]);
    assert_eq!(server.act("/inventory/start").await.expect(200).body, json!([]), "there is nothing left to start");
    assert!(is_active(&server, phone).await && is_active(&server, lamp).await && !is_active(&server, off).await);
    server.order(phone, "ada", 1).await.expect(201);
    let ledger = server.get(&format!("/inventory/{lamp}/ledger")).await.expect(200);
    let kinds: Vec<_> = ledger.array().iter().map(|entry| entry["kind"].clone()).collect();
    assert_eq!(kinds, [json!("started"), json!("stopped"), json!("created")]);
    assert!(server.get("/inventory/audit").await.expect(200).body["ok"] == json!(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_says_of_one_product_outlasts_the_start() {
    let server = Server::start().await;
    let products = [server.create(5).await, server.create(5).await, server.create(5).await, server.create(5).await];
    let [back, kept_out, repriced, untouched] = products;
    assert_eq!(ids(&server.act("/inventory/stop").await.expect(200)), products);
    let put = |product: u64, body: Value| {
        let server = &server;
        async move { server.put(&format!("/inventory/{product}"), body).await.expect(200) }
    };
    put(back, json!({"flashSaleActive": true})).await;
    put(kept_out, json!({"flashSaleActive": false})).await;
    put(repriced, json!({"price": "1.00"})).await;
    assert_eq!(ids(&server.act("/inventory/start").await.expect(200)), [repriced, untouched]);
    assert!(is_active(&server, back).await && !is_active(&server, kept_out).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_order_is_accepted_after_the_answer_to_a_stop() {
    let server = Server::start().await;
    let product = server.create(1_000_000).await;
    for _ in 0..5 {
        let stopped = Arc::new(AtomicBool::new(false));
        let buyers: Vec<_> = (0..16)
            .map(|buyer| {
                let (client, stopped) = (server.client(), Arc::clone(&stopped));
                tokio::spawn(async move {
                    loop {
                        let late = stopped.load(Ordering::SeqCst);
                        let body = json!({"productId": product, "userId": format!("u{buyer}"), "quantity": 1});
                        let answer = client.post("/orders", body).await;
                        match answer.status {
                            201 => assert!(!late, "accepted after the stop: {answer}"),
                            _ => assert_problem(&answer, 409, "sale_not_active"),
                        }
                        if late {
                            return;
                        }
                    }
                })
            })
            .collect();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(ids(&server.act("/inventory/stop").await.expect(200)), [product]);
        stopped.store(true, Ordering::SeqCst);
        for buyer in buyers {
            buyer.await.unwrap();
        }
        assert_conserved(&server.get(&format!("/inventory/{product}")).await.expect(200).body);
        server.act("/inventory/start").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stopped_is_remembered_over_a_kill_and_a_restart() {
    let mut server = Server::start().await;
    let (phone, lamp) = (server.create(10).await, server.create(10).await);
    server.order(phone, "ada", 1).await.expect(201);
    assert_eq!(ids(&server.act("/inventory/stop").await.expect(200)), [phone, lamp]);
    server.kill9().await;
    server.restart().await;
    assert_problem(&server.order(phone, "bob", 1).await, 409, "sale_not_active");
    server.restart().await;
    assert_eq!(ids(&server.act("/inventory/start").await.expect(200)), [phone, lamp]);
    server.kill9().await;
    server.restart().await;
    assert!(is_active(&server, phone).await && is_active(&server, lamp).await);
    assert_eq!(server.act("/inventory/start").await.expect(200).body, json!([]));
}
