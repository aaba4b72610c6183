//! What the clock does: sales that start and end, and the alerts that are raised at the moment. What happens to orders
//! is in the journal, not here.
//!
//! A subscriber that falls behind loses the oldest events and learns how many; it never slows the publisher.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::broadcast;

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

/// How much a condition matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Someone should look.
    Warning,
}

impl Severity {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Info, Self::Warning];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
        }
    }
}

/// The kinds of conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertCode {
    /// A sale has started and has not ended.
    SaleStarted,
    /// A sale has ended.
    SaleEnded,
    /// The wall clock was set.
    ClockStepped,
}

impl AlertCode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SaleStarted, Self::SaleEnded, Self::ClockStepped];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SaleStarted => "sale_started",
            Self::SaleEnded => "sale_ended",
            Self::ClockStepped => "clock_stepped",
        }
    }

    /// How much it matters.
    pub const fn severity(self) -> Severity {
        match self {
            Self::SaleStarted | Self::SaleEnded => Severity::Info,
            Self::ClockStepped => Severity::Warning,
        }
    }
}

/// A condition that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What kind it is.
    pub code: AlertCode,
    /// The product that it is about, if it is about one.
    pub product: Option<ProductId>,
    /// A sentence for people.
    pub message: String,
    /// Since when it holds.
    pub since: Timestamp,
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
