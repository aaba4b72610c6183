//! Stores of every earlier format, as the program of their time left them: `closed`, and `killed` with its log.

use std::fs;
use std::io::Read;
use std::path::Path;

use flashsale::store::{FORMAT, OLDEST_FORMAT};
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::harness::{Exited, Launch, Server, place_keyed};

/// Where the stores are, a directory for each format.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/store/fixtures");

fn unpack(from: &Path, to: &Path) {
    let mut bytes = Vec::new();
    GzDecoder::new(fs::File::open(from).unwrap()).read_to_end(&mut bytes).unwrap();
    fs::write(to, bytes).unwrap();
}

/// A launch on the store of a format.
fn with_store(format: u32, state: &str) -> Launch {
    let launch = Server::with();
    let (from, data) = (Path::new(FIXTURES).join(format!("format-{format}")), launch.data_dir());
    fs::create_dir_all(&data).unwrap();
    unpack(&from.join(format!("{state}.redb.gz")), &data.join("flashsale.redb"));
    let wal = from.join(format!("{state}.wal.gz"));
    if wal.exists() {
        unpack(&wal, &data.join("flashsale.redb.wal"));
    }
    launch
}

fn all() -> impl Iterator<Item = (u32, &'static str)> {
    (OLDEST_FORMAT..FORMAT).flat_map(|format| [(format, "closed"), (format, "killed")])
}

fn backup_of(launch: &Launch, format: u32) -> std::path::PathBuf {
    launch.data_dir().join(format!("flashsale.redb.format-{format}.backup"))
}

fn assert_done(exited: &Exited) {
    assert_eq!(exited.code, Some(0), "{exited:?}");
}

/// All that is the same whenever the test runs: holds end.
fn lasting(mut rows: Value) -> Value {
    for row in rows.as_array_mut().unwrap() {
        let row = row.as_object_mut().unwrap();
        let is_hold = row.get("status").is_some_and(|status| status == "pending")
            || row.get("failureReason").is_some_and(|reason| reason == "expired");
        let moving: &[&str] = match is_hold {
            true => &["status", "failureReason", "updatedAt"],
            false => &["currentStock", "heldStock"],
        };
        moving.iter().for_each(|name| drop(row.remove(*name)));
    }
    rows
}

/// What the program of the time said.
fn said(format: u32) -> Value {
    let path = format!("{FIXTURES}/format-{format}/expected.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The same in the words of this one.
fn expected(format: u32) -> [Value; 2] {
    let said = said(format);
    let (mut orders, mut products) = (said["orders"].clone(), said["products"].clone());
    for order in orders.as_array_mut().unwrap() {
        add(order, [("reference", Value::Null), ("metadata", Value::Null)]);
    }
    for product in products.as_array_mut().unwrap() {
        add(product, [("sku", Value::Null), ("hidden", json!(false))]);
    }
    [lasting(orders), lasting(products)]
}

/// Adds what a later program says, where it is not said.
fn add(row: &mut Value, fields: [(&str, Value); 2]) {
    for (name, value) in fields {
        row.as_object_mut().unwrap().entry(name).or_insert(value);
    }
}

/// Sends the requests again that had keys: orders of 2099, so that a test finds their keys still kept.
async fn assert_keys_are_kept(server: &Server, format: u32) {
    for request in said(format)["keyed"].as_array().into_iter().flatten() {
        let key = request["key"].as_str().unwrap();
        let again = place_keyed(&server.client(), key, &request["order"]).await.expect(201);
        assert_eq!((&again.body["jobId"], again.header("idempotency-replayed")), (&request["jobId"], "true"), "{key}");
    }
}

async fn found(server: &Server) -> [Value; 2] {
    [
        lasting(server.get("/orders?limit=500").await.expect(200).body),
        lasting(server.get("/inventory").await.expect(200).body),
    ]
}

#[tokio::test]
async fn a_store_of_every_earlier_format_is_upgraded_after_a_backup_of_its_own() {
    for (format, state) in all() {
        let launch = with_store(format, state);
        // As an upgrade leaves it that was killed in its backup, or behind it.
        fs::write(format!("{}.new", backup_of(&launch, format).display()), "half a backup").unwrap();
        fs::write(backup_of(&launch, format), "the backup of an earlier attempt").unwrap();
        let mut server = launch.start().await;
        server.writes("upgraded the store's format").await;
        assert_eq!(found(&server).await, expected(format), "{state}, format {format}");
        assert_keys_are_kept(&server, format).await;
        let order = json!({"productId": 1, "userId": "ada", "quantity": 1, "reference": "cart-7"});
        server.put("/inventory/1", json!({"flashSaleActive": true})).await.expect(200);
        server.post("/orders", order).await.expect(201);
        server.terminate().await;
        assert_done(&server.launch.verify().await);
        let names: Vec<_> = fs::read_dir(server.launch.data_dir()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{names:?}");
        server.restart().await;
        assert!(!server.output().contains("upgraded"), "upgraded twice: {}", server.output());
        server.terminate().await;
        let backup = backup_of(&server.launch, format);
        let restore = ["restore", backup.to_str().unwrap(), "--data-dir", "restored"];
        assert_done(&server.launch.command(&restore).await);
        let restored = server.launch.directory().join("restored");
        let other = Server::with().env("DATA_DIR", restored.to_str().unwrap()).start().await;
        assert_eq!(found(&other).await, expected(format), "the backup of {state}, format {format}");
        assert_keys_are_kept(&other, format).await;
    }
}

#[tokio::test]
async fn other_commands_leave_a_store_of_an_earlier_format_as_it_is_and_say_what_to_do() {
    for (format, state) in all() {
        let launch = with_store(format, state);
        let file = launch.data_dir().join("flashsale.redb");
        let before = fs::read(&file).unwrap();
        for args in [["verify"].as_slice(), &["export", "orders"], &["backup", "-o", "a.backup"], &["drop-log"]] {
            let exited = launch.command(args).await;
            assert_eq!(exited.code, Some(1), "{args:?}: {exited:?}");
            assert!(exited.stderr.contains("start `flashsale serve` on it once"), "{args:?}: {exited:?}");
        }
        assert!(fs::read(&file).unwrap() == before, "{state}, format {format} was changed");
    }
}
