//! How long after its end an expired hold's units are back, while the server takes orders.
//!
//! The real server runs as a process of its own. In each round a product of its own gets several thousand orders that
//! are held for some seconds and that nobody confirms, while 32 connections order another product as fast as they are
//! answered. The holds are placed either in batches of 1,000, so that they end all but together, or one by one over
//! some seconds, so that they end spread out. For comparison the same is done once without other orders.
//!
//! The lag is measured twice, both times from outside:
//!
//! - *at commit*: the `updatedAt` of the cancelled order less its `expiresAt`. The server stamps an order with the
//!   time at which the commit that cancels it begins, so this is exact to the millisecond that times are given in; the
//!   units can be bought when that commit is on disk.
//! - *seen*: the product is read every other millisecond. Holds end in the order of time, one unit each, so the n-th
//!   unit that is there again is that of the n-th hold; its lag is the moment of the answer less the end of that hold.
//!   It includes the sync of the commit, the pause between two readings and the wait for an answer of a busy server.
//!
//! Each order must be found cancelled with the reason `expired`, not before its end; the product's stock must be whole
//! again; in the end every order of the load must be confirmed and the audit be ok.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot go on must stop, and its output is its purpose"
)]

#[path = "driver/driver.rs"]
mod driver;
#[path = "expiry/holds.rs"]
mod holds;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use flashsale::limits::MAX_STOCK;
use hdrhistogram::Histogram;

use driver::load::{self, Keys, Load, Orders, Trip};
use driver::run;
use driver::server::{self, Server, number};
use holds::{Holds, Lags, Spacing};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// From the beginning of the load to the first hold.
const LEAD: Duration = Duration::from_secs(1);
/// From the end of the last hold to the end of the load. The units must be back before that.
const TAIL: Duration = Duration::from_secs(2);
/// For a round beyond its load, draining excepted.
const ROUND_OVERHEAD: Duration = Duration::from_secs(30);
const RUN_OVERHEAD: Duration = Duration::from_secs(60);

/// Measures how late holds expire.
#[derive(Parser)]
struct Options {
    /// Rounds under load, for either spacing.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Holds in a round.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=50_000))]
    holds: u64,
    /// Keep-alive connections that order another product meanwhile.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// How long an order is held; longer than placing them takes.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(4..=600))]
    hold_seconds: u64,
    /// `cargo bench` passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Rounds of one kind.
struct Case {
    spacing: Spacing,
    /// Connections of the load; none for a quiet server.
    connections: u32,
    rounds: u32,
}

/// What a round, or all of a case, gave.
#[derive(Default)]
struct Outcome {
    /// Microseconds that each order of the load took; none where there was no load.
    load: Option<Histogram<u64>>,
    /// How long the load went on.
    seconds: f64,
    at_commit: Lags,
    seen: Lags,
    /// From the end of the first hold to that of the last.
    span: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let load = LEAD + holds::PLACING + Duration::from_secs(options.hold_seconds) + TAIL;
    let round = load + ROUND_OVERHEAD + server::DRAIN;
    run::bounded(measure(&options), round * 2 * (options.rounds + 1) + RUN_OVERHEAD).await
}

async fn measure(options: &Options) -> ExitCode {
    let (parent, file_system) = run::data_directory();
    let Options { rounds, holds, connections, hold_seconds, .. } = *options;
    println!("{holds} holds of {hold_seconds} s in a round; data in {} ({file_system})", parent.display());
    let dir = tempfile::tempdir_in(parent).expect("a directory for the data");
    let server = Server::real(dir.path()).await;
    let orders = Orders::of(server.create_product(MAX_STOCK).await);
    let load = Load::accepted(&orders, Trip::Single, Keys::None);
    let mut outcomes = Vec::new();
    print_head();
    for spacing in [Spacing::Together, Spacing::Spread] {
        for case in [Case { spacing, connections: 0, rounds: 1 }, Case { spacing, connections, rounds }] {
            let mut all = Outcome::default();
            for round in 1..=case.rounds {
                let outcome = case.round(options, &server, &load).await;
                outcome.print(&round.to_string(), &case);
                all.add(outcome);
            }
            outcomes.push((case, all));
        }
    }
    println!("all rounds");
    outcomes.iter().for_each(|(case, all)| all.print("all", case));
    let (placed, expired) = outcomes
        .iter()
        .fold((0, 0), |(placed, expired), (_, all)| (placed + all.orders(), expired + all.at_commit.count()));
    let metrics = server.settle(placed).await;
    assert_eq!(number(&metrics, "/cancelledOrders"), expired, "expired and cancelled orders differ: {metrics}");
    println!("  {expired} holds expired, all stock is back; {placed} other orders confirmed; the audit is ok");
    ExitCode::SUCCESS
}

fn print_head() {
    let quantiles = format!("{:>6} {:>6} {:>6}", "p50", "p99", "max");
    println!("{:>46} {:>18} {:>20} {:>20}", "other orders: latency, ms", "", "lag at commit, ms", "lag seen, ms");
    println!(
        "{:>6}  {:<8} {:>9} {quantiles} {:>7} {:>10} {quantiles} {quantiles}",
        "round", "ends", "orders/s", "holds", "within ms"
    );
}

impl Case {
    async fn round(&self, options: &Options, server: &Server, load: &Load) -> Outcome {
        let product = server.create_held_product(options.holds, options.hold_seconds).await;
        let holds = Holds { server, product, count: options.holds, spacing: self.spacing };
        let mut outcome = Outcome::default();
        let (placed, seen) = match self.connections {
            0 => holds.until_back().await,
            _ => {
                let time = LEAD + holds::PLACING + Duration::from_secs(options.hold_seconds) + TAIL;
                let mut connections = load::connect(server.port, self.connections).await;
                let start = Instant::now();
                let held = async {
                    tokio::time::sleep(LEAD).await;
                    let back = holds.until_back().await;
                    assert!(start.elapsed() < time, "the load ended before all units were back");
                    back
                };
                let (round, back) = tokio::join!(load::drive(&mut connections, load, time), held);
                outcome.load = Some(round.latency);
                outcome.seconds = round.elapsed.as_secs_f64();
                back
            }
        };
        outcome.span = holds::span(&placed);
        outcome.at_commit = holds.lags_at_commit(&placed).await;
        outcome.seen = seen;
        server.drain().await;
        outcome
    }
}

impl Outcome {
    fn add(&mut self, other: Self) {
        match (&mut self.load, other.load) {
            (Some(load), Some(other)) => load.add(&other).expect("histograms of one kind"),
            (load, other) => *load = load.take().or(other),
        }
        self.seconds += other.seconds;
        self.at_commit.add(other.at_commit);
        self.seen.add(other.seen);
        self.span = self.span.max(other.span);
    }

    /// Orders of the load.
    fn orders(&self) -> u64 {
        self.load.as_ref().map_or(0, Histogram::len)
    }

    fn print(&self, round: &str, case: &Case) {
        let load = self.load.as_ref().map_or("none".to_owned(), |latency| {
            let ms = |quantile| latency.value_at_quantile(quantile) as f64 / 1_000.0;
            let (rate, p50, p99, max) = (latency.len() as f64 / self.seconds, ms(0.50), ms(0.99), ms(1.0));
            format!("{rate:.0} {p50:>6.1} {p99:>6.1} {max:>6.1}")
        });
        println!(
            "{round:>6}  {:<8} {load:>30} {:>7} {:>10} {} {}",
            case.spacing.name(),
            self.at_commit.count(),
            self.span.as_millis(),
            self.at_commit,
            self.seen
        );
    }
}
