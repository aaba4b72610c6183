//! What has changed since the frames before: orders and products, in bounded space however much there was.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::domain::change::{Change, Record};
use crate::domain::clock::Timestamp;
use crate::domain::order::{Order, OrderId, OrderStatus, UserId};
use crate::domain::product::ProductId;
use crate::limits::{FEED_RECENT_ORDERS, MAX_FEED_ORDERS};
use crate::view::feed::{OrderChangeView, OrderUpdateView};

/// Changes of orders that are looked at for the latest orders: an order has a few.
const KEPT_CHANGES: usize = 4 * MAX_FEED_ORDERS;

/// What has changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    latest: VecDeque<OrderChange>,
    changed: u64,
    products: BTreeSet<ProductId>,
    recent: RecentOrders,
}

/// The state of an order after a change.
#[derive(Clone, Debug)]
struct OrderChange {
    id: OrderId,
    product: ProductId,
    quantity: u32,
    status: OrderStatus,
    at: Timestamp,
}

/// The newest orders: a change of an order does not say whose it is.
#[derive(Debug, Default)]
struct RecentOrders {
    by_id: HashMap<OrderId, UserId, RandomState>,
    ids: VecDeque<OrderId>,
}

impl RecentOrders {
    fn put(&mut self, id: OrderId, user: UserId) {
        if self.by_id.insert(id, user).is_none() {
            self.ids.push_back(id);
        }
        if self.ids.len() > FEED_RECENT_ORDERS
            && let Some(oldest) = self.ids.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }
}

impl Changes {
    /// Notes what a record of the history changed.
    pub(super) fn note(&mut self, record: &Record) {
        for change in &record.changes {
            self.products.extend(change.product());
            match change {
                Change::OrderPlaced { order, .. } => {
                    let Order { id, product, quantity, status, .. } = **order;
                    self.recent.put(id, order.user.clone());
                    self.note_order(OrderChange { id, product, quantity, status, at: record.at });
                }
                Change::OrderMoved { order, product, quantity, transition, units, .. } => {
                    let [_, status] = transition.statuses(*units);
                    let (id, product, quantity) = (*order, *product, *quantity);
                    self.note_order(OrderChange { id, product, quantity, status, at: record.at });
                }
                Change::ProductCreated(_) | Change::ProductEdited { .. } | Change::ProductDeleted(_) => {}
                Change::ProductStopped(_) | Change::ProductStarted(_) | Change::DeadLetterDeleted(_) => {}
                Change::QueuePaused | Change::QueueResumed | Change::HistoryForked(_) => {}
            }
        }
    }

    fn note_order(&mut self, change: OrderChange) {
        self.changed += 1;
        if self.latest.len() == KEPT_CHANGES {
            self.latest.pop_front();
        }
        self.latest.push_back(change);
    }

    /// Forgets what has changed, and keeps whose the newest orders are.
    pub(super) fn clear(&mut self) {
        self.latest.clear();
        self.changed = 0;
        self.products.clear();
    }

    /// The products that have changed.
    pub(super) fn take_products(&mut self) -> BTreeSet<ProductId> {
        std::mem::take(&mut self.products)
    }

    /// Orders among the latest whose users are not known.
    pub(super) fn unknown(&self) -> Vec<OrderId> {
        let known = &self.recent.by_id;
        self.newest().into_iter().map(|change| change.id).filter(|id| !known.contains_key(id)).collect()
    }

    /// Notes whose an order is.
    pub(super) fn put_user(&mut self, order: &Arc<Order>) {
        self.recent.put(order.id, order.user.clone());
    }

