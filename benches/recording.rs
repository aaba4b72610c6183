//! What recording costs an order: response time, requests under way, the user and the address.
//!
//! The engine places orders from 64 tasks in alternating rounds, with and without what the server records for each
//! order. Every commit is synced, and workers confirm. The ratio is that of the processor time for an order in the two
//! rounds of a pair. The HTTP protocol is left out, so the ratio of a whole request is lower. Then the recording alone
//! is timed in a tight loop on one and on two threads.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on must stop, and its output is its purpose"
)]

#[path = "driver/machine.rs"]
#[allow(dead_code, reason = "each benchmark uses another part of it")]
mod machine;
#[path = "engine/shop.rs"]
mod shop;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flashsale::admission::{Admission, OrderRequest};
use flashsale::domain::order::UserId;
use flashsale::fulfillment::Method;
use flashsale::metrics::{Metrics, Outcome};
use flashsale::store::{self, Medium};

use shop::Shop;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PAIRS: usize = 8;
const ROUND: Duration = Duration::from_secs(3);
const TASKS: u64 = 64;
const LOOPS: u64 = 2_000_000;

/// Processor time of this process for each order, in microseconds.
fn round(shop: &mut Shop, request: &OrderRequest, recorded: bool, first: u64) -> f64 {
    let (admission, metrics) = (Arc::clone(&shop.engine.admission), Arc::clone(&shop.engine.metrics));
    let (before, end) = (machine::own_cpu(), Instant::now() + ROUND);
    let orders: u64 = shop.runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (admission, metrics, request) = (Arc::clone(&admission), Arc::clone(&metrics), request.clone());
                tokio::spawn(buy(admission, metrics, request, recorded, (first + task, end)))
            })
            .collect();
        let mut orders = 0;
        for task in tasks {
            orders += task.await.expect("a task that ends");
        }
        orders
    });
    // The workers confirm what is left.
    while shop.engine.queue.counts().waiting + shop.engine.queue.counts().active > 0 {
        shop.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
    }
    (machine::own_cpu() - before).as_secs_f64() * 1e6 / orders as f64
}

/// Orders one unit after the other, each for another user, until the end.
async fn buy(
    admission: Arc<Admission>,
    metrics: Arc<Metrics>,
    request: OrderRequest,
    recorded: bool,
    (first, end): (u64, Instant),
) -> u64 {
    let mut orders = 0;
    while orders % 16 != 0 || Instant::now() < end {
        let user = UserId::new(&format!("user{:012}", first + orders * TASKS)).expect("a name");
        let request = OrderRequest { user, ..request.clone() };
        if recorded {
            let began = Instant::now();
            let _under_way = metrics.count_order_request();
            metrics.note_address(IpAddr::V4(Ipv4Addr::from_bits(orders as u32)));
            metrics.note_user(request.user.as_str());
            admission.place(request).await.expect("an order");
            let ended = Instant::now();
            metrics.record_order(Outcome::ADMITTED, ended - began, ended);
        } else {
            admission.place(request).await.expect("an order");
        }
        orders += 1;
    }
    orders
}

/// Nanoseconds that a thread takes to record an order.
fn alone(threads: u32) -> f64 {
    let metrics = Metrics::default();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let metrics = &metrics;
            scope.spawn(move || {
                for number in 0..LOOPS {
                    let began = Instant::now();
                    let _under_way = metrics.count_order_request();
                    metrics.note_address(IpAddr::V4(Ipv4Addr::from_bits(thread << 24 | (number as u32 & 0xff_ffff))));
                    metrics.note_user("user00000001");
                    let ended = Instant::now();
                    metrics.record_order(Outcome::ADMITTED, ended - began, ended);
                }
            });
        }
    });
    began.elapsed().as_secs_f64() * 1e9 / LOOPS as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

fn main() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let mut shop = Shop::open(Medium::File(store::file_in(directory.path())));
    let product = shop.add_product(None);
    let request = shop.request(product);
    let entered = shop.runtime.handle().clone();
    {
        let _entered = entered.enter();
        shop.engine.start_workers(&Method::Instant, 16);
    }
    let mut first = 1;
    let mut next = |shop: &mut Shop, recorded| {
        first += 1_000_000_000;
        round(shop, &request, recorded, first)
    };
    next(&mut shop, true);
    println!("pair  without us  with us  ratio");
    let (mut ratios, mut costs) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        // Each goes first every other time, so that a machine that slows down does not favour one.
        let (without, with) = if pair % 2 == 0 {
            let without = next(&mut shop, false);
            (without, next(&mut shop, true))
        } else {
            let with = next(&mut shop, true);
            (next(&mut shop, false), with)
        };
        println!("{pair:>4}  {without:>10.3}  {with:>7.3}  {:.4}", with / without);
        ratios.push(with / without);
        costs.push(without);
    }
    let cost = median(costs);
    println!("median ratio {:.4}, at {cost:.2} us an order", median(ratios));
    for threads in [1, 2] {
        let nanos = alone(threads);
        println!("{threads} threads: {nanos:.0} ns to record an order, {:.2} % of it", nanos / cost / 10.0);
    }
    let patience = Duration::from_secs(5);
    entered.block_on(shop.engine.stop_workers(patience));
    shop.close();
}
