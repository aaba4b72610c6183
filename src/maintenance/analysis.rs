//! What became of a sale, from its products and its orders: no I/O, and no state for each order.

use std::collections::{BTreeMap, HashSet};

use crate::domain::clock::Timestamp;
use crate::domain::filter::Span;
use crate::domain::money::Money;
use crate::domain::order::{OrderFields, OrderStatus};
use crate::domain::product::{Product, ProductId};
use crate::domain::totals::OrderSums;
use crate::store::archive::Contents;
use crate::view::analysis::{AnalysisView, AnalyzedProductView, FirstBuyerView, OutcomeView, RatesView};
use crate::view::text::{AsText, Id, Word};

use busiest::Busiest;

mod busiest;

/// Which orders are analyzed, and how many buyers are listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope {
    /// One product only.
    pub product: Option<ProductId>,
    /// When orders were accepted. Stock is checked against all orders of a product, whatever this is.
    pub accepted: Span,
    /// The most buyers that are listed: at most [`crate::limits::MAX_FIRST_BUYERS`].
    pub first: usize,
}

/// An analysis under way. Products and orders come in any order, but the orders among them by their numbers. It holds
/// a row for each product, the listed buyers, and the seconds that [`Busiest`] holds.
#[derive(Debug)]
pub(super) struct Analysis {
    scope: Scope,
    products: BTreeMap<ProductId, Tally>,
    /// Orders and units by status, in the order of [`OrderStatus::ALL`].
    outcome: [(u64, u64); 4],
    /// The earliest and the latest order.
    between: Option<(Timestamp, Timestamp)>,
    busiest: Busiest,
    buyers: Vec<FirstBuyerView>,
    listed: HashSet<String>,
}

/// What is known of one product.
#[derive(Debug, Default)]
struct Tally {
    /// None while only orders of it are known.
    product: Option<Product>,
    /// All of its orders.
    sums: OrderSums,
    /// Its earliest order.
    first: Option<Timestamp>,
    /// When units that it has not any more were reserved last.
    taken: Option<Timestamp>,
    /// Of its confirmed orders within the scope.
    cents: u128,
}

impl Analysis {
    /// Of nothing yet.
    pub(super) fn of(scope: Scope) -> Self {
        Self {
            scope,
            products: BTreeMap::new(),
            outcome: [(0, 0); 4],
            between: None,
            busiest: Busiest::default(),
            buyers: Vec::new(),
            listed: HashSet::new(),
        }
    }

    pub(super) fn add_product(&mut self, product: Product) {
        let id = product.id;
        if self.scope.product.is_none_or(|wanted| id == wanted) {
            self.products.entry(id).or_default().product = Some(product);
        }
    }

    pub(super) fn add_order(&mut self, order: &OrderFields<'_>) {
        if self.scope.product.is_some_and(|wanted| order.product != wanted) {
            return;
        }
        let tally = self.products.entry(order.product).or_default();
        tally.sums.add(order);
        tally.first = Some(tally.first.map_or(order.created_at, |first| first.min(order.created_at)));
        let keeps_units = order.status.counts_as_purchase();
        if keeps_units {
            tally.taken = tally.taken.max(Some(order.reserved_at));
        }
        if !self.scope.accepted.contains(order.created_at) {
            return;
        }
        if order.status == OrderStatus::Confirmed {
            tally.cents = tally.cents.saturating_add(order.total().cents());
        }
        let (orders, units) = &mut self.outcome[order.status as usize];
        (*orders, *units) = (*orders + 1, *units + u64::from(order.quantity));
        let (from, to) = self.between.unwrap_or((order.created_at, order.created_at));
        self.between = Some((from.min(order.created_at), to.max(order.created_at)));
        self.busiest.add(order.created_at);
        if keeps_units && self.buyers.len() < self.scope.first && !self.listed.contains(order.user) {
            self.listed.insert(order.user.to_owned());
            self.buyers.push(buyer(order, self.listed.len() as u64));
        }
    }

