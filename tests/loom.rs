//! The stock counter under every interleaving of a few threads, by loom's model checker.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use loom::sync::Arc;
use loom::thread;

#[path = "../src/inventory/counter.rs"]
pub mod counter;

/// The checked integers that the counter runs over here.
mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
}

use counter::StockCounter;

/// Runs each of `takes` on a thread of its own, the last one on this, and returns what was taken and what is left.
fn take_all<const N: usize>(stock: u64, takes: [u64; N], last: u64) -> ([bool; N], bool, u64) {
    let counter = Arc::new(StockCounter::new(stock));
    let threads = takes.map(|units| {
        let counter = Arc::clone(&counter);
        thread::spawn(move || counter.try_take(units))
    });
    let last = counter.try_take(last);
    let taken = threads.map(|thread| thread.join().unwrap());
    (taken, last, counter.get())
}

#[test]
fn of_three_takers_of_two_units_one_goes_away_empty_handed() {
    loom::model(|| {
        let ([first, second], third, left) = take_all(2, [1, 1], 1);
        assert_eq!([first, second, third].into_iter().filter(|taken| *taken).count(), 2);
        assert_eq!(left, 0);
    });
}

#[test]
fn nobody_is_refused_where_there_is_enough_for_all() {
    loom::model(|| {
        assert_eq!(take_all(4, [1, 2], 1), ([true, true], true, 0));
    });
}

#[test]
fn a_large_order_that_does_not_fit_takes_nothing_from_a_small_one() {
    loom::model(|| {
        // Whichever of the two large ones comes first, a unit is left for the small one at every instant.
        let ([first, second], small, left) = take_all(3, [2, 2], 1);
        assert_ne!(first, second);
        assert_eq!((small, left), (true, 0));
    });
}

#[test]
fn a_large_order_is_refused_only_when_a_small_one_was_first() {
    loom::model(|| {
        let ([large], small, left) = take_all(2, [2], 1);
        assert_ne!(large, small);
        assert_eq!(left, u64::from(small));
    });
}

#[test]
fn units_that_are_put_back_while_others_are_taken_are_all_counted() {
    loom::model(|| {
        let counter = Arc::new(StockCounter::new(1));
        let takers = [(); 2].map(|()| {
            let counter = Arc::clone(&counter);
            thread::spawn(move || counter.try_take(1))
        });
        counter.put(1);
        let taken = takers.map(|taker| taker.join().unwrap()).into_iter().filter(|taken| *taken).count() as u64;
        // One was there from the start; the other may have come too late for the second taker, but not for the next.
        assert!(taken >= 1);
        assert_eq!(counter.get(), 2 - taken);
        assert_eq!(counter.try_take(1), taken == 1);
    });
}

#[test]
fn a_reservation_that_is_dropped_is_never_there_twice() {
    loom::model(|| {
        let counter = Arc::new(StockCounter::new(1));
        let buyers = [(); 2].map(|()| {
            let counter = Arc::clone(&counter);
            thread::spawn(move || {
                let taken = counter.try_take(1);
                if taken {
                    assert_eq!(counter.get(), 0, "the only unit is taken");
                    counter.put(1);
                }
            })
        });
        buyers.into_iter().for_each(|buyer| buyer.join().unwrap());
        assert_eq!(counter.get(), 1);
    });
}

#[test]
fn setting_the_stock_loses_no_unit_that_was_taken_before_or_after() {
    loom::model(|| {
        let counter = Arc::new(StockCounter::new(2));
        let takers = [2, 1].map(|units| {
            let counter = Arc::clone(&counter);
            thread::spawn(move || if counter.try_take(units) { units } else { 0 })
        });
        let before = counter.set(5);
        let taken: u64 = takers.map(|taker| taker.join().unwrap()).into_iter().sum();
        assert!(before <= 2);
        // The difference that was booked, and nothing else, came in.
        assert_eq!(counter.get() + taken, 2 + (5 - before));
    });
}
