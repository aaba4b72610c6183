//! The report as one HTML file. It opens from the disk, without a network: its own policy lets it load nothing, and its
//! one style sheet is named by its hash.

use std::time::Duration;

use askama::Template;

use crate::domain::clock::Timestamp;
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::drawing::chart::TimeChart;
use crate::drawing::offline::{CHART_STYLE, policy};
use crate::monitor::HistoryRange;
use crate::view::history::HistoryView;

use super::charts;
use super::report::Report;
use super::{Shared, text};

/// The style sheet of the file.
const STYLE: &str = include_str!("../../../templates/benchmark_file.css");

#[derive(Template)]
#[template(path = "benchmark_file.html")]
struct ReportFile<'a> {
    report: &'a Report,
    host: &'a str,
    version: &'static str,
    history: String,
    policy: String,
    styles: [&'static str; 2],
    written: String,
    charts: Vec<TimeChart>,
    /// Where the charts begin and end.
    range: String,
    has_gaps: bool,
    events: Vec<EventLine>,
    /// Events before those that are listed.
    more_events: usize,
    data: String,
}

/// Something that happened meanwhile.
struct EventLine {
    at: Timestamp,
    clock: String,
    message: String,
}

/// Events that are listed: the newest ones.
const EVENTS: usize = 50;

/// What the charts show at least: a measurement that has just begun has no shape yet.
const LEAST: Duration = Duration::from_secs(10);

/// The file as text.
pub(super) async fn write(report: &Report, host: &str, shared: &Shared) -> Result<String, Refusal> {
    let began = report.began.millis().min(report.now.millis() - LEAST.as_millis() as i64);
    let from = Timestamp::from_millis(began);
    let range = HistoryRange::of(report.now, Some(from), Some(report.now), None)?;
    let history = shared.monitor.history_of(range).await?;
    let charts = charts::draw(&history, |product| shared.product_name(ProductId(product)));
    // Within a script element nothing but `<` could end it.
    let data = serde_json::to_string(&report.view).map_err(|_| Refusal::Internal)?.replace('<', "\\u003c");
    let file = ReportFile {
        report,
        host,
        version: env!("CARGO_PKG_VERSION"),
        history: shared.store.head().history().to_string(),
        policy: policy(&[STYLE, CHART_STYLE], None),
        styles: [STYLE, CHART_STYLE],
        has_gaps: charts.iter().any(|chart| !chart.gaps.is_empty()),
        charts,
        range: format!("{} to {} UTC", text::moment(from, report.now), text::clock(report.now)),
        events: events(&history, report.now),
        more_events: history.events.len().saturating_sub(EVENTS),
        written: format!("{} {} UTC", text::day(report.now), text::clock(report.now)),
        data,
    };
    file.render().map_err(|error| {
        tracing::error!(%error, "the report could not be written");
        Refusal::Internal
    })
}

fn events(history: &HistoryView, now: Timestamp) -> Vec<EventLine> {
    let newest = history.events.iter().skip(history.events.len().saturating_sub(EVENTS));
    let line =
        |at: Timestamp, message: &str| EventLine { at, clock: text::moment(at, now), message: message.to_owned() };
    newest.map(|event| line(event.at.0, &event.message)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_sheet_loads_nothing() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains('<'), "it loads something");
    }
}
