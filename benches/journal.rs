//! What the history costs an order: building the record of a commit, hashing it into the chain, and its bytes in the
//! log, beside the whole commit's time in the same round.
//!
//! Orders are placed through the real committer into files on a disk, so many in a commit; one product, unique users,
//! every commit synced. Placing is timed as `cargo bench --bench commit` does; then each batch is confirmed, which is
//! not. At the end of a round the last two records, of placing and of confirming, are read back as changes and built
//! again, many times over, through the same call that the committer makes for each commit; a draft that ends in an
//! error leaves nothing behind. That it is the same record is checked by its hash. Then BLAKE3 is timed by itself over
//! the bytes that the log got; what it leaves of the call's time is encoding.
//!
//! The tables' thread writes each record into the table of the history as well. No order waits for that, but it is
//! work: `table` is the time of inserting records of this size into a table of the same shape in a file of its own,
//! without a sync, as many in one transaction as the tables' thread takes at once. It has the fixed cost of the
//! transaction, which the other tables share in the server, in it.
//!
//! The log would need a record of each commit without any history: what an order pays for the chain alone is `hash`.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on must stop, and its output is its purpose"
)]

#[path = "journal/record.rs"]
mod record;
#[path = "engine/shop.rs"]
mod shop;
#[path = "journal/tap.rs"]
mod tap;

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use flashsale::domain::product::ProductId;

use record::{Costs, Recorded};
use shop::Shop;
use tap::Tap;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Orders in the store before the measurement: enough for tables of the usual depth and for a full run of the index.
const ORDERS_BEFORE: usize = 200_000;

/// Measures what the history costs an order.
#[derive(Parser)]
struct Options {
    /// Rounds for each number of orders in a commit.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long orders are placed in a round; confirming them comes on top.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Orders in a commit, one case for each number.
    #[arg(long, value_delimiter = ',', default_value = "1,64,256,1024")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=4096))]
    batches: Vec<u16>,
    /// `cargo bench` passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One round; times are microseconds for each order.
struct Round {
    commit: f64,
    /// Of the commit: writing to the log and syncing it.
    log: f64,
    placed: Costs,
    confirmed: Costs,
}

fn main() {
    let options = Options::parse();
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let tap = Arc::new(Tap::default());
    let mut shop = Shop::open(tap.medium(directory.path()));
    let product = shop.add_product(None);
    shop.fill(product, ORDERS_BEFORE);
    let mut cases = Vec::new();
    print_head();
    for &batch in &options.batches {
        let batch = usize::from(batch);
        let rounds: Vec<_> = (0..options.rounds)
            .map(|_| {
                let round = measure(&mut shop, &tap, product, batch, Duration::from_secs(options.seconds));
                round.print(batch);
                round
            })
            .collect();
        cases.push((batch, rounds));
    }
    println!("\nshares of the time of placing an order, in percent: median (least to greatest of the rounds)");
    for (batch, rounds) in &cases {
        print_shares(*batch, rounds);
    }
    shop.close();
}

/// Places and confirms batches for so long, then builds the last records again.
fn measure(shop: &mut Shop, tap: &Tap, product: ProductId, batch: usize, time: Duration) -> Round {
    let (mut placing, mut log, mut orders) = (Duration::ZERO, Duration::ZERO, 0);
    let (placed, confirmed) = loop {
        let requests = shop.requests(product, batch);
        let (start, log_before) = (Instant::now(), tap.busy());
        let ids = shop.place(requests);
        placing += start.elapsed();
        log += tap.busy() - log_before;
        orders += batch;
        let placed = tap.last_frame();
        shop.confirm(ids);
        if placing >= time {
            break (placed, tap.last_frame());
        }
    };
    let [confirmed, placed] = record::last_two(&shop.engine.store, [confirmed, placed]);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / orders as f64;
    Round {
        commit: each(placing),
        log: each(log),
        placed: costs(shop, &placed, batch),
        confirmed: costs(shop, &confirmed, batch),
    }
}

fn costs(shop: &Shop, recorded: &Recorded, batch: usize) -> Costs {
    assert_eq!(recorded.changes(), batch, "the record is not of one batch");
    recorded.costs(&shop.engine.store, batch)
}

fn print_head() {
    println!("microseconds and bytes for each order; the first line of a round is placing, the second confirming");
    println!(
        "{:>7} {:>10} {:>9} {:>9} {:>8} {:>8} {:>10} {:>10}",
        "a batch", "commit us", "log us", "encode us", "hash us", "table us", "record B", "in log B"
    );
}

impl Round {
    fn print(&self, batch: usize) {
        println!("{batch:>7} {:>10.3} {:>9.3} {}", self.commit, self.log, self.placed);
        println!("{:>28} {}", "", self.confirmed);
    }
}

fn print_shares(batch: usize, rounds: &[Round]) {
    let spread = |figure: fn(&Round) -> f64| {
        let mut shares: Vec<_> = rounds.iter().map(|round| 100.0 * figure(round) / round.commit).collect();
        shares.sort_by(f64::total_cmp);
        let median = f64::midpoint(shares[(shares.len() - 1) / 2], shares[shares.len() / 2]);
        let (least, greatest) = (shares[0], shares[shares.len() - 1]);
        format!("{median:.2} ({least:.2} to {greatest:.2})")
    };
    let encoding = spread(|round| round.placed.encode);
    let hashing = spread(|round| round.placed.hash);
    let both = spread(|round| round.placed.encode + round.placed.hash);
    println!("{batch:>7} orders a commit: encoding {encoding}, hashing {hashing}, both {both}");
}
