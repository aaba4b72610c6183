//! A run as Artillery 2 writes it with `--output`: counters and summaries, for the whole run and for periods of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::domain::clock::Timestamp;
use crate::domain::digits::grouped;
use crate::limits::MAX_REPORT_POINTS;
use crate::view::load_test::{CheckView, CodeView, EndpointView, LatencyView, LostView, PercentilesView, ProductView};

use super::contradictions;
use super::run::{Funnel, InputFile, Key, Kind, Run, Series, Source, Timeline};

/// What Artillery's plugin metrics-by-endpoint begins its names with.
const BY_ENDPOINT: &str = "plugins.metrics-by-endpoint.";
/// How long a period is, if there is only one, in milliseconds.
const USUAL_PERIOD: u64 = 10_000;

/// The file.
#[derive(Debug, Deserialize)]
pub(super) struct Output {
    aggregate: Period,
    intermediate: Vec<Period>,
    /// Only in the results of this program's load tests.
    flashsale: Option<Audit>,
}

/// What the audit after the run found: the responses of all buyers compared with what the server has.
#[derive(Clone, Debug, Default, Deserialize)]
struct Audit {
    scenario: String,
    held: bool,
    checks: Vec<CheckView>,
    products: Vec<ProductView>,
}

/// The whole run, or a part of it. What was not measured is missing or null.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Period {
    counters: BTreeMap<String, Option<f64>>,
    #[serde(default)]
    summaries: BTreeMap<String, Summary>,
    /// Milliseconds since the Unix epoch.
    first_metric_at: Option<f64>,
    last_metric_at: Option<f64>,
    /// The same, as a number or as a text.
    period: Option<Value>,
}

/// A distribution, in milliseconds.
#[derive(Debug, Deserialize)]
struct Summary {
    count: Option<f64>,
    mean: Option<f64>,
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
}

impl Period {
    fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().flatten().map_or(0, whole)
    }

    /// Counters whose names begin so, without that.
    fn counters<'p>(&'p self, prefix: &'p str) -> impl Iterator<Item = (&'p str, u64)> {
        let own = self.counters.iter().filter_map(move |(name, count)| Some((name.strip_prefix(prefix)?, *count)));
        own.map(|(name, count)| (name, count.map_or(0, whole)))
    }

    /// Responses whose status is within a range.
    fn statuses(&self, range: std::ops::Range<u16>) -> u64 {
        let codes = self.counters("http.codes.").filter_map(|(code, count)| Some((code.parse::<u16>().ok()?, count)));
        sum(codes.filter(|(code, _)| range.contains(code)).map(|(_, count)| count))
    }

    fn errors(&self) -> u64 {
        sum(self.counters("errors.").map(|(_, count)| count))
    }

    /// When the period began, in milliseconds since the Unix epoch.
    fn began(&self) -> Option<i64> {
        match self.period.as_ref()? {
            Value::String(text) => text.parse().ok(),
            other => other.as_f64().map(millis),
        }
    }
}

impl Summary {
    fn latency(&self) -> LatencyView {
        let us = |ms: Option<f64>| ms.filter(|ms| *ms >= 0.0).map(|ms| whole(ms * 1_000.0));
        let percentiles = || {
            let (p50, p95) = (us(self.p50)?, us(self.p95)?);
            Some(PercentilesView { p50, p95, p99: us(self.p99)?, max: us(self.max)? })
        };
        LatencyView {
            count: self.count.map_or(0, whole),
            mean_us: self.mean.filter(|ms| *ms >= 0.0).map(|ms| ms * 1_000.0),
            percentiles: percentiles(),
        }
    }
}

