//! The memtable: what commits have changed and the tables do not have yet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::change::{Record, StoredResponse};
use crate::domain::clock::Bounds;
use crate::domain::effect::{Effect, OrderEffect};
use crate::domain::job::AttemptError;
use crate::domain::order::{Order, OrderId, OrderMap};
use crate::domain::product::{Product, ProductId};

use super::head::Head;
use super::tables::index::entry::Entry;

/// The changes of one commit or of several in a row, each row as the last of them left it.
#[derive(Debug, Default)]
pub(in crate::store) struct Memtable {
    pub(in crate::store) orders: Orders,
    /// None for one that was deleted.
    pub(in crate::store) products: BTreeMap<ProductId, Option<Product>>,
    /// To be added to those that an order has.
    pub(in crate::store) attempts: BTreeMap<u64, Vec<AttemptError>>,
    /// Whether an order's job is on the list of dead letters.
    pub(in crate::store) dead_letters: BTreeMap<u64, bool>,
    /// The responses to those who gave a key.
    pub(in crate::store) responses: Responses,
    /// Rows of the index by user for new orders.
    pub(in crate::store) placed: Vec<Entry>,
    /// Sequences and records, in order.
    pub(in crate::store) records: Vec<(u64, Vec<u8>)>,
    /// As the last record left it; none before the first.
    pub(in crate::store) head: Option<Head>,
    /// What is too old to be kept; none while a store is opened.
    pub(in crate::store) removal: Option<Removal>,
    /// Old records that left memory when these came: to be freed with them, by the tables' thread.
    pub(in crate::store) gone: Vec<Arc<Record>>,
}

/// What is removed because of its age.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Removal {
    /// The present moment: ages are taken at the earliest that it can be.
    pub(in crate::store) now: Bounds,
    /// How long records of the history are kept, if not for ever.
    pub(in crate::store) journal_keep: Option<Duration>,
}

/// Changed orders. New ones have consecutive numbers but where a history forks, and most moves are of new ones; so most
/// are found by their place.
#[derive(Debug, Default)]
pub(in crate::store) struct Orders {
    /// The number of the first new one.
    first: u64,
    placed: Vec<Arc<Order>>,
    /// Those that were there before the new ones.
    moved: OrderMap<Arc<Order>>,
}

impl Orders {
    /// Adds a new order, whose number is above all others.
    fn place(&mut self, order: Arc<Order>) {
        self.begin_at(order.id.0);
        self.placed.push(order);
    }

    /// Makes `number` the next one. Where numbers jump, those before the jump are no longer found by their place.
    fn begin_at(&mut self, number: u64) {
        if number != self.first + self.placed.len() as u64 {
            self.moved.extend(self.placed.drain(..).map(|order| (order.id, order)));
            self.first = number;
        }
    }

    /// Puts an order in the place of what it was before.
    fn put(&mut self, order: Arc<Order>) {
        match self.index(order.id).and_then(|index| self.placed.get_mut(index)) {
            Some(before) => *before = order,
            None => drop(self.moved.insert(order.id, order)),
        }
    }

    fn get(&self, id: OrderId) -> Option<&Arc<Order>> {
        self.index(id).and_then(|index| self.placed.get(index)).or_else(|| self.moved.get(&id))
    }

    fn index(&self, id: OrderId) -> Option<usize> {
        usize::try_from(id.0.checked_sub(self.first)?).ok()
    }

    fn len(&self) -> usize {
        self.placed.len() + self.moved.len()
    }

    fn merge(&mut self, later: Self) {
        later.moved.into_values().for_each(|order| self.put(order));
        if !later.placed.is_empty() {
            self.begin_at(later.first);
            if self.placed.is_empty() {
                self.placed = later.placed;
            } else {
                self.placed.extend(later.placed);
            }
        }
    }

    /// All of them by number.
    pub(in crate::store) fn sorted(&self) -> impl Iterator<Item = &Arc<Order>> {
        // By numbers that are beside each other, as the orders themselves are far apart.
        let mut moved: Vec<_> = self.moved.iter().map(|(id, order)| (*id, order)).collect();
        moved.sort_unstable_by_key(|(id, _)| *id);
        moved.into_iter().map(|(_, order)| order).chain(&self.placed)
    }
}

/// Stored responses by the numbers of their orders, which grow. Those of each commit stay where they were written:
/// putting them together would copy them again and again.
#[derive(Debug, Default)]
pub(in crate::store) struct Responses(Vec<Vec<(OrderId, StoredResponse)>>);

impl Responses {
    /// Makes room for so many of one commit.
    pub(in crate::store) fn reserve(&mut self, responses: usize) {
        self.0.push(Vec::with_capacity(responses));
    }

    /// Adds one, behind all others.
    fn push(&mut self, order: OrderId, response: StoredResponse) {
        match self.0.last_mut() {
            Some(last) => last.push((order, response)),
            None => self.0.push(vec![(order, response)]),
        }
    }

