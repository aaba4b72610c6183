//! How many orders a second the committer puts on disk, by how many share a commit. One product, unique users, every
//! commit synced; the store is in the target directory, which must be on a disk. Each batch is confirmed before the
//! next one comes, which is not measured. All of it once more with an idempotency key for each order.
#![allow(clippy::expect_used, missing_docs, reason = "a measurement that cannot go on must stop; criterion's macros")]

#[path = "engine/shop.rs"]
mod shop;

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use flashsale::store::{self, Medium};

use shop::Shop;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCHES: [usize; 7] = [1, 4, 16, 64, 256, 1024, 4096];
/// Orders in the store before the measurement: enough for tables of the usual depth and for a full run of the index.
const ORDERS_BEFORE: usize = 200_000;

fn commit(criterion: &mut Criterion) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let mut shop = Shop::open(Medium::File(store::file_in(directory.path())));
    let product = shop.add_product(None);
    for _ in 0..ORDERS_BEFORE / 4096 {
        let requests = shop.requests(product, 4096);
        let orders = shop.place(requests);
        shop.confirm(orders);
    }

    for (name, keyed) in [("commit", false), ("commit with keys", true)] {
        let mut group = criterion.benchmark_group(name);
        group.sampling_mode(SamplingMode::Flat).sample_size(20);
        for batch in BATCHES {
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
    shop.close();
}

criterion_group!(benches, commit);
criterion_main!(benches);
