//! What an idempotency key costs, by how many are kept already.
//!
//! The real server runs as a process of its own over a store with so many kept keys, filled before by the engine
//! without HTTP. One client drives it in alternating rounds, closed loop, every answer after its orders are on disk:
//! orders without and with a key, one by one and in batches. Every ratio is that of two rounds in a row, so a machine
//! that is slow for a while is slow for both. Then both kinds at once, on half of the connections each: how long those
//! without a key take beside those with one, and beside others without. In the end batches of the first keyed round are
//! sent again, for what a repeated request costs.
//!
//! Bytes are those that the server has sent to the disk, draining the queue included, for each order. With `--server`
//! another build is measured; it gets its kept keys over HTTP, in batches, as its store may be of another format.
//!
//! In the end every acknowledged order must be confirmed, and the audit be ok. The exit code is 0 if that is so and the
//! ratios are what they must be.
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

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use flashsale::limits::MAX_STOCK;
use flashsale::store::{self, Medium};

use driver::client::Connection;
use driver::figures::{Spread, Used, us_each};
use driver::load::{self, Expected, Keys, Load, Orders, Trip};
use driver::run;
use driver::server::{self, Server};
use shop::Shop;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// So much of the orders a second of those without keys must those with keys give.
const TARGET_RATIO: f64 = 0.85;
/// Orders in a batch.
const BATCH: usize = 1_000;
/// For a round beyond its time, draining excepted: connecting, and the last answers.
const ROUND_OVERHEAD: Duration = Duration::from_secs(10);
/// For a case beyond its rounds: filling, starting, warming up and checking.
const CASE_OVERHEAD: Duration = Duration::from_secs(900);
const WARM_UP: Duration = Duration::from_secs(1);
/// Batches that are sent again in the end.
const REPEATED: u64 = 50;

/// Compares orders with an idempotency key with those without.
#[derive(Parser)]
struct Options {
    /// Keys that are kept when a case begins, one case for each number.
    #[arg(long, value_delimiter = ',', default_value = "0,5000000")]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=50_000_000))]
    kept: Vec<u32>,
    /// Pairs of rounds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Length of a round.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Keep-alive connections for single orders.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    connections: u32,
    /// Keep-alive connections for batches.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=16))]
    batch_connections: u32,
    /// Another build's executable.
    #[arg(long)]
    server: Option<PathBuf>,
    /// `cargo bench` passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A server over a store with kept keys.
struct Case<'o> {
    options: &'o Options,
    server: Server,
    orders: Arc<Orders>,
    acknowledged: u64,
}

/// One round.
struct Measurement {
    orders_per_second: f64,
    p99_ms: f64,
    server_us: f64,
    bytes: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let round = Duration::from_secs(options.seconds) + ROUND_OVERHEAD + server::DRAIN;
    let case = round * 8 * options.rounds + CASE_OVERHEAD;
    run::bounded(compare(&options), case * options.kept.len() as u32).await
}

