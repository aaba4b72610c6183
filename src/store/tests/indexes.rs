//! The indexes over a real file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::change::{Change, StoredResponse};
use crate::domain::clock::{Bounds, MAX_TIMESTAMP, Timestamp};
use crate::domain::effect::{Effect, OrderEffect};
use crate::domain::idempotency_key::IdempotencyKey;
use crate::domain::order::{Order, OrderId};
use crate::domain::product::Product;
use crate::limits::INDEX_RUN;
use crate::store::tables::index::Index;
use crate::store::tables::index::entry::of_key;
use crate::store::{Head, Medium, Store, file_in};

const DAY: Duration = Duration::from_hours(24);

/// A store that is opened again and again, with orders of users and keys that all differ.
struct Shop {
    directory: tempfile::TempDir,
    store: Store,
    head: Head,
    product: Product,
    /// Nothing is removed as if it were later.
    cautious: Timestamp,
}

fn key_of(order: u64) -> IdempotencyKey {
    IdempotencyKey::from_bytes(*blake3::hash(&order.to_le_bytes()).as_bytes().first_chunk().unwrap())
}

fn user_of(order: u64) -> String {
    format!("user {order}")
}

impl Shop {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (store, recovered) = Store::open(Medium::File(file_in(directory.path()))).unwrap();
        let (at, product) = (Timestamp::default(), Product::example(1, 1_000_000));
        let cautious = MAX_TIMESTAMP;
        let mut shop = Self { directory, store, head: recovered.head, product, cautious };
        shop.head.last_product = 1;
        let created = Change::ProductCreated(Box::new(shop.product.clone()));
        shop.commit(at, vec![created], &[]);
        shop
    }

    fn commit(&mut self, at: Timestamp, mut changes: Vec<Change>, placed: &[Order]) {
        let Self { store, head, product, cautious, .. } = self;
        head.oldest_open = 1;
        let committed = store.commit(|draft| {
            for order in placed {
                let response = StoredResponse { key: key_of(order.id.0), queue_position: 1, estimated_wait: 0 };
                let order = Arc::new(order.clone());
                let effect = OrderEffect::placed(Arc::clone(&order), Some(response));
                product.apply(&effect).unwrap();
                let effect = Effect::Order(effect);
                head.apply(&effect);
                draft.apply(effect);
                changes.push(Change::OrderPlaced { order, response: Some(response) });
            }
            draft.put_product(product.clone());
            draft.remove_old(Bounds::exactly(at.min(*cautious)), None);
            draft.conclude(head, at, changes)
        });
        store.publish(committed.unwrap().unwrap());
        // One transaction for each.
        store.snapshot().unwrap();
    }

    fn place(&mut self, count: u64, at: Timestamp) {
        let place = |id: OrderId| Order::example(id, &user_of(id.0), at);
        let orders: Vec<Order> = (0..count).map(|_| place(self.head.next_order())).collect();
        self.commit(at, Vec::new(), &orders);
    }

    fn reopen(self) -> Self {
        let Self { directory, store, head, product, cautious } = self;
        drop(store);
        let (store, recovered) = Store::open(Medium::File(file_in(directory.path()))).unwrap();
        assert_eq!(recovered.head.last_order, head.last_order);
        Self { directory, store, head, product, cautious }
    }

    fn with_indexes<T>(&self, look: impl Fn(&Index) -> T) -> [T; 2] {
        let reader = self.store.current.reader().unwrap();
        [look(&reader.backlog.users.read()), look(&reader.backlog.keys.read())]
    }

    fn wait_for_filters(&self) {
        let start = Instant::now();
        while self.with_indexes(|index| index.next_bare(u64::MAX).is_some()).contains(&true) {
            assert!(start.elapsed() < Duration::from_secs(60), "the filters are not made");
            std::thread::yield_now();
        }
    }

    fn assert_finds(&self, orders: impl Iterator<Item = u64>) {
        for id in orders {
            assert_eq!(self.store.keys_to_look_up([key_of(id)]).unwrap(), [0], "order {id}");
            let (order, response) = self.store.stored_response(key_of(id)).unwrap().unwrap();
            assert_eq!((order.id.0, response.key), (id, key_of(id)));
            let of_user = self.store.reader().unwrap().orders_of_user(&user_of(id), None, 10, |_| true).unwrap().rows;
            assert_eq!(of_user.iter().map(|order| order.id.0).collect::<Vec<_>>(), [id]);
        }
    }

    fn assert_adds_up(&self) {
        let found = self.store.verify(self.directory.path(), &mut |_, _, _| {}).unwrap();
        assert!(found.problems.is_empty(), "{:?}", found.problems);
    }
}

