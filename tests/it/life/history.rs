//! The history of the figures over stops, kills and damaged files, and what readiness and the verdict say of a sale.

use serde_json::{Value, json};

use crate::harness::{Server, assert_problem, eventually, named_fields};

/// The kinds of the events of the last hour, oldest first.
async fn kinds(server: &Server) -> Vec<String> {
    let events = last_hour(server).await["events"].as_array().unwrap().clone();
    events.iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

async fn last_hour(server: &Server) -> Value {
    let now = flashsale::domain::clock::Clock::system().now();
    let from = flashsale::domain::clock::Timestamp::from_millis(now.millis() - 3_600_000);
    server.get(&format!("/monitoring/metrics/history?from={from}&step=60")).await.expect(200).body
}

/// How many points of the last hour, in seconds, say that so many units were left.
async fn seconds_with(server: &Server, units: f64) -> usize {
    let now = flashsale::domain::clock::Clock::system().now();
    let from = flashsale::domain::clock::Timestamp::from_millis(now.millis() - 1_200_000);
    let body = server.get(&format!("/monitoring/metrics/history?from={from}&step=1")).await.expect(200).body;
    assert_eq!(body["stepSeconds"], 1);
    let mean = body["series"]["unitsLeft"]["mean"].as_array().unwrap();
    assert_eq!(mean.len() as u64, body["points"].as_u64().unwrap());
    mean.iter().filter(|value| **value == json!(units)).count()
}

async fn until_seconds_with(server: &Server, units: f64, least: usize) {
    eventually(&format!("{least} points with {units} units left"), async || {
        (seconds_with(server, units).await >= least).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_has_the_first_start_and_the_points_before_a_kill() {
    let mut server = Server::start().await;
    server.create(7).await;
    until_seconds_with(&server, 7.0, 2).await;
    server.kill9().await;
    server.restart().await;
    assert!(seconds_with(&server, 7.0).await >= 2, "the points before the kill");
    assert_eq!(kinds(&server).await, ["start", "restart"]);
    server.terminate().await;
    server.restart().await;
    assert_eq!(kinds(&server).await, ["start", "restart", "stop", "start"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_history_is_put_aside_and_the_server_starts() {
    let mut server = Server::start().await;
    server.terminate().await;
    let file = server.launch.data_dir().join("metrics-history");
    std::fs::write(&file, b"something else").unwrap();
    server.restart().await;
    assert_eq!(kinds(&server).await, ["start"]);
    server.writes("put aside").await;
    assert_eq!(std::fs::read(server.launch.data_dir().join("metrics-history.aside")).unwrap(), b"something else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moments_are_in_the_history_and_a_wrong_range_is_rejected() {
    let server = Server::start().await;
    let product = server.create(1).await;
    until_seconds_with(&server, 1.0, 1).await;
    server.post("/queue/pause", json!({})).await.expect(200);
    server.order(product, "ada", 1).await.expect(201);
    eventually("a sold-out and a pause", async || {
        let kinds = kinds(&server).await;
        ["sold_out", "paused"].iter().all(|kind| kinds.iter().any(|known| known == kind)).then_some(())
    })
    .await;
    let sold_out = last_hour(&server).await["events"].as_array().unwrap().clone();
    let sold_out = sold_out.iter().find(|event| event["kind"] == "sold_out").unwrap().clone();
    assert_eq!(sold_out["productId"], product, "{sold_out}");
    for (query, field) in [
        ("step=0", "step"),
        ("step=86401", "step"),
        ("from=yesterday", "from"),
        ("from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
        ("from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&step=1", "step"),
        ("from=1970-01-01T00:00:00Z&to=2026-01-02T00:00:00Z", "from"),
        ("points=5", "points"),
    ] {
        let answer = server.get(&format!("/monitoring/metrics/history?{query}")).await;
        assert_problem(&answer, 400, "invalid_request");
        assert_eq!(named_fields(&answer), [field], "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_says_what_is_missing_with_the_worst_first() {
    let server = Server::start().await;
    let first = server.get("/monitoring/readiness").await.expect(200).body;
    assert_eq!((&first["ready"], &first["checks"][0]["status"]), (&json!(false), &json!("not_ready")), "{first}");
    server.create_with(json!({"initialStock": 5, "perUserLimit": 2})).await;
    let ready = eventually("a server that is ready", async || {
        let body = server.get("/monitoring/readiness").await.expect(200).body;
        (body["ready"] == true).then_some(body)
    })
    .await;
    let check = |name: &str| {
        let checks = ready["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {ready}")).clone()
    };
    for name in ["taking_orders", "books", "window", "stock", "purchase_limits", "dead_letters", "queue", "clock"] {
        assert_eq!(check(name)["status"], "ready", "{ready}");
    }
    assert_eq!(check("stock")["evidence"], "5 units for sale, 0 held.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verdict_recounts_the_orders_and_its_funnel_adds_up() {
    let server = Server::start().await;
    let product = server.create_with(json!({"initialStock": 3, "perUserLimit": 2})).await;
    for (user, quantity, status) in
        [("ada", 2, 201), ("ada", 1, 409), ("eve", 2, 409), ("eve", 1, 201), ("bob", 1, 409)]
    {
        server.order(product, user, quantity).await.expect(status);
    }
    let verdict = eventually("a verdict over all requests", async || {
        let body = server.get("/monitoring/verdict").await.expect(200).body;
        (body["funnel"]["asked"] == 5 && body["funnel"]["confirmed"] == 2).then_some(body)
    })
    .await;
    // How fast a server is that was built for tests is not the question.
    let checks = verdict["checks"].as_array().unwrap();
    let broken: Vec<_> =
        checks.iter().filter(|check| check["holds"] == false && check["name"] != "response_time").collect();
    assert!(broken.is_empty(), "{broken:?}");
    let funnel = &verdict["funnel"];
    assert_eq!(funnel["rejected"]["sold_out"], 2, "{verdict}");
    assert_eq!(funnel["rejected"]["purchase_limit_exceeded"], 1, "{verdict}");
    let sum = |names: &[&str]| names.iter().map(|name| funnel[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum(&["cancelled", "failed", "pending", "confirmed"]), sum(&["admitted"]));
    let evidence = |name: &str| {
        let checks = verdict["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap()["evidence"].as_str().unwrap().to_owned()
    };
    assert!(evidence("stock").starts_with("3 sold + 0 held + 0 left = 3 put in"), "{verdict}");
    assert!(evidence("limit").starts_with("2 buyers"), "{verdict}");
    assert!(evidence("acknowledged").starts_with("2 acknowledged since the server started, 2 in"), "{verdict}");
    assert_eq!(verdict["products"][0]["sold"], 3);
}
