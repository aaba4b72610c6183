//! Derives events from the history and from the time: the same ones under the same ids, however often.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::change::{Change, HistoryId, Record};
use crate::domain::clock::Timestamp;
use crate::domain::event::{OrderEventType, ProductEventType};
use crate::domain::order::{Order, OrderId, OrderMap};
use crate::domain::product::{Product, ProductId, StockMove};
use crate::domain::transition::Transition;

use super::event::{Event, Subject};

/// What must be known between two records: the products as they are with the last one, and the time through which the
/// windows of their sales were looked at. That time never goes back.
#[derive(Clone, Debug)]
pub(super) struct Deriver {
    history: HistoryId,
    sequence: u64,
    looked_through: Timestamp,
    products: BTreeMap<ProductId, Product>,
    /// The next moment of each product at which its sale starts or ends.
    bounds: BTreeSet<(Timestamp, ProductId)>,
}

impl Deriver {
    /// Begins with the products as they are with a record.
    pub(super) fn new(history: HistoryId, sequence: u64, looked_through: Timestamp, products: Vec<Product>) -> Self {
        let next = |product: &Product| Some((product.terms.next_phase_at(looked_through)?, product.id));
        let bounds = products.iter().filter_map(next).collect();
        let products = products.into_iter().map(|product| (product.id, product)).collect();
        Self { history, sequence, looked_through, products, bounds }
    }

    /// The last record.
    pub(super) const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The time through which windows were looked at.
    pub(super) const fn looked_through(&self) -> Timestamp {
        self.looked_through
    }

    /// The orders that a record moves, and whose rows are needed.
    pub(super) fn moves_orders(record: &Record) -> bool {
        record.changes.iter().any(|change| matches!(change, Change::OrderMoved { .. }))
    }

    /// The events until a moment, and those of the next record, which was written then. `rows` are the orders that it
    /// moved, as they are by now.
    pub(super) fn derive(&mut self, record: &Record, rows: &OrderMap<Order>, events: &mut Vec<Event>) {
        self.look(record.at, events);
        self.sequence = record.sequence;
        let mut of_record = OfRecord { history: self.history, record, count: 0, events };
        for change in &record.changes {
            self.apply(change, rows, &mut of_record);
        }
    }

    /// The events of sales that start or end until a moment. It must not be before what is known to have happened.
    pub(super) fn look(&mut self, now: Timestamp, events: &mut Vec<Event>) {
        while let Some((at, id)) = self.bounds.first().copied().filter(|(at, _)| *at <= now) {
            self.bounds.pop_first();
            let Some(product) = self.products.get(&id) else { continue };
            let before = Timestamp::from_millis(at.millis() - 1);
            let is_open = |at| product.terms.check_open(at).is_ok();
            if let Some(event) = ProductEventType::of_sale(is_open(before), is_open(at)) {
                let (history, sequence, millis) = (self.history, self.sequence, at.millis());
                let word = if event == ProductEventType::SaleStarted { "started" } else { "ended" };
                let event_id = format!("evt_{history}_{id}_{word}_{millis}");
                let subject = Subject::Product(event, Box::new(product.clone()));
                events.push(Event { id: event_id, at, history, sequence, subject });
            }
            self.bounds.extend(product.terms.next_phase_at(at).map(|next| (next, id)));
        }
        self.looked_through = self.looked_through.max(now);
    }

