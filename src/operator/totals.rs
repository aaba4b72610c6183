//! Sums over the queue, the orders and the stock. Those of orders and jobs are in memory, so they are also known while
//! the store is away.

use crate::domain::product::Product;
use crate::queue::{Queue, SlotKind};
use crate::store::Store;
use crate::view::order::OrderMetricsView;
use crate::view::product::StockMetricsView;
use crate::view::queue::QueueView;
use crate::view::text::hundredths;

/// Orders by status, and jobs by state.
pub fn orders(store: &Store, queue: &Queue) -> OrderMetricsView {
    let totals = store.head().totals;
    OrderMetricsView::of(&totals, queue.counts().jobs(&totals))
}

/// The queue at a glance.
pub fn queue(store: &Store, queue: &Queue) -> QueueView {
    let totals = store.head().totals;
    let counts = queue.counts();
    QueueView {
        counts: counts.jobs(&totals),
        dead_letters: totals.dead_letters,
        paused: counts.paused,
        capacity: queue.capacity(SlotKind::Work) as u64,
        hold_capacity: queue.capacity(SlotKind::Hold) as u64,
        oldest_job_age_ms: counts.oldest_age_ms(),
        completed_per_second: hundredths(counts.completed_per_second),
    }
}

/// What all products add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockTotals {
    /// Products.
    pub products: u64,
    /// Products of which nothing can be bought.
    pub out_of_stock: u64,
    /// Products with less than a tenth of their initial stock.
    pub low_stock: u64,
    /// Units of their initial stock.
    pub initial: u64,
    /// Units that can be bought.
    pub current: u64,
    /// Units that are held or sold.
    pub gone: u64,
}

impl StockTotals {
    /// Adds a product.
    pub fn add(&mut self, product: &Product) {
        let stock = &product.stock;
        self.products += 1;
        self.out_of_stock += u64::from(stock.current == 0);
        self.low_stock += u64::from(stock.current * 10 < stock.initial);
        self.initial += stock.initial;
        self.current += stock.current;
        self.gone += stock.held + stock.sold;
    }

    /// The view of it.
    pub fn view(&self) -> StockMetricsView {
        let all = self.current + self.gone;
        let percent = if all == 0 { 0.0 } else { self.gone as f64 * 100.0 / all as f64 };
        StockMetricsView {
            low_stock_products: self.low_stock,
            out_of_stock_products: self.out_of_stock,
            stock_utilization: hundredths(percent),
            total_current_stock: self.current,
            total_initial_stock: self.initial,
            total_products: self.products,
        }
    }
}