    /// The result, for a store of which this is the moment.
    pub(super) fn finish(self, contents: &Contents) -> AnalysisView {
        let Self { scope, products: tallies, outcome, between, busiest, mut buyers, .. } = self;
        for buyer in &mut buyers {
            let started = tallies.get(&ProductId(buyer.product_id.0)).and_then(Tally::started);
            buyer.after_seconds = started.map_or(0.0, |started| buyer.at.0.since(started).as_secs_f64());
        }
        let total_orders = outcome.iter().map(|(orders, _)| orders).sum();
        let cents = tallies.values().fold(0_u128, |sum, tally| sum.saturating_add(tally.cents));
        let strays = tallies.values().filter(|tally| tally.product.is_none());
        let stray_orders = strays.map(|tally| tally.sums.orders).sum();
        let products: Vec<_> = tallies.values().filter_map(Tally::view).collect();
        let busiest_seconds = busiest.finish();
        let peak = busiest_seconds.first().map_or(0, |second| second.orders);
        AnalysisView {
            ok: stray_orders == 0 && products.iter().all(|product| product.ok),
            history: AsText(contents.history),
            sequence: contents.sequence,
            as_of: AsText(contents.at),
            product_id: scope.product.map(|product| Id(product.0)),
            from: scope.accepted.from.map(AsText),
            to: scope.accepted.to.map(AsText),
            total_orders,
            revenue: AsText(Money::from_cents(cents)),
            outcome: OrderStatus::ALL.map(|status| outcome_of(status, outcome[status as usize], total_orders)).to_vec(),
            rates: between.map_or_else(RatesView::default, |between| rates(total_orders, between, peak)),
            busiest_seconds,
            first_buyers: buyers,
            products,
            stray_orders,
        }
    }
}

impl Tally {
    fn started(&self) -> Option<Timestamp> {
        let set = self.product.as_ref().and_then(|product| product.terms.sale_starts_at);
        set.filter(|set| self.first.is_none_or(|first| *set <= first)).or(self.first)
    }

    /// None for a product that does not exist.
    fn view(&self) -> Option<AnalyzedProductView> {
        let product = self.product.as_ref()?;
        let (stock, sums, started) = (&product.stock, &self.sums, self.started());
        let sold_out = self.taken.filter(|_| stock.current == 0);
        let put_in = i128::from(stock.initial) + i128::from(stock.adjusted);
        Some(AnalyzedProductView {
            id: Id(product.id.0),
            name: product.terms.name.clone(),
            ok: sums.adds_up(product),
            initial_stock: stock.initial,
            adjusted_stock: stock.adjusted,
            current_stock: stock.current,
            held_stock: stock.held,
            sold_stock: stock.sold,
            orders: product.orders,
            counted_orders: sums.orders,
            held_by_orders: sums.held,
            sold_by_orders: sums.sold,
            sold_share: share(stock.sold, u64::try_from(put_in).unwrap_or(0)),
            revenue: AsText(Money::from_cents(self.cents)),
            started_at: started.map(AsText),
            sold_out_at: sold_out.map(AsText),
            sold_out_after: started.zip(sold_out).map(|(from, to)| to.since(from).as_secs_f64()),
        })
    }
}

/// A buyer by one order. When the sale started is not known before the end.
fn buyer(order: &OrderFields<'_>, place: u64) -> FirstBuyerView {
    FirstBuyerView {
        place,
        user_id: order.user.to_owned(),
        order_id: Id(order.id.0),
        product_id: Id(order.product.0),
        quantity: order.quantity,
        status: Word(order.status),
        at: AsText(order.created_at),
        after_seconds: 0.0,
    }
}

fn outcome_of(status: OrderStatus, (orders, units): (u64, u64), all: u64) -> OutcomeView {
    OutcomeView { status: Word(status), orders, units, share: share(orders, all) }
}

fn rates(orders: u64, (from, to): (Timestamp, Timestamp), peak: u64) -> RatesView {
    let seconds = to.since(from).as_secs_f64();
    RatesView {
        first_order_at: Some(AsText(from)),
        last_order_at: Some(AsText(to)),
        seconds: Some(seconds),
        mean: (seconds > 0.0).then(|| orders as f64 / seconds),
        peak,
    }
}

/// A part in percent of the whole; none of nothing.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
}

#[cfg(test)]
mod tests;
