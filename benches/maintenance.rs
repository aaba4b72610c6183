//! What the maintenance commands take over a large store: seconds, and the most memory that each had resident.
//!
//! A store is filled with confirmed orders, each of another user, through the engine. Then every command runs as a
//! process of its own over it, the backup both on the stopped store and through a running server, whose memory is taken
//! as well. What was restored must verify. The exit code is 0 if every command did what it was asked for.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot go on must stop, and its output is its purpose"
)]

#[path = "driver/driver.rs"]
mod driver;
#[path = "engine/shop.rs"]
mod shop;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use flashsale::store::{self, Medium};

use driver::server::Server;
use driver::{machine, run};
use shop::Shop;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Between two looks at a command's memory.
const SAMPLE_EVERY: Duration = Duration::from_millis(5);

/// Times the maintenance commands.
#[derive(Parser)]
struct Options {
    /// Orders in the store.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    orders: u32,
    /// `cargo bench` passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let (parent, file_system) = run::data_directory();
    let directory = tempfile::tempdir_in(parent).expect("a directory");
    let (dir, data) = (directory.path(), directory.path().join("data"));
    println!("{} orders; data in {} ({file_system})", options.orders, parent.display());
    std::fs::create_dir(&data).expect("a directory for the store");
    let file = store::file_in(&data);
    let orders = options.orders as usize;
    tokio::task::spawn_blocking(move || fill(&file, orders)).await.expect("a full store");

    let mut bench = Bench { dir, failed: false };
    println!("  {:<38} {:>8} {:>9} {:>10}", "command", "seconds", "peak MB", "written MB");
    bench.run("verify", &["verify", "--data-dir", "data"], &[]).await;
    bench.run("backup", &["backup", "--data-dir", "data", "-o", "offline.backup"], &["offline.backup"]).await;
    for (subject, format) in [("orders", "csv"), ("orders", "ndjson"), ("jobs", "csv"), ("journal", "ndjson")] {
        let out = format!("{subject}.{format}");
        let name = format!("export {subject} --format {format}");
        let export = ["export", subject, "--data-dir", "data", "--format", format, "-o", &out];
        bench.run(&name, &export, &[&out]).await;
        std::fs::remove_file(dir.join(&out)).expect("the export goes");
    }
    let server = Server::real(dir).await;
    let address = format!("http://127.0.0.1:{}", server.port);
    let before = server.resident_bytes();
    let backup = ["backup", "--server", &address, "-o", "online.backup"];
    bench.run("backup --server", &backup, &["online.backup"]).await;
    println!("  the server had {:.0} MB before it and {:.0} after it", mb(before), mb(server.resident_bytes()));
    drop(server);
    bench.run("restore", &["restore", "online.backup", "--data-dir", "back"], &["back/flashsale.redb"]).await;
    bench.run("verify what was restored", &["verify", "--data-dir", "back"], &[]).await;
    if bench.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn fill(file: &Path, orders: usize) {
    let mut shop = Shop::open(Medium::File(file.to_owned()));
    let product = shop.add_product(None);
    shop.fill(product, orders);
    let store = std::sync::Arc::clone(&shop.engine.store);
    shop.close();
    store.close();
}

struct Bench<'d> {
    dir: &'d Path,
    failed: bool,
}

impl Bench<'_> {
    /// Runs a command to its end and says what it took, and how large the files are that it wrote.
    async fn run(&mut self, name: &str, args: &[&str], written: &[&str]) {
        let start = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_flashsale"));
        command.args(args).env_clear().current_dir(self.dir).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.spawn().expect("the command starts");
        let (id, mut peak) = (child.id().to_string(), 0);
        let status = loop {
            peak = machine::peak_bytes(&id).unwrap_or(0).max(peak);
            match child.try_wait().expect("a child's state") {
                Some(status) => break status,
                None => tokio::time::sleep(SAMPLE_EVERY).await,
            }
        };
        let seconds = start.elapsed().as_secs_f64();
        let bytes = |file| std::fs::metadata(self.dir.join(file)).map_or(0, |file| file.len());
        let written: u64 = written.iter().map(bytes).sum();
        let verdict = if status.success() { "" } else { "FAILED" };
        println!("  {name:<38} {seconds:>8.2} {:>9.0} {:>10.0} {verdict}", mb(peak), mb(written));
        self.failed |= !status.success();
    }
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
