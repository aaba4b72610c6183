//! The report that compares two runs.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use askama::Template;

use crate::domain::digits::grouped;
use crate::drawing::figure::{Kind as Figure, NARROW};
use crate::view::load_test::{EndpointView, LatencyView, PercentilesView};

use super::charts::{self, Charts};
use super::page::{Began, Frame, code, described, mark, millis, said, status};
use super::run::{Key, Run};
use super::words;

#[derive(Template)]
#[template(path = "load_test_pair.html")]
pub(super) struct PairPage<'r> {
    frame: Frame,
    sides: [Side<'r>; 2],
    sentence: String,
    figures: Vec<FigureRow>,
    checks: Vec<CheckRow>,
    charts: Charts,
    codes: Vec<CodeRow>,
    endpoints: Vec<EndpointRow>,
}

/// One of the two runs.
struct Side<'r> {
    letter: char,
    run: &'r Run,
    began: Began,
    headline: String,
    tone: &'static str,
    summary: String,
    file: String,
}

/// A figure of both runs.
#[derive(Debug, PartialEq, Eq)]
struct FigureRow {
    name: &'static str,
    values: [String; 2],
    change: String,
}

/// A check of both: its colour and its word in each.
struct CheckRow {
    title: String,
    marks: [(&'static str, &'static str); 2],
}

struct CodeRow {
    status: String,
    code: String,
    counts: [String; 2],
    change: String,
}

struct EndpointRow {
    name: String,
    requests: [String; 2],
    p99: [String; 2],
    change: String,
}

