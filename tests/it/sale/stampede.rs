//! Crowds: every unit is sold exactly once, and no buyer gets `sold_out` while a unit is left.

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Answer, Client, Server, assert_adds_up, assert_conserved, assert_problem, order_id};

/// Buyers `0..count` at once, each for as many units as `quantity` says.
async fn rush(client: &Client, product: u64, count: u64, quantity: fn(u64) -> u64) -> Vec<(u64, Answer)> {
    let mut buyers = JoinSet::new();
    for buyer in 0..count {
        let client = client.clone();
        buyers.spawn(async move {
            let asked = quantity(buyer);
            (asked, client.order(product, &format!("buyer-{buyer}"), asked).await)
        });
    }
    buyers.join_all().await
}

/// The units of accepted orders; every other answer must be `sold_out`.
fn units_sold(answers: &[(u64, Answer)]) -> u64 {
    let (accepted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|(_, answer)| answer.status == 201);
    refused.iter().for_each(|(_, answer)| assert_problem(answer, 409, "sold_out"));
    accepted.iter().map(|(asked, _)| asked).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_buyers_for_one_unit_make_exactly_one_order() {
    let server = Server::start().await;
    let product = server.create(1).await;
    let answers = rush(&server, product, 1_000, |_| 1).await;
    assert_eq!(units_sold(&answers), 1);
    let (_, winner) = answers.iter().find(|(_, answer)| answer.status == 201).unwrap();
    server.order_becomes(order_id(winner), "confirmed").await;
    assert_eq!(server.stock(product).await, [0, 0, 1]);
    assert_eq!(server.all("/orders").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_buyers_for_a_thousand_units_all_get_one() {
    let server = Server::start().await;
    let product = server.create(1_000).await;
    let answers = rush(&server, product, 1_000, |_| 1).await;
    assert_eq!(units_sold(&answers), 1_000);
    let mut ids: Vec<u64> = answers.iter().map(|(_, answer)| order_id(answer)).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1_000, "two buyers got the same order");
    assert_eq!(server.stock(product).await[0], 0);
    assert_problem(&server.order(product, "late", 1).await, 409, "sold_out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_with_mixed_quantities_is_never_oversold_and_never_turned_away_too_early() {
    let server = Server::start().await;
    let product = server.create(900).await;
    let answers = rush(&server, product, 600, |buyer| 1 + buyer * 7 % 5).await;
    let sold = units_sold(&answers);
    assert!(sold <= 900, "{sold} of 900 units were sold");
    // Nothing came back, so what was left only ever fell: who was refused asked for more than is left now.
    let left = 900 - sold;
    let refused = answers.iter().filter(|(_, answer)| answer.status != 201);
    for (asked, answer) in refused {
        assert!(*asked > left, "{left} are left, and {asked} were refused: {answer}");
    }
    assert_eq!(server.stock(product).await[0], i64::try_from(left).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crowds_at_several_products_do_not_mix_up_their_stock() {
    let server = Server::start().await;
    let mut crowds = JoinSet::new();
    for stock in [1, 10, 100, 150] {
        let product = server.create(stock).await;
        let client = server.client();
        crowds.spawn(async move { (stock, units_sold(&rush(&client, product, 200, |_| 1).await)) });
    }
    for (stock, sold) in crowds.join_all().await {
        assert_eq!(sold, stock.min(200));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_larger_than_the_queue_gets_what_there_is_once_it_asks_again() {
    let server = Server::with().env("QUEUE_CAPACITY", "20").start().await;
    let product = server.create(300).await;
    let mut buyers = JoinSet::new();
    for buyer in 0..400 {
        let client = server.client();
        buyers.spawn(async move {
            loop {
                let answer = client.order(product, &format!("buyer-{buyer}"), 1).await;
                if answer.status != 503 {
                    return (1, answer);
                }
                assert_problem(&answer, 503, "overloaded");
                tokio::task::yield_now().await;
            }
        });
    }
    assert_eq!(units_sold(&buyers.join_all().await), 300);
}

/// Buys 10 times, and cancels every second order that was accepted; gives the units kept.
async fn buy_and_change_ones_mind(client: Client, product: u64, buyer: u64) -> u64 {
    let mut kept = 0;
    for turn in 0..10 {
        let answer = client.order(product, &format!("buyer-{buyer}"), 2).await;
        match answer.status {
            201 if turn % 2 == 0 => {
                client.act(&format!("/orders/{}/cancel", order_id(&answer))).await.expect(200);
            }
            201 => kept += 2,
            _ => assert_problem(&answer, 409, "sold_out"),
        }
    }
    kept
}

/// Adds and takes units 30 times; gives what it has changed in all.
async fn restock_up_and_down(client: Client, product: u64) -> i64 {
    let mut changed = 0;
    for quantity in [3_i64, -2, 1].repeat(10) {
        let answer = client.post(&format!("/inventory/{product}/restock"), json!({"quantity": quantity})).await;
        if answer.status == 200 {
            changed += quantity;
        } else {
            assert!(quantity < 0 && (400..500).contains(&answer.status), "{quantity}: {answer}");
        }
    }
    changed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_cancellations_and_restocks_at_once_lose_no_unit() {
    let server = Server::start().await;
    let product = server.create_with(json!({"initialStock": 100, "holdSeconds": 3600})).await;
    let (mut buyers, mut restockers) = (JoinSet::new(), JoinSet::new());
    for buyer in 0..20 {
        buyers.spawn(buy_and_change_ones_mind(server.client(), product, buyer));
    }
    for _ in 0..3 {
        restockers.spawn(restock_up_and_down(server.client(), product));
    }
    // A client that looks in between sees every unit in one place.
    let client = server.client();
    let path = format!("/inventory/{product}");
    for _ in 0..50 {
        assert_conserved(&client.get(&path).await.expect(200).body);
        assert_eq!(client.get("/inventory/audit").await.expect(200).body["ok"], true);
    }
    let kept = i64::try_from(buyers.join_all().await.iter().sum::<u64>()).unwrap();
    let added: i64 = restockers.join_all().await.iter().sum();
    assert_eq!(server.stock(product).await, [100 + added - kept, kept, 0]);
    assert_adds_up(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_that_come_back_are_sold_again() {
    let server = Server::start().await;
    let product = server.create_with(json!({"initialStock": 50, "holdSeconds": 3600})).await;
    for round in 0..3 {
        let answers = rush(&server, product, 120, |_| 1).await;
        assert_eq!(units_sold(&answers), 50, "round {round}");
        for (_, answer) in answers.iter().filter(|(_, answer)| answer.status == 201) {
            server.act(&format!("/orders/{}/cancel", order_id(answer))).await.expect(200);
        }
        assert_eq!(server.stock(product).await, [50, 0, 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buyers_who_hang_up_lose_no_unit() {
    let server = Server::start().await;
    let product = server.create(200).await;
    let mut buyers = JoinSet::new();
    for buyer in 0..300 {
        let client = server.client();
        buyers.spawn(async move { client.order(product, &format!("buyer-{buyer}"), 1).await });
    }
    // Wherever their requests are by now: most of these buyers do not stay for the answer.
    buyers.join_next().await;
    buyers.abort_all();
    while buyers.join_next().await.is_some() {}
    assert_adds_up(&server).await;
    units_sold(&rush(&server, product, 300, |_| 1).await);
    assert_eq!(server.stock(product).await[0], 0);
    let orders = server.all("/orders?limit=500").await;
    assert_eq!(orders.len(), 200, "a unit was lost or sold twice");
}
