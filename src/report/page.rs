//! The report of one run as a page.

use askama::Template;

use crate::domain::clock::Timestamp;
use crate::domain::digits::grouped;
use crate::drawing::figure::{Kind as Figure, NARROW, part_of, share};
use crate::drawing::offline::{CHART_STYLE, policy};
use crate::drawing::text;
use crate::limits::REPORT_ROWS;
use crate::view::load_test::{CheckView, CodeView, EndpointView, FirstView, ProductView};

use super::charts::{self, Charts};
use super::run::{Funnel, InputFile, Kind, Run, Source};
use super::words;

const STYLE: &str = include_str!("../../templates/load_test.css");
const SCRIPT: &str = include_str!("../../templates/load_test.js");

/// What all reports have.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) policy: String,
    pub(super) styles: [&'static str; 2],
    pub(super) script: &'static str,
    pub(super) version: &'static str,
}

impl Frame {
    pub(super) fn of(title: String) -> Self {
        let styles = [STYLE, CHART_STYLE];
        Self {
            title,
            policy: policy(&styles, Some(SCRIPT)),
            styles,
            script: SCRIPT,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

#[derive(Template)]
#[template(path = "load_test_run.html")]
pub(super) struct RunPage<'r> {
    frame: Frame,
    run: &'r Run,
    began: Began,
    headline: String,
    tone: &'static str,
    sentence: String,
    verdict_note: &'static str,
    funnel: Vec<FunnelRow>,
    charts: Charts,
    moments: Vec<(String, String)>,
    codes: Rows<CodeRow>,
    first: Vec<FirstRow>,
    kinds: Rows<[String; 4]>,
    endpoints: Rows<EndpointRow>,
    products: Rows<ProductRow>,
    counters: Rows<(String, String)>,
    file: String,
}

/// When a run began and how long it took.
#[derive(Debug)]
pub(super) struct Began {
    /// RFC 3339.
    pub(super) at: Timestamp,
    pub(super) text: String,
    pub(super) lasted: String,
}

/// The first rows of a table, and how many more there are.
#[derive(Debug)]
pub(super) struct Rows<T> {
    pub(super) rows: Vec<T>,
    pub(super) more: usize,
}

impl<T> Rows<T> {
    fn of<V>(all: &[V], row: impl FnMut(&V) -> T) -> Self {
        let rows: Vec<T> = all.iter().take(REPORT_ROWS).map(row).collect();
        Self { more: all.len() - rows.len(), rows }
    }
}

/// A step of the funnel, or what was lost before the next one.
#[derive(Debug)]
struct FunnelRow {
    name: String,
    is_step: bool,
    /// In percent of what was asked, for the bar.
    bar: String,
    raw: u64,
    count: String,
    share: String,
    note: String,
}

/// Responses of one kind.
#[derive(Debug)]
pub(super) struct CodeRow {
    pub(super) status: String,
    pub(super) code: String,
    bar: String,
    raw: u64,
    count: String,
}

#[derive(Debug)]
struct FirstRow {
    place: String,
    user: String,
    after: String,
    unit: &'static str,
    orders: String,
}

#[derive(Debug)]
struct EndpointRow {
    name: String,
    raw: u64,
    requests: String,
    p50: String,
    p99: String,
    slowest: String,
}

#[derive(Debug)]
struct ProductRow {
    name: String,
    id: u64,
    sold_bar: String,
    held_bar: String,
    stock: String,
    sold: String,
    held: String,
    left: String,
    gone: String,
}

impl<'r> RunPage<'r> {
    pub(super) fn of(run: &'r Run) -> Self {
        let headline = words::headline(run);
        let began = Began::of(run);
        Self {
            frame: Frame::of(format!("Load test of {}: {headline}", began.text)),
            began,
            headline,
            tone: words::tone(run),
            sentence: words::sentence(run),
            verdict_note: words::verdict_note(run),
            funnel: run.funnel.as_ref().map_or_else(Vec::new, funnel),
            charts: charts::of_one(run),
            moments: charts::sentences(run),
            codes: codes(&run.codes),
            first: run.first.iter().map(FirstRow::of).collect(),
            kinds: Rows::of(&run.kinds, kind),
            endpoints: Rows::of(&run.endpoints, EndpointRow::of),
            products: Rows::of(&run.products, ProductRow::of),
            counters: Rows::of(&run.counters, |(name, count)| (name.clone(), grouped(*count))),
            file: described(&run.file),
            run,
        }
    }

    fn is_rehearsal(&self) -> bool {
        self.run.source == Source::Rehearsal
    }

    /// Whether the kinds of buyers have asked for orders that were counted.
    fn kinds_asked(&self) -> bool {
        self.run.kinds.iter().any(|kind| kind.asked_and_got.is_some())
    }
}

impl Began {
    pub(super) fn of(run: &Run) -> Self {
        let at = run.started;
        Self {
            at,
            text: format!("{} {} UTC", text::day(at), text::clock(at)),
            lasted: text::span(std::time::Duration::from_millis(run.duration_ms)),
        }
    }
}

/// A file by its name, its length and its hash.
pub(super) fn described(file: &InputFile) -> String {
    format!("{}, {} bytes, SHA-256 {}", file.name, grouped(file.bytes), file.sha256)
}

/// A code as words: `sold_out` is "sold out".
fn spoken(code: &str) -> String {
    code.replace('_', " ")
}

fn funnel(funnel: &Funnel) -> Vec<FunnelRow> {
    let bar = |count| share(count, funnel.asked.max(1));
    let step = |name: &str, count: u64, note: &str| FunnelRow {
        name: name.to_owned(),
        is_step: true,
        bar: bar(count),
        raw: count,
        count: grouped(count),
        share: if funnel.asked == 0 { "–".to_owned() } else { part_of(count, funnel.asked) },
        note: note.to_owned(),
    };
    let loss = |name: &str, count: u64, note: &str| FunnelRow {
        name: spoken(name),
        is_step: false,
        bar: bar(count),
        raw: count,
        count: if count == 0 { "0".to_owned() } else { format!("\u{2212}{}", grouped(count)) },
        share: String::new(),
        note: note.to_owned(),
    };
    let mut rows = vec![step("Asked", funnel.asked, "every request for an order, once")];
    rows.extend(funnel.lost.iter().map(|lost| loss(&lost.code, lost.count, &lost.note)));
    rows.push(step("Admitted", funnel.admitted, "a response 201, with the order on disk before it"));
    rows.push(loss("repeated", funnel.repeated, "the same key again, the same order"));
    if let Some([cancelled, failed, pending, confirmed]) = funnel.ends {
        rows.push(loss("cancelled", cancelled, "by the buyer, or by the end of the hold"));
        rows.push(loss("failed", failed, "could not be fulfilled"));
        rows.push(loss("pending", pending, "not decided when the run ended"));
        rows.push(step("Confirmed", confirmed, "sold"));
    }
    rows
}

/// A status as text; a dash without a response.
pub(super) fn status(status: Option<u16>) -> String {
    status.map_or_else(|| "–".to_owned(), |status| status.to_string())
}

/// A code as it is in a table: as on the wire, but for the one that was never there.
pub(super) fn code(code: &str) -> String {
    if code == "no_response" { spoken(code) } else { code.to_owned() }
}

fn codes(codes: &[CodeView]) -> Rows<CodeRow> {
    let most = codes.iter().map(|code| code.count).max().unwrap_or(0).max(1);
    Rows::of(codes, |of| CodeRow {
        status: status(of.status),
        code: code(&of.code),
        bar: share(of.count, most),
        raw: of.count,
        count: grouped(of.count),
    })
}

fn kind(kind: &Kind) -> [String; 4] {
    let [asked, got] = match kind.asked_and_got {
        Some(counts) => counts.map(grouped),
        None => [String::new(), String::new()],
    };
    [kind.name.clone(), grouped(kind.buyers), asked, got]
}

impl FirstRow {
    fn of(first: &FirstView) -> Self {
        let (after, unit) = match first.after_us {
            us @ 0..1_000_000 => (Figure::Millis.text(Some(us as f64 / 1_000.0)), "ms"),
            us @ 1_000_000..60_000_000 => (Figure::Seconds.text(Some(us as f64 / 1e6)), "s"),
            us => (text::run_time(us / 1_000), ""),
        };
        Self { place: grouped(first.place), user: first.user_id.clone(), after, unit, orders: grouped(first.orders) }
    }
}

/// A percentile in microseconds as milliseconds; a dash without one.
pub(super) fn millis(us: Option<u64>) -> String {
    Figure::Millis.text(us.map(|us| us as f64 / 1_000.0))
}

impl EndpointRow {
    fn of(endpoint: &EndpointView) -> Self {
        let percentiles = endpoint.latency.percentiles;
        Self {
            name: endpoint.endpoint.clone(),
            raw: endpoint.requests,
            requests: grouped(endpoint.requests),
            p50: millis(percentiles.map(|them| them.p50)),
            p99: millis(percentiles.map(|them| them.p99)),
            slowest: millis(percentiles.map(|them| them.max)),
        }
    }
}

impl ProductRow {
    fn of(product: &ProductView) -> Self {
        let gone = match product.sold_out_ms {
            Some(ms) => format!("after {}", text::run_time(ms)),
            None => String::new(),
        };
        Self {
            name: product.name.clone(),
            id: product.id,
            sold_bar: share(product.sold.min(product.stock), product.stock),
            held_bar: share(product.held.min(product.stock), product.stock),
            stock: grouped(product.stock),
            sold: grouped(product.sold),
            held: grouped(product.held),
            left: grouped(product.left),
            gone,
        }
    }
}

/// A check with what the page shows beside it.
pub(super) fn mark(check: &CheckView) -> (&'static str, &'static str) {
    if check.holds { ("good", "Holds") } else { ("bad", "Broken") }
}

/// A figure with its unit, for a text.
pub(super) fn said(kind: Figure, value: Option<f64>, unit: &str) -> String {
    match value {
        Some(_) if !unit.is_empty() => format!("{}{NARROW}{unit}", kind.text(value)),
        value => kind.text(value),
    }
}
