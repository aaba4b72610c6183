//! What deciding about an order costs before anything is written: taking and returning stock, and saying "sold out".
//! Each under 1, 2 and 8 threads that want the same product.
#![allow(clippy::expect_used, missing_docs, reason = "a measurement that cannot go on must stop; criterion's macros")]

#[path = "engine/shop.rs"]
mod shop;

use std::pin::pin;
use std::sync::Barrier;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flashsale::domain::refusal::Refusal;
use flashsale::store::{self, Medium};

use shop::Shop;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const THREADS: [u64; 3] = [1, 2, 8];

/// The time that `threads` threads take to do something `iterations` times between them.
fn on_threads(threads: u64, iterations: u64, work: impl Fn() + Sync) -> Duration {
    let ready = Barrier::new(threads as usize + 1);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (ready, work) = (&ready, &work);
            let share = iterations / threads + u64::from(thread < iterations % threads);
            scope.spawn(move || {
                ready.wait();
                (0..share).for_each(|_| work());
            });
        }
        ready.wait();
        Instant::now()
    })
    .elapsed()
}

fn admission(criterion: &mut Criterion) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let mut shop = Shop::open(Medium::File(store::file_in(directory.path())));
    let (plenty, sold_out) = (shop.add_product(None), shop.add_product(None));
    let item = shop.item(plenty);
    shop.item(sold_out).set_available(0);
    let request = shop.request(sold_out);

    let mut group = criterion.benchmark_group("admission");
    group.throughput(Throughput::Elements(1));
    for threads in THREADS {
        group.bench_function(format!("reserve_and_return/{threads}_threads"), |bencher| {
            bencher
                .iter_custom(|iterations| on_threads(threads, iterations, || drop(item.reserve(1).expect("a unit"))));
        });
    }
    for threads in THREADS {
        group.bench_function(format!("sold_out/{threads}_threads"), |bencher| {
            bencher.iter_custom(|iterations| {
                on_threads(threads, iterations, || {
                    // It is refused without waiting for anything.
                    let answer = pin!(shop.engine.admission.place(request.clone()))
                        .poll(&mut Context::from_waker(Waker::noop()));
                    assert!(matches!(answer, Poll::Ready(Err(Refusal::SoldOut))), "{answer:?}");
                })
            });
        });
    }
    group.finish();
    shop.close();
}

criterion_group!(benches, admission);
criterion_main!(benches);
