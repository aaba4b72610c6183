//! What is opened by a name from outside is a regular file of its own, and what killed runs leave is tidied up.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::{SmallDisk, assert_done, assert_refused, eventful, names, order_in_batches, store_in};
use crate::harness::{Launch, Server, order_id};

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[tokio::test]
async fn a_setting_in_a_pipe_a_directory_or_a_long_file_is_refused_at_once_and_one_behind_a_link_is_read() {
    let launch = Server::with();
    let path = |name: &str| launch.directory().join(name).to_str().unwrap().to_owned();
    make_pipe(Path::new(&path("pipe")));
    std::fs::create_dir(path("directory")).unwrap();
    std::fs::write(path("long"), "x".repeat(70_000)).unwrap();
    for (file, message) in
        [("pipe", "not a regular file"), ("directory", "not a regular file"), ("long", "longer than")]
    {
        for variable in ["ADMIN_TOKEN_FILE", "FULFILLMENT_SECRET_FILE"] {
            let launch = launch.clone().env("FULFILLMENT_URL", "http://127.0.0.1:9/").env(variable, &path(file));
            assert_refused(&launch.run().await, message);
        }
    }
    // As secrets are mounted: a link into a directory that is a link as well.
    std::fs::create_dir(path("..data-1")).unwrap();
    std::fs::write(path("..data-1/token"), "only-for-operators\n").unwrap();
    symlink("..data-1", path("..data")).unwrap();
    symlink("..data/token", path("token")).unwrap();
    let launch = launch.clone().env("ADMIN_TOKEN_FILE", &path("token"));
    make_pipe(Path::new(&path(".env")));
    assert_refused(&launch.run().await, "not a regular file");
    std::fs::remove_file(path(".env")).unwrap();
    let mut server = launch.start().await;
    server.get("/orders").await.expect(401);
    // The harness has no token to end it with.
    server.kill9().await;
}

#[tokio::test]
async fn nothing_is_written_through_a_link_or_over_a_store_that_has_another_name() {
    let launch = eventful().await;
    let path = |name: &str| launch.directory().join(name);
    let store = store_in(&launch.data_dir());
    let before = std::fs::read(&store).unwrap();
    std::fs::hard_link(&store, path("a.partial")).unwrap();
    symlink(&store, path("b.partial")).unwrap();
    make_pipe(&path("c.partial"));
    for (name, message) in [("a", "hard link"), ("b", "symbolic link"), ("c", "not a regular file")] {
        // The store's own second name is found by every run that opens it.
        for args in [["export", "orders", "-o", name], ["export", "journal", "-o", name]] {
            assert_refused(&launch.command(&args).await, message);
        }
    }
    assert!(std::fs::read(&store).unwrap() == before, "the store was written over");
    assert_refused(&launch.command(&["serve", "--port", "0"]).await, "has another name as well");
    std::fs::remove_file(path("a.partial")).unwrap();
    assert_done(&launch.verify().await);
    let other = path("other");
    std::fs::create_dir(&other).unwrap();
    symlink(&store, store_in(&other)).unwrap();
    assert_refused(&launch.command(&["verify", "--data-dir", "other"]).await, "it is a symbolic link");
    make_pipe(&path("pipe.backup"));
    assert_refused(&launch.command(&["restore", "pipe.backup", "--data-dir", "x"]).await, "not a regular file");
}

#[tokio::test]
async fn what_killed_starts_and_restores_leave_is_removed_by_the_next_start() {
    let launch = eventful().await;
    let data = launch.data_dir();
    for left in ["flashsale.redb.new-4711", "flashsale.redb.restoring"] {
        std::fs::copy(store_in(&data), data.join(left)).unwrap();
    }
    let server = Server::with().env("DATA_DIR", data.to_str().unwrap()).start().await;
    server.act("/queue/resume").await.expect(200);
    assert_eq!(names(&data), ["flashsale.redb", "flashsale.redb.wal"]);
    drop(server);
    // One that was killed with the restored store whole, and none in its place.
    std::fs::rename(store_in(&data), data.join("flashsale.redb.restored")).unwrap();
    let server = Server::with().env("DATA_DIR", data.to_str().unwrap()).start().await;
    assert_eq!(server.all("/orders").await.len(), 26);
}

#[tokio::test]
async fn a_start_on_a_full_disk_says_so_and_goes_well_when_there_is_room() {
    let launch = Server::with();
    let small = launch.directory().join("small");
    let _disk = SmallDisk::mount(&small);
    let data = small.join("data");
    let launch = launch.env("DATA_DIR", data.to_str().unwrap());
    for _ in 0..2 {
        let full = launch.run().await;
        assert_refused(&full, "there is no space left to open");
        assert!(!full.stderr.contains("backup"), "{full:?}");
        assert_eq!(names(&data), ["flashsale.redb"]);
    }
    resize(&small, "size=64m");
    let mut server = launch.start().await;
    let product = server.create(100_000).await;
    order_in_batches(&server, product, &"n".repeat(200), 4, 1_000).await;
    server.kill9().await;
    // What is left is filled: now there is no room for anything that is not allocated.
    let filled = std::fs::write(small.join("filler"), vec![1; 64 << 20]);
    assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    let verified = server.launch.command(&["verify", "--scratch-dir", "."]).await;
    assert_done(&verified);
    match server.launch.clone().try_start().await {
        Ok(started) => drop(started),
        Err(exited) => {
            assert_refused(&exited, "there is no space left to open");
            assert!(!exited.stderr.contains("backup"), "{exited:?}");
        }
    }
    std::fs::remove_file(small.join("filler")).unwrap();
    server.restart().await;
    assert_eq!(server.get("/orders/admin/metrics").await.expect(200).body["totalOrders"], 4_000);
    server.terminate().await;
}

fn resize(disk: &Path, size: &str) {
    let remount = format!("remount,{size}");
    assert!(Command::new("mount").args(["-o", &remount]).arg(disk).status().unwrap().success());
}

#[tokio::test]
async fn a_store_on_a_read_only_disk_is_verified_backed_up_and_exported() {
    let mut server = Server::start().await;
    let product = server.create(10).await;
    order_id(&server.order(product, "ada", 1).await.expect(201));
    server.kill9().await;
    let launch = &server.launch;
    let mounted = ReadOnly::mount(launch, "frozen");
    let at = ["--data-dir", "frozen"];
    let asked = launch.command(&[&["verify"][..], &at].concat()).await;
    assert_refused(&asked, "--scratch-dir");
    assert_done(&launch.command(&[&["verify", "--scratch-dir", "."][..], &at].concat()).await);
    assert_done(&launch.command(&[&["backup", "-o", "a.backup"][..], &at].concat()).await);
    let exported = launch.command(&[&["export", "orders"][..], &at].concat()).await;
    assert_done(&exported);
    assert_eq!(exported.stdout.lines().count(), 1);
    assert_refused(&launch.command(&[&["serve", "--port", "0"][..], &at].concat()).await, "Read-only file system");
    drop(mounted);
    server.restart().await;
}

/// The data directory of a launch, mounted once more and read-only.
struct ReadOnly(std::path::PathBuf);

impl ReadOnly {
    fn mount(launch: &Launch, name: &str) -> Self {
        let at = launch.directory().join(name);
        std::fs::create_dir(&at).unwrap();
        let run = |args: &[&str], paths: &[&Path]| Command::new("mount").args(args).args(paths).status().unwrap();
        assert!(run(&["--bind"], &[&launch.data_dir(), &at]).success(), "this test needs root, or CAP_SYS_ADMIN");
        assert!(run(&["-o", "remount,ro,bind"], &[&at]).success());
        Self(at)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
