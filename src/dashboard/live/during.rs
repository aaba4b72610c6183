//! During the sale: the six figures, the stock, the charts, the alerts, the refusals and the latest orders.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::order::{Order, OrderStatus};
use crate::domain::product::Product;
use crate::domain::refusal::Refusal;
use crate::domain::sale::Phase;
use crate::domain::series::Series;
use crate::limits::{LATEST_ORDERS, QUIET_START, RESPONSE_GOAL_MS};
use crate::operator::orders;
use crate::view::history::HistoryView;
use crate::view::metrics::MetricsView;

use super::super::figures::{Figure, Kind, NARROW, share, short_money};
use super::super::state::Shared;
use super::super::text;
use super::super::visit::Visit;
use super::alerts::{self, AlertRow, SLOTS};
use super::asked::{Asked, Span};
use super::stock::{self, StockRow};

/// What the page shows during a sale.
pub(super) struct During {
    pub(super) m: std::sync::Arc<MetricsView>,
    /// Jobs that are not finished, delayed ones too.
    pub(super) unfinished: u64,
    pub(super) revenue: String,
    pub(super) revenue_short: [String; 2],
    pub(super) revenue_exact: String,
    /// Whether no order has come since the start.
    pub(super) is_quiet: bool,
    pub(super) quiet_for: String,
    pub(super) test_command: String,
    pub(super) stock: Vec<StockRow>,
    pub(super) more: u64,
    pub(super) ranges: Vec<RangeLink>,
    pub(super) goal_ms: u32,
    pub(super) cores: String,
    pub(super) columns: Vec<Column>,
    pub(super) table: Vec<TableRow>,
    pub(super) alerts: Vec<AlertRow>,
    pub(super) alert_count: String,
    pub(super) empty_slots: usize,
    pub(super) rejected_rate: String,
    pub(super) refused: Vec<RefusedRow>,
    /// Reasons that a normal sale does not know.
    pub(super) others: Vec<RefusedRow>,
    pub(super) others_rate: Figure,
    pub(super) others_sum: Figure,
    pub(super) orders: Vec<OrderRow>,
}

/// A link to another span.
pub(super) struct RangeLink {
    pub(super) href: String,
    pub(super) name: &'static str,
    pub(super) is_current: bool,
}

/// A column of the table of the charts.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) title: &'static str,
}

/// A row of it.
pub(super) struct TableRow {
    pub(super) at: String,
    pub(super) cells: Vec<String>,
}

/// Why requests were refused: one reason.
pub(super) struct RefusedRow {
    pub(super) code: &'static str,
    pub(super) words: String,
    pub(super) share: String,
    pub(super) rate: Figure,
    pub(super) sum: Figure,
    per_second: f64,
    count: u64,
}

/// One of the latest orders.
pub(super) struct OrderRow {
    pub(super) id: u64,
    pub(super) id_text: String,
    pub(super) user: String,
    pub(super) product: String,
    pub(super) quantity: String,
    pub(super) tone: &'static str,
    pub(super) status: &'static str,
}

/// The columns of the table: the series, what they are called, and how their values are written.
const COLUMNS: [(Series, &str, Kind); 10] = [
    (Series::AcceptedPerSecond, "Accepted/s", Kind::Count),
    (Series::RejectedPerSecond, "Refused/s", Kind::Count),
    (Series::ResponseP99, "p99, ms", Kind::Millis),
    (Series::ResponseP95, "p95, ms", Kind::Millis),
    (Series::ResponseP50, "p50, ms", Kind::Millis),
    (Series::FailedPercent, "Failed, %", Kind::Percent),
    (Series::QueueLength, "In line", Kind::Count),
    (Series::OldestJobAge, "Oldest, s", Kind::Seconds),
    (Series::CpuPercent, "CPU, %", Kind::Percent),
    (Series::MemoryBytes, "Memory, MB", Kind::Megabytes),
];

