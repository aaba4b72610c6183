//! The page Benchmark: what was measured since the last reset, to look at and to take along.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::domain::refusal::Refusal;
use crate::http::FormBody;
use crate::view::benchmark::BenchmarkView;

use super::frame::{Frame, Page};
use super::notice::Notice;
use super::page::{AskPage, attachment, stamp};
use super::state::Shared;
use super::text;
use super::visit::Visit;

mod charts;
mod codes;
mod file;
mod percentiles;
mod report;

use report::Report;

/// Where the page is.
const PATH: &str = "/benchmark";

#[derive(Template)]
#[template(path = "benchmark.html")]
struct BenchmarkPage {
    frame: Frame,
    report: Report,
    json_size: String,
    file_size: String,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route(PATH, get(show))
        .route("/benchmark/reset", post(reset))
        .route("/benchmark/report.json", get(json))
        .route("/benchmark/report.html", get(offline))
}

async fn show(State(shared): State<Shared>, visit: Visit) -> Result<Response, Refusal> {
    let report = Report::of(shared.monitor.benchmark(), shared.clock.now());
    let json = serde_json::to_vec(&report.view).map_err(|_| Refusal::Internal)?;
    let file = file::write(&report, &visit.host, &shared).await?;
    visit.html(&BenchmarkPage {
        frame: Frame::of(&shared, &visit, Page::Benchmark),
        json_size: kilobytes(json.len()),
        file_size: kilobytes(file.len()),
        report,
    })
}

async fn reset(State(shared): State<Shared>, visit: Visit, form: FormBody) -> Result<Response, Refusal> {
    if form.get("sure").is_some() {
        shared.monitor.reset();
        let at = text::clock_millis(shared.clock.now());
        let notice = Notice::done(format!("A new measurement began at {at}. The history stays."));
        return Ok(visit.to(PATH, &shared, &notice));
    }
    let total = text::counted(shared.monitor.benchmark().total_requests, "request is", "requests are");
    visit.html(&AskPage {
        frame: Frame::of(&shared, &visit, Page::Benchmark),
        title: "Start a new measurement?".to_owned(),
        lines: vec![
            format!("Starts a new measurement. {total} in the present one; download it first to keep it."),
            "The history stays, and so do the counters for Prometheus.".to_owned(),
        ],
        action: "/benchmark/reset".to_owned(),
        fields: vec![("sure".to_owned(), "yes".to_owned())],
        keep: "Keep measuring".to_owned(),
        act: "Start a new measurement".to_owned(),
        is_danger: false,
        typed: None,
        back: PATH.to_owned(),
    })
}

async fn json(State(shared): State<Shared>) -> Response {
    let view = shared.monitor.benchmark();
    let name = file_name(&view, "json");
    ([(CONTENT_DISPOSITION, name)], Json(view)).into_response()
}

async fn offline(State(shared): State<Shared>, visit: Visit) -> Result<Response, Refusal> {
    let report = Report::of(shared.monitor.benchmark(), shared.clock.now());
    let text = file::write(&report, &visit.host, &shared).await?;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    Ok(([(CONTENT_DISPOSITION, file_name(&report.view, "html")), (CONTENT_TYPE, kind)], text).into_response())
}

/// As a file, under a name with the beginning of the measurement.
fn file_name(view: &BenchmarkView, kind: &str) -> HeaderValue {
    attachment(&format!("flashsale-benchmark-{}.{kind}", stamp(view.started_at.0)))
}

fn kilobytes(bytes: usize) -> String {
    format!("{}\u{202f}kB", text::whole((bytes as u64).div_ceil(1_000)))
}
