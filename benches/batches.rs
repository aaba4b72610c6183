//! Orders a second by the thousand in one request, beside orders one by one.
//!
//! The real server runs as a process of its own, with one product that everybody gets. One client drives it in
//! alternating rounds, closed loop: single orders on 64 connections, and batches of 1,000 on 16, without and with an
//! idempotency key for each order. All are answered after their orders are on disk. Ratios are those of two rounds of
//! one turn, so a machine that is slow for a while is slow for both. A batch's request is formatted once and only the
//! users and keys change; of its answer only the accepted orders are counted.
//!
//! After each round the queue is drained, and `with drain` divides by that time as well: it is the rate at which
//! orders are accepted and confirmed for good. In the end every acknowledged order must be confirmed, the product's
//! stock be what was not sold, and the audit be ok. The exit code is 0 if that is so and the ratio is what it must be.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot go on must stop, and its output is its purpose"
)]

#[path = "driver/driver.rs"]
mod driver;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use flashsale::limits::MAX_STOCK;

use driver::figures::{Spread, Used, us_each};
use driver::load::{self, Keys, Load, Orders, Trip};
use driver::run;
use driver::server::{self, Server, Stock};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// So many times the orders a second of single ones must batches give.
const TARGET_RATIO: f64 = 8.0;
/// So many orders a second are aimed for.
const AIM: f64 = 300_000.0;
/// For the run beyond its rounds: starting, warming up and checking.
const RUN_OVERHEAD: Duration = Duration::from_secs(120);
/// For a round beyond its time, draining excepted: connecting, and the last answers.
const ROUND_OVERHEAD: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_secs(1);

/// Compares batches of orders with single orders.
#[derive(Parser)]
struct Options {
    /// Turns of three rounds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Length of a round.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Keep-alive connections for single orders.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// Keep-alive connections for batches.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=16))]
    batch_connections: u32,
    /// Orders in a batch.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    batch: u16,
    /// `cargo bench` passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One way of sending orders to the server.
struct Side<'s> {
    name: &'static str,
    server: &'s Server,
    load: Load,
    connections: u32,
}

/// One round of one side.
struct Measurement {
    orders: u64,
    orders_per_second: f64,
    with_drain_per_second: f64,
    /// Of a request.
    p50_ms: f64,
    p99_ms: f64,
    /// Processor time for each order, draining included, in microseconds.
    server_us: f64,
    client_us: f64,
    rest_us: f64,
    longest_queue: u64,
    drain_seconds: f64,
}

/// A round of single orders and the rounds of batches beside it.
struct Turn {
    single: Measurement,
    batch: Measurement,
    /// Batches of orders with an idempotency key each.
    keyed: Measurement,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let round = Duration::from_secs(options.seconds) + ROUND_OVERHEAD + server::DRAIN;
    run::bounded(compare(&options), round * 3 * options.rounds + RUN_OVERHEAD).await
}

async fn compare(options: &Options) -> ExitCode {
    let (parent, file_system) = run::data_directory();
    println!("{} rounds of {} s; data in {} ({file_system})", options.rounds, options.seconds, parent.display());
    let dir = tempfile::tempdir_in(parent).expect("a directory for the data");
    let server = Server::real(dir.path()).await;
    let product = server.create_product(MAX_STOCK).await;
    let orders = Orders::of(product);
    let [single, batch, keyed] = sides(options, &server, &orders);

    let mut acknowledged = 0;
    for side in [&single, &batch, &keyed] {
        acknowledged += side.round(WARM_UP).await.orders;
    }
    let time = Duration::from_secs(options.seconds);
    let mut turns = Vec::new();
    print_head();
    for round in 1..=options.rounds {
        // Each goes first every other time, so that a machine that slows down does not favour one.
        let turn = if round % 2 == 1 {
            let single = single.round(time).await;
            let batch = batch.round(time).await;
            Turn { single, batch, keyed: keyed.round(time).await }
        } else {
            let keyed = keyed.round(time).await;
            let batch = batch.round(time).await;
            Turn { single: single.round(time).await, batch, keyed }
        };
        turn.single.print(round, single.name);
        turn.batch.print(round, batch.name);
        turn.keyed.print(round, keyed.name);
        acknowledged += turn.single.orders + turn.batch.orders + turn.keyed.orders;
        turns.push(turn);
    }
    let memory = server.resident_bytes();
    server.settle(acknowledged).await;
    let stock = Stock { current: MAX_STOCK - acknowledged, held: 0, sold: acknowledged };
    assert_eq!(server.stock(product).await, stock, "the stock is not what was not sold");
    let met = conclude(&turns);
    println!("  {acknowledged} orders acknowledged, every one confirmed; the stock is right; the audit is ok");
    println!("  the server had {:.0} MB resident at the end", memory as f64 / 1e6);
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn sides<'s>(options: &Options, server: &'s Server, orders: &Arc<Orders>) -> [Side<'s>; 3] {
    let load = Load::accepted(orders, Trip::Single, Keys::None);
    let single = Side { name: "single", server, load, connections: options.connections };
    let size = usize::from(options.batch);
    let batches = |name, keys| {
        let load = Load::accepted(orders, Trip::Batch(size), keys);
        Side { name, server, load, connections: options.batch_connections }
    };
    [single, batches("batch", Keys::None), batches("keyed", Keys::Each)]
}

