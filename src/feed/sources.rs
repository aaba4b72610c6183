//! The rooms that the feed shows, and the frames that it makes of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::alerts::Alerts;
use crate::domain::alert::Alert;
use crate::domain::change::HistoryId;
use crate::domain::clock::Clock;
use crate::domain::order::{Order, OrderId};
use crate::domain::product::{Product, ProductId};
use crate::inventory::Inventory;
use crate::limits::{MAX_FEED_ALERTS, MAX_FEED_PRODUCTS};
use crate::monitor::Monitor;
use crate::store::{Store, Tail};
use crate::view::feed::{InventoryLevelsView, InventoryUpdateView, SystemAlertView, TotalOrdersView};
use crate::view::text::Words;

use super::frames::{Event, Frame, Stamp};

/// The rooms.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) store: Arc<Store>,
    pub(super) inventory: Arc<Inventory>,
    pub(super) alerts: Arc<Alerts>,
    pub(super) monitor: Arc<Monitor>,
    pub(super) clock: Clock,
    pub(super) history: HistoryId,
}

impl Sources {
    /// A tail at the end of the history.
    pub(super) fn tail(&self) -> Tail {
        self.store.tail(self.store.head().sequence)
    }

    /// Reads which history it is.
    pub(super) fn read_history(&mut self) {
        self.history = self.store.head().history();
    }

    /// The stamp of frames that have everything up to where the tail is. What is read of the inventory after this has
    /// that, as the inventory comes before the tail.
    pub(super) fn stamp(&self, tail: &Tail) -> Stamp {
        Stamp { sequence: tail.position(), history: self.history, time: self.clock.now() }
    }

    pub(super) fn metrics(&self, stamp: Stamp) -> Frame {
        Frame::new(Event::Metrics.word(), &*self.monitor.latest(), stamp)
    }

    /// All products. There is a frame also where there are none.
    pub(super) fn inventory(&self, stamp: Stamp) -> Vec<Frame> {
        let products = self.inventory.products();
        let (first, others) = products.split_at(products.len().min(MAX_FEED_PRODUCTS));
        let first = Frame::new(Event::Inventory.word(), &InventoryUpdateView::snapshot(first), stamp);
        let others = others.chunks(MAX_FEED_PRODUCTS);
        std::iter::once(first).chain(others.map(|products| changed(products, &[], stamp))).collect()
    }

    /// Products that have changed.
    pub(super) fn changed(&self, ids: &BTreeSet<ProductId>, stamp: Stamp) -> Vec<Frame> {
        let (mut products, mut removed) = (Vec::with_capacity(ids.len()), Vec::new());
        for id in ids {
            match self.inventory.item(*id) {
                Some(item) => products.push(item.product()),
                None => removed.push(*id),
            }
        }
        let frames = products.chunks(MAX_FEED_PRODUCTS).map(|products| changed(products, &[], stamp));
        let removed = removed.chunks(MAX_FEED_PRODUCTS).map(|removed| changed(&[], removed, stamp));
        frames.chain(removed).collect()
    }

    /// The alerts that are raised, those that matter most first. Beyond the bound they are left out.
    pub(super) fn raised(&self, stamp: Stamp) -> Vec<Frame> {
        let mut alerts = self.alerts.alerts();
        alerts.sort_by_key(|alert| std::cmp::Reverse(alert.code.severity() as u8));
        alerts.iter().take(MAX_FEED_ALERTS).map(|alert| self.alert(alert, false, stamp)).collect()
    }

    pub(super) fn alert(&self, alert: &Alert, resolved: bool, stamp: Stamp) -> Frame {
        Frame::new(Event::Alerts.word(), &SystemAlertView::of(alert, resolved), stamp)
    }

    pub(super) fn total_orders(&self, stamp: Stamp) -> Frame {
        let total_orders = self.store.head().totals.all_orders();
        Frame::new("total-orders", &TotalOrdersView { total_orders }, stamp)
    }

    pub(super) fn inventory_levels(&self, stamp: Stamp) -> Frame {
        Frame::new("inventory-updates", &InventoryLevelsView::of(&self.inventory.products()), stamp)
    }

    pub(super) fn benchmark_report(&self, stamp: Stamp) -> Frame {
        Frame::new("benchmark-report", &self.monitor.benchmark(), stamp)
    }

    /// Looks up orders; those that cannot be read are left out.
    pub(super) async fn orders(&self, ids: Vec<OrderId>) -> Vec<Arc<Order>> {
        let read = self.store.query(move |store| {
            let orders = ids.into_iter().filter_map(|id| store.order(id).transpose());
            orders.collect::<Result<Vec<_>, _>>()
        });
        read.await.unwrap_or_default()
    }
}

fn changed(products: &[Arc<Product>], removed: &[ProductId], stamp: Stamp) -> Frame {
    Frame::new(Event::Inventory.word(), &InventoryUpdateView::changed(products, removed), stamp)
}
