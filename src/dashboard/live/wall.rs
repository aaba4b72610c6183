//! The wall: a page for a big screen, with nothing to click.

use askama::Template;
use axum::response::Response;

use crate::domain::clock::Timestamp;
use crate::domain::refusal::Refusal;

use super::super::assets;
use super::super::figures::{Figure, Kind};
use super::super::frame::{Frame, Page};
use super::super::state::Shared;
use super::super::text;
use super::super::theme::Theme;
use super::super::visit::Visit;
use super::alerts::{self, AlertRow};
use super::stock::{self, StockRow};
use crate::view::metrics::MetricsView;

/// Rows that the wall has room for.
const ROWS: usize = 6;

#[derive(Template)]
#[template(path = "wall.html")]
struct WallPage {
    theme: &'static str,
    frame: Frame,
    phase: &'static str,
    starts_at: String,
    now: String,
    m: std::sync::Arc<MetricsView>,
    stock: Vec<StockRow>,
    more: u64,
    alert: Option<AlertRow>,
}

impl WallPage {
    fn asset(&self, name: &str) -> String {
        assets::url(name)
    }

    fn n(&self, path: &'static str, value: &f64) -> Figure {
        Figure::metric(path, Kind::Count, Some(*value))
    }

    fn c(&self, path: &'static str, value: &u64) -> Figure {
        Figure::metric(path, Kind::Count, Some(*value as f64))
    }

    fn pct(&self, path: &'static str, value: &Option<f64>) -> Figure {
        Figure::metric(path, Kind::Percent, *value)
    }
}

/// The wall of the moment. It is dark unless the visitor chose a theme.
pub(super) fn page(shared: &Shared, visit: &Visit) -> Result<Response, Refusal> {
    let (m, now) = (shared.monitor.latest(), shared.clock.now());
    let products = shared.inventory.products();
    let active: Vec<_> = products.iter().filter(|product| product.terms.flash_sale_active).cloned().collect();
    let shown = if active.is_empty() { products.to_vec() } else { active };
    let (mut stock, mut more) = stock::rows(shown, &shared.monitor.sold_out_at(), now);
    more += stock.len().saturating_sub(ROWS) as u64;
    stock.truncate(ROWS);
    visit.html(&WallPage {
        theme: if visit.theme == Theme::Light { "light" } else { "dark" },
        frame: Frame::of(shared, visit, Page::Live),
        phase: m.sale.phase.0.as_str(),
        starts_at: m.sale.starts_at.map(|at| at.0.to_string()).unwrap_or_default(),
        now: text::clock(Timestamp::from_millis(m.timestamp)),
        stock,
        more,
        alert: alerts::sorted(shared.alerts.alerts()).into_iter().next().filter(|alert| alert.icon != "info"),
        m,
    })
}