/// The run that a file describes, or why it cannot be drawn.
pub(super) fn run(output: &Output, file: InputFile) -> Result<Run, &'static str> {
    let all = &output.aggregate;
    let first = all.first_metric_at.filter(|at| *at > 0.0).map(millis);
    let started = first.or_else(|| output.intermediate.iter().filter_map(Period::began).min()).or_else(|| all.began());
    let started = started.ok_or("has no time in it: nothing was measured")?;
    let ended = all.last_metric_at.map_or(started, millis).max(started);
    let (requests, responses) = (all.counter("http.requests"), all.counter("http.responses"));
    let funnel = funnel(all);
    let audit = output.flashsale.clone();
    let mut contradictions = audit.as_ref().map_or_else(Vec::new, Audit::contradictions);
    contradictions.extend(funnel.iter().filter_map(|it| contradictions::asked(it.asked, &it.lost, it.admitted)));
    let is_audited = audit.is_some();
    let Audit { scenario, checks: mut all_checks, products, .. } = audit.unwrap_or_default();
    all_checks.extend(checks(all));
    let latency = all.summaries.get("http.response_time").map(Summary::latency).unwrap_or_default();
    Ok(Run {
        source: Source::Artillery,
        file,
        is_audited,
        started: Timestamp::from_millis(started),
        duration_ms: (ended - started).unsigned_abs(),
        checks: all_checks,
        contradictions,
        funnel,
        products,
        phases: Vec::new(),
        events: Vec::new(),
        timeline: timeline(&output.intermediate, [started, ended])?,
        requests,
        failed: all.statuses(500..u16::MAX).saturating_add(requests.saturating_sub(responses)),
        latency: LatencyView { count: responses, ..latency },
        order_latency: None,
        p99_goal_ms: None,
        codes: codes(all),
        first: Vec::new(),
        kinds: kinds(all),
        endpoints: endpoints(all),
        counters: counters(all),
        facts: facts(output, &scenario, responses),
        warning: None,
        server_cpu_ms: None,
        server_peak_bytes: None,
    })
}

impl Audit {
    fn contradictions(&self) -> Vec<String> {
        let verdict = contradictions::verdict(self.held, &self.checks);
        verdict.into_iter().chain(contradictions::products(&self.products)).collect()
    }
}

/// The counters of rejections that the load tests of this program count, and what they are.
const LOST: [(&str, &str); 5] = [
    ("sold_out", ""),
    ("purchase_limit_exceeded", ""),
    ("rate_limited", "responses 429"),
    ("overloaded", "responses 503"),
    ("server_errors", "other responses from 500 on"),
];

/// From asking to being admitted, if the scenario counts it, as the load tests of this program do.
fn funnel(all: &Period) -> Option<Funnel> {
    let count = |name: &str| all.counter(&format!("flashsale.{name}"));
    let (asked, responses, admitted) = (count("asked"), count("responses"), count("admitted"));
    if asked == 0 {
        return None;
    }
    let lost = |(name, note): (&str, &str), count: u64| LostView { code: name.into(), count, note: note.into() };
    let mut all_lost: Vec<_> = LOST.into_iter().map(|it| lost(it, count(it.0))).collect();
    let known = sum(all_lost.iter().map(|lost| lost.count)).saturating_add(admitted);
    all_lost
        .push(lost(("no_response", "no response, or one that came after the end"), asked.saturating_sub(responses)));
    if responses > known {
        all_lost.push(lost(("other", "responses that no scenario expects"), responses - known));
    }
    Some(Funnel { asked, lost: all_lost, admitted, repeated: count("repeated"), ends: None })
}

/// What the counters say by themselves.
fn checks(all: &Period) -> Vec<CheckView> {
    let check = |name: &str, title: &str, holds: bool, evidence: String| CheckView {
        name: name.to_owned(),
        title: title.to_owned(),
        holds,
        evidence,
    };
    let (requests, responses) = (all.counter("http.requests"), all.counter("http.responses"));
    let (created, done) = (all.counter("vusers.created"), all.counter("vusers.completed"));
    let server_errors = all.statuses(500..u16::MAX);
    let of = |part: u64, whole: u64| format!("{} of {}", grouped(part), grouped(whole));
    let mut checks = vec![
        check(
            "users",
            "Every virtual user came to its end",
            created > 0 && done >= created,
            format!("{}; {} failed", of(done, created), grouped(all.counter("vusers.failed"))),
        ),
        check(
            "responses",
            "Every request got a response",
            (requests > 0 || created > 0) && responses >= requests,
            of(responses, requests),
        ),
        check("no_5xx", "No 5xx", server_errors == 0, of(server_errors, responses)),
    ];
    let (met, unmet) = (all.counter("plugins.expect.ok"), all.counter("plugins.expect.failed"));
    if met > 0 || unmet > 0 {
        let expected = met.saturating_add(unmet);
        checks.push(check("expectations", "Every expectation was met", unmet == 0, of(met, expected)));
    }
    checks
}

