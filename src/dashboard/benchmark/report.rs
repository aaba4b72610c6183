//! The report as texts.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::drawing::figure::{Kind, part_of};
use crate::limits::RESPONSE_GOAL_MS;
use crate::view::benchmark::BenchmarkView;

use super::codes::Codes;
use super::percentiles;
use super::text;

/// The report as texts.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) view: BenchmarkView,
    pub(super) codes: Codes,
    /// The distribution, drawn.
    pub(super) chart: String,
    /// When the measurement began, and how long it has taken.
    pub(super) since: String,
    pub(super) began: Timestamp,
    pub(super) now: Timestamp,
}

impl Report {
    pub(super) fn of(view: BenchmarkView, now: Timestamp) -> Self {
        let began = view.started_at.0;
        let passed = Duration::from_secs(view.test_duration.max(0.0) as u64);
        let since = format!("since {}, {}", text::moment(began, now), text::span(passed));
        Self { codes: Codes::of(&view), chart: percentiles::draw(&view.latency), since, began, now, view }
    }

    /// What the 99th percentile is meant to be below, in milliseconds.
    pub(super) const fn goal_ms(&self) -> u32 {
        RESPONSE_GOAL_MS
    }

    /// A count, with the spaces that it is read by.
    pub(super) fn whole(&self, count: &u64) -> String {
        text::whole(*count)
    }

    /// A rate, to the whole.
    pub(super) fn rate(&self, rate: &f64) -> String {
        text::whole(rate.round().max(0.0) as u64)
    }

    /// A time, or a dash.
    pub(super) fn ms(&self, millis: &Option<f64>) -> String {
        Kind::Millis.text(*millis)
    }

    /// A number of the API, or nothing.
    pub(super) fn raw(&self, number: &Option<f64>) -> String {
        number.map_or_else(String::new, |number| number.to_string())
    }

    /// What part of all requests failed.
    pub(super) fn failed_share(&self) -> String {
        match self.view.total_requests {
            0 => "no request so far".to_owned(),
            all => format!("{} of all", part_of(self.view.failed_requests, all)),
        }
    }

    /// When the measurement began.
    pub(super) fn reset_at(&self) -> String {
        text::moment(self.began, self.now)
    }

    /// When the slowest response was sent.
    pub(super) fn slowest_at(&self) -> String {
        match self.view.slowest_at {
            Some(at) => text::moment_millis(at.0, self.now),
            None => "no request so far".to_owned(),
        }
    }

    /// What the distribution says in a sentence.
    pub(super) fn distribution(&self) -> String {
        let view = &self.view;
        match (view.p50_latency, view.max_latency) {
            (Some(half), Some(_)) => {
                let last = view.latency.iter().rev().find(|point| point.percentile < 100.0 && point.percentile > 50.0);
                let tail = last.map(|point| {
                    let of = text::whole((100.0 / (100.0 - point.percentile)).round() as u64);
                    format!("; one in {of} above {} ms", Kind::Millis.text(Some(point.ms)))
                });
                format!("half of them below {} ms{}", Kind::Millis.text(Some(half)), tail.unwrap_or_default())
            }
            _ => "no request so far".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::benchmark::PercentileView;
    use crate::view::text::AsText;

    #[test]
    fn an_empty_report_says_so_and_a_full_one_says_its_figures() {
        let now = Timestamp::parse("2026-11-25T12:04:00.000Z").unwrap();
        let began = AsText(Timestamp::parse("2026-11-25T11:59:50.000Z").unwrap());
        let empty = Report::of(BenchmarkView { started_at: began, ..BenchmarkView::default() }, now);
        assert_eq!((empty.failed_share(), empty.ms(&None)), ("no request so far".to_owned(), "–".to_owned()));
        let full = BenchmarkView {
            started_at: began,
            test_duration: 250.4,
            total_requests: 2_000,
            failed_requests: 1,
            p50_latency: Some(0.553),
            max_latency: Some(11.2),
            latency: vec![
                PercentileView { percentile: 50.0, ms: 0.553 },
                PercentileView { percentile: 99.9, ms: 4.61 },
                PercentileView { percentile: 100.0, ms: 11.2 },
            ],
            ..BenchmarkView::default()
        };
        let report = Report::of(full, now);
        assert_eq!(report.since, "since 11:59:50, 4 min 10 s");
        assert_eq!(report.distribution(), "half of them below 0.55 ms; one in 1\u{202f}000 above 4.6 ms");
        assert_eq!(report.failed_share(), "0.05\u{202f}% of all");
    }
}
