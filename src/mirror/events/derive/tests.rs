use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::change::Actor;
use crate::domain::effect::OrderEffect;
use crate::domain::order::OrderStatus;
use crate::domain::product::Stock;
use crate::mirror::events::rewind::Rewind;

const HISTORY: HistoryId = HistoryId([0xa7; 16]);
const START: i64 = 1_700_000_000_000;

/// A history as a committer writes it, and the products with each of its records.
struct World {
    at: i64,
    products: BTreeMap<ProductId, Product>,
    created: u64,
    orders: Vec<Order>,
    records: Vec<Record>,
    /// The products with each record; the first are those with none.
    states: Vec<Vec<Product>>,
}

impl World {
    fn of(steps: &[(u8, u8, u8)]) -> Self {
        let (products, orders, records) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut world = Self { at: START, products, created: 0, orders, records, states: vec![Vec::new()] };
        for (kind, a, b) in steps {
            let changes = world.step(kind % 10, usize::from(*a), usize::from(*b));
            world.record(changes);
        }
        world
    }

    fn record(&mut self, changes: Vec<Change>) {
        if !changes.is_empty() {
            let (sequence, at) = (self.records.len() as u64 + 1, Timestamp::from_millis(self.at));
            self.records.push(Record { sequence, previous: [0; 32], at, changes });
            self.states.push(self.products.values().cloned().collect());
        }
    }

    fn step(&mut self, kind: u8, a: usize, b: usize) -> Vec<Change> {
        self.at += b as i64 * 7;
        let at = Timestamp::from_millis(self.at);
        let known = self.products.keys().nth(a % self.products.len().max(1)).copied();
        match (kind, known) {
            (0, _) if self.products.len() < 4 => {
                self.created += 1;
                let mut product = Product::example(self.created, a as u64 % 4);
                self.set_window(&mut product, a, b);
                self.products.insert(product.id, product.clone());
                vec![Change::ProductCreated(Box::new(product))]
            }
            (1..=3, Some(id)) => self.place(id, 1 + b as u32 % 2),
            (4 | 5, Some(_)) => self.move_order(a, b),
            (6, Some(id)) => {
                let before = self.products[&id].clone();
                let mut after = before.clone();
                let delta = (b % 3) as i64 - after.stock.current as i64;
                after.stock.adjust(delta).unwrap();
                (after.terms.flash_sale_active, after.stopped, after.updated_at) = (!a.is_multiple_of(3), false, at);
                self.set_window(&mut after, a, b);
                self.products.insert(id, after.clone());
                vec![Change::ProductEdited { before: Box::new(before), after: Box::new(after) }]
            }
            (7 | 8, _) => self.turn(kind == 8, at),
            (9, Some(id)) if self.products[&id].orders == 0 => {
                vec![Change::ProductDeleted(Box::new(self.products.remove(&id).unwrap()))]
            }
            _ => Vec::new(),
        }
    }

    fn set_window(&self, product: &mut Product, a: usize, b: usize) {
        let after = |millis: usize| Timestamp::from_millis(self.at + millis as i64);
        product.terms.sale_starts_at = a.is_multiple_of(2).then(|| after(a));
        product.terms.sale_ends_at = b.is_multiple_of(2).then(|| after(a + b + 1));
    }

    fn turn(&mut self, on: bool, at: Timestamp) -> Vec<Change> {
        let turned = self.products.values_mut().filter_map(|product| product.set_on_sale(on, at).then_some(product.id));
        turned.map(|id| if on { Change::ProductStarted(id) } else { Change::ProductStopped(id) }).collect()
    }

    fn place(&mut self, id: ProductId, quantity: u32) -> Vec<Change> {
        let (number, at) = (self.orders.len() as u64 + 1, Timestamp::from_millis(self.at));
        let expires_at = number.is_multiple_of(2).then_some(at);
        let order = Order { product: id, quantity, expires_at, ..Order::example(OrderId(number), "ada", at) };
        let effect = OrderEffect::placed(Arc::new(order.clone()), None);
        if self.products.get_mut(&id).unwrap().apply(&effect).is_err() {
            return Vec::new();
        }
        self.orders.push(order);
        vec![Change::OrderPlaced { order: effect.order, response: None }]
    }

    fn move_order(&mut self, a: usize, b: usize) -> Vec<Change> {
        let error = || "it broke".to_owned();
        let transitions = [
            Transition::Fulfilled,
            Transition::Confirmed { post: true },
            Transition::ConfirmedLate { post: false },
            Transition::AttemptFailed {
                error: error(),
                retry_after: std::time::Duration::ZERO,
                paid: b.is_multiple_of(2),
            },
            Transition::Rejected { error: error() },
            Transition::AttemptsExhausted { error: error() },
            Transition::Cancelled,
            Transition::Expired,
            Transition::Reopened,
        ];
        let transition = transitions[b % transitions.len()].clone();
        let index = a % self.orders.len().max(1);
        let Some(order) = self.orders.get(index) else { return Vec::new() };
        let Ok(effect) = OrderEffect::moved(order, &transition, Timestamp::from_millis(self.at)) else {
            return Vec::new();
        };
        let (id, product, quantity, units) = (order.id, order.product, order.quantity, effect.units);
        if self.products.get_mut(&product).unwrap().apply(&effect).is_err() {
            return Vec::new();
        }
        self.orders[index] = Order::clone(&effect.order);
        vec![Change::OrderMoved { order: id, product, quantity, transition, units, actor: Actor::Operator }]
    }

