//! Events, posted to a receiver that is there, away, slow, or rejects some.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::time::Duration;

use flashsale::domain::clock::Clock;
use flashsale::limits::EVENTS_AT_ONCE;
use serde_json::{Value, json};

use super::conformance::LET_GO;
use super::past::{Past, trims};
use crate::harness::{Delivery, Endpoint, Launch, Reply, Server, assert_time, eventually, order_id};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn with(endpoint: &Endpoint) -> Launch {
    Server::with().env("EVENTS_URL", &endpoint.url()).env("EVENTS_ALLOW_PRIVATE", "true").env("EVENTS_SECRET", SECRET)
}

fn name(delivery: &Delivery) -> &str {
    delivery.body["type"].as_str().unwrap()
}

fn names(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(name).collect()
}

fn ids(deliveries: &[Delivery]) -> HashSet<String> {
    deliveries.iter().map(|delivery| delivery.header("webhook-id").to_owned()).collect()
}

/// The events of each order, in the order in which they first came; one that came again must be the same.
fn by_order(deliveries: &[Delivery]) -> BTreeMap<u64, Vec<String>> {
    let (mut seen, mut orders) = (BTreeMap::new(), BTreeMap::<_, Vec<String>>::new());
    for delivery in deliveries {
        let id = delivery.header("webhook-id").to_owned();
        match seen.insert(id.clone(), delivery.body.clone()) {
            Some(before) => assert_eq!(before, delivery.body, "{id} came again as another event"),
            None if name(delivery).starts_with("order.") => {
                orders.entry(delivery.order_id()).or_default().push(name(delivery).to_owned());
            }
            None => {}
        }
    }
    orders
}

/// Waits until an event of this type has come in behind some others.
async fn await_event(endpoint: &Endpoint, after: usize, wanted: &str) -> Delivery {
    eventually(wanted, async || endpoint.deliveries().into_iter().skip(after).find(|event| name(event) == wanted)).await
}

/// Places so many orders of one unit by batches, and gives their ids.
async fn place(server: &Server, product: u64, count: usize) -> Vec<u64> {
    let mut placed = Vec::new();
    for start in (0..count).step_by(250) {
        let order = |number| json!({"productId": product, "userId": format!("user-{number}"), "quantity": 1});
        let orders: Vec<_> = (start..count.min(start + 250)).map(order).collect();
        let results = server.post("/orders/batch", json!({"orders": orders})).await.expect(200).body;
        placed.extend(results["results"].as_array().unwrap().iter().map(|result| result["orderId"].as_u64().unwrap()));
    }
    placed
}

/// Waits until both events of all these orders have come in, placed before confirmed.
async fn await_both_events(endpoint: &Endpoint, orders: &[u64]) -> Vec<Delivery> {
    let deliveries = eventually("all events", async || {
        let deliveries = endpoint.deliveries();
        let confirmed = deliveries.iter().filter(|event| name(event) == "order.confirmed");
        let confirmed: HashSet<_> = confirmed.map(Delivery::order_id).collect();
        (confirmed.len() == orders.len()).then_some(deliveries)
    })
    .await;
    let events = by_order(&deliveries);
    assert_eq!(events.keys().copied().collect::<Vec<_>>(), orders);
    for (order, events) in events {
        assert_eq!(events, ["order.placed", "order.confirmed"], "{order}");
    }
    deliveries
}

