//! What became of a sale, as `flashsale analyze --json` prints it.
//!
//! Shares are percent as they are, not rounded: 0 and 100 only if it is exactly so. A share of nothing is null.

use serde::Serialize;

use super::text::{AsText, Id, Word};
use crate::domain::change::HistoryId;
use crate::domain::clock::Timestamp;
use crate::domain::money::Money;
use crate::domain::order::OrderStatus;

/// What became of a sale: everything from one moment of the store. Stock, and whether it adds up, is about all orders
/// of a product; everything else about the orders that were accepted from `from` to `to`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisView {
    /// Whether every product adds up, and no order has a product that does not exist.
    pub(crate) ok: bool,
    pub(crate) history: AsText<HistoryId>,
    /// The last record of the history, and when it was written.
    pub(crate) sequence: u64,
    pub(crate) as_of: AsText<Timestamp>,
    /// The one product that was asked for.
    pub(crate) product_id: Option<Id>,
    /// Both ends are included; null for no bound.
    pub(crate) from: Option<AsText<Timestamp>>,
    pub(crate) to: Option<AsText<Timestamp>>,
    pub(crate) total_orders: u64,
    /// Of confirmed orders.
    pub(crate) revenue: AsText<Money>,
    /// One for each status.
    pub(crate) outcome: Vec<OutcomeView>,
    pub(crate) rates: RatesView,
    /// The seconds in which most orders were accepted, the busiest first.
    pub(crate) busiest_seconds: Vec<BusySecondView>,
    /// Buyers by their first order that is confirmed or pending, in the order of the history.
    pub(crate) first_buyers: Vec<FirstBuyerView>,
    /// By their numbers.
    pub(crate) products: Vec<AnalyzedProductView>,
    /// Orders of products that do not exist: a sign of damage.
    pub(crate) stray_orders: u64,
}

/// Orders with one status.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeView {
    pub(crate) status: Word<OrderStatus>,
    pub(crate) orders: u64,
    pub(crate) units: u64,
    /// Percent of all orders.
    pub(crate) share: Option<f64>,
}

/// How fast orders were accepted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RatesView {
    pub(crate) first_order_at: Option<AsText<Timestamp>>,
    pub(crate) last_order_at: Option<AsText<Timestamp>>,
    /// Between the two.
    pub(crate) seconds: Option<f64>,
    /// Orders a second between the two; null if that is no time.
    pub(crate) mean: Option<f64>,
    /// Orders in the busiest second.
    pub(crate) peak: u64,
}

/// Orders that were accepted within one second of the clock.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BusySecondView {
    /// When it began.
    pub(crate) at: AsText<Timestamp>,
    pub(crate) orders: u64,
}

/// One of the first buyers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirstBuyerView {
    /// From 1.
    pub(crate) place: u64,
    pub(crate) user_id: String,
    pub(crate) order_id: Id,
    pub(crate) product_id: Id,
    pub(crate) quantity: u32,
    pub(crate) status: Word<OrderStatus>,
    pub(crate) at: AsText<Timestamp>,
    /// After the product's `startedAt`.
    pub(crate) after_seconds: f64,
}

/// Where the units of a product are, and whether that adds up:
/// `initialStock + adjustedStock = currentStock + heldStock + soldStock`, and its orders say the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnalyzedProductView {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) ok: bool,
    pub(crate) initial_stock: u64,
    pub(crate) adjusted_stock: i64,
    pub(crate) current_stock: u64,
    pub(crate) held_stock: u64,
    pub(crate) sold_stock: u64,
    /// What the product counts.
    pub(crate) orders: u64,
    /// Recounted.
    pub(crate) counted_orders: u64,
    /// Units of its pending orders, recounted.
    pub(crate) held_by_orders: u64,
    /// Units of its confirmed orders, recounted.
    pub(crate) sold_by_orders: u64,
    /// `soldStock` in percent of `initialStock + adjustedStock`.
    pub(crate) sold_share: Option<f64>,
    pub(crate) revenue: AsText<Money>,
    /// The start of its sale if that is set and no order was earlier, or else its first order.
    pub(crate) started_at: Option<AsText<Timestamp>>,
    /// When the last of the units that are held or sold was reserved; null while units are left.
    pub(crate) sold_out_at: Option<AsText<Timestamp>>,
    /// Seconds between the two.
    pub(crate) sold_out_after: Option<f64>,
}
