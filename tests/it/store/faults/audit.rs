//! Does a store agree with itself? Its history is replayed, and every table is compared with the outcome.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use flashsale::domain::change::{Actor, Change, StoredResponse};
use flashsale::domain::clock::Timestamp;
use flashsale::domain::idempotency_key::IdempotencyKey;
use flashsale::domain::job::{JobOutcome, JobState};
use flashsale::domain::order::{Order, OrderId, OrderStatus};
use flashsale::domain::product::{Product, ProductId, StockMove};
use flashsale::domain::transition::Transition;
use flashsale::inventory::LimitError;
use flashsale::store::{Snapshot, Store};

use super::deed::Deed;
use crate::harness::engine::Engine;

/// Returns an error that says what does not hold.
macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}

/// What the journal adds up to.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) products: BTreeMap<ProductId, Product>,
    pub(super) orders: BTreeMap<OrderId, Order>,
    pub(super) deeds: BTreeMap<Deed, u64>,
    /// Where orders have been, by an operator or not: one who asks for it again moves nothing.
    pub(super) reached: BTreeSet<Deed>,
    responses: HashMap<IdempotencyKey, (OrderId, StoredResponse)>,
    dead: BTreeSet<OrderId>,
    last_order: u64,
    paused: bool,
}

/// Checks a store and returns its history.
pub(super) fn audit(store: &Store) -> Result<History, String> {
    let snapshot = store.snapshot().map_err(|error| error.to_string())?;
    let history = replay(&snapshot)?;
    compare_rows(&snapshot, &history)?;
    compare_responses(store, &history)?;
    compare_totals(&snapshot, &history)?;
    compare_index(store, &history)?;
    let found = store.verify(&std::env::temp_dir(), &mut |_, _, _| {}).map_err(|error| error.to_string())?;
    ensure!(found.problems.is_empty(), "the store's own check says {:?}", found.problems);
    Ok(history)
}

/// Reads the journal from its start, and with it the chain of its hashes.
fn replay(snapshot: &Snapshot) -> Result<History, String> {
    let records = snapshot.records().map_err(|error| error.to_string())?;
    let records = records.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let mut history = History::default();
    let mut previous = [0; 32];
    for (place, (record, hash)) in records.iter().enumerate() {
        ensure!(record.sequence == place as u64 + 1, "record {} is the one at {place}", record.sequence);
        ensure!(record.previous == previous, "record {} does not follow from the one before it", record.sequence);
        previous = *hash;
        for change in &record.changes {
            history.apply(change, record.at).map_err(|error| format!("record {}: {error}", record.sequence))?;
        }
    }
    let head = snapshot.head().map_err(|error| error.to_string())?;
    ensure!(
        head.sequence == records.len() as u64,
        "the head is at {}, the journal at {}",
        head.sequence,
        records.len()
    );
    ensure!(head.hash == previous, "the head has another hash than the last record");
    Ok(history)
}

impl History {
    fn apply(&mut self, change: &Change, at: Timestamp) -> Result<(), String> {
        match change {
            Change::ProductCreated(product) => {
                ensure!(self.products.insert(product.id, Product::clone(product)).is_none(), "{} is there", product.id);
            }
            Change::ProductEdited { before, after } => {
                let known = self.products.insert(after.id, Product::clone(after));
                ensure!(known.as_ref() == Some(before), "{before:?} was edited, which was {known:?}");
                let units = after.stock.adjusted - before.stock.adjusted;
                *self.deeds.entry(Deed::Restocked(after.id, units)).or_default() += 1;
            }
            Change::ProductDeleted(product) => {
                ensure!(self.products.remove(&product.id).as_ref() == Some(product), "{product:?} was another");
            }
            Change::ProductStopped(id) | Change::ProductStarted(id) => {
                let product = self.products.get_mut(id).ok_or("a sale of a product that is not there")?;
                let back = matches!(change, Change::ProductStarted(_));
                ensure!(product.stopped == back && product.terms.flash_sale_active != back, "{product:?} cannot turn");
                product.terms.flash_sale_active = back;
                product.stopped = !back;
                product.updated_at = at;
            }
            Change::OrderPlaced { order, response } => {
                ensure!(order.id.0 == self.last_order + 1, "order {} is out of turn", order.id);
                self.last_order = order.id.0;
                ensure!(order.status == OrderStatus::Pending, "{order:?} is not new");
                self.orders.insert(order.id, Order::clone(order));
                self.responses.extend(response.map(|response| (response.key, (order.id, response))));
                let product = self.products.get_mut(&order.product).ok_or("an order without a product")?;
                product.orders += 1;
                move_units(product, StockMove::Hold, order)?;
            }
            Change::OrderMoved { order, transition, actor, .. } => self.move_order(*order, transition, *actor, at)?,
            Change::DeadLetterDeleted(order) => {
                ensure!(self.dead.remove(order), "{order} is no dead letter");
                *self.deeds.entry(Deed::Moved(*order, "forgotten")).or_default() += 1;
            }
            Change::QueuePaused => self.paused = true,
            Change::QueueResumed => self.paused = false,
            Change::HistoryForked(fork) => {
                ensure!(fork.last_order == self.last_order, "{fork:?} leaves order {}", self.last_order);
                ensure!(fork.first_order > fork.last_order, "{fork:?} gives numbers again");
                self.last_order = fork.first_order - 1;
            }
        }
        Ok(())
    }