    /// Shows the latest orders to `show`, at most `most`, unless no order has changed, and forgets them. Orders whose
    /// users are not known are counted only.
    pub(super) fn take_orders<T>(&mut self, most: usize, show: impl FnOnce(&OrderUpdateView<'_>) -> T) -> Option<T> {
        if self.changed == 0 {
            return None;
        }
        let mut orders = Vec::with_capacity(most);
        for OrderChange { id, product, quantity, status, at } in self.newest().into_iter().take(most) {
            if let Some(user) = self.recent.by_id.get(id) {
                orders.push(OrderChangeView::of(*id, user.as_str(), *product, *quantity, *status, *at));
            }
        }
        let shown = show(&OrderUpdateView::of(orders, self.changed));
        self.latest.clear();
        self.changed = 0;
        Some(shown)
    }

    /// The last change of each of the latest orders, newest first.
    fn newest(&self) -> Vec<&OrderChange> {
        let mut seen = HashSet::with_capacity_and_hasher(MAX_FEED_ORDERS, RandomState::default());
        self.latest.iter().rev().filter(|change| seen.insert(change.id)).take(MAX_FEED_ORDERS).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::change::Actor;
    use crate::domain::product::StockMove;
    use crate::domain::transition::Transition;

    use super::*;

    fn record(changes: Vec<Change>) -> Record {
        Record { sequence: 1, previous: [0; 32], at: Timestamp::from_millis(9), changes }
    }

    fn placed(id: u64) -> Change {
        let order = Order::example(OrderId(id), &format!("user-{id}"), Timestamp::from_millis(1));
        Change::OrderPlaced { order: Arc::new(order), response: None }
    }

    fn sold(id: u64) -> Change {
        let Order { id, product, quantity, .. } = Order::example(OrderId(id), "x", Timestamp::from_millis(1));
        let (transition, units) = (Transition::Fulfilled, Some(StockMove::Sell));
        Change::OrderMoved { order: id, product, quantity, transition, units, actor: Actor::Worker }
    }

    fn shown(changes: &mut Changes) -> Option<serde_json::Value> {
        changes.take_orders(MAX_FEED_ORDERS, |view| serde_json::to_value(view).unwrap())
    }

    #[test]
    fn the_latest_orders_are_shown_once_in_their_last_state_and_all_changes_are_counted() {
        let mut changes = Changes::default();
        assert_eq!(shown(&mut changes), None);
        changes.note(&record((1..=300).map(placed).collect()));
        changes.note(&record(vec![sold(299)]));
        let update = shown(&mut changes).unwrap();
        let orders = update["orders"].as_array().unwrap();
        assert_eq!((orders.len(), &update["changed"]), (MAX_FEED_ORDERS, &serde_json::json!(301)));
        let ids: Vec<_> = orders.iter().map(|order| order["orderId"].as_u64().unwrap()).collect();
        assert_eq!(ids[..3], [299, 300, 298]);
        assert_eq!((&orders[0]["status"], &orders[1]["status"]), (&"confirmed".into(), &"pending".into()));
        assert_eq!((&orders[0]["userId"], &orders[0]["updatedAt"]), (&"user-299".into(), &9.into()));
        assert_eq!(changes.take_products().len(), 1);
        assert_eq!(shown(&mut changes), None);
    }

    #[test]
    fn what_is_kept_is_bounded_and_an_order_without_a_known_user_is_only_counted() {
        let mut changes = Changes::default();
        for first in (0..3 * FEED_RECENT_ORDERS as u64).step_by(1_000) {
            changes.note(&record((first..first + 1_000).map(placed).collect()));
        }
        assert!(changes.latest.len() <= KEPT_CHANGES);
        assert_eq!((changes.recent.ids.len(), changes.recent.by_id.len()), (FEED_RECENT_ORDERS, FEED_RECENT_ORDERS));
        changes.clear();
        changes.note(&record(vec![sold(1)]));
        assert_eq!(changes.unknown(), [OrderId(1)]);
        assert_eq!(shown(&mut changes).unwrap(), serde_json::json!({"orders": [], "changed": 1}));
        changes.note(&record(vec![sold(1)]));
        changes.put_user(&Arc::new(Order::example(OrderId(1), "ada", Timestamp::from_millis(1))));
        assert_eq!(changes.unknown(), []);
        assert_eq!(shown(&mut changes).unwrap()["orders"][0]["userId"], "ada");
    }
}