async fn figure(server: &Server, name: &str) -> Option<String> {
    let text = server.get_root("/metrics").await.body.as_str().unwrap().to_owned();
    let line = format!("{name}{{mirror=\"events\"}} ");
    text.lines().find_map(|found| found.strip_prefix(&line)).map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transition_is_posted_once_signed_and_in_order() {
    let endpoint = Endpoint::start().await;
    let server = with(&endpoint).start().await;
    let product = server.create_with(json!({"initialStock": 2, "holdSeconds": 3600})).await;
    let first = order_id(&server.order(product, "ada", 2).await.expect(201));
    server.act(&format!("/orders/{first}/cancel")).await.expect(200);
    let second = order_id(&server.order(product, "bob", 1).await.expect(201));
    server.act(&format!("/orders/{second}/confirm")).await.expect(200);
    server.act("/inventory/stop").await.expect(200);
    server.act("/inventory/start").await.expect(200);
    let deliveries = endpoint.await_deliveries(9).await;
    let orders = by_order(&deliveries);
    assert_eq!(orders[&first], ["order.placed", "order.cancelled"]);
    assert_eq!(orders[&second], ["order.placed", "order.confirmed"]);
    let of_product = deliveries.iter().filter(|event| !name(event).starts_with("order."));
    let of_product: Vec<_> =
        of_product.map(|event| (name(event), event.body["data"]["currentStock"].as_u64())).collect();
    let expected = [
        ("sale.started", Some(2)),
        ("product.sold_out", Some(0)),
        ("product.restocked", Some(2)),
        ("sale.ended", Some(1)),
        ("sale.started", Some(1)),
    ];
    assert_eq!(of_product, expected);
    let history = server.get("/monitoring/metrics").await.expect(200).body["history"]["history"].clone();
    for delivery in &deliveries {
        delivery.assert_signed_with(SECRET);
        assert_time(&delivery.body["timestamp"]);
        assert_eq!(delivery.header("content-type"), "application/json");
        let id = delivery.header("webhook-id");
        let prefix = format!("evt_{}_{}_", delivery.body["history"].as_str().unwrap(), delivery.body["sequence"]);
        assert!(id.starts_with(&prefix), "{id}: {}", delivery.body);
        assert!(history.is_null() || history == delivery.body["history"], "{history}");
    }
    for (order, status) in [(first, "cancelled"), (second, "confirmed")] {
        let mut now = server.get(&format!("/orders/{order}")).await.expect(200).body;
        now.as_object_mut().unwrap().remove("product");
        let last = deliveries.iter().rfind(|event| name(event).starts_with("order.") && event.order_id() == order);
        assert_eq!((&last.unwrap().body["data"], &now["status"]), (&now, &json!(status)));
    }
    assert_eq!((ids(&deliveries).len(), endpoint.deliveries().len()), (9, 9));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_that_expire_and_orders_that_fail_and_are_taken_back_are_posted_as_what_they_are() {
    let (endpoint, service) = (Endpoint::start().await, Endpoint::start().await);
    service.script([Reply::Text(422, "no".into())], Reply::Status(200));
    let fulfilled = with(&endpoint).env("FULFILLMENT_URL", &service.url()).env("FULFILLMENT_ALLOW_PRIVATE", "true");
    let server = fulfilled.start().await;
    let (plain, held) = (server.create(5).await, server.create_with(json!({"holdSeconds": 1})).await);
    let placed = server.order(plain, "ada", 1).await.expect(201);
    let (failed, job) = (order_id(&placed), placed.body["jobId"].as_str().unwrap().to_owned());
    server.order_becomes(failed, "failed").await;
    server.act(&format!("/queue/dead-letter/{job}/retry")).await.expect(200);
    server.order_becomes(failed, "confirmed").await;
    let late = order_id(&server.order(held, "bob", 1).await.expect(201));
    server.order_becomes(late, "cancelled").await;
    server.act(&format!("/orders/{late}/confirm")).await.expect(200);
    let deliveries = endpoint.await_deliveries(9).await;
    let orders = by_order(&deliveries);
    assert_eq!(orders[&failed], ["order.placed", "order.failed", "order.placed", "order.confirmed"]);
    assert_eq!(orders[&late], ["order.placed", "order.expired", "order.confirmed"]);
    let data = |wanted: &str| &deliveries.iter().find(|event| name(event) == wanted).unwrap().body["data"];
    assert!(data("order.failed")["failureReason"].as_str().unwrap().starts_with("rejected"));
    let expired = data("order.expired");
    assert_eq!((&expired["status"], &expired["failureReason"]), (&json!("cancelled"), &json!("expired")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_ended_while_no_server_ran_is_posted_with_its_own_time() {
    let endpoint = Endpoint::start().await;
    let mut server = with(&endpoint).start().await;
    let now = || Clock::system().now();
    let (starts, ends) = (now().after(Duration::from_secs(2)), now().after(Duration::from_secs(4)));
    server.create_with(json!({"saleStartsAt": starts.to_string(), "saleEndsAt": ends.to_string()})).await;
    let started = await_event(&endpoint, 0, "sale.started").await;
    assert_eq!(started.body["timestamp"], started.body["data"]["saleStartsAt"]);
    server.kill9().await;
    eventually("the end of the sale", async || (now() > ends).then_some(())).await;
    server.restart().await;
    let ended = await_event(&endpoint, 0, "sale.ended").await;
    assert_eq!(ended.body["timestamp"], ended.body["data"]["saleEndsAt"]);
    // The kill may have come before the position was kept.
    assert_eq!(ids(&endpoint.deliveries()).len(), 2);
}

/// Stops a server while posts are under way; each event that comes again has the id that it had.
async fn interrupt(stop: impl AsyncFn(&mut Server)) {
    let endpoint = Endpoint::start().await;
    let mut server = with(&endpoint).start().await;
    let product = server.create(1_000).await;
    endpoint.await_deliveries(1).await;
    endpoint.script(vec![Reply::Status(200); 1_500], Reply::Hang);
    let orders = place(&server, product, 1_000).await;
    endpoint.await_deliveries(1_501).await;
    stop(&mut server).await;
    let before = endpoint.deliveries().len();
    endpoint.script([], Reply::Status(200));
    server.restart().await;
    let deliveries = await_both_events(&endpoint, &orders).await;
    // Those of the parts before, whose position is kept, are not posted again.
    let again = ids(&deliveries[before..]);
    assert!(deliveries[..64].iter().all(|event| !again.contains(event.header("webhook-id"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_amid_events_repeats_at_most_some_of_them_under_the_same_ids() {
    interrupt(async |server| server.terminate().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_amid_events_repeats_at_most_some_of_them_under_the_same_ids() {
    interrupt(async |server| server.kill9().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_away_under_load_delays_events_and_gets_each_once_when_it_is_back() {
    let endpoint = Endpoint::start().await;
    let server = with(&endpoint).start().await;
    let product = server.create(2_000).await;
    endpoint.await_deliveries(1).await;
    let mut orders = place(&server, product, 250).await;
    let after = [429, 503].map(|status| Reply::RetryAfter(status, "0".into()));
    for away in after.into_iter().chain([500, 404, 401, 302].map(Reply::Status)).chain([Reply::Close, Reply::HangUp]) {
        endpoint.script([], away);
        orders.extend(place(&server, product, 125).await);
        let tried = endpoint.deliveries().len();
        endpoint.await_deliveries(tried + 1).await;
    }
    // Orders do not wait for it.
    server.order_becomes(*orders.last().unwrap(), "confirmed").await;
    eventually("a mirror that is away", async || {
        (figure(&server, "flash_sale_mirror_connected").await? == "0").then_some(())
    })
    .await;
    // In this order: what is still rejected meanwhile comes again.
    endpoint.script([], Reply::Status(200));
    let before = endpoint.deliveries().len();
    let deliveries = await_both_events(&endpoint, &orders).await;
    let since = &deliveries[before..];
    assert_eq!(ids(since).len(), since.len(), "an event that was taken came again");
    eventually("a mirror that is back", async || {
        (figure(&server, "flash_sale_mirror_lag_records").await? == "0").then_some(())
    })
    .await;
    assert_eq!(figure(&server, "flash_sale_mirror_put_aside_total").await.unwrap(), "0");
    assert_eq!(figure(&server, "flash_sale_mirror_rebuilds_total").await.unwrap(), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_before_a_failure_is_not_posted_again() {
    let endpoint = Endpoint::start().await;
    let server = with(&endpoint).start().await;
    let product = server.create(200).await;
    endpoint.await_deliveries(1).await;
    endpoint.script(vec![Reply::Status(200); 50], Reply::Status(503));
    let orders = place(&server, product, 100).await;
    endpoint.await_deliveries(1 + 50 + 1).await;
    // In this order: what is still rejected meanwhile comes again.
    endpoint.script([], Reply::Status(200));
    let before = endpoint.deliveries().len();
    let deliveries = await_both_events(&endpoint, &orders).await;
    let since = &deliveries[before..];
    assert!(since.len() <= 200 - 50, "{} came since", since.len());
    assert_eq!(ids(since).len(), since.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_never_responds_holds_up_no_order_and_no_stop() {
    let endpoint = Endpoint::start().await;
    endpoint.script([], Reply::Hang);
    let server = with(&endpoint).start().await;
    let product = server.create(500).await;
    endpoint.await_deliveries(1).await;
    let orders = place(&server, product, 500).await;
    for order in orders {
        server.order_becomes(order, "confirmed").await;
    }
    assert_eq!(ids(&endpoint.deliveries()).len(), 1, "the first is still waited for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_the_receiver_rejects_is_put_aside_and_the_others_go_out() {
    let endpoint = Endpoint::start().await;
    let server = with(&endpoint).start().await;
    let product = server.create(10).await;
    endpoint.await_deliveries(1).await;
    for (count, status) in [400, 410, 413, 415, 422].into_iter().enumerate() {
        endpoint.script([Reply::Text(status, "no such shop".into())], Reply::Status(200));
        let order = order_id(&server.order(product, "ada", 1).await.expect(201));
        let deliveries = endpoint.await_deliveries(2 * count + 3).await;
        assert_eq!(by_order(&deliveries)[&order], ["order.placed", "order.confirmed"]);
        let text = eventually("the file", async || {
            let text = fs::read_to_string(server.launch.data_dir().join("events-rejected.jsonl")).ok()?;
            (text.lines().count() == count + 1).then_some(text)
        })
        .await;
        let line: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let rejected = &deliveries[2 * count + 1];
        assert_eq!((&line["id"], &line["event"]), (&json!(rejected.header("webhook-id")), &rejected.body));
        let error = line["error"].as_str().unwrap();
        assert!(error.contains(&status.to_string()) && error.contains("no such shop"), "{error}");
        assert_eq!(figure(&server, "flash_sale_mirror_put_aside_total").await.unwrap(), (count + 1).to_string());
    }
    server.writes("the receiver rejected an event, order.placed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_that_is_set_for_an_old_store_gets_what_comes_from_then_on() {
    let endpoint = Endpoint::start().await;
    let mut server = Server::start().await;
    let product = server.create(10).await;
    let old = order_id(&server.order(product, "ada", 1).await.expect(201));
    server.order_becomes(old, "confirmed").await;
    server.launch.set("EVENTS_URL", &endpoint.url());
    server.launch.set("EVENTS_ALLOW_PRIVATE", "yes");
    server.restart().await;
    eventually("the position", async || server.launch.data_dir().join("events-position").exists().then_some(())).await;
    let new = order_id(&server.order(product, "bob", 9).await.expect(201));
    let deliveries = endpoint.await_deliveries(3).await;
    assert!(deliveries.iter().all(|event| event.header("webhook-signature").is_empty()));
    assert_eq!(by_order(&deliveries), BTreeMap::from([(new, vec!["order.placed".into(), "order.confirmed".into()])]));
    assert!(names(&deliveries).contains(&"product.sold_out"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_is_damaged_is_said_and_events_begin_with_what_comes() {
    let endpoint = Endpoint::start().await;
    let mut server = with(&endpoint).start().await;
    let product = server.create(10).await;
    endpoint.await_deliveries(1).await;
    server.terminate().await;
    let position = server.launch.data_dir().join("events-position");
    let text = fs::read_to_string(&position).unwrap();
    let damaged = text.replacen(' ', "  ", 1);
    fs::write(&position, &damaged).unwrap();
    server.restart().await;
    server.writes("the file events-position cannot be read: it is damaged, or of another version").await;
    eventually("a new file", async || (fs::read_to_string(&position).ok()? != damaged).then_some(())).await;
    let order = order_id(&server.order(product, "ada", 1).await.expect(201));
    let deliveries = endpoint.await_deliveries(3).await;
    assert_eq!(by_order(&deliveries)[&order], ["order.placed", "order.confirmed"]);
    assert_eq!(names(&deliveries)[0], "sale.started");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_store_is_another_history_and_posts_what_comes() {
    let endpoint = Endpoint::start().await;
    let mut server = with(&endpoint).start().await;
    let product = server.create(10).await;
    server.order(product, "ada", 1).await.expect(201);
    endpoint.await_deliveries(3).await;
    server.terminate().await;
    let done = server.launch.command(&["backup", "-o", "a.backup"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    server.restart().await;
    server.order(product, "bob", 1).await.expect(201);
    endpoint.await_deliveries(5).await;
    server.terminate().await;
    let done = server.launch.command(&["restore", "a.backup", "--data-dir", "other"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let other = server.launch.directory().join("other");
    fs::copy(server.launch.data_dir().join("events-position"), other.join("events-position")).unwrap();
    server.launch.set("DATA_DIR", other.to_str().unwrap());
    server.restart().await;
    server.writes("the target is of another history").await;
    let order = order_id(&server.order(product, "eve", 1).await.expect(201));
    let deliveries = endpoint.await_deliveries(7).await;
    assert_eq!(by_order(&deliveries[5..]).into_keys().collect::<Vec<_>>(), [order]);
    assert_ne!(deliveries[5].body["history"], deliveries[4].body["history"]);
    assert_eq!(ids(&deliveries).len(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_behind_which_the_journal_was_trimmed_gets_what_comes_and_the_log_says_so() {
    let endpoint = Endpoint::start().await;
    let launch = with(&endpoint);
    let past = Past::open(&launch, 4);
    let product = past.create(10_000).await;
    past.place(product, 10).await;
    past.close().await;
    let mut server = launch.start().await;
    eventually("the position", async || server.launch.data_dir().join("events-position").exists().then_some(())).await;
    server.terminate().await;
    endpoint.script([], Reply::Status(503));
    let past = Past::open(&server.launch, 3);
    // More than is derived at once: those are in memory, and are posted once they can be.
    let derived = past.place(product, EVENTS_AT_ONCE).await;
    let lost = past.place(product, 100).await;
    past.close().await;
    trims(&mut server.launch, 2);
    server.restart().await;
    endpoint.await_deliveries(1).await;
    server.writes(LET_GO).await;
    // Each record lets up to eight go.
    for _ in 0..10 {
        server.order(product, "ada", 1).await.expect(201);
    }
    endpoint.script([], Reply::Status(200));
    let said = "nothing that happened until now is posted any more";
    server.writes(said).await;
    let line = server.output().lines().find(|line| line.contains(said)).unwrap().to_owned();
    assert!(line.contains("WARN") && line.contains("the history was trimmed up to record"), "{line}");
    eventually("a mirror that is not behind", async || {
        (figure(&server, "flash_sale_mirror_lag_records").await? == "0").then_some(())
    })
    .await;
    assert_eq!(figure(&server, "flash_sale_mirror_rebuilds_total").await.unwrap(), "1");
    let new = order_id(&server.order(product, "bob", 1).await.expect(201));
    let orders = eventually("the new events", async || {
        let orders = by_order(&endpoint.deliveries());
        (orders.get(&new)?.len() == 2).then_some(orders)
    })
    .await;
    assert_eq!(orders[&new], ["order.placed", "order.confirmed"]);
    assert!(derived.iter().all(|order| orders[order][0] == "order.placed"));
    assert!(lost.iter().all(|order| !orders.contains_key(order)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_cannot_be_used_end_the_start_with_a_sentence() {
    let url = ("EVENTS_URL", "https://shop.example/s3cret");
    for (settings, words) in [
        (vec![("EVENTS_SECRET", SECRET)], "EVENTS_URL"),
        (vec![url, ("EVENTS_SECRET", "whsec_s3cret!")], "the events secret must be base64"),
        (vec![("EVENTS_URL", "shop.example/s3cret")], "the events URL must begin with http:// or https://"),
        (vec![("EVENTS_URL", "http://127.0.0.1/s3cret")], "(EVENTS_ALLOW_PRIVATE)"),
        (vec![("EVENTS_URL", "http://localhost/s3cret")], "--events-allow-private"),
    ] {
        let launch = settings.iter().fold(Server::with(), |launch, (name, value)| launch.env(name, value));
        let exited = launch.run().await;
        assert!(matches!(exited.code, Some(1 | 2)), "{settings:?}: {exited:?}");
        assert!(exited.stderr.contains(words) && !exited.stderr.contains("s3cret"), "{settings:?}: {exited:?}");
        assert!(!exited.stderr.contains("C2FV"), "{exited:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_description_lists_all_events_beside_the_fulfilment_posts() {
    let server = Server::start().await;
    let document = server.get_root("/openapi.json").await.expect(200).body;
    let listed: Vec<_> = document["webhooks"].as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "fulfillment.order.confirmed",
        "fulfillment.order.placed",
        "order.cancelled",
        "order.confirmed",
        "order.expired",
        "order.failed",
        "order.placed",
        "product.restocked",
        "product.sold_out",
        "sale.ended",
        "sale.started",
    ];
    assert_eq!(listed, expected);
}
