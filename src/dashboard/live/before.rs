//! Before the sale: when it starts, and whether everything is ready.

use crate::domain::clock::Timestamp;
use crate::domain::product::Product;
use crate::limits::STOCK_ROWS;
use crate::view::readiness::{ReadinessCheckView, ReadinessStatus};

use super::super::figures::NARROW;
use super::super::state::Shared;
use super::super::text;

/// Bytes of an action that fits a link.
const MAX_LINK_WORDS: usize = 24;

/// What the page shows before a sale.
pub(super) struct Before {
    pub(super) lead: &'static str,
    pub(super) countdown: String,
    pub(super) blocks: String,
    pub(super) looking: u64,
    pub(super) ready: u64,
    /// The time of the start; empty if there is none.
    pub(super) starts: String,
    pub(super) units: String,
    pub(super) about: String,
    pub(super) checks: Vec<Check>,
    pub(super) products: Vec<Offer>,
    pub(super) more: u64,
    pub(super) visitors: String,
    pub(super) early: String,
}

/// One check of readiness.
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) icon: &'static str,
    pub(super) icon_tone: &'static str,
    pub(super) tone: &'static str,
    pub(super) status: &'static str,
    pub(super) title: &'static str,
    pub(super) evidence: String,
    pub(super) link: Option<String>,
    /// The words of the link.
    pub(super) words: String,
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
        let (metrics, readiness, now) = (shared.monitor.latest(), shared.monitor.readiness(), shared.clock.now());
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
            blocks: blocks(readiness.blocking),
            looking: readiness.looking,
            ready: readiness.checks.len() as u64 - readiness.blocking - readiness.looking,
            starts: starts_at.map(|at| text::moment(at, now)).unwrap_or_default(),
            units: text::whole(sale.units),
            about: about(sale.products, sale.ends_at.map(|at| at.0), now),
            checks: readiness.checks.iter().map(Check::of).collect(),
            products: active.into_iter().take(STOCK_ROWS).map(|product| Offer::of(product)).collect(),
            more,
            visitors: text::whole(metrics.visitors),
            early: format!("{early:.0}"),
        }
    }
}

fn blocks(count: u64) -> String {
    match count {
        0 => "Nothing blocks.".to_owned(),
        1 => "1 thing blocks.".to_owned(),
        _ => format!("{count} things block."),
    }
}

fn about(products: u64, ends_at: Option<Timestamp>, now: Timestamp) -> String {
    let products = text::counted(products, "product", "products");
    match ends_at {
        Some(ends_at) => format!("{products}, until {}", text::moment(ends_at, now)),
        None => format!("{products}, without an end"),
    }
}

impl Check {
    fn of(check: &ReadinessCheckView) -> Self {
        let (icon, icon_tone, tone, status) = match check.status {
            ReadinessStatus::NotReady => ("critical", "bad", "bad", "Not ready"),
            ReadinessStatus::Look => ("warning", "warn", "warn", "Look"),
            ReadinessStatus::Ready => ("check", "dim", "", "Ready"),
        };
        let (evidence, words) = wording(check);
        Self {
            name: check.name,
            icon,
            icon_tone,
            tone,
            status,
            title: check.title,
            evidence,
            link: check.link.clone(),
            words,
        }
    }
}

/// What was found, and the words of the link: a short action is those, a longer one follows what was found.
fn wording(check: &ReadinessCheckView) -> (String, String) {
    match check.action.as_deref() {
        None => (check.evidence.clone(), "Open".to_owned()),
        Some(action) if check.link.is_some() && action.len() <= MAX_LINK_WORDS => {
            (check.evidence.clone(), action.trim_end_matches('.').to_owned())
        }
        Some(action) => (format!("{} {action}", check.evidence), "Open".to_owned()),
    }
}

impl Offer {
    fn of(product: &Product) -> Self {
        let (terms, stock) = (&product.terms, &product.stock);
        Self {
            name: terms.name.clone(),
            price: text::money(terms.price),
            units: text::whole(stock.total()),
            limit: terms.per_user_limit,
            hold: terms.hold_seconds.map_or_else(|| "none".to_owned(), |seconds| format!("{seconds}{NARROW}s")),
        }
    }
}
