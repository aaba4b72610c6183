//! Everything at once, by chance, against a model that takes one event after the other: holds, keys, a window, the
//! trimming and searches, under a clock that is set both ways between commits, in them, and between two runs.

use std::collections::BTreeMap;
use std::time::Duration;

use flashsale::domain::clock::{Bounds, Deadline, Timestamp};
use flashsale::domain::filter::Span;
use flashsale::domain::order::{OrderId, OrderStatus};
use proptest::prelude::*;

use crate::harness::engine::block_on;

use super::shop::{DAY, HOLD, HOUR, Shop, window};

const KEEP: Duration = Duration::from_millis(2 * DAY.unsigned_abs());
const KEY_AGE: Duration = Duration::from_millis(DAY.unsigned_abs());

#[derive(Clone, Debug)]
enum Step {
    PlaceHeld,
    PlaceKeyed(u8),
    Window,
    Confirm(usize),
    /// The clock's task looks.
    Turn,
    Advance(u64),
    Set(i64),
    /// The clock is set while an order is on its way to the disk.
    SetInCommit(i64),
    /// The server stops, the clock is set, the server starts.
    Restart(i64),
}

/// Milliseconds by which time passes and the clock is set: multiples, of which no hold is one. So none is looked at
/// within the moment by which it may be late.
const UNIT: u64 = 300;

fn any_jump() -> impl Strategy<Value = i64> {
    let sign = prop::sample::select(&[-1_i64, 1][..]);
    let size = prop_oneof![1..14_i64, 200..12_000_i64, 250_000..600_000_i64, 1_000_000..10_000_000_i64];
    (sign, size).prop_map(|(sign, size)| sign * size * UNIT.cast_signed())
}

fn any_step() -> impl Strategy<Value = Step> {
    let hours = HOUR.unsigned_abs() / UNIT;
    prop_oneof![
        4 => Just(Step::PlaceHeld),
        4 => (0..3_u8).prop_map(Step::PlaceKeyed),
        1 => Just(Step::Window),
        2 => any::<usize>().prop_map(Step::Confirm),
        4 => Just(Step::Turn),
        4 => prop_oneof![3 => 0..30_u64, 1 => 0..30 * hours].prop_map(|units| Step::Advance(units * UNIT)),
        3 => any_jump().prop_map(Step::Set),
        1 => any_jump().prop_map(Step::SetInCommit),
        1 => prop_oneof![Just(0), any_jump()].prop_map(Step::Restart),
    ]
}

/// What must be true of what was done so far.
#[derive(Default)]
struct Model {
    /// Open holds and when they end.
    holds: BTreeMap<OrderId, Deadline>,
    statuses: BTreeMap<OrderId, OrderStatus>,
    /// When each order was accepted.
    accepted: Vec<(OrderId, Timestamp)>,
    keys: BTreeMap<u8, Keyed>,
    /// When each record was written.
    written: BTreeMap<u64, Timestamp>,
    cut: u64,
}

#[derive(Clone, Copy)]
struct Keyed {
    order: OrderId,
    accepted: Timestamp,
    /// The last record before its own.
    record: u64,
    /// Whether its answer may be gone, as it was too old once.
    may_be_gone: bool,
}

impl Model {
    fn accept(&mut self, order: OrderId, at: Timestamp) {
        self.accepted.push((order, at));
        self.statuses.insert(order, OrderStatus::Pending);
    }

    async fn step(&mut self, shop: &mut Shop, step: Step) -> Result<(), String> {
        let (now, before) = (shop.clock.moment(), shop.clock.bounds());
        match step {
            Step::PlaceHeld => {
                let order = shop.place_held("ada", None).await?;
                self.place_held(order, now);
            }
            Step::PlaceKeyed(key) => self.place_keyed(shop, key).await?,
            Step::Window => {
                let is_open = shop.is_window_open().await;
                // The end of a window is not in it.
                let expected = window().contains(now.wall) && Some(now.wall) != window().to;
                ensure(is_open == expected, || format!("the window is open: {is_open}"))?;
                if is_open {
                    let order = OrderId(self.accepted.len() as u64 + 1);
                    self.accept(order, now.wall);
                }
            }
            Step::Confirm(which) => {
                if let Some(order) = self.holds.keys().copied().nth(which % self.holds.len().max(1)) {
                    shop.confirm(order).await?;
                    self.holds.remove(&order);
                    self.statuses.insert(order, OrderStatus::Confirmed);
                }
            }
            Step::Turn => {
                shop.turn().await?;
                let ended: Vec<_> = self.holds.extract_if(.., |_, end| end.is_reached(now)).collect();
                self.statuses.extend(ended.into_iter().map(|(order, _)| (order, OrderStatus::Cancelled)));
            }
            Step::Advance(millis) => shop.clock.advance(Duration::from_millis(millis)),
            Step::Set(millis) => shop.clock.step_wall(millis),
            Step::SetInCommit(millis) => {
                shop.gate.shut();
                let (gate, clock) = (shop.gate.clone(), shop.clock.clone());
                let jump = std::thread::spawn(move || {
                    let waited = gate.wait_for_commit();
                    clock.step_wall(millis);
                    gate.open();
                    waited
                });
                let placed = shop.place_held("ada", None).await;
                jump.join().unwrap()?;
                self.place_held(placed?, now);
            }
            Step::Restart(millis) => {
                shop.catch_up()?;
                shop.clock.step_wall(millis);
                shop.restart().await?;
                let started = shop.clock.moment();
                self.holds.values_mut().for_each(|end| *end = started.deadline(end.wall));
            }
        }
        // What is removed in a commit was old before the clock was set in it, or after.
        self.compare(shop, [before, shop.clock.bounds()])
    }

