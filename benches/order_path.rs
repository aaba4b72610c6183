//! What placing an order costs, beside what axum costs by itself.
//!
//! A bare axum handler and the real server run side by side as two processes. One client drives them in turn with the
//! same orders, and every figure of the real server is given as a ratio to the bare one's in the same pair of rounds:
//! ratios travel from machine to machine, absolute figures do not. Where processors are few the client takes its share
//! of them, so the ratio of answers per second is nearer to 1 than that of processor time.
//!
//! - `accepted`: one product that everybody gets, so every answer is a 201, sent after its order is on disk. After
//!   each round the queue is drained, and in the end every acknowledged order must be confirmed and the audit be ok.
//! - `keyed`: the same, and every order has an idempotency key of its own.
//! - `sold-out`: a product with no stock, so every answer is a 409; the bare handler gets the same bodies.
//!
//! The loop is closed: a connection orders again as soon as it is answered. So both servers are at their limit, and
//! the latencies are those of a saturated server, longer the more connections there are.
//!
//! Processor time is a process's `utime` and `stime`, in clock ticks of 10 ms: a round of 4 s is exact to about 1 %.
//! What the machine spends beside the two processes is in `rest us`; where it is large, something else disturbs.
//! The store is under the target directory, with every commit synced; that directory must be on a disk.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot go on must stop, and its output is its purpose"
)]

#[path = "order_path/bare.rs"]
mod bare;
#[path = "driver/driver.rs"]
mod driver;
#[path = "order_path/report.rs"]
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use flashsale::limits::MAX_STOCK;

use driver::figures::{self, Used};
use driver::load::{self, ACCEPTED, Expected, Keys, Load, Orders, Trip};
use driver::run;
use driver::server::{self, Server};
use report::{Case, Measurement, Pair, Queue, Ratios};

// The real server's allocator, so that the two differ in their work only.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// For a case beyond its rounds: starting and checking.
const CASE_OVERHEAD: Duration = Duration::from_secs(60);
/// For a pair of rounds beyond its time, draining excepted: connecting, and the last answers.
const PAIR_OVERHEAD: Duration = Duration::from_secs(10);
const SOLD_OUT: Expected = Expected { status: 409, text: "\"sold_out\"", times: 1 };

/// Compares the server's order path with a bare axum handler.
#[derive(Parser)]
struct Options {
    /// Pairs of rounds in each case.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Length of a round.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Keep-alive connections, one case for each number.
    #[arg(long, value_delimiter = ',', default_value = "64,256")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: Vec<u32>,
    #[arg(long, value_enum, default_value_t = Choice::All)]
    workload: Choice,
    /// Also write the results to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Be the bare handler on this port.
    #[arg(long, hide = true, value_name = "PORT")]
    bare: Option<u16>,
    /// `cargo bench` passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Choice {
    Accepted,
    Keyed,
    SoldOut,
    All,
}

#[derive(Clone, Copy)]
enum Workload {
    Accepted,
    Keyed,
    SoldOut,
}

impl Workload {
    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Keyed => "keyed",
            Self::SoldOut => "sold-out",
        }
    }

    fn stock(self) -> u64 {
        match self {
            Self::Accepted | Self::Keyed => MAX_STOCK,
            Self::SoldOut => 0,
        }
    }

    /// What the real server answers.
    fn expected(self) -> Expected {
        match self {
            Self::Accepted | Self::Keyed => ACCEPTED,
            Self::SoldOut => SOLD_OUT,
        }
    }

    fn keys(self) -> Keys {
        match self {
            Self::Keyed => Keys::Each,
            Self::Accepted | Self::SoldOut => Keys::None,
        }
    }
}

impl Choice {
    fn workloads(self) -> &'static [Workload] {
        match self {
            Self::Accepted => &[Workload::Accepted],
            Self::Keyed => &[Workload::Keyed],
            Self::SoldOut => &[Workload::SoldOut],
            Self::All => &[Workload::Accepted, Workload::Keyed, Workload::SoldOut],
        }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    match options.bare {
        Some(port) => {
            bare::serve(port);
            ExitCode::SUCCESS
        }
        None => compare(&options),
    }
}