/// The span and the step of the table as it is served; the script takes those of the charts.
const TABLE_SPAN: Duration = Duration::from_mins(2);
const TABLE_STEP: Duration = Duration::from_secs(10);

impl During {
    /// The page of the moment.
    pub(super) async fn of(shared: &Shared, visit: &Visit, asked: &Asked) -> Result<Self, Refusal> {
        let (m, now) = (shared.monitor.latest(), shared.clock.now());
        let products = shared.inventory.products();
        let shown = products.iter().filter(|product| is_shown(m.sale.phase.0, product));
        let (stock, more) = stock::rows(shown.cloned().collect(), &shared.monitor.sold_out_at(), now);
        let mut alerts = alerts::sorted(shared.alerts.alerts());
        let alert_count = alerts::open(alerts.len());
        alerts.truncate(SLOTS);
        let since_start = m.sale.since.map(|since| now.since(since.0));
        let revenue = m.revenue.0.to_string();
        let mut refused = refused(&m);
        let others = refused.split_off(REASONS.len().min(refused.len()));
        let queue = &m.queue_stats;
        let latest = orders::page(&shared.store, Default::default(), None, LATEST_ORDERS).await?;
        let row = |order: &Order| OrderRow::of(order, shared.product_name(order.product));
        let orders = latest.rows.iter().map(row).collect();
        Ok(Self {
            unfinished: queue.waiting + queue.prioritized + queue.delayed + queue.active,
            revenue_short: short_money(&revenue),
            revenue_exact: text::money(m.revenue.0),
            revenue,
            is_quiet: m.sale.phase.0 == Phase::Running && m.total_orders == 0 && since_start >= Some(QUIET_START),
            quiet_for: format!("{}{NARROW}s", text::whole(since_start.unwrap_or_default().as_secs())),
            test_command: test_command(&visit.host, stock.first()),
            stock,
            more,
            ranges: ranges(asked),
            goal_ms: RESPONSE_GOAL_MS,
            cores: text::counted(m.cores, "core", "cores"),
            columns: COLUMNS.iter().map(Column::of).collect(),
            table: table(shared, now).await?,
            empty_slots: SLOTS - alerts.len(),
            alerts,
            alert_count,
            rejected_rate: text::whole(m.rejected_per_second as u64),
            others_rate: Figure::rate("othersRate", others.iter().map(|row| row.per_second).sum()),
            others_sum: Figure::cell("othersSum", others.iter().map(|row| row.count).sum()),
            refused,
            others,
            orders,
            m,
        })
    }

    /// A count of `metrics-update`.
    pub(super) fn c(&self, path: &'static str, value: &u64) -> Figure {
        Figure::metric(path, Kind::Count, Some(*value as f64))
    }

    /// A rate of it.
    pub(super) fn n(&self, path: &'static str, value: &f64) -> Figure {
        Figure::metric(path, Kind::Count, Some(*value))
    }

    /// Milliseconds of it.
    pub(super) fn ms(&self, path: &'static str, value: &Option<f64>) -> Figure {
        Figure::metric(path, Kind::Millis, *value)
    }

    /// A percentage of it.
    pub(super) fn pct(&self, path: &'static str, value: &Option<f64>) -> Figure {
        Figure::metric(path, Kind::Percent, *value)
    }
}

/// A stopped sale has no product in it any more: then all products are shown. One that has sold keeps its row when it
/// is stopped alone, as its way back is there.
fn is_shown(phase: Phase, product: &Product) -> bool {
    let has_sold = product.stock.held + product.stock.sold > 0;
    product.terms.flash_sale_active || has_sold || phase == Phase::Stopped
}