fn print_head() {
    println!(
        " round  orders     orders/s  with drain   p50 ms   p99 ms  server us  client us  rest us  max queue  drain s"
    );
}

/// The ratios; whether batches are as many times faster as they must be.
fn conclude(turns: &[Turn]) -> bool {
    let ratio = |figure: fn(&Measurement) -> f64| {
        Spread::of(turns.iter().map(|turn| figure(&turn.batch) / figure(&turn.single)).collect())
    };
    println!("  {:<30} {:>6} {:>6} {:>6}", "batch / single", "min", "median", "max");
    let rates = ratio(|side| side.orders_per_second);
    rates.print("orders/s");
    ratio(|side| side.with_drain_per_second).print("orders/s, with drain");
    ratio(|side| side.server_us).print("server us an order");
    let keyed = turns.iter().map(|turn| turn.keyed.orders_per_second / turn.batch.orders_per_second);
    Spread::of(keyed.collect()).print("orders/s, with keys / without");
    let rate = Spread::of(turns.iter().map(|turn| turn.batch.orders_per_second).collect());
    let met = rates.median >= TARGET_RATIO;
    let verdict = if met { "ok" } else { "MISSED" };
    println!(
        "  {verdict:<6} batches give {:.1} times the orders/s of single ones (at least {TARGET_RATIO})",
        rates.median
    );
    let verdict = if rate.median >= AIM { "ok" } else { "below" };
    println!(
        "  {verdict:<6} {:.0} orders/s in batches, {:.0} to {:.0} (the aim is {AIM})",
        rate.median, rate.min, rate.max
    );
    met
}

impl Side<'_> {
    /// One round and the draining of its queue.
    async fn round(&self, time: Duration) -> Measurement {
        let mut connections = load::connect(self.server.port, self.connections).await;
        let before = Used::by(self.server);
        let mut longest_queue = 0;
        let round = tokio::select! {
            round = load::drive(&mut connections, &self.load, time) => round,
            never = self.server.watch_queue(&mut longest_queue) => match never {},
        };
        longest_queue = longest_queue.max(self.server.queue_length().await);
        let start = Instant::now();
        self.server.drain().await;
        let drain = start.elapsed();
        let used = Used::by(self.server).since(&before);
        let orders = round.latency.len() * self.load.orders_each();
        let ms = |quantile| round.latency.value_at_quantile(quantile) as f64 / 1_000.0;
        Measurement {
            orders,
            orders_per_second: orders as f64 / round.elapsed.as_secs_f64(),
            with_drain_per_second: orders as f64 / (round.elapsed + drain).as_secs_f64(),
            p50_ms: ms(0.50),
            p99_ms: ms(0.99),
            server_us: us_each(used.server, orders),
            client_us: us_each(used.client, orders),
            rest_us: us_each(used.rest(), orders),
            longest_queue,
            drain_seconds: drain.as_secs_f64(),
        }
    }
}

impl Measurement {
    fn print(&self, round: u32, name: &str) {
        println!(
            "{round:>6}  {name:<6} {:>12.0} {:>11.0} {:>8.2} {:>8.2} {:>10.2} {:>10.2} {:>8.2} {:>10} {:>8.2}",
            self.orders_per_second,
            self.with_drain_per_second,
            self.p50_ms,
            self.p99_ms,
            self.server_us,
            self.client_us,
            self.rest_us,
            self.longest_queue,
            self.drain_seconds
        );
    }
}