    /// The orders as they are in the end.
    fn rows(&self) -> OrderMap<Order> {
        self.orders.iter().map(|order| (order.id, order.clone())).collect()
    }

    /// The events behind a record, and of the time after the last one.
    fn events_after(&self, sequence: usize, looked: i64) -> Vec<Event> {
        let products = self.states[sequence].clone();
        let mut deriver = Deriver::new(HISTORY, sequence as u64, Timestamp::from_millis(looked), products);
        let (rows, mut events) = (self.rows(), Vec::new());
        self.records[sequence..].iter().for_each(|record| deriver.derive(record, &rows, &mut events));
        assert_eq!(deriver.products.into_values().collect::<Vec<_>>(), *self.states.last().unwrap());
        events
    }
}

fn steps() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    prop::collection::vec(any::<(u8, u8, u8)>(), 0..120)
}

fn untimed(products: Vec<Product>) -> Vec<Product> {
    let mut products: Vec<_> =
        products.into_iter().map(|product| Product { updated_at: Timestamp::default(), ..product }).collect();
    products.sort_by_key(|product| product.id);
    products
}

proptest! {
    #[test]
    fn the_events_of_an_order_are_a_path_of_the_state_machine_that_ends_where_the_order_is(steps in steps()) {
        use OrderEventType::{Cancelled, Confirmed, Expired, Failed, Placed};
        let world = World::of(&steps);
        let events = world.events_after(0, START);
        for order in &world.orders {
            let mut last = None;
            for event in &events {
                let Subject::Order(kind, data) = &event.subject else { continue };
                if data.id != order.id {
                    continue;
                }
                let follows = match last {
                    None => matches!(kind, Placed),
                    Some(Placed) => !matches!(kind, Placed),
                    Some(Confirmed) => matches!(kind, Cancelled),
                    Some(Failed) => matches!(kind, Placed),
                    Some(Expired) => matches!(kind, Confirmed),
                    Some(Cancelled) => false,
                };
                prop_assert!(follows, "{last:?} then {kind:?}");
                prop_assert_eq!(data.status, kind.status());
                last = Some(*kind);
            }
            prop_assert_eq!(last.unwrap().status(), order.status);
        }
    }

    #[test]
    fn the_events_of_a_product_say_when_it_can_be_bought_and_when_it_has_units(steps in steps()) {
        let world = World::of(&steps);
        let now = Timestamp::from_millis(world.at);
        let mut events = world.events_after(0, START);
        let (last, products) = (world.records.len() as u64, world.states.last().unwrap().clone());
        let looked = world.records.last().map_or(START, |record| record.at.millis());
        Deriver::new(HISTORY, last, Timestamp::from_millis(looked), products).look(now, &mut events);
        for (id, product) in &world.products {
            let (mut is_open, mut is_sold_out) = (false, None);
            for event in &events {
                let Subject::Product(kind, data) = &event.subject else { continue };
                match kind {
                    _ if data.id != *id => {}
                    ProductEventType::SaleStarted | ProductEventType::SaleEnded => {
                        prop_assert_ne!(is_open, *kind == ProductEventType::SaleStarted);
                        is_open = !is_open;
                    }
                    ProductEventType::SoldOut | ProductEventType::Restocked => {
                        let sold_out = *kind == ProductEventType::SoldOut;
                        prop_assert_eq!(data.stock.current == 0, sold_out);
                        prop_assert_ne!(is_sold_out, Some(sold_out));
                        is_sold_out = Some(sold_out);
                    }
                }
            }
            prop_assert_eq!(is_open, product.terms.check_open(now).is_ok());
            prop_assert_eq!(is_sold_out.unwrap_or(product.stock.current == 0), product.stock.current == 0);
        }
        let mut ids: Vec<_> = events.iter().map(|event| &event.id).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), events.len());
    }

    #[test]
    fn what_begins_again_anywhere_derives_the_same_events_and_knows_the_products_as_they_were(
        steps in steps(),
        at in any::<prop::sample::Index>(),
    ) {
        let world = World::of(&steps);
        let all = world.events_after(0, START);
        let sequence = at.index(world.records.len() + 1);
        let looked = sequence.checked_sub(1).map_or(START, |last| world.records[last].at.millis());
        let again = world.events_after(sequence, looked);
        prop_assert_eq!(&all[all.len() - again.len()..], &again[..]);
        let is_before = |event: &Event| event.sequence <= sequence as u64 && event.at.millis() <= looked;
        prop_assert!(all[..all.len() - again.len()].iter().all(is_before));
        let mut rewind = Rewind::default();
        let since = &world.records[sequence..];
        since.iter().flat_map(|record| &record.changes).for_each(|change| rewind.note(change));
        let before = rewind.before(world.states.last().unwrap().clone());
        prop_assert_eq!(untimed(before), untimed(world.states[sequence].clone()));
    }
}