    fn apply(&mut self, change: &Change, rows: &OrderMap<Order>, events: &mut OfRecord<'_>) {
        match change {
            Change::ProductCreated(product) => self.put(product.id, Some(product), events),
            Change::ProductEdited { after, .. } => self.put(after.id, Some(after), events),
            Change::ProductDeleted(product) => self.put(product.id, None, events),
            Change::ProductStopped(id) => self.set_on_sale(*id, false, events),
            Change::ProductStarted(id) => self.set_on_sale(*id, true, events),
            Change::OrderPlaced { order, .. } => {
                events.push_order(OrderEventType::Placed, Order::clone(order));
                if let Some(product) = self.products.get_mut(&order.product) {
                    product.orders += 1;
                }
                self.move_units(order.product, StockMove::Hold, order.quantity, events);
            }
            Change::OrderMoved { order, product, quantity, transition, units, .. } => {
                if let Some(event) = OrderEventType::of(transition, *units) {
                    match as_of(*order, event, transition, rows, events.record.at) {
                        Some(order) => events.push_order(event, order),
                        None => tracing::error!(order = order.0, "an order of the history is not in the store"),
                    }
                }
                if let Some(units) = units {
                    self.move_units(*product, *units, *quantity, events);
                }
            }
            Change::DeadLetterDeleted(_) | Change::QueuePaused | Change::QueueResumed | Change::HistoryForked(_) => {}
        }
    }

    fn move_units(&mut self, id: ProductId, units: StockMove, quantity: u32, events: &mut OfRecord<'_>) {
        let Some(product) = self.products.get_mut(&id) else { return };
        let before = product.stock.current;
        if product.stock.apply(units, quantity.into()).is_err() {
            tracing::error!(product = id.0, "the history moves more units of a product than there are");
        }
        if let Some(event) = ProductEventType::of_units(before, product.stock.current) {
            events.push_product(event, product);
        }
    }

    fn set_on_sale(&mut self, id: ProductId, on: bool, events: &mut OfRecord<'_>) {
        let Some(mut product) = self.products.get(&id).cloned() else { return };
        product.set_on_sale(on, events.record.at);
        self.put(id, Some(&product), events);
    }

    /// A product as it is from now on, or gone.
    fn put(&mut self, id: ProductId, product: Option<&Product>, events: &mut OfRecord<'_>) {
        let now = self.looked_through;
        let is_open = |product: &Product| product.terms.check_open(now).is_ok();
        let next = |product: &Product| product.terms.next_phase_at(now).map(|at| (at, id));
        let before = match product {
            Some(product) => self.products.insert(id, product.clone()),
            None => self.products.remove(&id),
        };
        before.as_ref().and_then(next).map(|bound| self.bounds.remove(&bound));
        self.bounds.extend(product.and_then(next));
        if let (Some(before), Some(product)) = (&before, product)
            && let Some(event) = ProductEventType::of_units(before.stock.current, product.stock.current)
        {
            events.push_product(event, product);
        }
        let sale = ProductEventType::of_sale(before.as_ref().is_some_and(is_open), product.is_some_and(is_open));
        if let (Some(event), Some(product)) = (sale, product.or(before.as_ref())) {
            events.push_product(event, product);
        }
    }
}

/// The events of one record, numbered.
struct OfRecord<'r> {
    history: HistoryId,
    record: &'r Record,
    count: u64,
    events: &'r mut Vec<Event>,
}

impl OfRecord<'_> {
    fn push_order(&mut self, event: OrderEventType, order: Order) {
        self.push(Subject::Order(event, Box::new(order)));
    }

    fn push_product(&mut self, event: ProductEventType, product: &Product) {
        self.push(Subject::Product(event, Box::new(product.clone())));
    }

    fn push(&mut self, subject: Subject) {
        let (history, sequence, at, count) = (self.history, self.record.sequence, self.record.at, self.count);
        self.events.push(Event { id: format!("evt_{history}_{sequence}_{count}"), at, history, sequence, subject });
        self.count += 1;
    }
}

/// An order with a transition: what the transition does not say is as it is by now.
fn as_of(
    id: OrderId,
    event: OrderEventType,
    transition: &Transition,
    rows: &OrderMap<Order>,
    at: Timestamp,
) -> Option<Order> {
    let row = rows.get(&id)?.clone();
    Some(Order { status: event.status(), failure: transition.failure(), updated_at: at, ..row })
}

#[cfg(test)]
mod tests;