    fn move_order(&mut self, id: OrderId, to: &Transition, actor: Actor, at: Timestamp) -> Result<(), String> {
        let order = self.orders.get_mut(&id).ok_or("an order that is not there moves")?;
        let units = order.apply(to, at).map_err(|error| error.to_string())?;
        if let Some(units) = units {
            let product = self.products.get_mut(&order.product).ok_or("an order without a product")?;
            move_units(product, units, order)?;
        }
        self.reached.insert(Deed::Moved(id, order.status.as_str()));
        match to {
            Transition::Rejected { .. } | Transition::AttemptsExhausted { .. } => {
                self.dead.insert(id);
            }
            Transition::Reopened => ensure!(self.dead.remove(&id), "{id} was no dead letter"),
            _ => {}
        }
        let word = match to {
            Transition::Confirmed { .. } | Transition::ConfirmedLate { .. } => "confirmed",
            Transition::Cancelled => "cancelled",
            Transition::Reopened => "retried",
            _ => return Ok(()),
        };
        ensure!(actor == Actor::Operator, "{actor:?} did what operators do to order {id}");
        *self.deeds.entry(Deed::Moved(id, word)).or_default() += 1;
        Ok(())
    }
}

fn move_units(product: &mut Product, units: StockMove, order: &Order) -> Result<(), String> {
    let moved = product.stock.apply(units, u64::from(order.quantity));
    moved.map_err(|error| format!("{units:?} of order {}: {error}", order.id))
}

fn compare_rows(snapshot: &Snapshot, history: &History) -> Result<(), String> {
    let mut orders = BTreeMap::new();
    let read = snapshot.each_order(|order| drop(orders.insert(order.id, order)));
    read.map_err(|error| error.to_string())?;
    ensure!(orders == history.orders, "orders: {orders:?}; the journal says {:?}", history.orders);
    let products = snapshot.products().map_err(|error| error.to_string())?;
    let products: BTreeMap<_, _> = products.into_iter().map(|product| (product.id, product)).collect();
    ensure!(products == history.products, "products: {products:?}; the journal says {:?}", history.products);
    for product in products.values() {
        let units = |status| {
            let own = orders.values().filter(|order| order.product == product.id && order.status == status);
            own.map(|order| u64::from(order.quantity)).sum::<u64>()
        };
        let stock = product.stock;
        ensure!(stock.is_conserved(), "{product:?} does not add up");
        ensure!(stock.held == units(OrderStatus::Pending), "the orders hold something else than {product:?}");
        ensure!(stock.sold == units(OrderStatus::Confirmed), "the orders sold something else than {product:?}");
    }
    Ok(())
}

fn compare_responses(store: &Store, history: &History) -> Result<(), String> {
    for (key, (order, response)) in &history.responses {
        ensure!(
            store.keys_to_look_up([*key]).is_ok_and(|places| places == [0]),
            "the key of order {order} is said to be new"
        );
        let kept = store.stored_response(*key).map_err(|error| error.to_string())?;
        let kept = kept.map(|(order, response)| (order.id, response));
        ensure!(kept == Some((*order, *response)), "the response for order {order} is {kept:?}");
    }
    Ok(())
}

