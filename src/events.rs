//! What happened, told to whoever listens, and the conditions that hold at the moment.
//!
//! A listener that falls behind loses what is oldest and is told how much; it never slows who tells.

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

/// Where events are told, and the alerts that are raised. Bounded: an alert of each kind, or one for each product.
#[derive(Debug)]
pub struct Events {
    sender: broadcast::Sender<Event>,
    alerts: Mutex<BTreeMap<(Option<ProductId>, AlertCode), Alert>>,
}

impl Default for Events {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(MAX_EVENTS_BEHIND), alerts: Mutex::default() }
    }
}

impl Events {
    /// Tells everyone who listens now; that nobody does is no fault.
    pub fn tell(&self, event: Event) {
        let _ = self.sender.send(event);
    }

    /// Everything that is told from now on.
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// Raises an alert; one of its kind about the same makes room.
    pub fn raise(&self, alert: Alert) {
        self.alerts.lock().insert((alert.product, alert.code), alert.clone());
        self.tell(Event::AlertRaised(alert));
    }

    /// Ends an alert, if it is raised.
    pub fn resolve(&self, product: Option<ProductId>, code: AlertCode) {
        let resolved = self.alerts.lock().remove(&(product, code));
        if let Some(alert) = resolved {
            self.tell(Event::AlertResolved(alert));
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
