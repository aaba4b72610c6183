//! More orders than the server can fulfil: an open loop at 0.5, 1, 2, 5 and 10 times its capacity, and the time after.
//!
//! A client that shares its processors with the server cannot send ten times what the server's order path takes. So
//! the capacity here is that of the fulfilment service: each order is posted to an endpoint of this program that
//! answers after a fixed delay, so that so many workers fulfil `workers / delay` orders a second at most. The queue is
//! short (`QUEUE_CAPACITY`), and once it is full, each order is answered either 201, as a place has become free, or 503
//! `overloaded`. There is plenty of stock, and `sold_out` would be a lie.
//!
//! First the store gets some hundred thousand orders, as a server's memory grows until its caches are full, overload
//! or not. Then the capacity is measured: accepted orders a second of a closed loop that keeps the queue full. Then
//! orders are sent on a schedule, evenly spaced, whatever becomes of those before: each step is so many times the
//! capacity, the steps follow each other without a pause. Latencies count from the moment at which an order was due. An
//! order that is due while every connection has a request outstanding is not sent and counts as `unsent`. After the
//! last step the load falls back to half the capacity, and the time until everything looks as it did in the first step
//! is the recovery.
//!
//! In the end the queue is drained; every accepted order must be confirmed and have been posted exactly once, nothing
//! else have been posted or sold, and the audit be ok. The exit code is 0 if that is so and every criterion is met.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot go on must stop, and its output is its purpose"
)]

#[path = "overload/crowd.rs"]
mod crowd;
#[path = "driver/driver.rs"]
mod driver;
#[path = "overload/endpoint.rs"]
mod endpoint;
#[path = "overload/fill.rs"]
mod fill;
#[path = "overload/report.rs"]
mod report;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use flashsale::limits::MAX_STOCK;

use crowd::{Accepted, Crowd, SharedTally, Tally};
use driver::load::Orders;
use driver::run;
use driver::server::{self, Server, Stock, number};
use endpoint::Endpoint;
use report::{Step, Window};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Times the capacity, step by step; the first is the normal state.
const STEPS: [f64; 5] = [0.5, 1.0, 2.0, 5.0, 10.0];
/// Connections of the closed loop.
const CLOSED_LOOP: u32 = 32;
/// How long the closed loop runs before it is measured: until the queue is full.
const FILLING: Duration = Duration::from_secs(1);
const CAPACITY_SECONDS: u64 = 5;
/// Part of the recovery that is looked at by itself.
const WINDOW: Duration = Duration::from_millis(500);
/// So many of them are watched.
const WINDOWS: u32 = 20;
/// So many in a row must look as before.
const NORMAL_WINDOWS: usize = 4;
/// For a step beyond its time: the last answers.
const STEP_OVERHEAD: Duration = Duration::from_secs(35);
/// What orders from before may take.
const FILLING_STORE: Duration = Duration::from_secs(600);
const RUN_OVERHEAD: Duration = Duration::from_secs(120);

/// Sends more orders than can be fulfilled.
#[derive(Parser)]
struct Options {
    /// Length of each step.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(2..=600))]
    seconds: u64,
    /// Workers of the server that fulfil orders.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=32))]
    workers: u32,
    /// How long the fulfilment service takes for an order, in milliseconds.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    delay_ms: u64,
    /// Unfinished jobs that the server takes.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    queue_capacity: u32,
    /// Orders before the measurement, so that the server's caches are full.
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    orders_before: u64,
    /// Keep-alive connections of the open loop: the most requests outstanding.
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// `cargo bench` passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let step = Duration::from_secs(options.seconds) + STEP_OVERHEAD;
    run::bounded(measure(&options), step * STEPS.len() as u32 + server::DRAIN + FILLING_STORE + RUN_OVERHEAD).await
}

