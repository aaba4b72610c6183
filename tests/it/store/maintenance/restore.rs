//! What a restored store calls new things: never by a name that something else has.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{assert_done, eventful};
use crate::harness::{Launch, Server, job_id, order_id};

/// Restores a backup into a directory of its own and starts a server there; what the command said comes with it.
async fn restored(launch: &Launch, backup: &str, into: &str) -> (Server, String) {
    let exited = launch.command(&["restore", backup, "--data-dir", into]).await;
    assert_done(&exited);
    let data = launch.directory().join(into);
    (Server::with().env("DATA_DIR", data.to_str().unwrap()).start().await, exited.stdout)
}

/// The history's id behind these words.
fn history_behind(words: &str, text: &str) -> String {
    let (_, rest) = text.split_once(words).unwrap_or_else(|| panic!("{words:?} is not in {text}"));
    rest.trim_start().chars().take_while(char::is_ascii_hexdigit).collect()
}

#[tokio::test]
async fn a_store_without_a_record_and_one_without_an_order_are_restored_whole() {
    let mut server = Server::start().await;
    for products in 0..2 {
        for _ in 0..products {
            server.create(1).await;
        }
        server.terminate().await;
        let (backup, into) = (format!("{products}.backup"), format!("restored-{products}"));
        assert_done(&server.launch.command(&["backup", "-o", &backup]).await);
        let (mut other, _) = restored(&server.launch, &backup, &into).await;
        let product = other.create(1).await;
        other.order(product, "ada", 1).await.expect(201);
        other.terminate().await;
        assert_done(&other.launch.verify().await);
        server.restart().await;
    }
}

#[tokio::test]
async fn no_restored_store_gives_an_order_a_job_or_a_product_the_name_of_another_one() {
    let mut server = Server::start().await;
    let product = server.create(1_000).await;
    let order = json!({"productId": product, "userId": "ada", "quantity": 1});
    server.post("/orders", order.clone()).await.expect(201);
    let url = format!("http://{}", server.address());
    assert_done(&server.launch.command(&["backup", "-o", "a.backup", "--server", &url]).await);
    // What the backup does not know.
    let after = server.post("/orders", order.clone()).await.expect(201);
    let (mut orders, mut jobs) = (HashSet::from([order_id(&after)]), HashSet::from([job_id(&after)]));
    let mut products = HashSet::from([product, server.create(1).await]);
    server.terminate().await;
    let mut histories = HashSet::new();
    for directory in ["first", "second"] {
        let (mut other, said) = restored(&server.launch, "a.backup", directory).await;
        for _ in 0..20 {
            let placed = other.post("/orders", order.clone()).await.expect(201);
            assert!(orders.insert(order_id(&placed)), "the number of another order: {placed}");
            assert!(jobs.insert(job_id(&placed)), "the job id of another order: {placed}");
            assert!(order_id(&placed) < 1 << 53, "no number of JSON");
        }
        assert!(products.insert(other.create(1).await), "the number of another product");
        // A stranger's link shows nothing.
        other.get(&format!("/orders/queue/{}", job_id(&after))).await.expect(404);
        let id = history_behind("the new history is", &said);
        assert!(id.len() == 32 && histories.insert(id.clone()), "{said}");
        assert_eq!(history_behind("  history", &other.output()), id);
        other.terminate().await;
        let verified = other.launch.verify().await;
        assert_done(&verified);
        assert_eq!(history_behind("the history is", &verified.stdout), id);
        assert!(verified.stdout.contains("its orders continue with number"), "{verified:?}");
        other.restart().await;
    }
    assert_ne!(histories.len(), 1);
}

#[tokio::test]
async fn lists_exports_and_counts_cope_with_numbers_that_jump() {
    let launch = eventful().await;
    assert_done(&launch.command(&["backup", "-o", "a.backup"]).await);
    let (mut server, _) = restored(&launch, "a.backup", "other").await;
    server.act("/queue/resume").await.expect(200);
    server.writes("26 orders").await;
    let mut placed = Vec::new();
    for _ in 0..30 {
        placed.push(order_id(&server.order(1, "buyer-3", 1).await.expect(201)));
    }
    assert_eq!(placed, (placed[0]..placed[0] + 30).collect::<Vec<_>>());
    for path in ["/orders?limit=7", "/orders?limit=7&from=2020-01-01T00:00:00Z"] {
        let listed: Vec<u64> = server.all(path).await.iter().map(|order| order["id"].as_u64().unwrap()).collect();
        let expected: Vec<u64> = placed.iter().rev().copied().chain((1..=26).rev()).collect();
        assert_eq!(listed, expected, "{path}");
    }
    assert_eq!(server.all("/orders/user/buyer-3?limit=4").await.len(), 31);
    assert_eq!(server.get("/orders/admin/metrics").await.expect(200).body["totalOrders"], 56);
    server.order_becomes(placed[29], "confirmed").await;
    let first = server.get(&format!("/orders/{}", placed[0])).await.expect(200).body;
    server.terminate().await;
    let since = ["export", "orders", "--data-dir", "other", "--from", first["createdAt"].as_str().unwrap()];
    let exported = launch.command(&since).await;
    assert_done(&exported);
    let ids: Vec<u64> = exported
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, placed);
    // After another crash and another restore it is still whole.
    server.restart().await;
    server.kill9().await;
    assert_done(&launch.command(&["backup", "-o", "b.backup", "--data-dir", "other"]).await);
    let (again, _) = restored(&launch, "b.backup", "again").await;
    assert!(order_id(&again.order(1, "buyer-3", 1).await.expect(201)) > placed[29]);
    server.restart().await;
}