fn codes(all: &Period) -> Vec<CodeView> {
    let responses = all.counters("http.codes.").filter_map(|(code, count)| {
        let status: u16 = code.parse().ok()?;
        Some(CodeView { status: Some(status), code: reason(status).to_owned(), count })
    });
    let errors = all.counters("errors.").map(|(name, count)| CodeView { status: None, code: name.to_owned(), count });
    let mut codes: Vec<_> = responses.chain(errors).collect();
    codes.sort_by_key(|code| (code.status.unwrap_or(u16::MAX), std::cmp::Reverse(code.count)));
    codes
}

/// The words of a status that this server sends; nothing for another.
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "ok",
        201 => "created",
        202 => "accepted",
        204 => "no content",
        400 => "bad request",
        401 => "unauthorized",
        404 => "not found",
        409 => "conflict",
        422 => "unprocessable content",
        429 => "too many requests",
        500 => "internal server error",
        502 => "bad gateway",
        503 => "service unavailable",
        504 => "gateway timeout",
        _ => "",
    }
}

fn kinds(all: &Period) -> Vec<Kind> {
    let created = all.counters("vusers.created_by_name.");
    created.map(|(name, buyers)| Kind { name: name.to_owned(), buyers, asked_and_got: None }).collect()
}

fn endpoints(all: &Period) -> Vec<EndpointView> {
    let measured = all.summaries.iter().filter_map(|(name, summary)| {
        let endpoint = name.strip_prefix(BY_ENDPOINT)?.strip_prefix("response_time.")?;
        Some((endpoint.to_owned(), summary.latency()))
    });
    let mut all_endpoints: BTreeMap<String, (u64, LatencyView)> =
        measured.map(|(endpoint, latency)| (endpoint, (latency.count, latency))).collect();
    // Requests without a response have no latency.
    for (name, count) in all.counters(BY_ENDPOINT) {
        if let Some((endpoint, _)) = name.rsplit_once(".errors.") {
            let (requests, _) = all_endpoints.entry(endpoint.to_owned()).or_default();
            *requests = requests.saturating_add(count);
        }
    }
    let view = |(endpoint, (requests, latency))| EndpointView { endpoint, requests, latency };
    let mut endpoints: Vec<_> = all_endpoints.into_iter().map(view).collect();
    endpoints.sort_by_key(|endpoint| std::cmp::Reverse(endpoint.requests));
    endpoints
}

/// Counters that Artillery does not count by itself, and those of its other engines.
fn counters(all: &Period) -> Vec<(String, u64)> {
    const SHOWN_ELSEWHERE: [&str; 4] = ["http.", "vusers.", "errors.", "plugins."];
    let is_own = |name: &str| !SHOWN_ELSEWHERE.iter().any(|prefix| name.starts_with(prefix));
    all.counters("").filter(|(name, _)| is_own(name)).map(|(name, count)| (name.to_owned(), count)).collect()
}

fn facts(output: &Output, scenario: &str, responses: u64) -> Vec<(&'static str, String)> {
    const LOAD: &str =
        "Artillery 2, open loop: virtual users arrive without waiting for others; each waits for its own";
    let all = &output.aggregate;
    let bytes = all.counter("http.downloaded_bytes");
    let load = if scenario.is_empty() { LOAD.to_owned() } else { format!("scenario {scenario}, {LOAD}") };
    vec![
        ("Load", load),
        ("Latency", "from sending a request to the first byte of its response, in whole milliseconds".into()),
        ("Periods", format!("{}; the first and the last one may be partly filled", output.intermediate.len())),
        ("Received", format!("{} responses with {} bytes of bodies", grouped(responses), grouped(bytes))),
    ]
}

