//! Everything at once, by chance, against a model that is told one thing after the other: holds, keys, a window, the
//! trimming and searches, under a clock that is set both ways between commits, in them, and between two runs.

use std::collections::BTreeMap;
use std::time::Duration;

use flashsale::clock::{Deadline, Timestamp};
use flashsale::order::{OrderId, OrderStatus};
use flashsale::store::Span;
use proptest::prelude::*;

use crate::store_faults::engine::block_on;

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

/// Hundreds of milliseconds, as holds last some that are none: so nothing lies at a boundary.
fn any_jump() -> impl Strategy<Value = i64> {
    let sign = prop::sample::select(&[-1_i64, 1][..]);
    let size = prop_oneof![1..40_i64, 600..36_000_i64, 800_000..1_800_000_i64, 3_000_000..30_000_000_i64];
    (sign, size).prop_map(|(sign, size)| sign * size * 100)
}

fn any_step() -> impl Strategy<Value = Step> {
    let hours = (HOUR / 100).unsigned_abs();
    prop_oneof![
        4 => Just(Step::PlaceHeld),
        4 => (0..3_u8).prop_map(Step::PlaceKeyed),
        1 => Just(Step::Window),
        2 => any::<usize>().prop_map(Step::Confirm),
        4 => Just(Step::Turn),
        4 => prop_oneof![3 => 0..90_u64, 1 => 0..30 * hours].prop_map(|tenths| Step::Advance(tenths * 100)),
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
    /// Whether its answer may be gone, as it was too old once.
    may_be_gone: bool,
}

impl Model {
    fn accept(&mut self, order: OrderId, at: Timestamp) {
        self.accepted.push((order, at));
        self.statuses.insert(order, OrderStatus::Pending);
    }

    async fn step(&mut self, shop: &mut Shop, step: Step) -> Result<(), String> {
        let now = shop.clock.moment();
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
        self.compare(shop).await
    }

    fn place_held(&mut self, order: OrderId, now: flashsale::clock::Moment) {
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
                self.keys.insert(key, Keyed { order, accepted: now, may_be_gone: false });
                Ok(())
            }
        }
    }

    async fn compare(&mut self, shop: &Shop) -> Result<(), String> {
        for (order, status) in &self.statuses {
            let found = shop.order(*order)?.status;
            ensure(found == *status, || format!("order {order} is {found:?} and should be {status:?}"))?;
        }
        for (order, accepted) in &self.accepted {
            let found = shop.order(*order)?.created_at;
            ensure(found == *accepted, || format!("order {order} is of {found} and should be of {accepted}"))?;
        }
        let cautious = shop.clock.cautious_now();
        for key in self.keys.values_mut() {
            key.may_be_gone |= cautious.since(key.accepted) >= KEY_AGE;
        }
        self.compare_trimming(shop, cautious)?;
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

    /// What was trimmed was old enough: by its own time, or, if that had not come yet, by that of one after it.
    fn compare_trimming(&mut self, shop: &Shop, now: Timestamp) -> Result<(), String> {
        self.written.extend(shop.record_times()?);
        let cut = shop.head()?.cut.sequence;
        for record in self.cut + 1..=cut {
            let own = self.written[&record];
            let of_later = || self.written.range(record..).map(|(_, at)| *at).filter(|at| *at <= now).max();
            let written = if own > now { of_later() } else { Some(own) };
            // No more than a moment has passed since.
            let old = written.is_some_and(|written| now.since(written) >= KEEP);
            ensure(old || own > now, || format!("record {record} of {own} is gone at {now}"))?;
        }
        self.cut = cut;
        Ok(())
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
