//! `flashsale export`.

use serde_json::{Value, json};

use super::{assert_done, assert_refused, eventful, names};
use crate::harness::{Endpoint, Exited, Launch, Reply, Server, job_id, order_id};

/// The rows of an export as NDJSON.
async fn rows(launch: &Launch, args: &[&str]) -> Vec<Value> {
    let exported = launch.command(&[&["export"], args].concat()).await;
    assert_done(&exported);
    assert!(exported.stderr.is_empty(), "progress without a terminal: {exported:?}");
    exported.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn assert_wrong_usage(exited: &Exited, words: &str) {
    assert!(exited.code == Some(2) && exited.stderr.contains(words), "{words:?}: {exited:?}");
}

#[tokio::test]
async fn what_is_exported_is_what_the_api_shows() {
    let launch = eventful().await;
    let orders = rows(&launch, &["orders"]).await;
    let products = rows(&launch, &["products"]).await;
    let jobs = rows(&launch, &["jobs"]).await;
    let server = launch.start().await;
    let mut shown = server.all("/orders?limit=7").await;
    shown.reverse();
    assert_eq!(orders, shown);
    for product in products {
        assert_eq!(server.get(&format!("/inventory/{}", product["id"])).await.expect(200).body, product);
    }
    assert_eq!(jobs.len(), 26);
    for job in jobs {
        let path = format!("/orders/queue/{}", job["jobId"].as_str().unwrap());
        let shown = server.get(&path).await.expect(200).body;
        job.as_object().unwrap().iter().for_each(|(name, value)| assert_eq!(shown[name], *value, "{name}: {shown}"));
    }
}

#[tokio::test]
async fn filters_are_those_of_the_api() {
    let launch = eventful().await;
    let all = rows(&launch, &["orders"]).await;
    let count = |fits: &dyn Fn(&Value) -> bool| all.iter().filter(|order| fits(order)).count();
    for (args, expected) in [
        (&["orders", "--status", "cancelled"][..], count(&|order| order["status"] == "cancelled")),
        (&["orders", "--product-id", "2", "--user-id", "ada"], count(&|order| order["userId"] == "ada")),
        (&["orders", "--user-id", "nobody"], 0),
        (&["jobs", "--status", "delayed"], count(&|order| order["status"] == "pending")),
        (&["jobs", "--product-id", "1"], 20),
        (&["products", "--product-id", "1"], 1),
        (&["journal", "--user-id", "ada"], 6),
    ] {
        assert_eq!(rows(&launch, args).await.len(), expected, "{args:?}");
    }
    let (fifth, tenth) = (all[4]["createdAt"].as_str().unwrap(), all[9]["createdAt"].as_str().unwrap());
    let between = count(&|order| (fifth..=tenth).contains(&order["createdAt"].as_str().unwrap()));
    assert_eq!(rows(&launch, &["orders", "--from", fifth, "--to", tenth]).await.len(), between);
    for (args, words) in [
        (&["export", "orders", "--status", "delayed"][..], "pending, confirmed, failed, cancelled"),
        (&["export", "products", "--status", "failed"], "orders and jobs only"),
        (&["export", "orders", "--from", "yesterday"], "RFC 3339"),
        (&["export", "everything"], "possible values"),
    ] {
        assert_wrong_usage(&launch.command(args).await, words);
    }
}

#[tokio::test]
async fn the_journal_says_who_did_what_and_adds_up_to_the_stock() {
    let launch = eventful().await;
    let journal = rows(&launch, &["journal"]).await;
    let products = rows(&launch, &["products"]).await;
    for product in products {
        let about = journal.iter().filter(|entry| entry["productId"] == product["id"]);
        let mut sums = [0; 3];
        for entry in about {
            for (sum, delta) in sums.iter_mut().zip(["currentDelta", "heldDelta", "soldDelta"]) {
                *sum += entry[delta].as_i64().unwrap();
            }
        }
        let stock = ["currentStock", "heldStock", "soldStock"].map(|field| product[field].as_i64().unwrap());
        assert_eq!(sums, stock, "{product}");
    }
    let edited = journal.iter().find(|entry| entry["kind"] == "product_edited").unwrap();
    assert_eq!((&edited["before"]["name"], &edited["after"]["name"]), (&json!("Lamp"), &json!("Lantern")));
    assert_eq!(edited["actor"], "operator");
    for entry in &journal {
        assert!(entry["before"].is_object() || entry["after"].is_object(), "neither before nor after: {entry}");
    }
    let mut links: Vec<_> =
        journal.iter().map(|entry| (&entry["sequence"], &entry["hash"], &entry["previousHash"])).collect();
    links.dedup();
    for pair in links.windows(2) {
        assert_eq!(pair[0].1, pair[1].2, "the chain cannot be followed in the export");
    }
}

#[tokio::test]
async fn the_journal_says_what_was_before_and_after_an_action() {
    let endpoint = Endpoint::start().await;
    endpoint.script([], Reply::Status(500));
    let launch = Server::with()
        .env("FULFILLMENT_URL", &endpoint.url())
        .env("FULFILLMENT_ALLOW_PRIVATE", "true")
        .env("FULFILLMENT_ATTEMPTS", "2")
        .env("FULFILLMENT_RETRY_DELAY_MS", "5");
    let mut server = launch.start().await;
    let product = server.create(1).await;
    let dead = server.order(product, "ada", 1).await.expect(201);
    server.order_becomes(order_id(&dead), "failed").await;
    server.delete(&format!("/queue/dead-letter/{}", job_id(&dead))).await.expect(204);
    server.act("/queue/pause").await.expect(200);
    let called_off = order_id(&server.order(product, "ada", 1).await.expect(201));
    server.act(&format!("/orders/{called_off}/cancel")).await.expect(200);
    server.act("/queue/resume").await.expect(200);
    server.terminate().await;

    let journal = rows(&server.launch, &["journal"]).await;
    let (pending, failed) = (json!({"status": "pending"}), json!({"status": "failed"}));
    let (paused, running) = (json!({"paused": true}), json!({"paused": false}));
    let (listed, struck) = (json!({"deadLetter": true}), json!({"deadLetter": false}));
    let cancelled = json!({"status": "cancelled"});
    let expected = [
        ("attempt_failed", "worker", &pending, &pending),
        ("attempts_exhausted", "worker", &pending, &failed),
        ("dead_letter_deleted", "operator", &listed, &struck),
        ("queue_paused", "operator", &running, &paused),
        ("order_cancelled", "operator", &pending, &cancelled),
        ("queue_resumed", "operator", &paused, &running),
    ];
    let acted = journal.iter().filter(|entry| !entry["before"].is_null());
    let acted: Vec<_> = acted.map(|it| (text(&it["kind"]), text(&it["actor"]), &it["before"], &it["after"])).collect();
    assert_eq!(acted, expected);
    let placed = journal.iter().rfind(|entry| entry["kind"] == "order_placed").unwrap();
    assert_eq!((&placed["after"]["id"], &placed["after"]["status"]), (&json!(called_off), &json!("pending")));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn csv_has_a_line_of_names_and_nothing_that_a_spreadsheet_would_calculate() {
    let mut server = Server::start().await;
    let product = server.create_with(json!({"name": "=1+1"})).await;
    server.order(product, "@SUM(A1:A9)", 1).await.expect(201);
    server.order(product, "comma, \"quote\"", 1).await.expect(201);
    let metadata = json!({"gift": "=1"});
    let order = json!({"productId": product, "userId": "ada", "quantity": 1, "reference": "=7", "metadata": metadata});
    server.post("/orders", order).await.expect(201);
    server.terminate().await;
    let exported = server.launch.command(&["export", "orders", "--format", "csv"]).await;
    assert_done(&exported);
    let lines: Vec<_> = exported.stdout.lines().collect();
    assert!(lines[0].starts_with("id,jobId,productId,userId,reference,metadata,quantity,unitPrice"), "{exported:?}");
    assert!(lines[3].contains(",ada,'=7,\"{\"\"gift\"\":\"\"=1\"\"}\",1,"), "{exported:?}");
    assert!(lines[1].contains(",'@SUM(A1:A9),") && lines[2].contains(",\"comma, \"\"quote\"\"\","), "{exported:?}");
    let products = server.launch.command(&["export", "products", "--format", "csv"]).await;
    assert!(products.stdout.lines().nth(1).unwrap().starts_with("1,'=1+1,,10.00,10,"), "{products:?}");
    let journal = server.launch.command(&["export", "journal", "--format", "csv"]).await;
    assert!(journal.stdout.contains("\"{\"\"id\"\":1,"), "{journal:?}");
}

/// What a cell of CSV says of a value.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[tokio::test]
async fn csv_has_the_names_and_the_values_that_json_has_and_its_names_without_a_row() {
    let launch = eventful().await;
    for subject in ["orders", "products", "jobs", "journal"] {
        let csv = launch.command(&["export", subject, "--format", "csv"]).await;
        assert_done(&csv);
        let mut csv = csv::Reader::from_reader(csv.stdout.as_bytes());
        let names = csv.headers().unwrap().clone();
        let lines: Vec<_> = csv.records().map(Result::unwrap).collect();
        let objects = rows(&launch, &[subject]).await;
        assert_eq!(lines.len(), objects.len());
        for (line, object) in lines.iter().zip(objects) {
            assert_eq!(object.as_object().unwrap().len(), names.len(), "{subject}");
            for (name, given) in names.iter().zip(line) {
                // Objects are their text, whose fields come in an order of their own.
                match object.get(name).expect(name) {
                    nested @ Value::Object(_) => assert_eq!(&serde_json::from_str::<Value>(given).unwrap(), nested),
                    value => assert_eq!(given, cell(value), "{subject}: {name}"),
                }
            }
        }
        let none = launch.command(&["export", subject, "--format", "csv", "--from", "2999-01-01T00:00:00Z"]).await;
        assert_eq!(none.stdout.trim_end(), names.iter().collect::<Vec<_>>().join(","));
    }
}

#[tokio::test]
async fn an_export_replaces_no_file_unless_it_is_told_to() {
    let launch = eventful().await;
    std::fs::write(launch.directory().join("out"), "mine").unwrap();
    assert_refused(&launch.command(&["export", "orders", "-o", "out"]).await, "out already exists");
    assert_refused(&launch.command(&["export", "orders", "-o", "data"]).await, "data is not a regular file");
    assert_refused(&launch.command(&["export", "orders", "-o", "no/such/place"]).await, "cannot write");
    assert_eq!(std::fs::read(launch.directory().join("out")).unwrap(), b"mine");
    let forced = launch.command(&["export", "orders", "-o", "out", "--force"]).await;
    assert_done(&forced);
    assert_eq!(forced.stdout, "out has 26 rows\n");
    assert_eq!(std::fs::read_to_string(launch.directory().join("out")).unwrap().lines().count(), 26);
    assert_eq!(names(launch.directory()), ["data", "out"]);
}
