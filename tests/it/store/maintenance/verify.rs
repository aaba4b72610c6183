//! `flashsale verify` on stores that nobody has tampered with.

use flashsale::store::wal_beside;

use super::{SmallDisk, assert_done, assert_refused, eventful, larger_than_a_small_disk, names, store_in};
use crate::harness::{Launch, Server};

#[tokio::test]
async fn a_store_in_which_much_has_happened_is_sound() {
    let launch = eventful().await;
    let verified = launch.verify().await;
    assert_done(&verified);
    assert!(verified.stdout.contains("26 orders and 2 products"), "{verified:?}");
    assert!(verified.stdout.contains("every table was compared with it"), "{verified:?}");
    assert!(verified.stderr.is_empty(), "a progress bar without a terminal: {verified:?}");
}

#[tokio::test]
async fn a_check_makes_no_store_where_there_is_none() {
    let launch = Launch::bare(&["verify"]);
    assert_refused(&launch.run().await, "there is no store at");
    assert!(names(launch.directory()).is_empty());
    std::fs::create_dir(launch.data_dir()).unwrap();
    std::fs::write(store_in(&launch.data_dir()), "").unwrap();
    assert_refused(&launch.run().await, "is not a whole flashsale store: it is empty");
    assert_eq!(std::fs::read(store_in(&launch.data_dir())).unwrap(), b"");
}

#[tokio::test]
async fn a_killed_store_is_checked_as_it_would_recover_and_not_a_byte_of_it_changes() {
    let mut server = Server::start().await;
    let product = server.create(1_000).await;
    for buyer in 0..50 {
        server.order(product, &format!("buyer-{buyer}"), 1).await.expect(201);
    }
    server.kill9().await;
    let data = server.launch.data_dir();
    let read = || ["flashsale.redb", "flashsale.redb.wal"].map(|name| std::fs::read(data.join(name)).unwrap());
    let before = read();
    let verified = server.launch.verify().await;
    assert_done(&verified);
    assert!(verified.stdout.contains(" 50 orders and 1 product\n"), "{verified:?}");
    assert!(read() == before, "the check has changed the store");
    assert_eq!(names(&data), ["flashsale.redb", "flashsale.redb.wal"]);
    server.restart().await;
}

#[tokio::test]
async fn the_store_of_a_running_server_is_left_to_it() {
    let server = Server::start().await;
    assert_refused(&server.launch.verify().await, "a server or another command is using the store");
}

#[tokio::test]
async fn a_cut_or_flipped_store_is_told_as_damaged() {
    let launch = eventful().await;
    let file = store_in(&launch.data_dir());
    let whole = std::fs::read(&file).unwrap();
    for len in [1, 100, 4_096, whole.len() / 2, whole.len() - 4_096] {
        std::fs::write(&file, &whole[..len]).unwrap();
        assert_refused(&launch.verify().await, "is not a whole flashsale store");
        assert_refused(&launch.run().await, "is not a whole flashsale store");
        assert_eq!(std::fs::read(&file).unwrap(), whole[..len], "it was changed");
    }
    // Pages that are in use are found by what is in them; some copies are in pages that are not.
    let mut flipped = whole.clone();
    for at in (0..whole.len() - 8).filter(|at| &whole[*at..at + 8] == b"buyer-13") {
        flipped[at] ^= 1;
    }
    std::fs::write(&file, &flipped).unwrap();
    assert_refused(&launch.verify().await, "is not a whole flashsale store");
    assert_refused(&launch.run().await, "is not a whole flashsale store");
    std::fs::write(&file, &whole).unwrap();
    assert_done(&launch.verify().await);
}

#[tokio::test]
async fn a_killed_store_without_its_whole_log_and_a_log_without_its_store_are_refused() {
    let mut server = Server::start().await;
    let product = server.create(5).await;
    server.order(product, "ada", 1).await.expect(201);
    server.kill9().await;
    let launch = &server.launch;
    let file = store_in(&launch.data_dir());
    let log = wal_beside(&file);
    let (tables, frames) = (std::fs::read(&file).unwrap(), std::fs::read(&log).unwrap());
    for len in [0, 1, 20_480, frames.len() - 4_096] {
        std::fs::write(&log, &frames[..len]).unwrap();
        assert_refused(&launch.verify().await, "it was cut off");
        assert_refused(&launch.run().await, "it was cut off");
    }
    std::fs::remove_file(&log).unwrap();
    assert_refused(&launch.verify().await, "the last orders are in it");
    assert_refused(&launch.run().await, "the last orders are in it");
    std::fs::write(&log, &frames).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_refused(&launch.run().await, "which it belongs to, is not");
    assert_eq!(std::fs::read(&log).unwrap(), frames);
    std::fs::write(&file, &tables).unwrap();
    assert_done(&launch.verify().await);
    server.restart().await;
    assert_eq!(server.all("/orders").await.len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_the_working_file_is_not_said_of_the_store() {
    let mut server = larger_than_a_small_disk().await;
    server.terminate().await;
    let launch = &server.launch;
    let missing = launch.command(&["verify", "--scratch-dir", "nowhere"]).await;
    assert_refused(&missing, "cannot make the working file nowhere/");
    assert!(missing.stderr.contains("--scratch-dir") && !missing.stderr.contains("the store"), "{missing:?}");
    let small = launch.directory().join("small");
    let _disk = SmallDisk::mount(&small);
    let full = launch.command(&["verify", "--scratch-dir", "small"]).await;
    assert_refused(&full, "there is no space left for the working file in small");
    assert!(names(&small).is_empty(), "{:?}", names(&small));
}
