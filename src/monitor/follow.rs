//! Follows the journal and adds up what became of orders.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::domain::change::{Change, Record};
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::domain::transition::Transition;
use crate::limits::{FOLLOWED_RECORDS, MAX_FOLLOWED_ORDERS, TAIL_RETRY};
use crate::metrics::{Metrics, Sketch};
use crate::store::{Store, StoreError, TailError};

/// What became of orders since the start of the server.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Orders that were accepted.
    pub(super) accepted: u64,
    /// Orders that were confirmed.
    pub(super) confirmed: u64,
    /// Orders that failed.
    pub(super) failed: u64,
    /// Orders that became dead letters.
    pub(super) dead_lettered: u64,
    /// What the confirmed ones cost, without those that were cancelled again, in hundredths.
    pub(super) revenue: i128,
    /// The users of the confirmed ones.
    pub(super) buyers: Sketch,
}

/// The task that follows. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Follower {
    tally: Arc<Mutex<Tally>>,
    task: JoinHandle<()>,
}

/// What is kept of an order until it is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bill {
    user: u64,
    cents: u128,
}

/// The bills of the newest orders, so that few orders have to be read again: of numbers in a row, and bounded.
#[derive(Debug, Default)]
struct Bills {
    /// The number of the oldest order.
    first: u64,
    oldest_first: VecDeque<Bill>,
}

impl Follower {
    /// Follows what comes after the last record.
    pub(super) fn start(store: Arc<Store>, metrics: Arc<Metrics>) -> Self {
        let tally = Arc::<Mutex<Tally>>::default();
        let following = Following { store, metrics, tally: Arc::clone(&tally), bills: Bills::default() };
        Self { tally, task: tokio::spawn(following.follow()) }
    }

    /// Reads the tally, or resets a part of it.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Tally) -> T) -> T {
        look(&mut self.tally.lock())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Following {
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    tally: Arc<Mutex<Tally>>,
    bills: Bills,
}

impl Following {
    async fn follow(mut self) {
        let mut tail = self.store.tail(self.store.head().sequence);
        loop {
            match tail.next(FOLLOWED_RECORDS).await {
                Ok(records) => self.take_in(&records).await,
                Err(TailError::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "the figures miss a part of the history");
                    tail.skip_to_head();
                    tokio::time::sleep(TAIL_RETRY).await;
                }
            }
        }
    }

    async fn take_in(&mut self, records: &[Arc<Record>]) {
        let changes = || records.iter().flat_map(|record| &record.changes);
        for change in changes() {
            if let Change::OrderPlaced { order, .. } = change {
                self.bills.put(order.id, bill(order, &self.metrics));
            }
        }
        let missing = changes().filter_map(billed).filter(|(order, _)| self.bills.get(*order).is_none());
        let read = self.read(missing.map(|(order, _)| order).collect()).await;
        let mut tally = self.tally.lock();
        for change in changes() {
            tally.count(change);
            if let Some((order, is_sale)) = billed(change)
                && let Some(bill) = self.bills.get(order).or_else(|| read.get(&order))
            {
                tally.add(*bill, is_sale);
                let revenue = self.metrics.revenue();
                if is_sale { revenue.sell(bill.cents) } else { revenue.take_back(bill.cents) }
            }
        }
    }

    /// The bills of orders that are not kept.
    async fn read(&self, orders: Vec<OrderId>) -> HashMap<OrderId, Bill> {
        if orders.is_empty() {
            return HashMap::new();
        }
        let metrics = Arc::clone(&self.metrics);
        let read = self.store.query(move |store| {
            let bills = orders.into_iter().map(|id| Ok(store.order(id)?.map(|order| (id, bill(&order, &metrics)))));
            bills.filter_map(Result::transpose).collect::<Result<_, StoreError>>()
        });
        read.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the figures miss what some confirmed orders cost");
            HashMap::new()
        })
    }
}

fn bill(order: &Order, metrics: &Metrics) -> Bill {
    Bill { user: metrics.hash_of_user(order.user.as_str()), cents: order.total().cents() }
}

/// The order that a change sells, or takes back after it was sold; whether it sells it.
fn billed(change: &Change) -> Option<(OrderId, bool)> {
    let Change::OrderMoved { order, transition, units, .. } = change else { return None };
    match transition.statuses(*units) {
        // Confirmed before: it was delivered, or an attempt to failed.
        [OrderStatus::Confirmed, OrderStatus::Confirmed] => None,
        [_, OrderStatus::Confirmed] => Some((*order, true)),
        [OrderStatus::Confirmed, OrderStatus::Cancelled] => Some((*order, false)),
        _ => None,
    }
}

