//! Logs that are gone, damaged, or another store's: each is named, and only `drop-log` lets a store do without its log.

use std::path::{Path, PathBuf};

use super::{assert_done, assert_refused, names, store_in};
use crate::harness::{Server, order_id};

/// A store whose server was killed after `orders` orders.
async fn killed(orders: usize) -> Server {
    let mut server = Server::start().await;
    let product = server.create(1_000).await;
    for buyer in 0..orders {
        server.order(product, &format!("buyer-{buyer}"), 1).await.expect(201);
    }
    server.kill9().await;
    server
}

fn log_in(data_dir: &Path) -> PathBuf {
    data_dir.join("flashsale.redb.wal")
}

/// Everything in a directory, by name.
fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    names(directory).into_iter().map(|name| (name.clone(), std::fs::read(directory.join(name)).unwrap())).collect()
}

#[tokio::test]
async fn a_log_that_is_not_the_stores_own_is_told_and_nothing_is_opened_or_changed() {
    let mut server = killed(3).await;
    let data = server.launch.data_dir();
    let own = std::fs::read(log_in(&data)).unwrap();
    let other = killed(5).await;
    let others = std::fs::read(log_in(&other.launch.data_dir())).unwrap();
    // An older log of the same store: its server ran on it, was killed, and has begun another one since.
    server.restart().await;
    server.order(1, "late", 1).await.expect(201);
    server.kill9().await;
    let newer = std::fs::read(log_in(&data)).unwrap();
    for (log, message) in [
        (others, "it belongs to another store"),
        (own, "one of the two is an older copy"),
        (vec![0; newer.len()], "it is no log of flashsale"),
        (vec![0x5a; newer.len()], "it is no log of flashsale"),
    ] {
        std::fs::write(log_in(&data), &log).unwrap();
        assert_refused(&server.launch.run().await, message);
        assert!(std::fs::read(log_in(&data)).unwrap() == log, "the log was changed");
        let before = contents(&data);
        assert_refused(&server.launch.verify().await, message);
        assert_refused(&server.launch.command(&["backup", "-o", "b"]).await, "is not its log");
        assert!(contents(&data) == before, "something was changed");
    }
    std::fs::write(log_in(&data), &newer).unwrap();
    server.restart().await;
    assert_eq!(server.all("/orders").await.len(), 4);
    drop(other);
}

#[tokio::test]
async fn a_log_beside_a_closed_store_that_is_not_its_own_is_not_written_over() {
    let mut server = Server::start().await;
    server.create(10).await;
    server.terminate().await;
    let data = server.launch.data_dir();
    let older = std::fs::read(store_in(&data)).unwrap();
    server.restart().await;
    server.order(1, "late", 1).await.expect(201);
    server.kill9().await;
    let newer = std::fs::read(store_in(&data)).unwrap();
    // The last order is in this log alone.
    std::fs::write(store_in(&data), &older).unwrap();
    let log = std::fs::read(log_in(&data)).unwrap();
    for exited in [server.launch.run().await, server.launch.verify().await] {
        assert_refused(&exited, "is not the log of");
    }
    assert!(std::fs::read(log_in(&data)).unwrap() == log, "the log was changed");
    std::fs::write(store_in(&data), &newer).unwrap();
    server.restart().await;
    assert_eq!(server.all("/orders").await.len(), 1);
}

#[tokio::test]
async fn a_store_goes_on_without_its_log_when_it_is_told_to_and_gives_no_name_again() {
    let mut server = killed(7).await;
    let data = server.launch.data_dir();
    let whole = server.launch.command(&["drop-log", "--yes"]).await;
    assert_refused(&whole, "are whole, so there is nothing to drop");
    // What the tables have of it is what was there when the server started.
    std::fs::remove_file(log_in(&data)).unwrap();
    let before = contents(&data);
    let asked = server.launch.command(&["drop-log"]).await;
    assert_refused(&asked, "nothing was changed");
    for message in ["with 0 orders and 0 products", "log:   it is missing", "lost:  every record after 0"] {
        assert!(asked.stdout.contains(message), "{message:?}: {asked:?}");
    }
    assert!(contents(&data) == before, "something was changed");
    let dropped = server.launch.command(&["drop-log", "--yes"]).await;
    assert_done(&dropped);
    assert!(dropped.stdout.contains("the next order gets number"), "{dropped:?}");
    server.restart().await;
    let product = server.create(5).await;
    assert!(product > 1 << 20, "the number of a product that is lost");
    assert!(order_id(&server.order(product, "ada", 1).await.expect(201)) > 7, "the number of a lost order");
}

#[tokio::test]
async fn what_can_be_read_of_a_damaged_log_is_kept_and_so_is_the_log() {
    let mut server = killed(8).await;
    let data = server.launch.data_dir();
    let mut log = std::fs::read(log_in(&data)).unwrap();
    // Frames begin at blocks, behind the log's own: the product is the first.
    let (block, frame) = (4_096, |n: usize| 4_096 * n);
    let at = (1..).map(frame).find(|at| log[at + 64..at + block].windows(7).any(|text| text == b"buyer-5"));
    let at = at.unwrap();
    log[at + 70] ^= 1;
    std::fs::write(log_in(&data), &log).unwrap();
    assert_refused(&server.launch.run().await, "is missing or altered");
    let dropped = server.launch.command(&["drop-log", "--yes"]).await;
    assert_done(&dropped);
    assert!(dropped.stdout.contains("can be read from the log"), "{dropped:?}");
    let there = names(&data);
    let [_, kept] = there.as_slice() else { panic!("{there:?}") };
    assert!(kept.starts_with("flashsale.redb.dropped-2") && kept.ends_with(".wal"), "{there:?}");
    assert!(std::fs::read(data.join(kept)).unwrap() == log, "it was changed");
    server.restart().await;
    assert_eq!(server.all("/orders").await.len(), 5);
}