impl<'r> PairPage<'r> {
    pub(super) fn of(runs: [&'r Run; 2]) -> Self {
        let [first, second] = runs;
        let figures = figures(runs);
        // The codes of a rehearsal are those of orders, and Artillery's are those of all requests.
        let is_mixed = first.source != second.source;
        Self {
            frame: Frame::of(format!("Load tests compared: {} and {}", first.file.name, second.file.name)),
            sentence: sentence(runs),
            sides: [Side::of('A', first), Side::of('B', second)],
            figures,
            checks: checks(runs),
            charts: charts::of_two(runs),
            codes: if is_mixed { Vec::new() } else { codes(runs) },
            endpoints: endpoints(runs, is_mixed),
        }
    }
}

impl<'r> Side<'r> {
    fn of(letter: char, run: &'r Run) -> Self {
        Self {
            letter,
            run,
            began: Began::of(run),
            headline: words::headline(run),
            tone: words::tone(run),
            summary: words::sentence(run),
            file: described(&run.file),
        }
    }
}

/// How much more or less the second value is, in percent of the first.
fn change(first: Option<f64>, second: Option<f64>) -> String {
    let (Some(first), Some(second)) = (first, second) else { return "–".to_owned() };
    if first == second {
        return format!("0{NARROW}%");
    }
    if first == 0.0 {
        return "–".to_owned();
    }
    let percent = (second - first) * 100.0 / first;
    let sign = if percent < 0.0 { '\u{2212}' } else { '+' };
    let figure = match percent.abs() {
        size if size < 0.01 => "<0.01".to_owned(),
        size if size < 0.1 => format!("{size:.2}"),
        100.0 => "100".to_owned(),
        // Nothing is 100 % unless it is exactly so.
        size if (99.0..100.0).contains(&size) => format!("{:.2}", (size * 100.0).floor() / 100.0),
        size if (100.0..101.0).contains(&size) => format!("{:.2}", (size * 100.0).ceil() / 100.0),
        size if size < 100.0 => format!("{size:.1}"),
        size => grouped(size.round() as u64),
    };
    format!("{sign}{figure}{NARROW}%")
}

/// The figures of a run by name, with how they are written.
fn figures_of(run: &Run) -> Vec<(&'static str, Figure, &'static str, Option<f64>)> {
    let count = |count: Option<u64>| count.map(|count| count as f64);
    let funnel = run.funnel.as_ref();
    let latency = |of: Option<&LatencyView>, part: fn(&PercentilesView) -> u64| {
        of.and_then(|latency| latency.percentiles.as_ref()).map(|them| part(them) as f64 / 1_000.0)
    };
    let (all, orders) = (Some(&run.latency), run.order_latency.as_ref());
    let units = run.units();
    vec![
        ("Duration", Figure::Seconds, "s", Some(run.duration_ms as f64 / 1_000.0)),
        ("Requests", Figure::Count, "", Some(run.requests as f64)),
        ("Responses", Figure::Count, "", Some(run.latency.count as f64)),
        ("Responses per second, mean", Figure::Rate, "/s", run.mean_rate()),
        ("Responses per second, most", Figure::Rate, "/s", run.timeline.most(Key::Responses)),
        ("Without a response, or 5xx", Figure::Count, "", Some(run.failed as f64)),
        ("Orders asked for", Figure::Count, "", count(funnel.map(|funnel| funnel.asked))),
        ("Orders admitted", Figure::Count, "", count(funnel.map(|funnel| funnel.admitted))),
        ("Orders confirmed", Figure::Count, "", count(funnel.and_then(|funnel| funnel.ends).map(|[.., sold]| sold))),
        ("Units sold", Figure::Count, "", count(units.map(|[_, sold, ..]| sold))),
        ("Units left", Figure::Count, "", count(units.map(|[.., left]| left))),
        ("Latency of orders, p50", Figure::Millis, "ms", latency(orders, |them| them.p50)),
        ("Latency of orders, p99", Figure::Millis, "ms", latency(orders, |them| them.p99)),
        ("Latency of all requests, mean", Figure::Millis, "ms", run.latency.mean_us.map(|us| us / 1_000.0)),
        ("Latency of all requests, p50", Figure::Millis, "ms", latency(all, |them| them.p50)),
        ("Latency of all requests, p95", Figure::Millis, "ms", latency(all, |them| them.p95)),
        ("Latency of all requests, p99", Figure::Millis, "ms", latency(all, |them| them.p99)),
        ("Latency of all requests, slowest", Figure::Millis, "ms", latency(all, |them| them.max)),
        ("Processor time of the server", Figure::Seconds, "s", run.server_cpu_ms.map(|ms| ms as f64 / 1_000.0)),
        ("Memory of the server, most", Figure::Megabytes, "MB", count(run.server_peak_bytes)),
    ]
}

/// The figures that at least one of them has, or both, if they are of different kinds.
fn figures([first, second]: [&Run; 2]) -> Vec<FigureRow> {
    let is_mixed = first.source != second.source;
    let both = figures_of(first).into_iter().zip(figures_of(second));
    let known = both.filter(|((.., one), (.., other))| match is_mixed {
        true => one.is_some() && other.is_some(),
        false => one.is_some() || other.is_some(),
    });
    let row = |((name, kind, unit, one), (.., other)): ((_, Figure, _, _), (_, _, _, _))| FigureRow {
        name,
        values: [one, other].map(|value| said(kind, value, unit)),
        change: change(one, other),
    };
    known.map(row).collect()
}

/// What the second run did with more or with less, and what cannot be compared.
fn sentence(runs: [&Run; 2]) -> String {
    let [first, second] = runs;
    let compare = |what: &str, key: fn(&Run) -> Option<f64>| {
        let (one, other) = (key(first)?, key(second)?);
        let by = || change(Some(one), Some(other)).trim_start_matches(['+', '\u{2212}']).to_owned();
        match one.total_cmp(&other) {
            Ordering::Equal => Some(format!("{what} is the same")),
            _ if one == 0.0 => None,
            Ordering::Less => Some(format!("{what} is {} higher in B", by())),
            Ordering::Greater => Some(format!("{what} is {} lower in B", by())),
        }
    };
    let p99 = |run: &Run| Some(run.latency.percentiles?.p99 as f64);
    let rate = compare("rate of responses", Run::mean_rate);
    let parts: Vec<_> = rate.into_iter().chain(compare("p99 of all requests", p99)).collect();
    let mut sentences = Vec::new();
    if !parts.is_empty() {
        sentences.push(format!("The {}.", parts.join("; the ")));
    }
    if first.source != second.source {
        sentences.push(
            "Artillery counts latency from sending a request, in whole milliseconds; the rehearsal counts it from the \
             moment at which a request was meant to be sent, and its charts show that of orders alone."
                .to_owned(),
        );
    }
    sentences.join(" ")
}

fn checks(runs: [&Run; 2]) -> Vec<CheckRow> {
    let mut titles: Vec<&str> = Vec::new();
    for check in runs.iter().flat_map(|run| &run.checks) {
        if !titles.contains(&check.title.as_str()) {
            titles.push(&check.title);
        }
    }
    let of = |run: &Run, title: &str| run.checks.iter().find(|check| check.title == title).map_or(("dim", "–"), mark);
    titles
        .into_iter()
        .map(|title| CheckRow { title: title.to_owned(), marks: runs.map(|run| of(run, title)) })
        .collect()
}

fn codes(runs: [&Run; 2]) -> Vec<CodeRow> {
    let mut all: BTreeMap<(u16, &str), [u64; 2]> = BTreeMap::new();
    for (at, run) in runs.iter().enumerate() {
        for code in &run.codes {
            all.entry((code.status.unwrap_or(u16::MAX), &code.code)).or_default()[at] = code.count;
        }
    }
    let row = |((number, its), counts): ((u16, &str), [u64; 2])| CodeRow {
        status: status(Some(number).filter(|number| *number != u16::MAX)),
        code: code(its),
        counts: counts.map(grouped),
        change: change(Some(counts[0] as f64), Some(counts[1] as f64)),
    };
    all.into_iter().map(row).collect()
}

fn endpoints(runs: [&Run; 2], only_shared: bool) -> Vec<EndpointRow> {
    let mut all: BTreeMap<&str, [Option<&EndpointView>; 2]> = BTreeMap::new();
    for (at, run) in runs.iter().enumerate() {
        for endpoint in &run.endpoints {
            all.entry(&endpoint.endpoint).or_default()[at] = Some(endpoint);
        }
    }
    let p99 = |endpoint: Option<&EndpointView>| Some(endpoint?.latency.percentiles?.p99);
    let row = |(name, both): (&str, [Option<&EndpointView>; 2])| EndpointRow {
        name: name.to_owned(),
        requests: both.map(|it| it.map_or_else(|| "–".to_owned(), |it| grouped(it.requests))),
        p99: both.map(|it| millis(p99(it))),
        change: change(p99(both[0]).map(|us| us as f64), p99(both[1]).map(|us| us as f64)),
    };
    let shown = all.into_iter().filter(|(_, both)| !only_shared || both.iter().all(Option::is_some));
    shown.map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn a_change_is_in_percent_of_the_first_and_never_no_number() {
        let text = |one, other| change(Some(one), Some(other)).replace('\u{202f}', " ");
        assert_eq!([text(10.0, 12.5), text(10.0, 5.0), text(7.0, 7.0)], ["+25.0 %", "−50.0 %", "0 %"]);
        assert_eq!([text(1e6, 1.0), text(1e6, 2e6 + 1.0), text(5.0, 0.0)], ["−99.99 %", "+100.01 %", "−100 %"]);
        assert_eq!([text(0.0, 5.0), text(0.0, 0.0), text(1e6, 1e6 + 1.0)], ["–", "0 %", "+<0.01 %"]);
        assert_eq!([text(1.0, 2_001.0), text(1e-300, 1e300)].map(|text| text.contains("inf")), [false, false]);
        assert_eq!(change(None, Some(1.0)), "–");
    }

    #[test]
    fn two_runs_are_compared_by_what_both_have() {
        let one = fixture::run(fixture::REHEARSAL);
        let other = fixture::changed(|view| view.order_latency.percentiles = None);
        let rows = figures([&one, &other]);
        let row = |name| rows.iter().find(|row| row.name == name).unwrap();
        assert_eq!(row("Units sold").change, "0\u{202f}%");
        assert_eq!(row("Latency of orders, p99").values, ["2.3\u{202f}ms", "–"]);
        assert_eq!(row("Latency of orders, p99").change, "–");
        let artillery = fixture::run(fixture::ARTILLERY);
        let mixed = PairPage::of([&one, &artillery]);
        let titles: Vec<_> = mixed.charts.charts.iter().map(|chart| chart.title.as_str()).collect();
        let shared = ["Orders admitted per second", "Responses per second", "Latency, p99", "Latency, p50"];
        assert_eq!(titles, shared);
        assert!(mixed.figures.iter().all(|row| !row.values.contains(&"–".to_owned())), "{:?}", mixed.figures);
        assert!(mixed.sentence.contains("Artillery counts latency from sending"), "{}", mixed.sentence);
        assert!(mixed.codes.is_empty() && mixed.endpoints.is_empty());
        let codes = codes([&one, &other]);
        assert!(codes.iter().any(|row| row.code == "no response" && row.status == "–"));
        let same = PairPage::of([&artillery, &artillery]);
        assert_eq!(same.sentence, "The rate of responses is the same; the p99 of all requests is the same.");
        assert_eq!(same.endpoints.len(), 3);
    }
}
