//! Every order of events in the life of an order, against a model: confirm, cancel, expire and retry, the reports of
//! workers, also on the post of a paid order, and of the clock, stops of the sale, another buyer who wants the same
//! units, and restarts.
//!
//! The model is the contract, one event after the other. After each event everything that can be seen is compared
//! with it: the answer, the order, its job, the stock and the purchase limits; and at the end what the history says of
//! the units. Sequences that restart and look into the queue in the same places share an engine, each with an order and
//! a product of its own: so there can be many.
//!
//! All sequences are lived, not a choice of them; the fewer kinds of events there are, the longer they are, up to six,
//! with at most one restart (two where they are short) and one pair of things at once.

mod event;
mod model;
mod observed;
mod request;
mod sale;

use std::collections::BTreeSet;
use std::slice::from_ref;
use std::sync::atomic::{AtomicUsize, Ordering};

use flashsale::domain::order::OrderStatus::{Cancelled, Confirmed, Failed, Pending};
use parking_lot::Mutex;

use crate::harness::engine::block_on;

use event::Action::{
    self, AttemptFailed, Cancel, Confirm, Exhausted, Expired, Forget, Fulfilled, Rejected, Retry, Rival,
};
use event::Event::{self, Both, Close, Cut, HoldEnds, Kill, One, Start, Stop, Turn};
use event::{Scope, Sequence};
use model::Answer::{Done, HoldExpired, NoSuchJob, NotPending, Nothing, Other, SoldOut};
use model::Kind;
use sale::{MOST_CASES, Seen, live, stocked_disk};

/// So many groups of sequences that fail are enough to see why.
const ENOUGH_FAILURES: usize = 8;

#[test]
fn every_order_of_events_ends_a_hold_in_one_state_and_returns_stock_at_most_once() {
    let few = [each(One, &[Confirm, Cancel, Rival]), vec![HoldEnds, Turn, Cut(Cancel)]].concat();
    let more = [few.clone(), vec![One(Expired), Close]].concat();
    let mut seen = run(Kind::Held, &Scope { events: few, length: 6, most_restarts: 1, most_pairs: 0 });
    seen.extend(run(Kind::Held, &Scope { events: more, length: 5, most_restarts: 1, most_pairs: 0 }));
    let expected = [
        (Confirm, Done(Confirmed)),
        (Confirm, NotPending(Cancelled)),
        (Confirm, HoldExpired),
        (Cancel, Done(Cancelled)),
        (Expired, Nothing),
        (Rival, Done(Pending)),
        (Rival, Done(Cancelled)),
        (Rival, SoldOut),
    ];
    assert_eq!(seen, Seen::from(expected));
}

#[test]
fn every_order_of_events_ends_a_job_in_one_state_and_returns_stock_at_most_once() {
    let actions = [Confirm, Cancel, Retry, Fulfilled, Exhausted, Rival];
    let events = [each(One, &actions), vec![Turn, Cut(Cancel)]].concat();
    let seen = run(Kind::Plain, &Scope { events, length: 5, most_restarts: 1, most_pairs: 0 });
    let expected = [
        (Confirm, Done(Confirmed)),
        (Confirm, NotPending(Failed)),
        (Confirm, NotPending(Cancelled)),
        (Cancel, Done(Cancelled)),
        (Cancel, NotPending(Failed)),
        (Retry, Done(Pending)),
        (Retry, SoldOut),
        (Retry, NoSuchJob),
        (Fulfilled, Nothing),
        (Exhausted, Nothing),
        (Rival, Done(Pending)),
        (Rival, Done(Cancelled)),
        (Rival, SoldOut),
    ];
    assert_eq!(seen, Seen::from(expected));
}

#[test]
fn every_order_of_events_delivers_a_paid_order_or_says_so_and_never_takes_its_units() {
    let operators = [Confirm, Cancel, Retry, Forget];
    let events = [each(One, &operators), each(One, &[Fulfilled, Exhausted]), vec![Turn, Close]].concat();
    let seen = run(Kind::Posted, &Scope { events, length: 5, most_restarts: 1, most_pairs: 0 });
    for delivered in [(Retry, Done(Confirmed)), (Forget, Done(Confirmed)), (Cancel, Done(Cancelled))] {
        assert!(seen.contains(&delivered), "{delivered:?} is not among {seen:?}");
    }
    let actions = [Confirm, Cancel, Retry, Fulfilled, Rejected, AttemptFailed, Expired, Rival];
    let single = [HoldEnds, Turn, Close, Cut(Confirm), Kill(Confirm), Kill(Fulfilled), Kill(Rejected)];
    let events = [each(One, &actions), single.to_vec()].concat();
    run(Kind::Posted, &Scope { events, length: 4, most_restarts: 1, most_pairs: 0 });
    let single = [One(Confirm), One(Exhausted), HoldEnds, Turn, Close, Kill(Retry)];
    let events = [pairs(&[Confirm, Cancel, Retry, Fulfilled, Exhausted, Expired]), single.to_vec()].concat();
    run(Kind::Posted, &Scope { events, length: 4, most_restarts: 1, most_pairs: 1 });
}

