//! How many orders a second the committer puts on disk, by how many share a commit. One product, unique users, every
//! commit synced; the store is in the target directory, which must be on a disk. Each batch is confirmed before the
//! next one comes, which is not measured. All of it once more with an idempotency key for each order. And what those
//! who follow the history cost a commit: without followers, and with some that take every record as it comes.
#![allow(clippy::expect_used, missing_docs, reason = "a measurement that cannot go on must stop; criterion's macros")]

#[path = "engine/shop.rs"]
mod shop;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use flashsale::domain::product::ProductId;
use flashsale::store::{self, Medium};
use tokio::task::JoinHandle;

use shop::Shop;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCHES: [usize; 7] = [1, 4, 16, 64, 256, 1024, 4096];
/// Orders in a commit, with followers and without.
const FOLLOWED_BATCHES: [usize; 3] = [1, 64, 1024];
/// Followers: a feed, a monitor and two mirrors.
const FOLLOWERS: usize = 4;
/// Records that a follower takes at once.
const RECORDS_AT_ONCE: usize = 256;
/// Orders in the store before the measurement: enough for tables of the usual depth and for a full run of the index.
const ORDERS_BEFORE: usize = 200_000;

fn commit(criterion: &mut Criterion) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let mut shop = Shop::open(Medium::File(store::file_in(directory.path())));
    let product = shop.add_product(None);
    shop.fill(product, ORDERS_BEFORE);

    for (name, keyed) in [("commit", false), ("commit with keys", true)] {
        measure(criterion, &mut shop, product, name, &BATCHES, keyed);
    }
    for followers in [0, FOLLOWERS] {
        let following = follow(&shop, followers);
        measure(criterion, &mut shop, product, &format!("commit with {followers} followers"), &FOLLOWED_BATCHES, false);
        for follower in following {
            follower.abort();
            let ended = shop.runtime.block_on(follower);
            assert!(ended.is_err_and(|error| error.is_cancelled()), "a follower failed");
        }
    }
    shop.close();
}

/// One case for each number of orders in a commit.
fn measure(criterion: &mut Criterion, shop: &mut Shop, product: ProductId, name: &str, batches: &[usize], keyed: bool) {
    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    for &batch in batches {
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(batch.to_string(), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut taken = Duration::ZERO;
                for _ in 0..iterations {
                    let requests =
                        if keyed { shop.keyed_requests(product, batch) } else { shop.requests(product, batch) };
                    let start = Instant::now();
                    let orders = shop.place(requests);
                    taken += start.elapsed();
                    shop.confirm(orders);
                }
                taken
            });
        });
    }
    group.finish();
}

/// Followers that take every record as it comes, until they are aborted.
fn follow(shop: &Shop, count: usize) -> Vec<JoinHandle<()>> {
    let follow = || {
        let mut tail = shop.engine.store.tail(shop.engine.store.head().sequence);
        shop.runtime.spawn(async move {
            loop {
                black_box(tail.next(RECORDS_AT_ONCE).await.expect("a record"));
            }
        })
    };
    (0..count).map(|_| follow()).collect()
}

criterion_group!(benches, commit);
criterion_main!(benches);
