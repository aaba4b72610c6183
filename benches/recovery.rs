//! How long a start takes after the process was killed: `ORDERS` orders (1,000,000 where it is not set), all
//! confirmed, each of another user.
//!
//! Both files are copied while the store is open, which is what a kill leaves; then a process of its own opens the copy
//! and rebuilds everything, so that its memory is that of a server that has just started.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement that cannot go on must stop; its output is its purpose, the environment its setting"
)]

#[path = "engine/shop.rs"]
mod shop;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use flashsale::store::{self, Medium};

use shop::Shop;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ORDERS: usize = 1_000_000;
const ROUNDS: usize = 3;
/// Asks this executable for one opening; its value is the file.
const OPEN: &str = "RECOVERY_OPEN";

fn main() {
    match std::env::var_os(OPEN) {
        Some(file) => open(Path::new(&file)),
        None => measure(),
    }
}

fn measure() {
    let orders = std::env::var("ORDERS").map_or(ORDERS, |orders| orders.parse().expect("a number of orders"));
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let file = store::file_in(directory.path());
    // The second kind needs every buyer counted again, which reads every order.
    for limit in [None, Some(2)] {
        let start = Instant::now();
        let left = build(&file, orders, limit);
        let bytes = left.metadata().expect("a file").len();
        println!(
            "{orders} orders, {} per user: {:.0} MB, {:.1} s to build",
            limit.map_or("any number".to_owned(), |limit| format!("at most {limit}")),
            bytes as f64 / 1e6,
            start.elapsed().as_secs_f64()
        );
        for _ in 0..ROUNDS {
            let copy = left.with_extension("copy");
            copy_store(&left, &copy);
            let own = std::env::current_exe().expect("the path of this executable");
            let opened = Command::new(own).env(OPEN, &copy).status().expect("a process");
            assert!(opened.success(), "the copy was not opened");
        }
        std::fs::remove_file(store::wal_beside(&left)).expect("the log goes");
        std::fs::remove_file(left).expect("the file goes");
    }
}

/// Copies an open store to which nothing is committed meanwhile. The log first: what the tables take from it by then
/// is in both.
fn copy_store(from: &Path, to: &Path) {
    std::fs::copy(store::wal_beside(from), store::wal_beside(to)).expect("a copy of the log");
    std::fs::copy(from, to).expect("a copy of the tables");
}

/// Fills a store and returns a copy of its file as a kill would leave it.
fn build(file: &Path, orders: usize, limit: Option<u32>) -> std::path::PathBuf {
    let mut shop = Shop::open(Medium::File(file.to_owned()));
    let product = shop.add_product(limit);
    shop.fill(product, orders);
    let killed = file.with_extension("killed");
    copy_store(file, &killed);
    shop.close();
    std::fs::remove_file(file).expect("the file goes");
    killed
}

/// Opens a store, as a start does, and says what that took.
fn open(file: &Path) {
    let start = Instant::now();
    let shop = Shop::open(Medium::File(file.to_owned()));
    let seconds = start.elapsed().as_secs_f64();
    println!("  ready after {seconds:.2} s, {:.0} MB resident", resident_bytes() as f64 / 1e6);
    shop.close();
}

/// The memory of this process that is in use; zero where the system does not say.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
