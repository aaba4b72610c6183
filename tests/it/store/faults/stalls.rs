//! The disk hangs, or a part of the server ends: every wait ends, and nothing is lost or doubled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use flashsale::app::{App, AppError};
use flashsale::committer::{Edit, Status};
use flashsale::config::Config;
use flashsale::limits;
use flashsale::store::Part;
use hyper::Method;
use serde_json::{Value, json};

use super::audit::audit;
use super::failures::{FULL, expect, place, start, wait_until_open};
use super::script::PLENTY;
use crate::harness::disk::{Disk, Fault, Until};
use crate::harness::engine::{block_on, request};
use crate::harness::{self, Client, assert_problem, eventually, order_id, within};

/// Lets what hangs continue, also when a test fails: the runtime would wait for it.
struct Releases(Arc<Disk>);

impl Drop for Releases {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// Returns when an operation of the disk hangs.
async fn until_it_hangs(disk: &Disk) {
    eventually("something that hangs", async || disk.is_hanging().then_some(())).await;
}

#[test]
fn a_reader_that_waits_for_the_tables_is_let_go_when_the_store_fails() {
    let outcome = block_on(async {
        let (disk, engine) = start(1).await?;
        // A segment of the log is full, the tables hang in their sync, and a reader waits for what comes after it.
        disk.hang(Part::Tables);
        let mut accepted = 0;
        while !disk.is_hanging() {
            place(&engine, PLENTY, "ada", None).await.map_err(|refusal| format!("{refusal:?}"))?;
            accepted += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        place(&engine, PLENTY, "bob", None).await.map_err(|refusal| format!("{refusal:?}"))?;
        let store = Arc::clone(&engine.store);
        let reading = std::thread::spawn(move || store.snapshot().map(drop));
        // For the reader to come to wait; if it does not in this time, this shows less.
        tokio::time::sleep(Duration::from_millis(100)).await;
        disk.arm(Fault::SyncFails { after: 0, until: Until::Once });
        expect(place(&engine, PLENTY, "eve", None).await, &Err(FULL))?;
        disk.release();
        wait_until_open(&engine, &disk)?;
        // Whether it heard of the failure or read before it.
        let _ = reading.join().map_err(|_| "the reader panicked")?;
        place(&engine, PLENTY, "cyd", None).await.map_err(|refusal| format!("{refusal:?}"))?;
        let orders = audit(&engine.store)?.orders.len();
        engine.stop().await;
        // Nobody knows of the one whose commit failed.
        expect((accepted + 2..=accepted + 3).contains(&orders), &true)
    });
    outcome.unwrap();
}

#[test]
fn orders_that_wait_for_a_disk_that_hangs_are_told_so_and_none_is_lost_or_doubled() {
    let outcome = block_on(async {
        let (disk, engine) = start(2).await?;
        let item = engine.inventory.item(PLENTY).ok_or("no item")?;
        let before = item.available();
        disk.hang(Part::Wal);
        let order = |user: &'static str| {
            let (admission, intake) = (engine.admission.clone(), engine.intake.clone());
            // Stands for the connection, which wakes what waits in it.
            let place = async move { admission.place(request(PLENTY, user, Some(user))).await };
            tokio::spawn(async move { intake.unless_stalled(place).await.flatten() })
        };
        // One in the commit that hangs, one behind it, and a batch.
        let first = order("ada");
        until_it_hangs(&disk).await;
        let second = order("bob");
        let batch =
            engine.admission.place_many(vec![request(PLENTY, "eve", None), request(PLENTY, "cyd", Some("cyd"))]);
        let restock = engine.intake.edit(Edit::Restock { product: PLENTY, delta: 0 });
        let (batch, restock) = tokio::join!(batch, restock);
        expect(batch, &vec![Err(FULL), Err(FULL)])?;
        expect(restock.map(drop), &Err(FULL))?;
        for waited in [first, second] {
            expect(waited.await.map_err(|panic| panic.to_string())?, &Err(FULL))?;
        }
        expect(engine.intake.status(), &Status::StorageSlow)?;
        // Those who come now are rejected at once, with a key and without.
        let came = Instant::now();
        for key in [None, Some("ada"), Some("new")] {
            expect(place(&engine, PLENTY, "ada", key).await, &Err(FULL))?;
        }
        expect(came.elapsed() < limits::COMMIT_STALL, &true)?;
        disk.release();
        wait_until_open(&engine, &disk)?;
        let again = place(&engine, PLENTY, "ada", Some("ada")).await.map_err(|refusal| format!("{refusal:?}"))?;
        expect(again.replayed, &true)?;
        for user in ["bob", "cyd"] {
            // What waited behind the commit is refused, which takes a moment.
            while place(&engine, PLENTY, user, Some(user)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        expect(audit(&engine.store)?.orders.len(), &3)?;
        expect(item.available(), &(before - 3))?;
        engine.stop().await;
        Ok(())
    });
    outcome.unwrap();
}

/// A server with its store on a disk of the test's, and a client of it.
async fn serve(disk: &Arc<Disk>) -> (App, Client) {
    let config = Config {
        address: "127.0.0.1:0".parse().unwrap(),
        data_dir: "nowhere".into(),
        admin_token: None,
        storefront_token: None,
        cors_origins: None,
        public_url: None,
        sample_data: false,
        workers: 1,
        queue_capacity: 1_000,
        hold_capacity: 1_000,
        max_connections: 100,
        max_feed_clients: 10,
        max_per_address: 0,
        fulfillment: None,
        journal_keep: None,
        shutdown_timeout: limits::SHUTDOWN_TIMEOUT,
        rate_limits: flashsale::config::RateLimitConfig::default(),
        pages: flashsale::config::PagesConfig::default(),
        alerts: flashsale::config::AlertConfig::default(),
        mirrors: flashsale::config::MirrorsConfig { database: None, redis: None, events: None, kept_records: 0 },
    };
    let (app, banner) = App::start_on(disk.medium(), config, || {}).await.unwrap();
    (app, Client::new(&banner.address.to_string()))
}

async fn create(client: &Client) -> u64 {
    let product = json!({"name": "Lamp", "price": "10.00", "initialStock": 10, "flashSaleActive": true});
    client.post("/inventory", product).await.expect(201).body["id"].as_u64().unwrap()
}

/// Places an order and waits until no worker will commit anything of it any more; gives its number.
async fn order_to_its_end(client: &Client, product: u64) -> u64 {
    let order = order_id(&client.order(product, "ada", 1).await.expect(201));
    eventually("the order to be confirmed", async || {
        let found = client.get(&format!("/orders/{order}")).await.expect(200).body;
        (found["status"] == "confirmed").then_some(order)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_disk_hangs_says_so_to_buyers_and_probes_and_goes_on_when_it_answers() {
    let disk = Disk::new(3);
    let (app, client) = serve(&disk).await;
    let product = create(&client).await;
    // The commit that hangs must be bob's.
    let before = order_to_its_end(&client, product).await;
    let _released = Releases(Arc::clone(&disk));
    disk.hang(Part::Wal);
    let unknown = client.order(product, "bob", 1).await;
    assert_problem(&unknown, 503, "storage_unavailable");
    assert!(unknown.body["detail"].as_str().unwrap().contains("Idempotency-Key"), "{unknown}");
    let ready = client.get_root("/readyz").await.expect(503).body;
    assert_eq!(ready["notReady"], json!(["storage_slow"]));
    client.get_root("/livez").await.expect(200);
    assert_problem(&client.order(product, "eve", 1).await, 503, "storage_unavailable");
    disk.release();
    eventually("a ready server", async || (client.get_root("/readyz").await.status == 200).then_some(())).await;
    let after = order_id(&client.order(product, "cyd", 1).await.expect(201));
    // The one that nobody knew of was in the commit, and once.
    assert_eq!(after, before + 2);
    assert_eq!(client.get(&format!("/inventory/{product}")).await.expect(200).body["currentStock"], 7);
    within("the stop", app.stop()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_a_disk_that_hangs() {
    let disk = Disk::new(4);
    let (app, client) = serve(&disk).await;
    let product = create(&client).await;
    let _released = Releases(Arc::clone(&disk));
    disk.hang(Part::Wal);
    let order = json!({"productId": product, "userId": "ada", "quantity": 1}).to_string();
    let order = harness::request(Method::POST, "/api/v1/orders", Some("application/json"), order.as_bytes());
    let order = tokio::spawn(async move { client.try_send(order).await });
    until_it_hangs(&disk).await;
    let stopped = within("the stop", app.stop()).await;
    assert!(matches!(stopped, Err(AppError::Unclosed)), "{stopped:?}");
    // On a busy machine its connection may be given up first.
    if let Ok(answer) = order.await.unwrap() {
        assert_problem(&answer, 503, "storage_unavailable");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_committer_that_panics_is_noticed_and_the_rest_is_stopped() {
    let disk = Disk::new(5);
    let (mut app, client) = serve(&disk).await;
    let product = create(&client).await;
    // The commit that panics must be bob's.
    order_to_its_end(&client, product).await;
    disk.arm(Fault::Panics);
    assert_problem(&client.order(product, "bob", 1).await, 503, "storage_unavailable");
    assert_eq!(within("the end of a part", app.ended()).await, "the committer");
    disk.repair();
    within("the stop", app.stop()).await.unwrap();
    let (app, client) = serve(&disk).await;
    let orders: Value = client.get("/orders").await.expect(200).body;
    assert!((1..=2).contains(&orders.as_array().unwrap().len()), "{orders}");
    within("the stop", app.stop()).await.unwrap();
}