fn compare_totals(snapshot: &Snapshot, history: &History) -> Result<(), String> {
    let head = snapshot.head().map_err(|error| error.to_string())?;
    let totals = head.totals;
    for status in OrderStatus::ALL {
        let count = history.orders.values().filter(|order| order.status == status).count() as u64;
        ensure!(totals.orders(status) == count, "{status:?}: the head says {}, not {count}", totals.orders(status));
    }
    let jobs = |end| history.orders.values().filter(|order| order.job == end).count() as u64;
    ensure!(totals.completed_jobs == jobs(JobOutcome::Completed), "completed jobs: {totals:?}");
    ensure!(totals.failed_jobs == jobs(JobOutcome::Failed), "failed jobs: {totals:?}");
    let dead = snapshot.dead_letters(None, usize::MAX, |_| true).map_err(|error| error.to_string())?;
    let dead: BTreeSet<_> = dead.rows.iter().map(|order| order.id).collect();
    ensure!(dead == history.dead, "dead letters: {dead:?}; the journal says {:?}", history.dead);
    ensure!(totals.dead_letters == dead.len() as u64, "dead letters: {totals:?}");
    ensure!(head.last_order == history.last_order, "the last order is said to be {}", head.last_order);
    ensure!(head.paused == history.paused, "paused: {}", head.paused);
    Ok(())
}

fn compare_index(store: &Store, history: &History) -> Result<(), String> {
    let mut by_user = BTreeMap::<_, Vec<_>>::new();
    for order in history.orders.values().rev() {
        by_user.entry(&order.user).or_default().push(order.clone());
    }
    for (user, orders) in by_user {
        let found = store.reader().and_then(|reader| reader.orders_of_user(user.as_str(), None, usize::MAX, |_| true));
        let found = found.map_err(|error| error.to_string())?.rows;
        ensure!(found == orders, "{user:?} has {found:?}; the journal says {orders:?}");
    }
    Ok(())
}

/// Whether an engine that has just started, and has no workers yet, has in memory what its store says.
pub(super) fn check_started(engine: &Engine, history: &History) -> Result<(), String> {
    let all = |state| engine.queue.list(state, None, usize::MAX);
    let expected = |is: fn(&Order) -> bool| -> Vec<OrderId> {
        let open = history.orders.values().filter(|order| order.job == JobOutcome::Open);
        open.filter(|order| is(order)).map(|order| order.id).collect()
    };
    ensure!(all(JobState::Delayed) == expected(|order| order.due_at().is_some()), "delayed jobs");
    let ready = [all(JobState::Waiting), all(JobState::Prioritized)].concat();
    let ready: BTreeSet<_> = ready.into_iter().collect();
    ensure!(ready == expected(|order| order.due_at().is_none()).into_iter().collect(), "ready jobs: {ready:?}");
    ensure!(engine.queue.counts().active == 0, "active jobs");
    ensure!(engine.queue.counts().paused == history.paused, "the queue's pause");
    let shown: Vec<_> = engine.inventory.products().iter().rev().map(|product| Product::clone(product)).collect();
    ensure!(shown == history.products.values().cloned().collect::<Vec<_>>(), "products on show: {shown:?}");
    for product in history.products.values() {
        let available = engine.inventory.item(product.id).map(|item| item.available());
        ensure!(available == Some(product.stock.current), "{available:?} available of {product:?}");
        check_purchases(engine, history, product)?;
    }
    Ok(())
}

fn check_purchases(engine: &Engine, history: &History, product: &Product) -> Result<(), String> {
    let Some(limit) = product.terms.per_user_limit else { return Ok(()) };
    engine.await_counts();
    let purchases = engine.inventory.item(product.id).and_then(|item| item.purchases()).ok_or("nobody counts")?;
    let mut units = BTreeMap::<_, u32>::new();
    for order in history.orders.values().filter(|order| order.product == product.id) {
        let counts = matches!(order.status, OrderStatus::Pending | OrderStatus::Confirmed);
        *units.entry(&order.user).or_default() += if counts { order.quantity } else { 0 };
    }
    for (user, units) in units {
        let left = match purchases.claim(user, limit + 1, limit) {
            Err(LimitError::Exceeded { left }) => left,
            other => return Err(format!("{user:?} may have more than the limit: {other:?}")),
        };
        ensure!(left == limit - units, "{user:?} has {units} units and may have {left} more");
    }
    Ok(())
}
