//! The clock's side of sale windows: publishes when a sale starts and when it ends. Whether an order falls into one is
//! decided with the order, so that nothing here can be late for a buyer.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::alerts::{Alerts, Event};
use crate::domain::alert::{Alert, AlertCode};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::product::{Product, ProductId, SalePhase};
use crate::inventory::Inventory;
use crate::limits::CLOCK_LOOK;

/// The running watch. Dropping it ends it.
#[derive(Debug)]
pub struct WindowWatch(JoinHandle<()>);

impl WindowWatch {
    /// Starts to watch the windows of all products.
    pub fn start(inventory: Arc<Inventory>, alerts: Arc<Alerts>, clock: Clock) -> Self {
        Self(tokio::spawn(async move {
            let mut phases = Phases { alerts, seen: HashMap::new() };
            loop {
                let edited = inventory.edited();
                let now = clock.now();
                let next = phases.follow(&inventory.products(), now);
                let pause = next.map_or(CLOCK_LOOK, |next| next.since(now).min(CLOCK_LOOK));
                // Ended by an edit or by time; either way everything is looked at again.
                let _ = tokio::time::timeout(pause, edited).await;
            }
        }))
    }
}

impl WindowWatch {
    /// Returns when the watch has ended, which is a defect.
    pub async fn ended(&mut self) {
        let _ = (&mut self.0).await;
    }
}

impl Drop for WindowWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The phase in which each sale was last seen. Bounded by the products.
struct Phases {
    alerts: Arc<Alerts>,
    seen: HashMap<ProductId, Option<SalePhase>>,
}

impl Phases {
    /// Publishes what has changed since the last look, and returns when the next change is due.
    fn follow(&mut self, products: &[Arc<Product>], now: Timestamp) -> Option<Timestamp> {
        for product in products {
            let phase = product.terms.sale_phase(now);
            let before = self.seen.insert(product.id, phase);
            if before != Some(phase) {
                self.change(product, before, phase);
            }
        }
        if self.seen.len() > products.len() {
            let there: HashSet<_> = products.iter().map(|product| product.id).collect();
            let gone: Vec<_> = self.seen.extract_if(|id, _| !there.contains(id)).collect();
            gone.into_iter().for_each(|(id, _)| self.resolve(id));
        }
        products.iter().filter_map(|product| product.terms.next_phase_at(now)).min()
    }

    /// A sale that runs when it is seen for the first time, after a start of the server, raises its alert and publishes
    /// no event.
    fn change(&self, product: &Product, before: Option<Option<SalePhase>>, phase: Option<SalePhase>) {
        self.resolve(product.id);
        let id = product.id;
        let (at, code, event, verb) = match phase {
            Some(SalePhase::Running(at)) => {
                (at, AlertCode::SaleStarted, Event::SaleStarted { product: id, at }, "has started")
            }
            Some(SalePhase::Ended(at)) => (at, AlertCode::SaleEnded, Event::SaleEnded { product: id, at }, "has ended"),
            Some(SalePhase::Before | SalePhase::Open) | None => return,
        };
        if matches!(before, Some(Some(_))) {
            tracing::info!(product = %id, name = product.terms.name, %at, "a sale {verb}");
            self.alerts.publish(event);
        }
        let message = format!("The sale of {} {verb}", product.terms.name);
        self.alerts.raise(Alert { code, product: Some(id), message, since: at });
    }

    fn resolve(&self, product: ProductId) {
        let codes = [AlertCode::SaleStarted, AlertCode::SaleEnded];
        codes.into_iter().for_each(|code| self.alerts.resolve(Some(product), code));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn cap(starts: Option<i64>, ends: Option<i64>) -> Arc<Product> {
        let mut product = Product::example(1, 1);
        (product.terms.sale_starts_at, product.terms.sale_ends_at) = (starts.map(at), ends.map(at));
        Arc::new(product)
    }

    #[test]
    fn a_sale_is_announced_at_its_start_and_at_its_end_to_the_millisecond() {
        let alerts = Arc::new(Alerts::default());
        let mut published = alerts.subscribe();
        let mut phases = Phases { alerts: Arc::clone(&alerts), seen: HashMap::new() };
        let sale = [cap(Some(1_000), Some(2_000))];
        assert_eq!(phases.follow(&sale, at(999)), Some(at(1_000)));
        assert!(published.try_recv().is_err() && alerts.alerts().is_empty());
        assert_eq!(phases.follow(&sale, at(1_000)), Some(at(2_000)));
        assert_eq!(published.try_recv().unwrap(), Event::SaleStarted { product: ProductId(1), at: at(1_000) });
        let started = alerts.alerts().pop().unwrap();
        assert_eq!((started.code, started.since), (AlertCode::SaleStarted, at(1_000)));
        assert_eq!(published.try_recv().unwrap(), Event::AlertRaised(started.clone()));
        phases.follow(&sale, at(1_999));
        assert!(published.try_recv().is_err(), "nothing is published twice");
        assert_eq!(phases.follow(&sale, at(2_500)), None);
        assert_eq!(published.try_recv().unwrap(), Event::AlertResolved(started));
        assert_eq!(published.try_recv().unwrap(), Event::SaleEnded { product: ProductId(1), at: at(2_000) });
        assert_eq!(alerts.alerts()[0].code, AlertCode::SaleEnded);
    }

    #[test]
    fn a_start_of_the_server_announces_no_sale_again_and_an_edit_ends_its_alert() {
        let alerts = Arc::new(Alerts::default());
        let mut published = alerts.subscribe();
        let mut phases = Phases { alerts: Arc::clone(&alerts), seen: HashMap::new() };
        phases.follow(&[cap(Some(1_000), None)], at(5_000));
        assert!(matches!(published.try_recv(), Ok(Event::AlertRaised(alert)) if alert.since == at(1_000)));
        phases.follow(&[cap(None, None)], at(5_001));
        assert!(matches!(published.try_recv(), Ok(Event::AlertResolved(_))));
        assert!(published.try_recv().is_err() && alerts.alerts().is_empty());
        phases.follow(&[cap(Some(6_000), None)], at(5_002));
        phases.follow(&[cap(Some(5_003), None)], at(5_003));
        assert_eq!(published.try_recv().unwrap(), Event::SaleStarted { product: ProductId(1), at: at(5_003) });
        phases.follow(&[], at(5_004));
        assert!(alerts.alerts().is_empty(), "a product that is gone has no alerts");
    }
}