impl Bills {
    fn put(&mut self, order: OrderId, bill: Bill) {
        // Numbers jump where a history forks, and where records were missed.
        if order.0 != self.first + self.oldest_first.len() as u64 {
            self.oldest_first.clear();
            self.first = order.0;
        }
        if self.oldest_first.len() == MAX_FOLLOWED_ORDERS {
            self.oldest_first.pop_front();
            self.first += 1;
        }
        self.oldest_first.push_back(bill);
    }

    fn get(&self, order: OrderId) -> Option<&Bill> {
        let place = usize::try_from(order.0.checked_sub(self.first)?).ok()?;
        self.oldest_first.get(place)
    }
}

impl Tally {
    fn count(&mut self, change: &Change) {
        match change {
            Change::OrderPlaced { .. } => self.accepted += 1,
            Change::OrderMoved { transition, units, .. } => {
                match transition.statuses(*units) {
                    [OrderStatus::Confirmed, OrderStatus::Confirmed] => {}
                    [_, OrderStatus::Confirmed] => self.confirmed += 1,
                    [OrderStatus::Pending, OrderStatus::Failed] => self.failed += 1,
                    _ => {}
                }
                self.dead_lettered += u64::from(Transition::dead_letter(transition) == Some(true));
            }
            _ => {}
        }
    }

    fn add(&mut self, bill: Bill, is_sale: bool) {
        let cents = i128::try_from(bill.cents).unwrap_or(i128::MAX);
        if is_sale {
            self.revenue = self.revenue.saturating_add(cents);
            self.buyers.add(bill.user);
        } else {
            self.revenue = self.revenue.saturating_sub(cents);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::Actor;
    use crate::domain::clock::Timestamp;
    use crate::domain::product::{ProductId, StockMove};

    fn moved(order: u64, transition: Transition, units: Option<StockMove>) -> Change {
        let (order, product) = (OrderId(order), ProductId(1));
        Change::OrderMoved { order, product, quantity: 1, transition, units, actor: Actor::Worker }
    }

    #[test]
    fn sales_are_counted_when_they_are_confirmed_and_taken_back_when_they_are_cancelled() {
        let metrics = Metrics::default();
        let order = Order::example(OrderId(1), "ada", Timestamp::default());
        let bill = bill(&order, &metrics);
        let mut tally = Tally::default();
        let failed = moved(2, Transition::Rejected { error: "no".to_owned() }, Some(StockMove::Release));
        let sold = moved(1, Transition::Fulfilled, Some(StockMove::Sell));
        let back = moved(1, Transition::Cancelled, Some(StockMove::TakeBack));
        let released = moved(3, Transition::Cancelled, Some(StockMove::Release));
        for change in [Change::OrderPlaced { order: order.into(), response: None }, failed, sold, back, released] {
            tally.count(&change);
            if let Some((_, is_sale)) = billed(&change) {
                tally.add(bill, is_sale);
                assert_eq!(tally.revenue, if is_sale { bill.cents.cast_signed() } else { 0 });
            }
        }
        assert_eq!((tally.accepted, tally.confirmed, tally.failed, tally.dead_lettered), (1, 1, 1, 1));
        assert_eq!(tally.buyers.estimate(), 1);
    }

    #[test]
    fn the_newest_orders_are_kept() {
        let mut bills = Bills::default();
        let most = MAX_FOLLOWED_ORDERS as u64;
        let bill = |order| Bill { user: order, cents: 1 };
        (1..=most + 10).for_each(|order| bills.put(OrderId(order), bill(order)));
        assert_eq!(bills.oldest_first.len(), MAX_FOLLOWED_ORDERS);
        let found = |bills: &Bills, order| bills.get(OrderId(order)).copied();
        for order in [0, 10, most + 11, u64::MAX] {
            assert_eq!(found(&bills, order), None);
        }
        for order in [11, most, most + 10] {
            assert_eq!(found(&bills, order), Some(bill(order)));
        }
        // A jump, with which none is taken for another.
        let next = most + 100;
        (next..next + 2).for_each(|order| bills.put(OrderId(order), bill(order)));
        for order in [most + 10, next - 1, next + 2] {
            assert_eq!(found(&bills, order), None);
        }
        assert_eq!([next, next + 1].map(|order| found(&bills, order)), [next, next + 1].map(|order| Some(bill(order))));
    }
}