#[test]
fn a_stop_of_the_sale_keeps_units_from_new_orders_and_nothing_from_old_ones() {
    let actions = [Confirm, Cancel, Retry, Exhausted, Rival];
    for kind in [Kind::Held, Kind::Posted, Kind::Plain] {
        let events = [each(One, &actions), vec![HoldEnds, Turn, Stop, Start, Close]].concat();
        let seen = run(kind, &Scope { events, length: 4, most_restarts: 1, most_pairs: 0 });
        for stopped in [Rival, Retry] {
            assert!(seen.contains(&(stopped, Other("sale_not_active"))), "{stopped:?} is not rejected: {seen:?}");
        }
    }
}

#[test]
fn two_things_at_once_end_a_hold_as_one_after_the_other_would() {
    let actions = [Confirm, Cancel, Expired, Rival];
    let single = [HoldEnds, Turn, Close, Cut(Confirm), Kill(Confirm), Kill(Expired)];
    let events = [each(One, &actions), pairs(&actions), single.to_vec()].concat();
    run(Kind::Held, &Scope { events, length: 4, most_restarts: 1, most_pairs: 1 });
}

#[test]
fn two_things_at_once_end_a_job_as_one_after_the_other_would() {
    let actions = [Confirm, Cancel, Retry, Fulfilled, Exhausted, Rival];
    let single = [Turn, Close, Kill(Retry)];
    let by_operators = [each(One, &actions), pairs(&actions[..3]), single.to_vec()].concat();
    run(Kind::Plain, &Scope { events: by_operators, length: 4, most_restarts: 1, most_pairs: 1 });
    let single = [Turn, Close, Cut(Retry)];
    let by_all = [each(One, &actions), pairs(&actions), each(Kill, &actions[..5]), single.to_vec()].concat();
    run(Kind::Plain, &Scope { events: by_all, length: 3, most_restarts: 1, most_pairs: 1 });
}

#[test]
fn reports_and_requests_that_come_out_of_place_change_nothing() {
    let actions = [Confirm, Cancel, Retry, Forget, Fulfilled, Rejected, Exhausted, AttemptFailed, Expired, Rival];
    for kind in [Kind::Held, Kind::Posted, Kind::Plain] {
        let without_rival = &actions[..actions.len() - 1];
        let single =
            [each(One, &actions), each(Kill, without_rival), vec![HoldEnds, Turn, Close, Cut(Cancel)]].concat();
        let with_pairs = [single.clone(), pairs(&actions)].concat();
        run(kind, &Scope { events: single, length: 3, most_restarts: 2, most_pairs: 0 });
        run(kind, &Scope { events: with_pairs, length: 2, most_restarts: 1, most_pairs: 1 });
    }
}

fn each(event: fn(Action) -> Event, actions: &[Action]) -> Vec<Event> {
    actions.iter().copied().map(event).collect()
}

/// All pairs, in both orders of submission. The other buyer does one thing at a time.
fn pairs(actions: &[Action]) -> Vec<Event> {
    let pairs = actions.iter().flat_map(|first| actions.iter().map(|second| Both(*first, *second)));
    pairs.filter(|pair| *pair != Both(Rival, Rival)).collect()
}

/// Lives all sequences of a scope, on all processors, and returns what was asked for and how it was answered.
fn run(kind: Kind, scope: &Scope) -> Seen {
    let by_stages = scope.sequences();
    let groups: Vec<&[Sequence]> = by_stages.values().flat_map(|alike| alike.chunks(MOST_CASES)).collect();
    let disk = block_on(stocked_disk(kind, scope.length)).unwrap();
    let next = AtomicUsize::new(0);
    let (seen, failures) = (Mutex::new(Seen::new()), Mutex::new(BTreeSet::new()));
    let work = || {
        while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
            match block_on(live(&disk, kind, group)) {
                Ok(own) => seen.lock().extend(own),
                Err(together) => {
                    // Alone, none is blamed for another.
                    let mut alone = group.iter().map(|sequence| block_on(live(&disk, kind, from_ref(sequence))));
                    let failure = alone.find_map(Result::err).unwrap_or(together);
                    let mut failures = failures.lock();
                    failures.insert((failure.len(), failure));
                    if failures.len() >= ENOUGH_FAILURES {
                        next.store(groups.len(), Ordering::Relaxed);
                    }
                }
            }
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..processors).for_each(|_| drop(scope.spawn(work))));
    // The shortest say most.
    let failures: Vec<_> = failures.into_inner().into_iter().map(|(_, failure)| failure).collect();
    assert!(failures.is_empty(), "sequences deviate from the model, among them:\n{}", failures.join("\n"));
    seen.into_inner()
}
