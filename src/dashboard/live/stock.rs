//! The rows of the stock table and of the wall.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::clock::Timestamp;
use crate::domain::product::{NotOnSale, Product, ProductId};
use crate::limits::STOCK_ROWS;

use super::super::figures::{Figure, StockBar};
use super::super::text;

/// One product in the sale.
#[derive(Debug)]
pub(in super::super) struct StockRow {
    pub(in super::super) id: u64,
    pub(in super::super) name: String,
    /// `open`, `stopped`, `later` or `ended`.
    pub(in super::super) state: &'static str,
    pub(in super::super) left: Figure,
    pub(in super::super) held: Figure,
    pub(in super::super) sold: Figure,
    pub(in super::super) bar: StockBar,
    /// When it will be sold out, as far as that is known without measuring the pace.
    pub(in super::super) eta: String,
}

/// The products that the table shows, in the order of their ids, and how many more are in the sale. If there are too
/// many, it shows those that will be gone soonest at their pace since the start of the sale.
pub(in super::super) fn rows(
    products: Vec<Arc<Product>>,
    sold_out: &BTreeMap<ProductId, Timestamp>,
    now: Timestamp,
) -> (Vec<StockRow>, u64) {
    let mut shown = products;
    let more = shown.len().saturating_sub(STOCK_ROWS);
    if more > 0 {
        shown.sort_by(|a, b| soonness(a).total_cmp(&soonness(b)));
        shown.truncate(STOCK_ROWS);
    }
    shown.sort_by_key(|product| product.id);
    (shown.iter().map(|product| StockRow::of(product, sold_out.get(&product.id).copied(), now)).collect(), more as u64)
}

const SOLD_OUT: &str = "sold out";

/// Less is sooner: units left for each that is gone. What is sold out comes after what is going.
fn soonness(product: &Product) -> f64 {
    let (left, gone) = (product.stock.current as f64, (product.stock.held + product.stock.sold) as f64);
    if product.stock.current == 0 { f64::MAX } else { left / gone }
}

fn sold_out_words(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(|| SOLD_OUT.to_owned(), |at| format!("{SOLD_OUT} {}", text::moment(at, now)))
}

impl StockRow {
    /// When it will be sold out, without a time of the day.
    pub(in super::super) fn eta_short(&self) -> &str {
        match self.state {
            "open" if self.eta.starts_with(SOLD_OUT) => SOLD_OUT,
            "open" => &self.eta,
            state => state,
        }
    }

    fn of(product: &Product, gone_at: Option<Timestamp>, now: Timestamp) -> Self {
        let stock = &product.stock;
        let (state, eta) = match product.terms.check_open(now) {
            Ok(()) if stock.current == 0 => ("open", sold_out_words(gone_at, now)),
            Ok(()) => ("open", "–".to_owned()),
            Err(NotOnSale::Inactive) => ("stopped", "stopped".to_owned()),
            Err(NotOnSale::NotStarted { starts_at }) => ("later", format!("from {}", text::moment(starts_at, now))),
            Err(NotOnSale::Ended { ended_at }) => ("ended", format!("ended {}", text::moment(ended_at, now))),
        };
        Self {
            id: product.id.0,
            name: product.terms.name.clone(),
            state,
            left: Figure::cell("left", stock.current),
            held: Figure::cell("held", stock.held),
            sold: Figure::cell("sold", stock.sold),
            bar: StockBar::of(stock),
            eta,
        }
    }
}
