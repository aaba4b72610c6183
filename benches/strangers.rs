//! What strangers cost: connections that are held, half sent or never read, lists that are asked for without end, and
//! what buyers get beside them.
//!
//! Each scenario starts a server of its own, lets its strangers in, each from one of some hundred loopback addresses
//! (`127.1.0.0/16`), and then lets a few buyers, from `127.0.0.1`, place orders one after the other for some seconds.
//! A buyer whose order is not answered 201 in time takes a new connection. The table says what the server's memory was
//! before the strangers, beside them and at most, how many of them still had their connection when the buyers were
//! done, and what the buyers got.
//!
//! `--server PATH` measures another build. A scenario is one entry of [`SCENARIOS`].
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot go on must stop, and its output is its purpose"
)]

#[path = "strangers/askers.rs"]
mod askers;
#[path = "strangers/buyers.rs"]
mod buyers;
#[path = "strangers/crowd.rs"]
mod crowd;
#[path = "driver/driver.rs"]
mod driver;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::time::sleep;

use askers::Askers;
use buyers::Buyers;
use crowd::Crowd;
use driver::client::Connection;
use driver::load::{Orders, Trip};
use driver::run;
use driver::server::Server;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What strangers do, and to which server.
struct Scenario {
    name: &'static str,
    /// Strangers, a connection each.
    strangers: usize,
    /// Settings of the server, by the names of their variables.
    settings: &'static [(&'static str, &'static str)],
    /// Products besides the one that is bought.
    products: usize,
    /// Orders that are stored before.
    orders: usize,
    /// What each stranger sends before it waits; it reads nothing.
    sends: fn() -> Vec<u8>,
    /// Where strangers ask and ask again instead; they read all of it.
    asks: &'static [&'static str],
}

const IDLE: Scenario =
    Scenario { name: "idle", strangers: 4_000, settings: &[], products: 0, orders: 0, sends: Vec::new, asks: &[] };

/// Operators' reads of a store with a million orders: no order is of the product that is asked for.
const READS: Scenario = Scenario { name: "reads", strangers: 64, orders: 1_000_000, ..IDLE };

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "nobody", strangers: 0, ..IDLE },
    IDLE,
    Scenario { name: "half_heads", sends: || half_head(100), ..IDLE },
    Scenario { name: "half_heads_30k", sends: || half_head(30 * 1024), ..IDLE },
    Scenario { name: "half_bodies", sends: || half_body(1_000), ..IDLE },
    Scenario { name: "half_bodies_16k", sends: || half_body(16 * 1024), ..IDLE },
    Scenario { name: "half_bodies_64k", sends: || half_body(64 * 1024), ..IDLE },
    Scenario { name: "half_batches_1m", strangers: 1_000, sends: half_batch, ..IDLE },
    Scenario { name: "unread_openapi", strangers: 100, sends: || pipelined("/openapi.json"), ..IDLE },
    Scenario { name: "unread_docs", strangers: 100, sends: || pipelined("/docs/swagger-ui-bundle.js"), ..IDLE },
    Scenario {
        name: "unread_products",
        strangers: 100,
        products: 1_000,
        sends: || pipelined("/api/v1/inventory"),
        ..IDLE
    },
    Scenario {
        name: "every_connection",
        strangers: 1_000,
        settings: &[("MAX_CONNECTIONS", "500"), ("MAX_CONNECTIONS_PER_IP", "0")],
        ..IDLE
    },
    Scenario {
        name: "unread_everywhere",
        strangers: 100,
        settings: &[("MAX_CONNECTIONS", "100"), ("MAX_CONNECTIONS_PER_IP", "0")],
        sends: || pipelined("/openapi.json"),
        ..IDLE
    },
    Scenario { name: "ask_products", strangers: 4, products: 9_999, asks: &["/api/v1/inventory"], ..IDLE },
    Scenario { name: "ask_metrics", strangers: 4, products: 9_999, asks: &["/metrics"], ..IDLE },
    Scenario { name: "ask_nothing", strangers: 0, ..READS },
    Scenario { name: "ask_queue", asks: &["/api/v1/queue"], ..READS },
    Scenario { name: "ask_lists", asks: &["/api/v1/orders?productId=9"], ..READS },
    Scenario { name: "ask_audits", asks: &["/api/v1/inventory/audit"], ..READS },
    Scenario {
        name: "ask_everything",
        asks: &["/api/v1/orders?productId=9", "/api/v1/queue", "/api/v1/inventory/audit", "/metrics"],
        ..READS
    },
];

/// The start of a request whose head does not end.
fn half_head(bytes: usize) -> Vec<u8> {
    let head = "GET /api/v1/inventory HTTP/1.1\r\nHost: flashsale\r\nX-Long: ";
    format!("{head}{}", "a".repeat(bytes - head.len())).into_bytes()
}