fn deriver(product: Product) -> Deriver {
    Deriver::new(HISTORY, 6, Timestamp::from_millis(START), vec![product])
}

fn names(events: &[Event]) -> Vec<(&str, i64, u64)> {
    events.iter().map(|event| (event.name(), event.at.millis() - START, event.sequence)).collect()
}

fn record(sequence: u64, millis: i64, changes: Vec<Change>) -> Record {
    Record { sequence, previous: [0; 32], at: Timestamp::from_millis(START + millis), changes }
}

#[test]
fn a_window_that_passes_between_two_looks_gives_its_events_with_its_own_times() {
    let at = |millis| Some(Timestamp::from_millis(START + millis));
    let mut product = Product::example(1, 5);
    (product.terms.sale_starts_at, product.terms.sale_ends_at) = (at(100), at(200));
    let (mut deriver, mut events) = (deriver(product), Vec::new());
    deriver.look(at(99).unwrap(), &mut events);
    assert!(events.is_empty());
    deriver.look(at(100).unwrap(), &mut events);
    assert_eq!(names(&events), [("sale.started", 100, 6)]);
    assert_eq!(events[0].id, format!("evt_{HISTORY}_1_started_{}", START + 100));
    // A clock that is set back repeats nothing.
    deriver.look(at(0).unwrap(), &mut events);
    let paused = record(7, 500, vec![Change::QueuePaused]);
    deriver.derive(&paused, &OrderMap::default(), &mut events);
    assert_eq!(names(&events), [("sale.started", 100, 6), ("sale.ended", 200, 6)]);
    deriver.look(at(10_000).unwrap(), &mut events);
    assert_eq!(events.len(), 2);
    // Nor does it bring back a time before a start that has passed.
    deriver.look(at(0).unwrap(), &mut events);
    let (before, mut after) = (deriver.products[&ProductId(1)].clone(), Product::example(1, 5));
    after.terms.sale_starts_at = at(50);
    let edited = Change::ProductEdited { before: Box::new(before), after: Box::new(after) };
    deriver.derive(&record(8, 0, vec![edited]), &OrderMap::default(), &mut events);
    assert_eq!(names(&events[2..]), [("sale.started", 0, 8)]);
}

#[test]
fn an_edit_before_the_bound_moves_it_and_one_after_it_starts_the_sale_again() {
    let at = |millis| Some(Timestamp::from_millis(START + millis));
    let ends = |millis| {
        let mut product = Product::example(1, 5);
        product.terms.sale_ends_at = at(millis);
        Box::new(product)
    };
    let edit = |before, after| vec![Change::ProductEdited { before: ends(before), after: ends(after) }];
    let (mut deriver, mut events) = (deriver(*ends(100)), Vec::new());
    let rows = OrderMap::default();
    deriver.derive(&record(7, 50, edit(100, 300)), &rows, &mut events);
    deriver.look(at(299).unwrap(), &mut events);
    assert!(events.is_empty());
    deriver.look(at(350).unwrap(), &mut events);
    deriver.derive(&record(8, 400, edit(300, 500)), &rows, &mut events);
    assert_eq!(names(&events), [("sale.ended", 300, 7), ("sale.started", 400, 8)]);
    assert_eq!(events[1].id, format!("evt_{HISTORY}_8_0"));
}

#[test]
fn the_last_unit_gives_two_events_and_each_shows_what_it_was_then() {
    let product = Product { stock: Stock::new(2, 2), ..Product::example(1, 2) };
    let order = Order { quantity: 2, ..Order::example(OrderId(9), "ada", Timestamp::from_millis(START)) };
    let placed = Change::OrderPlaced { order: Arc::new(order.clone()), response: None };
    let moved = |transition, units| Change::OrderMoved {
        order: order.id,
        product: order.product,
        quantity: 2,
        transition,
        units: Some(units),
        actor: Actor::Worker,
    };
    let rejected = Transition::Rejected { error: "no".to_owned() };
    let record = record(7, 10, vec![placed, moved(rejected, StockMove::Release)]);
    // By now it is on its way again.
    let now = Order { attempts: 4, status: OrderStatus::Pending, ..order.clone() };
    let (mut deriver, mut events) = (deriver(product), Vec::new());
    deriver.derive(&record, &OrderMap::from_iter([(order.id, now)]), &mut events);
    let found: Vec<_> = names(&events).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(found, ["order.placed", "product.sold_out", "order.failed", "product.restocked"]);
    let stocks = events.iter().filter_map(|event| match &event.subject {
        Subject::Product(_, product) => Some((product.stock.current, product.stock.held)),
        Subject::Order(..) => None,
    });
    assert_eq!(stocks.collect::<Vec<_>>(), [(0, 2), (2, 0)]);
    let Subject::Order(_, failed) = &events[2].subject else { panic!("an order") };
    assert_eq!(
        (failed.status, failed.failure.as_ref().unwrap().to_string()),
        (OrderStatus::Failed, "rejected: no".into())
    );
    assert_eq!(failed.updated_at, record.at);
}