    fn place_held(&mut self, order: OrderId, now: flashsale::domain::clock::Moment) {
        self.accept(order, now.wall);
        self.holds.insert(order, now.deadline(now.wall.after(HOLD)));
    }

    async fn place_keyed(&mut self, shop: &Shop, key: u8) -> Result<(), String> {
        let (now, cautious) = (shop.clock.now(), shop.clock.cautious_now());
        let order = shop.place_plain("ada", Some(&format!("key-{key}"))).await?;
        let is_new = order.0 > self.accepted.len() as u64;
        match self.keys.get(&key) {
            Some(kept) if !is_new => {
                ensure(order == kept.order, || format!("{order} for a key of {}", kept.order))?;
                ensure(cautious.since(kept.accepted) < KEY_AGE, || format!("key {key} lives too long"))
            }
            Some(kept) if !kept.may_be_gone && cautious.since(kept.accepted) < KEY_AGE => {
                Err(format!("key {key} of {} has made a second order, {order}", kept.order))
            }
            _ => {
                self.accept(order, now);
                let record = self.written.keys().next_back().copied().unwrap_or_default();
                self.keys.insert(key, Keyed { order, accepted: now, record, may_be_gone: false });
                Ok(())
            }
        }
    }

    fn compare(&mut self, shop: &Shop, presents: [Bounds; 2]) -> Result<(), String> {
        for (order, status) in &self.statuses {
            let found = shop.order(*order)?.status;
            ensure(found == *status, || format!("order {order} is {found:?} and should be {status:?}"))?;
        }
        for (order, accepted) in &self.accepted {
            let found = shop.order(*order)?.created_at;
            ensure(found == *accepted, || format!("order {order} is of {found} and should be of {accepted}"))?;
        }
        self.compare_trimming(shop, presents)?;
        for key in self.keys.values_mut() {
            key.may_be_gone |=
                presents.iter().any(|now| is_old(&self.written, key.record, key.accepted, *now, KEY_AGE));
        }
        for span in self.spans(shop) {
            let expected = self.accepted.iter().rev().filter(|(_, at)| span.contains(*at)).map(|(order, _)| *order);
            let (found, expected): (_, Vec<_>) = (shop.search(span)?, expected.collect());
            ensure(found == expected, || format!("{span:?} has {found:?} and should have {expected:?}"))?;
        }
        Ok(())
    }

    /// Some spans with bounds at orders and beside them.
    fn spans(&self, shop: &Shop) -> Vec<Span> {
        let count = self.accepted.len();
        let at = |n: usize| self.accepted.get(n % count.max(1)).map(|(_, at)| *at);
        vec![
            Span { from: at(count / 2), to: at(count / 3) },
            Span { from: at(count / 4), to: Some(shop.clock.now()) },
            Span { from: at(count.wrapping_sub(1)), to: None },
            Span { from: None, to: at(count / 2) },
        ]
    }

    /// What was trimmed was old enough.
    fn compare_trimming(&mut self, shop: &Shop, presents: [Bounds; 2]) -> Result<(), String> {
        self.written.extend(shop.record_times()?);
        let cut = shop.head()?.cut.sequence;
        for record in self.cut + 1..=cut {
            let own = self.written[&record];
            let old = presents.iter().any(|now| is_old(&self.written, record, own, *now, KEEP));
            ensure(old, || format!("record {record} of {own} is gone at {presents:?}"))?;
        }
        self.cut = cut;
        Ok(())
    }
}

/// Whether something of the time `at`, in the record behind `record` or in it, is so old. Of a time that has come by no
/// clock, those after it say how long ago it was.
fn is_old(written: &BTreeMap<u64, Timestamp>, record: u64, at: Timestamp, now: Bounds, age: Duration) -> bool {
    let mut later = written.range(record + 1..).filter(|(_, later)| **later <= now.earliest);
    match at > now.latest {
        true => later.any(|(_, later)| now.earliest.since(*later) >= age),
        false => now.earliest.since(at) >= age,
    }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn the_rule_holds_however_the_clock_is_set(
        keeps in any::<bool>(),
        steps in prop::collection::vec(any_step(), 1..40),
    ) {
        let lived = block_on(async {
            let mut shop = Shop::open(keeps.then_some(KEEP)).await?;
            let mut model = Model::default();
            for (number, step) in steps.iter().enumerate() {
                let done = model.step(&mut shop, step.clone()).await;
                done.map_err(|why| format!("step {number}, {step:?}: {why}"))?;
            }
            shop.close().await
        });
        prop_assert!(lived.is_ok(), "{}", lived.unwrap_err());
    }
}