/// The periods as series, each drawn in its middle. Rates are taken over the part of a period that was measured.
fn timeline(periods: &[Period], [started, ended]: [i64; 2]) -> Result<Timeline, &'static str> {
    let mut by_time: BTreeMap<i64, &Period> = BTreeMap::new();
    by_time.extend(periods.iter().filter_map(|period| Some((period.began()?, period))));
    let times: Vec<i64> = by_time.keys().copied().collect();
    let (Some(first), Some(last)) = (times.first().copied(), times.last().copied()) else {
        return Ok(Timeline::default());
    };
    let steps = times.windows(2).map(|pair| pair[0].abs_diff(pair[1]));
    let step = steps.min().unwrap_or(USUAL_PERIOD);
    let points = first.abs_diff(last) / step + 1;
    if points > MAX_REPORT_POINTS {
        return Err("has periods that are too far apart to be drawn");
    }
    let time = |at: u64| first.saturating_add_unsigned(at * step);
    let at = |point: u64| by_time.range(time(point)..time(point + 1)).next().map(|(_, period)| *period);
    let found: Vec<Option<&Period>> = (0..points).map(at).collect();
    let seconds = |point: usize| {
        let (from, to) = (time(point as u64).max(started), time(point as u64 + 1).min(ended));
        ((to - from).max(1_000)) as f64 / 1_000.0
    };
    let rate = |key: Key, of: fn(&Period) -> u64| Series {
        key,
        values: found.iter().enumerate().map(|(at, it)| it.map(|period| of(period) as f64 / seconds(at))).collect(),
    };
    let latency = |key: Key, of: fn(&Summary) -> Option<f64>| {
        let value = |period: &Period| of(period.summaries.get("http.response_time")?).filter(|ms| *ms >= 0.0);
        Series { key, values: found.iter().map(|period| period.and_then(value)).collect() }
    };
    let mut series = vec![
        rate(Key::Responses, |period| period.counter("http.responses")),
        rate(Key::Good, |period| period.statuses(100..400)),
        rate(Key::Status4xx, |period| period.statuses(400..500)),
        rate(Key::Failed, |period| period.statuses(500..u16::MAX).saturating_add(period.errors())),
        rate(Key::Users, |period| period.counter("vusers.created")),
        latency(Key::P99, |summary| summary.p99),
        latency(Key::P95, |summary| summary.p95),
        latency(Key::P50, |summary| summary.p50),
    ];
    if periods.iter().any(|period| period.counter("flashsale.admitted") > 0) {
        series.push(rate(Key::Admitted, |period| period.counter("flashsale.admitted")));
        series.push(rate(Key::Rejected, |period| {
            sum(LOST.map(|(name, _)| period.counter(&format!("flashsale.{name}"))))
        }));
    }
    let from_ms = (first - started).saturating_add_unsigned(step / 2);
    let mut timeline = Timeline { from_ms, step_ms: step, points: found.len(), series, gaps: Vec::new() };
    timeline.gaps = timeline.gaps_of(|at| found[at].is_none());
    Ok(timeline)
}

fn sum(counts: impl IntoIterator<Item = u64>) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
}

