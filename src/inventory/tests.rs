//! The stock against a sequential model, and under scripts that run at the same time.

use std::sync::Barrier;

use proptest::prelude::*;

use super::*;

fn item(units: u64) -> Arc<StockItem> {
    Inventory::default().add(Product::example(1, units))
}

/// What is done to a stock item. Reservations are meant by their age: the n-th of those that are open.
#[derive(Clone, Debug)]
enum Step {
    Reserve(u32),
    Keep(usize),
    Drop(usize),
    Put(u64),
    TryTake(u64),
    Set(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..5u32).prop_map(Step::Reserve),
        2 => (0..8usize).prop_map(Step::Keep),
        2 => (0..8usize).prop_map(Step::Drop),
        1 => (1..5u64).prop_map(Step::Put),
        1 => (1..5u64).prop_map(Step::TryTake),
    ]
}

fn any_step_or_set() -> impl Strategy<Value = Step> {
    prop_oneof![10 => any_step(), 1 => (0..20u64).prop_map(Step::Set)]
}

/// What one thread did to it.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    /// Units that it put there.
    put: u64,
    /// Units that it took for good.
    taken: u64,
    /// Units that its open reservations hold.
    held: u64,
    /// The smallest number of units that it was refused, and what it held and had put at that moment.
    refused: Option<(u64, Balance)>,
    /// The most that it ever had away from the counter.
    most_away: u64,
}

/// What a thread had away from the counter: taken and held, less what it had put.
type Balance = i128;

impl Moved {
    fn away(&self) -> Balance {
        Balance::from(self.taken) + Balance::from(self.held) - Balance::from(self.put)
    }

    fn refuse(&mut self, units: u64) {
        // The refusal that is hardest to excuse is the one for the fewest units with the least away.
        let hard = |(units, away): (u64, Balance)| Balance::from(units) + away;
        let refused = (units, self.away());
        if self.refused.is_none_or(|before| hard(refused) < hard(before)) {
            self.refused = Some(refused);
        }
    }

    fn note(&mut self) {
        self.most_away = self.most_away.max(u64::try_from(self.away()).unwrap_or(0));
    }
}

/// Runs a script and says what it did; reservations that are open at its end are dropped.
fn run(item: &Arc<StockItem>, script: &[Step]) -> Moved {
    let mut moved = Moved::default();
    let mut open: Vec<Reservation> = Vec::new();
    for step in script {
        match *step {
            Step::Reserve(units) => match item.reserve(units) {
                Ok(reservation) => {
                    moved.held += u64::from(units);
                    open.push(reservation);
                }
                Err(SoldOut) => moved.refuse(u64::from(units)),
            },
            Step::Keep(age) if age < open.len() => {
                let reservation = open.remove(age);
                let units = u64::from(reservation.quantity());
                moved.held -= units;
                moved.taken += units;
                reservation.keep();
            }
            Step::Drop(age) if age < open.len() => {
                moved.held -= u64::from(open[age].quantity());
                drop(open.remove(age));
            }
            Step::Put(units) => {
                item.put(units);
                moved.put += units;
            }
            Step::TryTake(units) => match item.try_take(units) {
                true => moved.taken += units,
                false => moved.refuse(units),
            },
            Step::Keep(_) | Step::Drop(_) => {}
            Step::Set(_) => unreachable!("scripts of threads do not set"),
        }
        moved.note();
    }
    drop(open);
    moved.held = 0;
    moved
}

proptest! {
    /// One after the other, the counter is a number.
    #[test]
    fn alone_the_counter_does_what_a_number_would(
        start in 0..20u64,
        steps in prop::collection::vec(any_step_or_set(), 0..100),
    ) {
        let item = item(start);
        let mut available = start;
        let mut open: Vec<Reservation> = Vec::new();
        for step in steps {
            match step {
                Step::Reserve(units) => {
                    let fits = u64::from(units) <= available;
                    let reservation = item.reserve(units);
                    prop_assert_eq!(reservation.is_ok(), fits);
                    available -= if fits { u64::from(units) } else { 0 };
                    open.extend(reservation);
                }
                Step::Keep(age) if age < open.len() => open.remove(age).keep(),
                Step::Drop(age) if age < open.len() => {
                    available += u64::from(open[age].quantity());
                    drop(open.remove(age));
                }
                Step::Keep(_) | Step::Drop(_) => {}
                Step::Put(units) => {
                    item.put(units);
                    available += units;
                }
                Step::TryTake(units) => {
                    let fits = units <= available;
                    prop_assert_eq!(item.try_take(units), fits);
                    available -= if fits { units } else { 0 };
                }
                Step::Set(units) => {
                    prop_assert_eq!(item.set_available(units), available);
                    available = units;
                }
            }
            prop_assert_eq!(item.available(), available);
        }
    }

    /// At the same time, no unit is made or lost, and nobody is refused what was there at every instant.
    #[test]
    fn together_no_unit_is_lost_and_nobody_is_refused_what_was_always_there(
        start in 0..30u64,
        scripts in prop::collection::vec(prop::collection::vec(any_step(), 0..60), 2..5),
    ) {
        let item = item(start);
        let ready = Barrier::new(scripts.len());
        let moved: Vec<Moved> = std::thread::scope(|scope| {
            let (item, ready) = (&item, &ready);
            let mut threads = Vec::new();
            for script in &scripts {
                threads.push(scope.spawn(move || {
                    ready.wait();
                    run(item, script)
                }));
            }
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let put: u64 = moved.iter().map(|moved| moved.put).sum();
        let taken: u64 = moved.iter().map(|moved| moved.taken).sum();
        prop_assert_eq!(item.available() + taken, start + put);
        for (own, refused) in moved.iter().enumerate().filter_map(|(own, moved)| Some((own, moved.refused?))) {
            let (units, own_away) = refused;
            let others = moved.iter().enumerate().filter(|(other, _)| *other != own);
            let most_away: u64 = others.map(|(_, other)| other.most_away).sum();
            let always_there = Balance::from(start) - own_away - Balance::from(most_away);
            prop_assert!(Balance::from(units) > always_there, "{units} refused, {always_there} were always there");
        }
    }
}

#[test]
fn a_thousand_buyers_of_a_thousand_units_all_get_one_and_one_more_does_not() {
    let item = item(1_000);
    let ready = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                ready.wait();
                (0..125).for_each(|_| item.reserve(1).unwrap().keep());
            });
        }
    });
    assert_eq!(item.available(), 0);
    assert_eq!(item.reserve(1).unwrap_err(), SoldOut);
}

#[test]
fn what_comes_back_to_an_item_that_was_replaced_is_counted_nowhere() {
    let inventory = Inventory::default();
    let old = inventory.add(Product::example(1, 5));
    let reservation = old.reserve(2).unwrap();
    inventory.replace_all([Product::example(1, 3)]);
    drop(reservation);
    assert_eq!(inventory.item(ProductId(1)).unwrap().available(), 3);
    assert_eq!(old.available(), 5);
}

#[test]
fn readers_are_shown_the_committed_product_and_not_the_counter() {
    let inventory = Inventory::default();
    let item = inventory.add(Product::example(1, 5));
    let reservation = item.reserve(2).unwrap();
    assert_eq!((item.product().stock.current, item.available()), (5, 3));
    reservation.keep();
    let mut sold = Product::example(1, 5);
    sold.stock.apply(crate::domain::product::StockMove::Hold, 2).unwrap();
    item.publish(sold.clone());
    assert_eq!(inventory.products(), [Arc::new(sold)]);
    assert_eq!(item.available(), 3);
}