/// An order that lacks its last byte.
fn half_body(bytes: usize) -> Vec<u8> {
    half_post("/api/v1/orders", bytes)
}

fn half_batch() -> Vec<u8> {
    half_post("/api/v1/orders/batch", 1024 * 1024)
}

fn half_post(path: &str, bytes: usize) -> Vec<u8> {
    let headers = format!("Host: flashsale\r\nContent-Type: application/json\r\nContent-Length: {bytes}\r\n");
    format!("POST {path} HTTP/1.1\r\n{headers}\r\n{}", " ".repeat(bytes - 1)).into_bytes()
}

/// Many requests at once.
fn pipelined(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: flashsale\r\n\r\n").repeat(200).into_bytes()
}

/// Lets strangers in and measures what buyers get beside them.
#[derive(Parser)]
struct Options {
    /// Another build of the server.
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Scenarios, by name; all if unset.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// How long the buyers buy.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Buyers, a connection each.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    buyers: u32,
    /// `cargo bench` passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let known = |name: &String| SCENARIOS.iter().any(|scenario| scenario.name == name);
    if let Some(unknown) = options.only.iter().find(|name| !known(name)) {
        let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        eprintln!("there is no scenario {unknown}; there are {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    let limit = Duration::from_secs(options.seconds + 120) * SCENARIOS.len() as u32;
    run::bounded(measure(&options), limit).await
}

async fn measure(options: &Options) -> ExitCode {
    let program = options.server.as_deref().unwrap_or(Path::new(env!("CARGO_BIN_EXE_flashsale")));
    println!(
        "{}, {} buyers for {} s; memory in MB, latencies in ms",
        program.display(),
        options.buyers,
        options.seconds
    );
    println!(
        "{:<18} {:>9} {:>9} {:>7} {:>7} {:>7} {:>9} {:>7} {:>8} {:>8} {:>8}",
        "scenario", "strangers", "connected", "before", "beside", "peak", "orders/s", "failed", "p50", "p99", "max"
    );
    for scenario in SCENARIOS {
        if options.only.is_empty() || options.only.iter().any(|name| name == scenario.name) {
            one(scenario, program, options).await;
        }
    }
    ExitCode::SUCCESS
}

async fn one(scenario: &Scenario, program: &Path, options: &Options) {
    let (parent, _) = run::data_directory();
    let dir = tempfile::tempdir_in(parent).expect("a directory for the data");
    let settings: Vec<_> = scenario.settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let server = Server::of(program, dir.path(), &settings).await;
    let product = server.create_product(1_000_000_000).await;
    for _ in 0..scenario.products {
        server.create_product(1).await;
    }
    fill(&server, scenario.orders).await;
    let before = server.resident_bytes();
    let silent = if scenario.asks.is_empty() { scenario.strangers } else { 0 };
    let crowd = Crowd::let_in(server.port, silent, &(scenario.sends)()).await;
    let asking = scenario.strangers - silent;
    let askers = (asking > 0).then(|| Askers::start(server.port, asking, scenario.asks));
    sleep(Duration::from_millis(500)).await;
    let beside = server.resident_bytes();
    let buyers = Buyers::buy(server.port, options.buyers, product, Duration::from_secs(options.seconds)).await;
    let connected = crowd.connected() + asking;
    let answered = askers.map_or(0, Askers::stop);
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    println!(
        "{:<18} {:>9} {:>9} {:>7.1} {:>7.1} {:>7.1} {:>9.0} {:>7} {:>8.2} {:>8.2} {:>8.1}",
        scenario.name,
        scenario.strangers,
        connected,
        megabytes(before),
        megabytes(beside),
        megabytes(server.peak_bytes()),
        buyers.accepted() as f64 / options.seconds as f64,
        buyers.failed,
        buyers.quantile(0.5),
        buyers.quantile(0.99),
        buyers.quantile(1.0),
    );
    if answered > 0 {
        let rate = answered as f64 / (options.seconds as f64 + 0.5);
        println!("{:<18} {rate:>9.0} answers a second to those who ask", "");
    }
}

/// Places so many orders, in batches, and waits until workers have confirmed them.
async fn fill(server: &Server, orders: usize) {
    const BATCH: usize = 1_000;
    if orders == 0 {
        return;
    }
    let filling = Orders::of(server.create_product(orders as u64).await);
    let mut request = filling.request(Trip::Batch(BATCH));
    let mut connection = Connection::open(server.port).await.expect("a connection");
    for batch in 0..orders / BATCH {
        assert_eq!(connection.ask(request.next(&filling)).await.status, 200);
        // The queue has room for fewer orders than there are.
        if batch % 50 == 49 {
            server.drain().await;
        }
    }
    server.drain().await;
}