/// A count; what is negative or too large ends at the bounds.
fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// A time within the years that can be written.
fn millis(number: f64) -> i64 {
    number.clamp(0.0, crate::domain::clock::MAX_TIMESTAMP.millis() as f64) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn read(text: &str) -> Result<Run, &'static str> {
        run(&serde_json::from_str(text).unwrap(), fixture::file("a.json"))
    }

    #[test]
    fn counters_become_codes_kinds_endpoints_and_checks() {
        let run = read(fixture::ARTILLERY).unwrap();
        let codes: Vec<_> = run.codes.iter().map(|code| (code.status, code.code.as_str(), code.count)).collect();
        assert_eq!(codes[..2], [(Some(200), "ok", 152), (Some(201), "created", 40)]);
        assert_eq!(codes[2..], [(Some(409), "conflict", 73), (None, "ECONNREFUSED", 39)]);
        assert_eq!(run.kinds.iter().map(|kind| kind.buyers).collect::<Vec<_>>(), [39, 113]);
        let endpoints: Vec<_> = run.endpoints.iter().map(|it| (it.endpoint.as_str(), it.requests)).collect();
        assert_eq!(endpoints, [("/inventory/1", 152), ("/orders", 113), (":1/nobody", 39)]);
        let held: Vec<_> = run.checks.iter().map(|check| check.holds).collect();
        assert_eq!(held, [false, false, true, false]);
        assert_eq!(run.checks[1].evidence, "265 of 304");
        assert_eq!((run.failed, run.counters.first()), (39, Some(&("flashsale.admitted".to_owned(), 40))));
    }

    #[test]
    fn the_counters_of_the_load_tests_become_a_funnel_whose_parts_add_up() {
        let run = read(fixture::ARTILLERY).unwrap();
        let funnel = run.funnel.unwrap();
        let lost: Vec<_> =
            funnel.lost.iter().filter(|it| it.count > 0).map(|it| (it.code.as_str(), it.count)).collect();
        assert_eq!((funnel.asked, funnel.admitted, lost), (113, 40, vec![("sold_out", 73)]));
        assert_eq!((funnel.ends, run.contradictions.len()), (None, 0));
        let odd = read(&fixture::ARTILLERY.replace("\"flashsale.asked\": 113", "\"flashsale.asked\": 120")).unwrap();
        assert_eq!(odd.contradictions.len(), 0, "seven had no response");
        let odd = read(&fixture::ARTILLERY.replace("\"flashsale.asked\": 113", "\"flashsale.asked\": 100")).unwrap();
        assert_eq!(odd.contradictions, ["Asked is 100, but the losses and admitted add up to 113."]);
    }

    #[test]
    fn the_audit_of_the_load_tests_comes_before_the_checks_of_the_counters() {
        let run = read(&fixture::audited()).unwrap();
        let names: Vec<_> = run.checks.iter().map(|check| (check.name.as_str(), check.holds)).collect();
        assert_eq!(names[..3], [("sent", true), ("stock", true), ("acknowledged", false)]);
        assert_eq!(
            names[3..],
            read(fixture::ARTILLERY).unwrap().checks.iter().map(|it| (it.name.as_str(), it.holds)).collect::<Vec<_>>()
        );
        assert_eq!((run.units(), run.is_audited, run.contradictions.len()), (Some([40, 40, 0, 0]), true, 0));
        assert!(run.facts[0].1.starts_with("scenario limited, Artillery 2"), "{}", run.facts[0].1);
        let changed = |from: &str, to: &str| read(&fixture::audited().replace(from, to)).unwrap().contradictions;
        assert_eq!(
            changed("\"held\": false", "\"held\": true"),
            ["The file says that all holds, but 1 check does not."]
        );
        assert!(changed("\"left\": 0", "\"left\": 1")[0].contains("sold, held and left add up to 41"));
    }

    #[test]
    fn without_an_audit_there_are_the_checks_of_the_counters_alone() {
        let none = fixture::audited().replace(fixture::AUDIT, "null");
        assert_eq!(read(&none).unwrap(), read(fixture::ARTILLERY).unwrap());
        assert_eq!((read(&none).unwrap().is_audited, read(&none).unwrap().checks.len()), (false, 4));
    }

    #[test]
    fn rates_are_taken_over_the_time_that_was_measured_and_missing_periods_are_gaps() {
        let run = read(fixture::ARTILLERY).unwrap();
        // 9 s of the first period, none of the second, the whole third, 3 s of the last.
        let responses = run.timeline.of(Key::Responses).unwrap();
        assert_eq!(responses, [Some(10.0), None, Some(14.5), Some(10.0)]);
        assert_eq!((run.timeline.from_ms, run.timeline.step_ms), (4_000, 10_000));
        assert_eq!(run.timeline.gaps, [[9_000, 19_000]]);
    }

    #[test]
    fn nothing_succeeded_and_nothing_was_sent_are_no_numbers() {
        let empty = r#"{"aggregate": {"counters": {}, "period": 1700000000000}, "intermediate": []}"#;
        let run = read(empty).unwrap();
        assert_eq!((run.latency.percentiles, run.mean_rate()), (None, None));
        assert!(run.checks.iter().filter(|check| check.holds).count() == 1, "{:?}", run.checks);
        assert!(read(r#"{"aggregate": {"counters": {}}, "intermediate": []}"#).is_err());
        let far = r#"{"aggregate": {"counters": {}}, "intermediate": [
            {"counters": {}, "period": "0"}, {"counters": {}, "period": "1"}, {"counters": {}, "period": "9e9"},
            {"counters": {}, "period": "99999999999"}]}"#;
        assert!(read(far).unwrap_err().contains("too far apart"));
    }

    #[test]
    fn strange_counts_stay_within_their_bounds() {
        let text = r#"{"aggregate": {"counters": {"http.requests": 1e300, "http.responses": -5, "http.codes.500": null,
            "errors.x": 1e300, "errors.y": 1e300}, "firstMetricAt": 1e300, "lastMetricAt": -1}, "intermediate": []}"#;
        let run = read(text).unwrap();
        assert_eq!((run.failed, run.duration_ms, run.latency.count), (u64::MAX, 0, 0));
    }
}
