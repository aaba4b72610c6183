//! This server beside what people would build instead, with the same orders over the same client, in alternating
//! rounds of one run.
//!
//! - `bare handler`: axum parses the order and responds; nothing is kept.
//! - `flashsale`: the real server, which fulfils orders at once.
//! - `Redis`: an axum handler and one script: check the stock, `DECRBY`, `XADD`; the append-only file always synced.
//! - `PostgreSQL, hot row`: an axum handler and one statement: update the product's row if it has enough, insert the
//!   order.
//! - `PostgreSQL, row a unit`: the same with a row for each unit, taken by `FOR UPDATE SKIP LOCKED`.
//!
//! But for the bare handler every order is on disk before its response. Redis and PostgreSQL are those of the system's
//! packages, started here with their data on the disk that the real server's are on, reached through their sockets.
//! How many connections a handler has to its store is tried out first, for each number of clients; the best is taken.
//!
//! Processor time is that of the process that responds and of all its store's processes, until the queue is drained. In
//! the end each store must have exactly the orders that were acknowledged, and a product with few units is sold out.
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
#[path = "peers/handlers.rs"]
mod handlers;
#[path = "peers/peer.rs"]
mod peer;
#[path = "peers/report.rs"]
mod report;
#[path = "services/services.rs"]
mod services;
#[path = "peers/stores.rs"]
mod stores;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use driver::run;
use handlers::{Handler, Kind};
use peer::{Peer, Place};
use report::Row;
use stores::Stores;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sizes of a pool of connections to a store. Those to Redis carry many requests each.
const POOLS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const MULTIPLEXED: [usize; 4] = [1, 2, 4, 8];
/// Tries a size of a pool for so long.
const TRIAL: Duration = Duration::from_secs(1);
/// Where each unit has a row there are as many as can be sold at this rate. Orders beyond them would end the run.
const MOST_UNITS_A_SECOND: u64 = 25_000;
/// The run ends in an error after this time and three times what its rounds take.
const OVERHEAD: Duration = Duration::from_mins(5);

/// Compares the server with an axum handler over Redis or PostgreSQL.
#[derive(Parser)]
struct Options {
    /// Rounds of each peer for each number of connections.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Length of a round.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Keep-alive connections of clients, one case for each number.
    #[arg(long, value_delimiter = ',', default_value = "64,256")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: Vec<u32>,
    #[command(flatten)]
    handler: Handler,
    /// Be the bare handler on this port.
    #[arg(long, hide = true, value_name = "PORT")]
    bare: Option<u16>,
    /// `cargo bench` passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(port) = options.bare {
        bare::serve(port);
    } else if !options.handler.serve() {
        return compare(&options);
    }
    ExitCode::SUCCESS
}

impl Options {
    /// Seconds that one peer is driven for.
    fn driven(&self) -> u64 {
        self.connections.len() as u64 * (u64::from(self.rounds) * self.seconds + POOLS.len() as u64 + 1)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn compare(options: &Options) -> ExitCode {
    let most = OVERHEAD + Duration::from_secs(options.driven() * 5 * 3);
    run::bounded(compare_all(options), most).await
}

async fn compare_all(options: &Options) -> ExitCode {
    let (parent, file_system) = run::data_directory();
    println!("{} rounds of {} s; data in {} ({file_system})", options.rounds, options.seconds, parent.display());
    let dir = tempfile::tempdir_in(parent).expect("a directory for the data");
    let stores = Stores::start(parent, options.driven() * MOST_UNITS_A_SECOND).await;
    println!("wal_sync_method of PostgreSQL: {}, the faster one here", stores.wal_sync_method);
    let mut peers = vec![Peer::bare(dir.path()).await, Peer::ours(dir.path()).await];
    for kind in [Kind::Redis, Kind::HotRow, Kind::Units] {
        peers.push(Peer::over(kind, &stores, dir.path()).await);
    }
    let mut rows = Vec::new();
    for &connections in &options.connections {
        rows.extend(run_case(options, &mut peers, &stores, connections, dir.path()).await);
    }
    report::print(&rows, peers[1].name);
    let mut checks = Vec::new();
    for peer in &mut peers {
        checks.extend(peer.check(&stores).await);
    }
    report::print_checks(&checks);
    ExitCode::SUCCESS
}

/// All rounds on so many connections. Each peer goes first in its turn.
async fn run_case(options: &Options, peers: &mut [Peer], stores: &Stores, connections: u32, logs: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    for peer in &mut *peers {
        let pool = tune(peer, stores, connections, logs).await;
        peer.turn(stores, connections, TRIAL).await;
        rows.push(Row { name: peer.name, connections, pool, turns: Vec::new() });
    }
    for round in 0..options.rounds as usize {
        for place in 0..peers.len() {
            let at = (round + place) % peers.len();
            let turn = peers[at].turn(stores, connections, Duration::from_secs(options.seconds)).await;
            rows[at].turns.push(turn);
        }
    }
    rows
}

/// Gives a peer's handler the connections to its store with which it is fastest.
async fn tune(peer: &mut Peer, stores: &Stores, connections: u32, logs: &Path) -> Option<usize> {
    let Place::Store(kind) = peer.place else { return None };
    let sizes: &[usize] = if kind == Kind::Redis { &MULTIPLEXED } else { &POOLS };
    let mut tried = Vec::new();
    for &size in sizes {
        peer.restart(stores, size, logs).await;
        tried.push((peer.turn(stores, connections, TRIAL).await.per_second(), size));
    }
    let shown: Vec<_> = tried.iter().map(|(rate, size)| format!("{size}: {rate:.0}/s")).collect();
    println!("{}, {connections} connections; by size of the pool: {}", peer.name, shown.join(", "));
    let (_, best) = tried.into_iter().max_by(|one, other| one.0.total_cmp(&other.0)).expect("sizes");
    peer.restart(stores, best, logs).await;
    Some(best)
}