fn ranges(asked: &Asked) -> Vec<RangeLink> {
    let view = if asked.figures { "view=figures" } else { "" };
    let link = |(span, word, name): (Span, &str, &'static str)| {
        let range = if word.is_empty() { String::new() } else { format!("range={word}") };
        let query: Vec<_> = [view, &range].into_iter().filter(|part| !part.is_empty()).collect();
        let href = if query.is_empty() { "/".to_owned() } else { format!("/?{}", query.join("&")) };
        RangeLink { href, name, is_current: span == asked.span }
    };
    Span::ALL.into_iter().map(link).collect()
}

/// How to place one order by hand.
fn test_command(host: &str, product: Option<&StockRow>) -> String {
    let id = product.map_or(1, |product| product.id);
    format!(
        "curl -X POST http://{host}/api/v1/orders -H 'Content-Type: application/json' \
         -d '{{\"productId\": {id}, \"userId\": \"test\", \"quantity\": 1}}'"
    )
}

impl Column {
    fn of((series, title, kind): &(Series, &'static str, Kind)) -> Self {
        Self { name: series.as_str(), kind: kind.word(), title }
    }
}

/// The last two minutes, latest first.
async fn table(shared: &Shared, now: Timestamp) -> Result<Vec<TableRow>, Refusal> {
    let from = Timestamp::from_millis(now.millis() - TABLE_SPAN.as_millis() as i64);
    let history = shared.monitor.history(from, now, TABLE_STEP).await?;
    Ok((0..history.points as usize).rev().map(|point| TableRow::of(&history, point)).collect())
}

impl TableRow {
    fn of(history: &HistoryView, point: usize) -> Self {
        let value = |series: Series| history.series.0.get(series as usize).and_then(|all| *all.mean.get(point)?);
        let cell = |(series, _, kind): &(Series, &str, Kind)| kind.text(value(*series).map(f64::from));
        let at = history.from.0.after(Duration::from_secs(history.step_seconds * point as u64));
        Self { at: text::clock(at), cells: COLUMNS.iter().map(cell).collect() }
    }
}

/// The reasons in their order: those of a normal sale first. All that the metrics know follow.
const REASONS: [&str; 8] = [
    "sold_out",
    "rate_limited",
    "purchase_limit_exceeded",
    "invalid_request",
    "sale_not_started",
    "sale_ended",
    "sale_not_active",
    "overloaded",
];

/// A code in words.
pub(super) fn words(code: &str) -> String {
    match code {
        "purchase_limit_exceeded" => "purchase limit".to_owned(),
        "idempotency_key_reused" => "key reused".to_owned(),
        "unsupported_media_type" => "media type".to_owned(),
        _ => code.replace('_', " "),
    }
}

/// All codes of these, in the order of the page.
pub(super) fn in_order<'c>(codes: impl Iterator<Item = &'c &'static str>) -> Vec<&'static str> {
    let mut codes: Vec<_> = codes.copied().collect();
    codes.sort_by_key(|code| REASONS.iter().position(|reason| reason == code).unwrap_or(REASONS.len()));
    codes
}

fn refused(m: &MetricsView) -> Vec<RefusedRow> {
    let rate = |code: &str| m.rejected_rates.0.get(code).copied().unwrap_or_default();
    let count = |code: &str| m.rejected.0.get(code).copied().unwrap_or_default();
    let most = m.rejected_rates.0.values().copied().fold(1.0, f64::max);
    let row = |code: &'static str| RefusedRow {
        code,
        words: words(code),
        share: share(rate(code) as u64, most as u64),
        rate: Figure::rate("rate", rate(code)),
        sum: Figure::cell("sum", count(code)),
        per_second: rate(code),
        count: count(code),
    };
    in_order(m.rejected.0.keys()).into_iter().map(row).collect()
}

impl OrderRow {
    fn of(order: &Order, product: String) -> Self {
        Self {
            id: order.id.0,
            id_text: text::whole(order.id.0),
            user: order.user.as_str().to_owned(),
            product,
            quantity: text::whole(order.quantity),
            tone: if order.status == OrderStatus::Failed { "bad" } else { "" },
            status: order.status.as_str(),
        }
    }
}
