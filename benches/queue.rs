//! How long orders can wait for the queue's lock: attempts that come due together, lists and counts, and the ranks that
//! buyers ask for, in a queue of 100,000 and of 400,000 jobs.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use flashsale::domain::clock::{Clock, Steady, Timestamp};
use flashsale::domain::job::JobState;
use flashsale::domain::order::{OrderId, Priority};
use flashsale::limits::MAX_EXPIRED_AT_ONCE;
use flashsale::queue::{Due, Job, Queue, QueueChange};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [u64; 2] = [100_000, 400_000];

fn main() {
    println!("{:>8}  {:<34} {:>12} {:>12}", "jobs", "", "all, ms", "longest, ms");
    for jobs in SIZES {
        measure(jobs);
    }
}

/// Calls something until it says that it is done; gives the time of all calls and of the longest.
fn timed(mut work: impl FnMut() -> bool) -> (Duration, Duration) {
    let (began, mut longest) = (Instant::now(), Duration::ZERO);
    loop {
        let call = Instant::now();
        let done = work();
        longest = longest.max(call.elapsed());
        if done {
            return (began.elapsed(), longest);
        }
    }
}

fn measure(jobs: u64) {
    let clock = Clock::manual(Timestamp::from_millis(1_000_000));
    let queue = Queue::new(jobs as usize, clock.clone());
    let row = |what: &str, (all, longest): (Duration, Duration)| {
        println!("{jobs:>8}  {what:<34} {:>12.2} {:>12.3}", all.as_secs_f64() * 1e3, longest.as_secs_f64() * 1e3);
    };
    // Due in an order that has nothing to do with the numbers: each belongs somewhere in the middle.
    let span = |order: u64| Duration::from_micros(order.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44);
    let now = clock.moment();
    let due = |order: u64| now.deadline(Timestamp::from_millis(1_000_000).after(span(order)));
    let job = |order: u64| Job {
        order: OrderId(order),
        priority: Priority::Normal,
        due: Some(Due::Attempt(due(order))),
        placed: Steady::default(),
        paid: false,
    };
    let put: Vec<_> = (1..=jobs).map(|order| QueueChange::Put(job(order))).collect();
    let mut batches = put.chunks(1_000);
    row("put to wait, 1,000 at a time", timed(|| batches.next().inspect(|batch| queue.apply(batch)).is_none()));
    row("list 500 that wait", timed(|| !black_box(queue.list(JobState::Delayed, None, 500)).is_empty()));
    clock.advance(Duration::from_secs(60));
    row(
        "all come due",
        timed(|| {
            queue.wake_due(MAX_EXPIRED_AT_ONCE);
            queue.time_to_next_due().is_none()
        }),
    );
    let ready = |order: u64| Job { due: None, ..job(order) };
    let mut asked = (1..=jobs).step_by(jobs as usize / 1_000);
    row(
        "1,000 ranks",
        timed(|| {
            asked
                .next()
                .inspect(|order| {
                    let _ = black_box(queue.find(OrderId(*order), Priority::Normal));
                })
                .is_none()
        }),
    );
    row(
        "list the last 500 in line",
        timed(|| !black_box(queue.list(JobState::Waiting, Some(OrderId(jobs - 500)), 500)).is_empty()),
    );
    let mut gone = (1..=jobs).rev().step_by(jobs as usize / 1_000);
    row(
        "1,000 leave the middle of the line",
        timed(|| {
            let left =
                gone.next().inspect(|order| queue.apply(&[QueueChange::End { job: ready(*order), completed: false }]));
            left.is_none()
        }),
    );
    let taken = queue.try_take(jobs as usize / 2);
    row("counts with half of them active", timed(|| queue.counts().active > 0));
    row("list 500 active ones", timed(|| !black_box(queue.list(JobState::Active, None, 500)).is_empty()));
    let mut back = taken.chunks(512);
    row("active ones are given back", timed(|| back.next().inspect(|jobs| queue.give_back(jobs)).is_none()));
    row(
        "start over",
        timed(|| {
            queue.replace_all(std::iter::empty(), false);
            true
        }),
    );
}