async fn compare(options: &Options) -> ExitCode {
    let (parent, file_system) = run::data_directory();
    println!("{} rounds of {} s; data in {} ({file_system})", options.rounds, options.seconds, parent.display());
    let mut met = true;
    for kept in &options.kept {
        let dir = tempfile::tempdir_in(parent).expect("a directory for the data");
        met &= Case::start(options, dir.path(), *kept).await.run().await;
    }
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Fills a new store and gives the product's number.
fn fill(data: &Path, kept: usize) -> u64 {
    std::fs::create_dir_all(data).expect("a directory for the store");
    let mut shop = Shop::open(Medium::File(store::file_in(data)));
    let product = shop.add_product(None);
    shop.fill_keyed(product, kept);
    shop.close();
    product.0
}

impl<'o> Case<'o> {
    async fn start(options: &'o Options, dir: &Path, kept: u32) -> Self {
        let filling = Instant::now();
        let (server, product) = match &options.server {
            None => {
                let data = dir.join("data");
                let filled = tokio::task::spawn_blocking(move || fill(&data, kept as usize));
                let product = filled.await.expect("a full store");
                (Server::real(dir).await, product)
            }
            Some(build) => {
                let server = Server::of(build, dir, &[]).await;
                let product = server.create_product(MAX_STOCK).await;
                (server, product)
            }
        };
        let mut case = Self { options, server, orders: Orders::of(product), acknowledged: 0 };
        case.acknowledged = match options.server {
            None => u64::from(kept),
            Some(_) => case.fill_over_http(u64::from(kept)).await,
        };
        println!("\n{} kept keys, after {:.0} s", case.acknowledged, filling.elapsed().as_secs_f64());
        case
    }

    async fn fill_over_http(&self, kept: u64) -> u64 {
        let batches = kept.div_ceil(BATCH as u64);
        self.send(&self.load(Trip::Batch(BATCH), Keys::Each), batches).await;
        self.server.drain().await;
        batches * BATCH as u64
    }

    /// Sends requests on one connection, one after the other.
    async fn send(&self, load: &Load, requests: u64) {
        let mut connection = Connection::open(self.server.port).await.expect("the server accepts a connection");
        let mut request = load.orders.request_with(load.trip, load.keys);
        for _ in 0..requests {
            let answer = connection.ask(request.next(&load.orders)).await;
            load.expected.check(answer.status, answer.body);
        }
    }

    fn load(&self, trip: Trip, keys: Keys) -> Load {
        Load::accepted(&self.orders, trip, keys)
    }

    /// All rounds; whether the ratios are what they must be.
    async fn run(mut self) -> bool {
        println!("  orders  keys     orders/s   p99 ms  server us  bytes each");
        let (mut met, mut first_keyed) = (true, 0);
        for trip in [Trip::Single, Trip::Batch(BATCH)] {
            for keys in [Keys::None, Keys::Each] {
                first_keyed = self.orders.next_user();
                self.round(trip, keys, WARM_UP).await;
            }
            let time = Duration::from_secs(self.options.seconds);
            let (mut rates, mut costs, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
            for round in 0..self.options.rounds {
                // Each goes first every other time, so that a machine that slows down does not favour one.
                let (first, second) = if round % 2 == 0 { (Keys::None, Keys::Each) } else { (Keys::Each, Keys::None) };
                let (one, other) = (self.round(trip, first, time).await, self.round(trip, second, time).await);
                one.print(trip, first);
                other.print(trip, second);
                let (none, each) = if first == Keys::None { (one, other) } else { (other, one) };
                rates.push(each.orders_per_second / none.orders_per_second);
                costs.push(each.server_us / none.server_us);
                bytes.push(each.bytes);
            }
            println!("  {:<30} {:>6} {:>6} {:>6}", format!("{}, keyed / unkeyed", name(trip)), "min", "median", "max");
            let rates = Spread::of(rates);
            rates.print("orders/s");
            Spread::of(costs).print("server us an order");
            Spread::of(bytes).print("bytes a keyed order");
            met &= rates.median >= TARGET_RATIO;
            self.beside(trip, time).await;
        }
        self.repeat(first_keyed).await;
        let memory = self.server.resident_bytes();
        self.server.settle(self.acknowledged).await;
        println!("  the server had {:.0} MB resident at the end", memory as f64 / 1e6);
        println!(
            "  {} keyed orders give {TARGET_RATIO} of unkeyed ones or more",
            if met { "ok    " } else { "MISSED" }
        );
        met
    }

    /// One round and the draining of its queue.
    async fn round(&mut self, trip: Trip, keys: Keys, time: Duration) -> Measurement {
        let load = self.load(trip, keys);
        let mut connections = load::connect(self.server.port, self.connections(trip)).await;
        let (before, written) = (Used::by(&self.server), self.server.written_bytes());
        let round = load::drive(&mut connections, &load, time).await;
        self.server.drain().await;
        let used = Used::by(&self.server).since(&before);
        let orders = round.latency.len() * load.orders_each();
        self.acknowledged += orders;
        Measurement {
            orders_per_second: orders as f64 / round.elapsed.as_secs_f64(),
            p99_ms: round.latency.value_at_quantile(0.99) as f64 / 1_000.0,
            server_us: us_each(used.server, orders),
            bytes: (self.server.written_bytes() - written) as f64 / orders as f64,
        }
    }

    /// Orders without keys on half of the connections, beside others without and with keys.
    async fn beside(&mut self, trip: Trip, time: Duration) {
        let mut p99 = [Vec::new(), Vec::new()];
        for _ in 0..self.options.rounds {
            for (keys, p99) in [Keys::None, Keys::Each].into_iter().zip(&mut p99) {
                let (own, others) = (self.load(trip, Keys::None), self.load(trip, keys));
                let half = self.connections(trip) / 2;
                let mut one = load::connect(self.server.port, half).await;
                let mut other = load::connect(self.server.port, half).await;
                let (own_round, other_round) =
                    tokio::join!(load::drive(&mut one, &own, time), load::drive(&mut other, &others, time));
                self.server.drain().await;
                self.acknowledged += (own_round.latency.len() + other_round.latency.len()) * own.orders_each();
                p99.push(own_round.latency.value_at_quantile(0.99) as f64 / 1_000.0);
            }
        }
        let [beside_unkeyed, beside_keyed] = p99;
        Spread::of(beside_unkeyed).print("p99 ms beside unkeyed");
        Spread::of(beside_keyed).print("p99 ms beside keyed");
    }

    /// Sends batches of keyed orders again, from that of the user `first` on, one after the other.
    async fn repeat(&self, first: u64) {
        let expected = Expected { status: 200, text: "\"idempotencyReplayed\":true", times: BATCH };
        let load =
            Load { orders: self.orders.again_from(first), expected, ..self.load(Trip::Batch(BATCH), Keys::Each) };
        let before = Used::by(&self.server);
        self.send(&load, REPEATED).await;
        let used = Used::by(&self.server).since(&before);
        let each = us_each(used.server, REPEATED * load.orders_each());
        println!("  a repeated order of a batch takes {each:.1} us of the server");
    }

    fn connections(&self, trip: Trip) -> u32 {
        match trip {
            Trip::Single => self.options.connections,
            Trip::Batch(_) => self.options.batch_connections,
        }
    }
}

fn name(trip: Trip) -> &'static str {
    if trip == Trip::Single { "single" } else { "batch" }
}

impl Measurement {
    fn print(&self, trip: Trip, keys: Keys) {
        println!(
            "  {:<7} {:<4} {:>12.0} {:>8.2} {:>10.2} {:>11.0}",
            name(trip),
            if keys == Keys::None { "no" } else { "yes" },
            self.orders_per_second,
            self.p99_ms,
            self.server_us,
            self.bytes
        );
    }
}
