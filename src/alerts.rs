//! What the clock does: sales that start and end, and the alerts that are raised at the moment. What happens to orders
//! is in the journal, not here.
//!
//! A subscriber that falls behind loses the oldest events and learns how many; it never slows the publisher.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::domain::alert::{Alert, AlertCode};
use crate::domain::clock::Timestamp;
use crate::domain::product::ProductId;
use crate::limits::MAX_EVENTS_BEHIND;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The moment came from which a product can be bought.
    SaleStarted {
        /// Which product.
        product: ProductId,
        /// The moment.
        at: Timestamp,
    },
    /// The moment came from which it cannot.
    SaleEnded {
        /// Which product.
        product: ProductId,
        /// The moment.
        at: Timestamp,
    },
    /// A condition began to hold.
    AlertRaised(Alert),
    /// It holds no longer.
    AlertResolved(Alert),
}

/// The alerts that are raised, and the events for subscribers. Bounded: an alert of each kind, or one for each product.
#[derive(Debug)]
pub struct Alerts {
    sender: broadcast::Sender<Event>,
    alerts: Mutex<BTreeMap<(Option<ProductId>, AlertCode), Alert>>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(MAX_EVENTS_BEHIND), alerts: Mutex::default() }
    }
}

impl Alerts {
    /// Sends an event to all subscribers of the moment, if there are any.
    pub fn publish(&self, event: Event) {
        let _ = self.sender.send(event);
    }

    /// All events that are published from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// Raises an alert; one of its kind about the same makes room.
    pub fn raise(&self, alert: Alert) {
        self.alerts.lock().insert((alert.product, alert.code), alert.clone());
        self.publish(Event::AlertRaised(alert));
    }

    /// Ends an alert, if it is raised.
    pub fn resolve(&self, product: Option<ProductId>, code: AlertCode) {
        let resolved = self.alerts.lock().remove(&(product, code));
        if let Some(alert) = resolved {
            self.publish(Event::AlertResolved(alert));
        }
    }

    /// How many alerts of a kind are raised.
    pub fn raised(&self, code: AlertCode) -> u64 {
        self.alerts.lock().keys().filter(|(_, raised)| *raised == code).count() as u64
    }

    /// The alerts that are raised: those about no product, then by product.
    pub fn alerts(&self) -> Vec<Alert> {
        self.alerts.lock().values().cloned().collect()
    }
}
