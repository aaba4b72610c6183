//! Before the sale: when it starts, and whether everything is ready.

use crate::domain::clock::Timestamp;
use crate::domain::product::Product;
use crate::limits::STOCK_ROWS;

use super::super::figures::NARROW;
use super::super::state::Shared;
use super::super::text;

/// What the page shows before a sale.
pub(super) struct Before {
    pub(super) lead: &'static str,
    pub(super) countdown: String,
    /// The time of the start; empty if there is none.
    pub(super) starts: String,
    pub(super) units: String,
    pub(super) about: String,
    pub(super) products: Vec<Offer>,
    pub(super) more: u64,
    pub(super) visitors: String,
    pub(super) early: String,
}

/// One product that will be sold.
pub(super) struct Offer {
    pub(super) name: String,
    pub(super) price: String,
    pub(super) units: String,
    pub(super) limit: Option<u32>,
    pub(super) hold: String,
}

impl Before {
    /// The page of the moment.
    pub(super) fn of(shared: &Shared) -> Self {
        let (metrics, now) = (shared.monitor.latest(), shared.clock.now());
        let sale = &metrics.sale;
        let starts_at = sale.starts_at.map(|at| at.0).filter(|at| *at > now);
        let active = shared.inventory.products();
        let mut active: Vec<_> = active.iter().filter(|product| product.terms.flash_sale_active).collect();
        active.sort_by_key(|product| product.id);
        let more = active.len().saturating_sub(STOCK_ROWS) as u64;
        let early = metrics.rejected_rates.0.get("sale_not_started").copied().unwrap_or_default();
        Self {
            lead: if starts_at.is_some() { "Sale starts in" } else { "No start is set" },
            countdown: starts_at.map_or_else(|| "–".to_owned(), |at| text::counter(at.since(now))),
            starts: starts_at.map(|at| text::moment(at, now)).unwrap_or_default(),
            units: text::whole(sale.units),
            about: about(sale.products, sale.ends_at.map(|at| at.0), now),
            products: active.into_iter().take(STOCK_ROWS).map(|product| Offer::of(product)).collect(),
            more,
            visitors: text::whole(metrics.visitors),
            early: format!("{early:.0}"),
        }
    }
}

fn about(products: u64, ends_at: Option<Timestamp>, now: Timestamp) -> String {
    let products = text::counted(products, "product", "products");
    match ends_at {
        Some(ends_at) => format!("{products}, until {}", text::moment(ends_at, now)),
        None => format!("{products}, without an end"),
    }
}

impl Offer {
    fn of(product: &Product) -> Self {
        let (terms, stock) = (&product.terms, &product.stock);
        Self {
            name: terms.name.clone(),
            price: text::money(terms.price),
            units: text::whole(stock.current + stock.held + stock.sold),
            limit: terms.per_user_limit,
            hold: terms.hold_seconds.map_or_else(|| "none".to_owned(), |seconds| format!("{seconds}{NARROW}s")),
        }
    }
}