#[test]
fn over_many_openings_every_order_is_found_and_neither_memory_nor_runs_grow() {
    let mut shop = Shop::new();
    let (each, openings) = (5_000, 16);
    for _ in 0..openings {
        shop.place(each, Timestamp::default());
        shop = shop.reopen();
        assert_eq!(shop.with_indexes(|index| index.recent_len()), [0, 0]);
    }
    let last = each * openings;
    assert!(last as usize > INDEX_RUN);
    let runs = shop.with_indexes(|index| index.run_count());
    assert!(runs.iter().all(|runs| *runs <= 2 * last as usize / INDEX_RUN + 1), "{runs:?}");
    shop.assert_finds((1..=last).step_by(997));
    shop.wait_for_filters();
    shop.assert_finds((1..=last).step_by(997));
    let strange: Vec<IdempotencyKey> = (last + 1..last + 5_001).map(key_of).collect();
    let looked_up = shop.store.keys_to_look_up(strange).unwrap().len();
    assert!(looked_up < 5, "{looked_up} of 5,000 strange keys are looked up");
    assert!((last + 1..last + 51).any(|order| !shop.store.may_have_orders(&user_of(order)).unwrap()));
    assert_eq!(shop.store.stored_response(key_of(last + 1)).unwrap(), None);
    shop.assert_adds_up();
}

#[test]
fn keys_of_yesterday_are_removed_with_their_runs_and_those_of_today_stay() {
    let mut shop = Shop::new();
    let yesterday = Timestamp::default();
    // Up to the end of a row of responses: those that share one with young ones stay with them.
    shop.place(INDEX_RUN as u64 - 1, yesterday);
    shop = shop.reopen();
    let (old, today) = (shop.head.last_order, yesterday.after(DAY));
    shop.place(5_000, today);
    shop = shop.reopen();
    assert_eq!(shop.with_indexes(|index| index.run_count())[0], 2);
    let mut commits = 0;
    while shop.store.stored_response(key_of(old)).unwrap().is_some() {
        shop.place(10, today);
        commits += 1;
        assert!(commits < 1_000, "nothing is removed");
    }
    // The rows of the index come after those of the responses, and a few more of the last run.
    (0..20).for_each(|_| shop.place(10, today));
    let first_run = shop.with_indexes(|index| index.find(of_key(key_of(1))).runs.contains(&old));
    assert!(!first_run[1], "the run of yesterday is not looked into");
    shop.wait_for_filters();
    let young = old + 1..=shop.head.last_order;
    shop.assert_finds(young.clone().step_by(97));
    shop = shop.reopen();
    shop.assert_finds(young.step_by(97));
    assert_eq!(shop.store.stored_response(key_of(old)).unwrap(), None);
    shop.assert_adds_up();
}

#[test]
fn a_response_from_a_clock_that_was_far_ahead_keeps_those_after_it_no_longer_than_a_day() {
    let mut shop = Shop::new();
    let day = Duration::from_hours(24);
    let at = |hours: u32| Timestamp::from_millis(1_700_000_000_000).after(Duration::from_hours(1) * hours);
    let kept = |shop: &Shop, order| shop.store.stored_response(key_of(order)).unwrap().is_some();
    shop.place(20, at(0));
    shop.cautious = at(1);
    shop.place(20, at(0).after(day * 36_500));
    shop.place(20, at(1));
    assert!([1, 21, 41].into_iter().all(|order| kept(&shop, order)));
    shop.cautious = at(30);
    shop.place(20, at(30));
    assert!(![1, 21].into_iter().any(|order| kept(&shop, order)), "a day old");
    assert!(kept(&shop, 61));
    let found = shop.store.verify(shop.directory.path(), &mut |_, _, _| {}).unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
}