/// Runs all cases, bounded in time.
#[tokio::main(flavor = "current_thread")]
async fn compare(options: &Options) -> ExitCode {
    let cases = (options.connections.len() * options.workload.workloads().len()) as u32;
    let pair = Duration::from_secs(options.seconds) * 2 + PAIR_OVERHEAD + server::DRAIN;
    let case = pair * (options.rounds + 1) + CASE_OVERHEAD;
    run::bounded(compare_all(options), case * cases).await
}

async fn compare_all(options: &Options) -> ExitCode {
    let (parent, file_system) = run::data_directory();
    println!("{} rounds of {} s; data in {} ({file_system})", options.rounds, options.seconds, parent.display());
    let mut cases = Vec::new();
    for &workload in options.workload.workloads() {
        for &connections in &options.connections {
            let case = run_case(options, workload, connections, parent).await;
            case.print();
            cases.push(case);
        }
    }
    println!();
    cases.iter().for_each(Case::print_headline);
    if let Some(file) = &options.json {
        let json = serde_json::to_string_pretty(&cases).expect("figures");
        std::fs::write(file, json).expect("the file can be written");
    }
    ExitCode::SUCCESS
}

/// All rounds of one case, on servers of its own: no case inherits a grown store.
async fn run_case(options: &Options, workload: Workload, connections: u32, parent: &Path) -> Case {
    let dir = tempfile::tempdir_in(parent).expect("a directory for the data");
    let (bare, real) = (Server::bare(dir.path()).await, Server::real(dir.path()).await);
    let product = real.create_product(workload.stock()).await;
    let orders = Orders::of(product);
    let keys = workload.keys();
    let bare_load = Load::accepted(&orders, Trip::Single, keys);
    let real_load = Load { orders, trip: Trip::Single, keys, expected: workload.expected() };
    let bare = Side { server: bare, load: bare_load, queues: false, connections };
    let real = Side { server: real, load: real_load, queues: true, connections };

    let bare_body = bare.one().await;
    let real_body = real.one().await;
    let warm_up = Duration::from_secs(1);
    bare.round(warm_up).await;
    let mut answers = 1 + real.round(warm_up).await.answers;
    let time = Duration::from_secs(options.seconds);
    let mut pairs = Vec::new();
    for round in 0..options.rounds {
        // Each goes first every other time, so that a machine that slows down does not favour one.
        let pair = if round % 2 == 0 {
            let bare = bare.round(time).await;
            Pair { bare, real: real.round(time).await }
        } else {
            let real = real.round(time).await;
            Pair { bare: bare.round(time).await, real }
        };
        answers += pair.real.answers;
        pairs.push(pair);
    }
    let confirmed = match workload {
        Workload::Accepted | Workload::Keyed => answers,
        Workload::SoldOut => 0,
    };
    real.server.settle(confirmed).await;
    let ratios = Ratios::of(&pairs);
    Case { workload: workload.name(), connections, bare_body, real_body, confirmed, pairs, ratios }
}

/// One of the two servers, and how it is driven.
struct Side {
    server: Server,
    load: Load,
    /// Whether there is a queue to watch and to drain.
    queues: bool,
    connections: u32,
}

impl Side {
    /// One order before any round; gives the length of its answer's body in bytes.
    async fn one(&self) -> usize {
        load::one(self.server.port, &self.load).await
    }

    async fn round(&self, time: Duration) -> Measurement {
        let mut connections = load::connect(self.server.port, self.connections).await;
        let before = Used::by(&self.server);
        let mut longest = 0;
        let drive = load::drive(&mut connections, &self.load, time);
        let round = tokio::select! {
            round = drive => round,
            never = self.server.watch_queue(&mut longest), if self.queues => match never {},
        };
        let mut measurement = Measurement::new(&round, Used::by(&self.server).since(&before));
        if self.queues {
            let at_end = self.server.queue_length().await;
            let start = Instant::now();
            self.server.drain().await;
            let drain_seconds = start.elapsed().as_secs_f64();
            let server_us_with_drain = figures::us_each(self.server.cpu() - before.server, measurement.answers);
            let longest = longest.max(at_end);
            measurement.queue = Some(Queue { longest, at_end, drain_seconds, server_us_with_drain });
        }
        measurement
    }
}