async fn measure(options: &Options) -> ExitCode {
    let (parent, file_system) = run::data_directory();
    let Options { seconds, workers, delay_ms, queue_capacity, connections, .. } = *options;
    println!("{workers} workers, {delay_ms} ms for an order, {queue_capacity} places in the queue");
    println!("steps of {seconds} s on {connections} connections; data in {} ({file_system})", parent.display());
    let dir = tempfile::tempdir_in(parent).expect("a directory for the data");
    let endpoint = Endpoint::start(Duration::from_millis(delay_ms));
    let settings = [
        ("FULFILLMENT_URL", endpoint.url()),
        ("FULFILLMENT_ALLOW_PRIVATE", "true".to_owned()),
        ("WORKERS", workers.to_string()),
        ("QUEUE_CAPACITY", queue_capacity.to_string()),
    ];
    let server = Server::real_with(dir.path(), &settings).await;
    let before = fill::fill(&server, options.orders_before, queue_capacity.into()).await;
    let product = server.create_product(MAX_STOCK).await;
    let (orders, accepted) = (Orders::of(product), Accepted::default());

    let capacity = capacity(&server, &orders, &accepted).await;
    println!("{before} orders before; capacity {capacity:.1} orders/s, closed loop; latencies in ms\n");
    server.drain().await;
    let mut crowd = Crowd::open(server.port, connections, &orders, &accepted).await;
    let mut steps = Vec::new();
    Step::print_head();
    for factor in STEPS {
        let step = step(&server, &mut crowd, factor, capacity, Duration::from_secs(seconds)).await;
        step.print();
        steps.push(step);
    }
    let windows = recover(&server, &mut crowd, STEPS[0] * capacity).await;

    println!();
    let well = report::judge(capacity, &steps);
    let recovered = report::judge_recovery(&steps[0], &windows, WINDOW.as_secs_f64(), NORMAL_WINDOWS);
    drop(crowd);
    settle(&server, product, &endpoint, &accepted, before).await;
    if well && recovered { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Orders a second that are accepted while the queue is kept full.
async fn capacity(server: &Server, orders: &Arc<Orders>, accepted: &Accepted) -> f64 {
    crowd::closed_loop(server.port, CLOSED_LOOP, orders, accepted, FILLING).await;
    let time = Duration::from_secs(CAPACITY_SECONDS);
    let tally = crowd::closed_loop(server.port, CLOSED_LOOP, orders, accepted, time).await;
    assert!(tally.overloaded > 0, "the closed loop did not fill the queue; take fewer workers or a longer delay");
    assert!(tally.strange.is_none(), "another answer: {:?}", tally.strange);
    tally.accepted as f64 / time.as_secs_f64()
}

/// One step, to its last answer.
async fn step(server: &Server, crowd: &mut Crowd, factor: f64, capacity: f64, time: Duration) -> Step {
    let tally = SharedTally::default();
    let mut longest_queue = 0;
    tokio::select! {
        () = crowd.offer(factor * capacity, time, &tally) => {}
        never = server.watch_queue(&mut longest_queue) => match never {},
    }
    let resident_bytes = server.resident_bytes();
    crowd.answered().await;
    let tally = std::mem::take(&mut *tally.lock());
    Step { factor, seconds: time.as_secs_f64(), tally, longest_queue, resident_bytes }
}

/// The time after the greatest load, window by window.
async fn recover(server: &Server, crowd: &mut Crowd, per_second: f64) -> Vec<Window> {
    let mut windows: Vec<(SharedTally, u64)> = Vec::new();
    for _ in 0..WINDOWS {
        let tally = SharedTally::default();
        let mut longest = 0;
        tokio::select! {
            () = crowd.offer(per_second, WINDOW, &tally) => {}
            never = server.watch_queue(&mut longest) => match never {},
        }
        windows.push((tally, longest));
    }
    crowd.answered().await;
    let window = |(tally, longest_queue): (SharedTally, u64)| {
        let tally: Tally = std::mem::take(&mut *tally.lock());
        Window { tally, longest_queue }
    };
    windows.into_iter().map(window).collect()
}

/// Drains the queue. Panics unless exactly the accepted orders were posted, each once, and sold; `before` are the
/// orders from before.
async fn settle(server: &Server, product: u64, endpoint: &Endpoint, accepted: &Accepted, before: u64) {
    let start = Instant::now();
    server.drain().await;
    let drained = start.elapsed().as_secs_f64();
    let accepted = accepted.lock().clone();
    let sold = accepted.len() as u64;
    let metrics = server.settle(sold).await;
    assert_eq!(number(&metrics, "/totalOrders"), sold + before, "there are orders without a response: {metrics}");
    let stock = Stock { current: MAX_STOCK - sold, held: 0, sold };
    assert_eq!(server.stock(product).await, stock, "the stock is not what was not sold");
    let posts = endpoint.posts();
    assert!(posts.values().all(|times| *times == 1), "an order was posted more than once");
    let same = posts.len() == accepted.len() && posts.keys().all(|job| accepted.contains(job));
    assert!(same, "{} orders were posted and {sold} accepted, or others", posts.len());
    println!("  the queue was empty after {drained:.1} s; {sold} orders accepted, each posted once and confirmed;");
    println!("  the stock is right; the audit is ok");
}
