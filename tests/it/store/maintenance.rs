//! Looking after a store: checking it, backing it up, restoring it.

mod analyze;
mod backup;
mod drop_log;
mod export;
mod files;
mod restore;
mod tamper;
mod verify;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Exited, Launch, Server};

/// The store's file below a data directory.
fn store_in(data_dir: &Path) -> PathBuf {
    data_dir.join("flashsale.redb")
}

/// A stopped store in which something of every kind has happened: products created, edited and deleted, orders with
/// and without keys, confirmed, cancelled and pending ones, and a paused queue.
async fn eventful() -> Launch {
    let mut server = Server::start().await;
    let lamp = server.create(100).await;
    let held = server.create_with(json!({"holdSeconds": 600, "perUserLimit": 9})).await;
    let gone = server.create(1).await;
    server.delete(&format!("/inventory/{gone}")).await.expect(204);
    for buyer in 0..20 {
        let order = server.order(lamp, &format!("buyer-{buyer}"), 1).await.expect(201);
        server.order_becomes(order.body["orderId"].as_u64().unwrap(), "confirmed").await;
    }
    let orders: Vec<Value> = (0..6)
        .map(|n| json!({"productId": held, "userId": "ada", "quantity": 1, "idempotencyKey": format!("key-{n}")}))
        .collect();
    server.post("/orders/batch", json!({"orders": orders})).await.expect(200);
    server.act("/orders/21/confirm").await.expect(200);
    server.act("/orders/22/cancel").await.expect(200);
    server.act("/orders/1/cancel").await.expect(200);
    server.put(&format!("/inventory/{lamp}"), json!({"name": "Lantern"})).await.expect(200);
    server.put(&format!("/inventory/{lamp}"), json!({"currentStock": 50})).await.expect(200);
    server.post(&format!("/inventory/{held}/restock"), json!({"quantity": 5})).await.expect(200);
    server.act("/queue/pause").await.expect(200);
    server.terminate().await;
    server.launch.clone()
}

/// Fails unless the command refused, with this in its words and no more than its error on standard error.
fn assert_refused(exited: &Exited, words: &str) {
    assert_eq!(exited.code, Some(1), "{exited:?}");
    assert!(exited.stderr.starts_with("error: ") && exited.stderr.contains(words), "{words:?}: {exited:?}");
    assert!(!exited.stderr.contains("panicked"), "{exited:?}");
}

/// Fails unless the command did what it was asked for.
fn assert_done(exited: &Exited) {
    assert_eq!(exited.code, Some(0), "{exited:?}");
}

/// The names in a directory, in order, without the history of the figures, which is no part of a store.
fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "metrics-history");
    names.sort();
    names
}

/// A server whose store a [`SmallDisk`] has no room for.
async fn larger_than_a_small_disk() -> Server {
    let server = Server::start().await;
    let product = server.create(1_000_000).await;
    order_in_batches(&server, product, &"n".repeat(240), 5, 1_000).await;
    server
}

/// Orders one unit for each of many users, whose names begin with `name`.
async fn order_in_batches(server: &Server, product: u64, name: &str, batches: usize, orders: usize) {
    for batch in 0..batches {
        let orders: Vec<_> = (0..orders)
            .map(|n| json!({"productId": product, "userId": format!("{name}{batch}-{n}"), "quantity": 1}))
            .collect();
        server.post("/orders/batch", json!({"orders": orders})).await.expect(200);
    }
}

/// A file system of a megabyte, where this process may mount one.
struct SmallDisk<'d>(&'d Path);

impl<'d> SmallDisk<'d> {
    fn mount(at: &'d Path) -> Self {
        std::fs::create_dir(at).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(at).output();
        let mounted = mount.is_ok_and(|done| done.status.success());
        assert!(mounted, "a small disk cannot be mounted to be filled: this test needs root, or CAP_SYS_ADMIN");
        Self(at)
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}
