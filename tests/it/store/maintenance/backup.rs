//! `flashsale backup` and `flashsale restore`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{
    SmallDisk, assert_done, assert_refused, eventful, larger_than_a_small_disk, names, order_in_batches, store_in,
};
use crate::harness::{Client, Launch, Server, assert_problem, eventually, order_id};

const TOKEN: &str = "only-for-operators";

/// A backup of a stopped store, and where it lies.
async fn backed_up() -> (Launch, std::path::PathBuf) {
    let launch = eventful().await;
    let backup = launch.directory().join("a.backup");
    assert_done(&launch.command(&["backup", "-o", "a.backup"]).await);
    (launch, backup)
}

#[tokio::test]
async fn a_restored_store_is_the_one_that_was_backed_up() {
    let (launch, _) = backed_up().await;
    let before = names(launch.directory());
    let restored = launch.command(&["restore", "a.backup", "--data-dir", "other"]).await;
    assert_done(&restored);
    assert_eq!(names(&launch.directory().join("other")), ["flashsale.redb"]);
    assert_done(&launch.command(&["verify", "--data-dir", "other"]).await);
    for subject in ["orders", "products", "jobs"] {
        let (was, is) = (["export", subject], ["export", subject, "--data-dir", "other"]);
        assert_eq!(launch.command(&was).await.stdout, launch.command(&is).await.stdout, "{subject}");
    }
    // All of the history is there, and one record more: that it goes another way from here.
    let was = launch.command(&["export", "journal"]).await.stdout;
    let is = launch.command(&["export", "journal", "--data-dir", "other"]).await.stdout;
    let added = is.strip_prefix(&was).expect("another past");
    assert!(added.lines().count() == 1 && added.contains(r#""kind":"history_forked""#), "{added}");
    assert_eq!(before, ["a.backup", "data"]);
    // It is not for others to read.
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(launch.directory().join("a.backup")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_backup_through_a_server_under_load_has_every_order_acknowledged_before() {
    let server = Server::with().env("ADMIN_TOKEN", TOKEN).start().await;
    let product = server.create(1_000_000).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut acknowledged = Vec::new();
    for buyer in 0..300 {
        acknowledged.push(order_id(&server.order(product, &format!("early-{buyer}"), 1).await.expect(201)));
    }
    let buyers: Vec<_> = (0..4).map(|n| tokio::spawn(buy(server.client(), product, n, Arc::clone(&stop)))).collect();
    let url = format!("http://{}", server.address());
    let taken = server.launch.command(&["backup", "-o", "live.backup", "--server", &url]).await;
    stop.store(true, Ordering::Relaxed);
    for buyer in buyers {
        buyer.await.unwrap();
    }
    assert_done(&taken);
    assert_done(&server.launch.command(&["restore", "live.backup", "--data-dir", "other"]).await);
    assert_done(&server.launch.command(&["verify", "--data-dir", "other"]).await);
    let other = server.launch.directory().join("other");
    let restored = Server::with().env("DATA_DIR", other.to_str().unwrap()).start().await;
    for order in acknowledged {
        restored.get(&format!("/orders/{order}")).await.expect(200);
    }
    let wrong = server.launch.clone().env("ADMIN_TOKEN", "not-the-token");
    assert_refused(&wrong.command(&["backup", "-o", "x", "--server", &url]).await, "it does not accept this");
    let none = server.launch.clone().env("ADMIN_TOKEN", "");
    assert_refused(&none.command(&["backup", "-o", "x", "--server", &url]).await, "it needs the admin token");
    assert_eq!(names(server.launch.directory()), ["data", "live.backup", "other"]);
    drop(restored);
}

async fn buy(client: Client, product: u64, buyer: usize, stop: Arc<AtomicBool>) {
    for turn in 0.. {
        client.order(product, &format!("late-{buyer}-{turn}"), 1).await.expect(201);
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

#[tokio::test]
async fn one_backup_is_read_at_a_time_and_a_reader_that_goes_ends_his() {
    let server = Server::start().await;
    let product = server.create(1_000_000).await;
    // More than what fits between the store and a reader that does not read.
    order_in_batches(&server, product, &"名".repeat(250), 16, 300).await;
    let mut reader = TcpStream::connect(server.address()).unwrap();
    reader.write_all(b"GET /api/v1/admin/backup HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut start = [0; 12];
    reader.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    let second = server.get("/admin/backup").await;
    assert_problem(&second, 409, "request_in_flight");
    drop(reader);
    eventually("the backup to be broken off", async || (server.get("/admin/backup").await.status == 200).then_some(()))
        .await;
}

#[tokio::test]
async fn no_cut_or_flipped_backup_is_restored() {
    let (launch, backup) = backed_up().await;
    let whole = std::fs::read(&backup).unwrap();
    let places = (0..80).chain((80..whole.len()).step_by(whole.len() / 40)).chain([whole.len() - 1]);
    for place in places {
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        std::fs::write(&backup, &flipped).unwrap();
        let refused = launch.command(&["restore", "a.backup", "--data-dir", "other"]).await;
        assert_refused(
            &refused,
            if place < 16 { "it is not a backup of flashsale" } else { "it is damaged near byte" },
        );
    }
    for len in (0..whole.len()).step_by(whole.len() / 30).chain([whole.len() - 1]) {
        std::fs::write(&backup, &whole[..len]).unwrap();
        let refused = launch.command(&["restore", "a.backup", "--data-dir", "other"]).await;
        assert_refused(&refused, if len < 16 { "it is not a backup of flashsale" } else { "it is cut off after" });
    }
    assert_eq!(names(launch.directory()), ["a.backup", "data"], "something was written");
}

#[tokio::test]
async fn a_restore_over_a_running_store_is_refused_and_over_a_stopped_one_keeps_it() {
    let (launch, backup) = backed_up().await;
    let mut server = Server::with().start().await;
    server.create(5).await;
    let backup = backup.to_str().unwrap();
    for args in [&["restore", backup][..], &["restore", backup, "--force"]] {
        assert_refused(&server.launch.command(args).await, "a server or another command is using the store");
    }
    server.terminate().await;
    let data = server.launch.data_dir();
    let before = std::fs::read(store_in(&data)).unwrap();
    assert_refused(&server.launch.command(&["restore", backup]).await, "add --force");
    assert!(std::fs::read(store_in(&data)).unwrap() == before);
    assert_eq!(names(&data), ["flashsale.redb"]);
    assert_done(&server.launch.command(&["restore", backup, "--force"]).await);
    let found = names(&data);
    assert!(found.len() == 2 && found[1].starts_with("flashsale.redb.before-restore-2"), "{found:?}");
    assert!(std::fs::read(data.join(&found[1])).unwrap() == before, "the store that was there is not kept");
    assert_done(&server.launch.verify().await);
    // A damaged store can be replaced as well.
    std::fs::write(store_in(&data), "no store").unwrap();
    assert_refused(&server.launch.command(&["restore", backup]).await, "add --force");
    assert_done(&server.launch.command(&["restore", backup, "--force"]).await);
    assert_done(&server.launch.verify().await);
    drop(launch);
}

#[tokio::test]
async fn a_restore_over_a_killed_store_keeps_what_was_only_in_its_log() {
    let mut server = Server::start().await;
    let product = server.create(100).await;
    server.order(product, "before", 1).await.expect(201);
    let url = format!("http://{}", server.address());
    assert_done(&server.launch.command(&["backup", "-o", "a.backup", "--server", &url]).await);
    let lost = server.order(product, "after", 1).await.expect(201).body["orderId"].as_u64().unwrap();
    server.kill9().await;
    let data = server.launch.data_dir();
    assert_eq!(names(&data), ["flashsale.redb", "flashsale.redb.wal"]);
    assert_done(&server.launch.command(&["restore", "a.backup", "--force"]).await);
    let there = names(&data);
    let [_, kept] = there.as_slice() else { panic!("{there:?}") };
    let other = server.launch.directory().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::rename(data.join(kept), store_in(&other)).unwrap();
    let before = Server::with().env("DATA_DIR", other.to_str().unwrap()).start().await;
    assert_eq!(before.get(&format!("/orders/{lost}")).await.expect(200).body["userId"], "after");
    drop(before);
    server.restart().await;
    server.get(&format!("/orders/{lost}")).await.expect(404);
    assert_eq!(server.all("/orders").await.len(), 1);
}

#[tokio::test]
async fn the_log_of_a_store_that_is_gone_is_kept() {
    let (launch, backup) = backed_up().await;
    let mut server = Server::start().await;
    server.create(5).await;
    server.kill9().await;
    let data = server.launch.data_dir();
    std::fs::remove_file(store_in(&data)).unwrap();
    let log = std::fs::read(data.join("flashsale.redb.wal")).unwrap();
    let restored = server.launch.command(&["restore", backup.to_str().unwrap()]).await;
    assert_done(&restored);
    let there = names(&data);
    let [_, kept] = there.as_slice() else { panic!("{there:?}") };
    assert!(kept.starts_with("flashsale.redb.before-restore-2") && kept.ends_with(".wal"), "{there:?}");
    assert!(std::fs::read(data.join(kept)).unwrap() == log, "it was changed");
    assert!(restored.stdout.contains(kept), "{restored:?}");
    assert_done(&server.launch.verify().await);
    drop(launch);
}

#[tokio::test]
async fn a_backup_where_the_new_store_is_made_is_refused_and_stays() {
    let (launch, backup) = backed_up().await;
    let other = launch.directory().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::copy(&backup, other.join("flashsale.redb.restoring")).unwrap();
    for name in ["other/flashsale.redb.restoring", "other/../other/flashsale.redb.restoring"] {
        let refused = launch.command(&["restore", name, "--data-dir", "other"]).await;
        assert_refused(&refused, "give the backup another name");
    }
    assert!(std::fs::read(other.join("flashsale.redb.restoring")).unwrap() == std::fs::read(&backup).unwrap());
    // One that is left of a restore that was killed is in nobody's way.
    assert_done(&launch.command(&["restore", "a.backup", "--data-dir", "other"]).await);
    assert_eq!(names(&other), ["flashsale.redb"]);
}

#[tokio::test]
async fn no_backup_or_export_replaces_a_store_or_its_log() {
    let mut server = Server::start().await;
    server.create(5).await;
    let url = format!("http://{}", server.address());
    let data = server.launch.data_dir();
    let (store, log) = (store_in(&data), data.join("flashsale.redb.wal"));
    for place in [&store, &log] {
        let place = place.to_str().unwrap();
        for args in [
            &["backup", "-o", place, "--force", "--server", &url][..],
            &["backup", "-o", place, "--force"],
            &["export", "orders", "-o", place, "--force"],
        ] {
            assert_refused(&server.launch.command(args).await, "is the place of a store or its log");
        }
    }
    assert_eq!(names(&data), ["flashsale.redb", "flashsale.redb.wal"]);
    server.terminate().await;
    let before = std::fs::read(&store).unwrap();
    for place in [&store, &log] {
        for command in [&["backup"][..], &["export", "products"]] {
            let refused = server.launch.command(&[command, &["--force", "-o", place.to_str().unwrap()]].concat()).await;
            assert_refused(&refused, "is the place of a store or its log");
        }
    }
    assert!(std::fs::read(&store).unwrap() == before, "the store was changed");
    assert_eq!(names(&data), ["flashsale.redb"]);
}

#[tokio::test]
async fn a_backup_replaces_no_file_and_leaves_none_behind_when_it_fails() {
    let (launch, backup) = backed_up().await;
    let before = std::fs::read(&backup).unwrap();
    assert_refused(&launch.command(&["backup", "-o", "a.backup"]).await, "already exists");
    assert_refused(&launch.command(&["backup", "-o", "/dev/full", "--force"]).await, "is not a regular file");
    let missing = ["backup", "-o", "a.backup", "--force", "--data-dir", "nowhere"];
    assert_refused(&launch.command(&missing).await, "there is no store");
    let unreachable = ["backup", "-o", "a.backup", "--force", "--server", "http://127.0.0.1:1"];
    assert_refused(&launch.command(&unreachable).await, "cannot get a backup from the server");
    assert!(std::fs::read(&backup).unwrap() == before, "a failed backup has replaced the one before");
    assert_done(&launch.command(&["backup", "-o", "a.backup", "--force"]).await);
    assert_eq!(names(launch.directory()), ["a.backup", "data"]);
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_is_left_on_it() {
    let mut server = larger_than_a_small_disk().await;
    let small = server.launch.directory().join("small");
    let _disk = SmallDisk::mount(&small);
    let url = format!("http://{}", server.address());
    let online = ["backup", "-o", "small/a.backup", "--server", &url];
    assert_refused(&server.launch.command(&online).await, "there is no space left for small/a.backup");
    server.terminate().await;
    let offline = server.launch.command(&["backup", "-o", "small/a.backup"]).await;
    assert_refused(&offline, "there is no space left for small/a.backup");
    assert_done(&server.launch.command(&["backup", "-o", "a.backup"]).await);
    let restored = server.launch.command(&["restore", "a.backup", "--data-dir", "small"]).await;
    assert_refused(&restored, "there is no space left for");
    assert!(names(&small).is_empty(), "{:?}", names(&small));
}
