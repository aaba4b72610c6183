//! What the clients of the live feed cost orders.
//!
//! One server; rounds of orders in pairs, one with nobody and one with so many clients of the feed, each over a plain
//! WebSocket of its own, in alternating order. Every order is accepted and must be on disk before its answer. The
//! clients read all that comes, on a thread of their own in this process: on a machine with few processors they take
//! their share of them, so the ratio of the server's processor time for an order says what the server does for them,
//! and that of orders a second what they cost all in all.
//!
//! `--server PATH` measures another build.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot go on must stop, and its output is its purpose"
)]

#[path = "driver/driver.rs"]
mod driver;
#[path = "feed/watchers.rs"]
mod watchers;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use flashsale::limits::MAX_STOCK;

use driver::load::{self, Keys, Load, Orders, Trip};
use driver::run;
use driver::server::Server;
use watchers::Watchers;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Compares rounds of orders with and without clients of the live feed.
#[derive(Parser)]
struct Options {
    /// Another build of the server.
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Pairs of rounds.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Length of a round.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Clients of the feed.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    clients: u32,
    /// Connections that order.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// `cargo bench` passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The figures of a round.
#[derive(Clone, Copy, Default)]
struct Figures {
    orders_per_second: f64,
    /// Microseconds of the server's processor time for an order.
    processor: f64,
    p50: f64,
    p99: f64,
}

impl Figures {
    const NAMES: [&'static str; 4] = ["orders/s", "server us/order", "p50 ms", "p99 ms"];

    const fn all(self) -> [f64; 4] {
        [self.orders_per_second, self.processor, self.p50, self.p99]
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let pair = Duration::from_secs(2 * options.seconds + 60);
    run::bounded(measure(&options), pair * (options.rounds + 1)).await
}

async fn measure(options: &Options) -> ExitCode {
    let program = options.server.as_deref().unwrap_or(Path::new(env!("CARGO_BIN_EXE_flashsale")));
    let (parent, file_system) = run::data_directory();
    let dir = tempfile::tempdir_in(parent).expect("a directory for the data");
    let settings = [("MAX_FEED_CLIENTS", options.clients.to_string())];
    let server = Server::of(program, dir.path(), &settings).await;
    let orders = Orders::of(server.create_product(MAX_STOCK).await);
    println!(
        "{}, {} clients of the feed, {} connections, rounds of {} s, store on {file_system}",
        program.display(),
        options.clients,
        options.connections,
        options.seconds
    );
    round(&server, &orders, options).await;
    let mut pairs = Vec::new();
    let mut received = 0;
    for number in 0..options.rounds {
        let mut pair = [Figures::default(); 2];
        for with in if number % 2 == 0 { [0, 1] } else { [1, 0] } {
            let clients = if with == 1 { options.clients } else { 0 };
            let watchers = Watchers::connect(server.port, clients);
            pair[with] = round(&server, &orders, options).await;
            received += watchers.stop();
        }
        pairs.push(pair);
    }
    report(&pairs);
    let bytes = received as f64 / f64::from(options.rounds) / f64::from(options.clients) / options.seconds as f64;
    println!("each client received about {:.1} KB/s", bytes / 1_000.0);
    ExitCode::SUCCESS
}

async fn round(server: &Server, orders: &std::sync::Arc<Orders>, options: &Options) -> Figures {
    let mut connections = load::connect(server.port, options.connections).await;
    let load = Load::accepted(orders, Trip::Single, Keys::None);
    let before = server.cpu();
    let round = load::drive(&mut connections, &load, Duration::from_secs(options.seconds)).await;
    let spent = server.cpu() - before;
    server.drain().await;
    let answers = round.latency.len() as f64;
    let milliseconds = |quantile| round.latency.value_at_quantile(quantile) as f64 / 1_000.0;
    Figures {
        orders_per_second: answers / round.elapsed.as_secs_f64(),
        processor: spent.as_secs_f64() * 1e6 / answers,
        p50: milliseconds(0.5),
        p99: milliseconds(0.99),
    }
}

fn report(pairs: &[[Figures; 2]]) {
    println!("{:<16} {:>12} {:>12} {:>8} {:>8} {:>8}", "median", "nobody", "with them", "ratio", "least", "most");
    for (at, name) in Figures::NAMES.iter().enumerate() {
        let of = |which: usize| median(pairs.iter().map(|pair| pair[which].all()[at]).collect());
        let mut ratios: Vec<f64> = pairs.iter().map(|[without, with]| with.all()[at] / without.all()[at]).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
        println!("{name:<16} {:>12.2} {:>12.2} {:>8.3} {least:>8.3} {most:>8.3}", of(0), of(1), median(ratios));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}