    /// Adds those that came later.
    fn merge(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    fn get(&self, order: OrderId) -> Option<StoredResponse> {
        let part = self.0.partition_point(|part| part.last().is_some_and(|(last, _)| *last < order));
        let part = self.0.get(part)?;
        let at = part.binary_search_by_key(&order, |(order, _)| *order).ok()?;
        Some(part[at].1)
    }

    pub(in crate::store) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    pub(in crate::store) fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    pub(in crate::store) fn iter(&self) -> impl Iterator<Item = &(OrderId, StoredResponse)> {
        self.0.iter().flatten()
    }
}

impl Memtable {
    /// Makes room for so many new orders.
    pub(in crate::store) fn reserve(&mut self, orders: usize) {
        self.orders.placed.reserve(orders);
        self.placed.reserve(orders);
    }

    /// How much it is: rows, roughly.
    pub(in crate::store) fn rows(&self) -> usize {
        self.orders.len() + self.products.len() + self.attempts.len() + self.records.len()
    }

    pub(in crate::store) const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The last record's sequence; 0 where there is none.
    pub(in crate::store) fn sequence(&self) -> u64 {
        self.records.last().map_or(0, |(sequence, _)| *sequence)
    }

    /// Adds what came next.
    pub(in crate::store) fn merge(&mut self, later: Self) {
        if self.is_empty() {
            *self = later;
            return;
        }
        self.orders.merge(later.orders);
        self.products.extend(later.products);
        for (order, attempts) in later.attempts {
            self.attempts.entry(order).or_default().extend(attempts);
        }
        self.dead_letters.extend(later.dead_letters);
        self.responses.merge(later.responses);
        self.placed.extend(later.placed);
        self.records.extend(later.records);
        self.gone.extend(later.gone);
        self.head = later.head;
        self.removal = later.removal;
    }

    /// Takes the rows that a change writes. What an order or a stop of the sale does to a product's row is not among
    /// them: that row is put when it is known.
    pub(in crate::store) fn apply(&mut self, effect: Effect<'_>) {
        match effect {
            Effect::ProductPut(product) => self.put_product(product.clone()),
            Effect::ProductRemoved(product) => self.remove_product(product),
            Effect::Order(effect) => self.apply_order(effect),
            Effect::ProductSale { .. } => {}
            Effect::DeadLetterRemoved(order) => self.list_dead_letter(order, false),
            // In the head.
            Effect::Paused(_) | Effect::Forked(_) => {}
        }
    }

    fn apply_order(&mut self, effect: OrderEffect) {
        let OrderEffect { order, before, units: _, attempt, dead_letter, response } = effect;
        let id = order.id;
        if let Some(attempt) = attempt {
            self.attempts.entry(id.0).or_default().push(attempt);
        }
        if let Some(listed) = dead_letter {
            self.list_dead_letter(id, listed);
        }
        if let Some(response) = response {
            self.responses.push(id, response);
        }
        match before {
            None => self.orders.place(order),
            Some(_) => self.orders.put(order),
        }
    }

    pub(in crate::store) fn put_product(&mut self, product: Product) {
        self.products.insert(product.id, Some(product));
    }

    fn remove_product(&mut self, id: ProductId) {
        self.products.insert(id, None);
    }

    fn list_dead_letter(&mut self, order: OrderId, listed: bool) {
        self.dead_letters.insert(order.0, listed);
    }

    pub(in crate::store) fn response(&self, order: OrderId) -> Option<StoredResponse> {
        self.responses.get(order)
    }

    pub(in crate::store) fn order(&self, id: OrderId) -> Option<&Arc<Order>> {
        self.orders.get(id)
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::clock::Timestamp;
    use crate::domain::idempotency_key::IdempotencyKey;

    use super::*;

    #[test]
    fn changed_orders_come_by_their_numbers_also_where_these_jump() {
        let order = |id| Arc::new(Order::example(OrderId(id), "ada", Timestamp::default()));
        let (mut all, mut later) = (Orders::default(), Orders::default());
        (101..=130).for_each(|id| all.place(order(id)));
        (1..=60).rev().for_each(|id| all.put(order(id)));
        (201..=230).for_each(|id| later.place(order(id)));
        later.put(order(110));
        all.merge(later);
        let numbers: Vec<u64> = all.sorted().map(|order| order.id.0).collect();
        assert_eq!(numbers, (1..=60).chain(101..=130).chain(201..=230).collect::<Vec<_>>());
    }

    #[test]
    fn a_stored_response_is_found_among_those_of_its_commit() {
        let response = |order: u64| {
            let key = IdempotencyKey::from_bytes([order as u8; 16]);
            StoredResponse { key, queue_position: order, estimated_wait: 0 }
        };
        let mut all = Responses::default();
        assert!(all.is_empty() && all.get(OrderId(1)).is_none());
        // Some orders have no key, and some commits have none that has.
        for first in [1, 20, 40] {
            let mut commit = Responses::default();
            commit.reserve(8);
            (first..first + 5).step_by(2).for_each(|order| commit.push(OrderId(order), response(order)));
            all.merge(commit);
            all.merge(Responses::default());
        }
        let found: Vec<u64> = (0..60).filter(|order| all.get(OrderId(*order)) == Some(response(*order))).collect();
        assert_eq!(found, [1, 3, 5, 20, 22, 24, 40, 42, 44]);
        assert_eq!((0..60).filter(|order| all.get(OrderId(*order)).is_some()).count(), all.len());
        assert!(all.iter().map(|(order, _)| order.0).eq(found));
    }
}
