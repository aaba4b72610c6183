//! A running server is prepared for a load test from the command line.

use serde_json::{Value, json};

use crate::harness::{Endpoint, Exited, Launch, Reply, Server, eventually, order_id};

/// Runs `flashsale scenario` at a server, without a terminal.
async fn scenario(server: &Server, args: &[&str]) -> Exited {
    let url = format!("http://{}", server.address());
    Launch::bare(&[]).command(&[&["scenario"], args, &["--server", &url]].concat()).await
}

/// What it says as JSON, which must succeed.
async fn prepared(server: &Server, args: &[&str]) -> Value {
    let exited = scenario(server, &[args, &["--json"]].concat()).await;
    assert_eq!((exited.code, exited.stderr.as_str()), (Some(0), ""), "{exited:?}");
    serde_json::from_str(&exited.stdout).unwrap_or_else(|error| panic!("{error}: {exited:?}"))
}

async fn products(server: &Server) -> Vec<Value> {
    server.get("/inventory").await.expect(200).body.as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scenario_makes_its_products_and_begins_the_metrics_anew() {
    let launch = Server::with();
    assert_eq!(launch.command(&["seed"]).await.code, Some(0));
    let server = launch.start().await;
    let order = server.order(1, "ada", 1).await.expect(201);
    server.order_becomes(order_id(&order), "confirmed").await;
    let samples = products(&server).await;
    let made = prepared(&server, &["contention-limited"]).await;
    assert_eq!((&made["scenario"], &made["products"][0]["units"]), (&json!("limited"), &json!(5)));
    assert_eq!((&made["putAway"]["hidden"], &made["limits"]), (&json!(0), &json!(null)));
    let all = products(&server).await;
    assert_eq!(all[1..], samples[..]);
    let fields = ["sku", "currentStock", "perUserLimit", "flashSaleActive", "hidden"];
    assert_eq!(
        fields.map(|field| &all[0][field]),
        [&json!("scenario-limited-1"), &json!(5), &json!(1), &json!(true), &json!(false)]
    );
    assert_eq!(server.get("/monitoring/benchmark").await.expect(200).body["totalRequests"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_scenario_puts_the_first_one_away_and_keeps_its_orders() {
    let server = Server::start().await;
    let first = prepared(&server, &["standard"]).await;
    let [plain, held] = [0, 1].map(|n| first["products"][n]["id"].as_u64().unwrap());
    let order = server.order(plain, "ada", 1).await.expect(201);
    server.order_becomes(order_id(&order), "confirmed").await;
    server.put(&format!("/inventory/{held}"), json!({"holdSeconds": 3600})).await.expect(200);
    let open = order_id(&server.order(held, "bob", 2).await.expect(201));
    let second = prepared(&server, &["standard"]).await;
    let counts = ["hidden", "deleted", "cancelled", "discarded"].map(|name| second["putAway"][name].clone());
    assert_eq!(counts, [json!(2), json!(0), json!(1), json!(0)], "{second}");
    assert_eq!(server.get(&format!("/orders/{open}")).await.expect(200).body["status"], "cancelled");
    assert_eq!(server.get("/orders").await.expect(200).body.as_array().unwrap().len(), 2);
    for old in [plain, held] {
        let product = server.get(&format!("/inventory/{old}")).await.expect(200).body;
        assert_eq!((&product["hidden"], &product["flashSaleActive"]), (&json!(true), &json!(false)), "{product}");
        assert_eq!(product["heldStock"], 0, "{product}");
    }
    // What has no order is deleted, and what was put away before is left alone.
    let third = prepared(&server, &["hyper"]).await;
    assert_eq!((&third["putAway"]["hidden"], &third["putAway"]["deleted"]), (&json!(0), &json!(2)), "{third}");
    let skus: Vec<_> = products(&server).await.iter().map(|product| product["sku"].clone()).collect();
    let retired = |id: u64| json!(format!("scenario-retired-{id}"));
    assert_eq!(skus, [json!("scenario-hyper-1"), retired(held), retired(plain)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_of_old_scenarios_are_discarded_and_those_of_others_kept() {
    let service = Endpoint::start().await;
    service.script([], Reply::Status(422));
    let server =
        Server::with().env("FULFILLMENT_URL", &service.url()).env("FULFILLMENT_ALLOW_PRIVATE", "true").start().await;
    let own = prepared(&server, &["hyper"]).await["products"][0]["id"].as_u64().unwrap();
    let other = server.create(10).await;
    for product in [own, other] {
        let order = server.order(product, "ada", 1).await.expect(201);
        server.order_becomes(order_id(&order), "failed").await;
    }
    let again = prepared(&server, &["hyper", "--yes"]).await;
    assert_eq!(again["putAway"]["discarded"], 1, "{again}");
    let left = server.get("/queue/dead-letter").await.expect(200).body;
    assert_eq!((left.as_array().unwrap().len(), &left[0]["productId"]), (1, &json!(other)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_begin_anew_once_the_jobs_of_before_are_done() {
    let service = Endpoint::start().await;
    service.script([Reply::AfterDeliveries(2, 200)], Reply::Status(200));
    let server =
        Server::with().env("FULFILLMENT_URL", &service.url()).env("FULFILLMENT_ALLOW_PRIVATE", "true").start().await;
    let other = server.create(10).await;
    server.order(other, "ada", 1).await.expect(201);
    let url = format!("http://{}", server.address());
    let mut preparing = Launch::bare(&["scenario", "hyper", "--yes", "--server", &url]).spawn();
    eventually("the product of the scenario", async || (products(&server).await.len() == 2).then_some(())).await;
    // Lets the first order be fulfilled.
    server.order(other, "bob", 1).await.expect(201);
    let exited = preparing.exit().await;
    assert_eq!(exited.code, Some(0), "{exited:?}");
    assert_eq!(server.get("/orders?status=confirmed").await.expect(200).body.as_array().unwrap().len(), 2);
    assert_eq!(server.get("/monitoring/benchmark").await.expect(200).body["totalRequests"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_products_of_somebody_else_is_left_as_it_is_without_yes() {
    let server = Server::start().await;
    let own = prepared(&server, &["extreme"]).await["products"][0]["id"].clone();
    let other = server.create_with(json!({"name": "Lamp", "sku": "LAMP-1"})).await;
    let before = products(&server).await;
    let exited = scenario(&server, &["hyper"]).await;
    assert_eq!(exited.code, Some(1), "{exited:?}");
    for words in ["nothing was changed", "--yes", &format!("product {other} (Lamp)")] {
        assert!(exited.stderr.contains(words), "{words}: {exited:?}");
    }
    assert_eq!(products(&server).await, before);
    prepared(&server, &["hyper", "--yes"]).await;
    let after = products(&server).await;
    assert!(after.contains(&before[0]) && !after.iter().any(|product| product["id"] == own), "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_queue_is_named_before_anything_is_changed() {
    let server = Server::start().await;
    server.post("/queue/pause", json!({})).await.expect(200);
    let exited = scenario(&server, &["hyper"]).await;
    assert!(exited.code == Some(1) && exited.stderr.contains("flashsale queue resume"), "{exited:?}");
    assert_eq!(products(&server).await, [] as [Value; 0]);
    server.post("/queue/resume", json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_an_address_is_named_as_a_load_test_would_meet_it() {
    let server = Server::with().env("RATE_LIMIT_PER_IP", "500").start().await;
    let exited = scenario(&server, &["flash-sale-extreme"]).await;
    assert_eq!(exited.code, Some(0), "{exited:?}");
    assert!(
        ["RATE_LIMIT_PER_IP=0", "500", "scenario-extreme-1"].iter().all(|it| exited.stdout.contains(it)),
        "{exited:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_asks_for_patience_is_prepared_all_the_same() {
    let mut server = Server::with().env("RATE_LIMIT_PER_IP", "2").start().await;
    for _ in 0..3 {
        assert_eq!(prepared(&server, &["standard"]).await["products"].as_array().unwrap().len(), 2);
    }
    // What checks the server in the end has no patience.
    server.launch.set("RATE_LIMIT_PER_IP", "0");
    server.restart().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenarios_are_listed_and_an_unknown_one_names_them() {
    let listed = Launch::bare(&["scenario"]).run().await;
    let unknown = Launch::bare(&["scenario", "quiet"]).run().await;
    assert_eq!((listed.code, unknown.code), (Some(0), Some(2)), "{unknown:?}");
    for name in ["basic", "standard", "extreme", "single-unit", "limited", "hyper"] {
        assert!(listed.stdout.contains(name) && unknown.stderr.contains(name), "{name}");
    }
    let nobody = Launch::bare(&["scenario", "hyper", "--server", "http://127.0.0.1:1"]).run().await;
    assert!(nobody.code == Some(1) && nobody.stderr.contains("start it"), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_ones_own_is_a_scenario() {
    let server = Server::start().await;
    let launch = Launch::bare(&[]);
    let file = launch.directory().join("mine.toml");
    let text = include_str!("../../../load-test/scenarios/limited.toml").replace("stock = 5", "stock = 7");
    std::fs::write(&file, text).unwrap();
    let made = prepared(&server, &[file.to_str().unwrap()]).await;
    assert_eq!((&made["products"][0]["sku"], &made["products"][0]["units"]), (&json!("scenario-mine-1"), &json!(7)));
    let missing = scenario(&server, &["nothing.toml"]).await;
    assert!(missing.code == Some(2) && missing.stderr.contains("cannot be read"), "{missing:?}");
}
