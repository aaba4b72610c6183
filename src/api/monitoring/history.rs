//! The time series, readiness and the verdict.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;

use crate::api::openapi::Operation;
use crate::api::route::{self, Route};
use crate::domain::clock::Clock;
use crate::domain::refusal::Refusal;
use crate::http::schema::{sent_moment, whole};
use crate::http::{PublicUrl, Query};
use crate::limits::{MAX_HISTORY_POINTS, MAX_HISTORY_STEP};
use crate::monitor::{HistoryRange, Monitor};
use crate::view::history::HistoryView;
use crate::view::readiness::ReadinessView;
use crate::view::verdict::VerdictView;

pub(super) fn routes() -> Vec<Route> {
    let series = route::operator("/monitoring/metrics/history", "getMetricsHistory", "Read the figures over time")
        .about(
            "Least, mean and most of each step, `null` where nothing was measured, and what happened meanwhile. A \
             second is kept for an hour, ten seconds for a day, a minute for 31 days; where only coarser ones are \
             left, their figures are repeated.",
        )
        .query("from", "The start; two minutes before the end if unset.", sent_moment())
        .query("to", "The end; the present if unset.", sent_moment())
        .query(
            "step",
            &format!("Seconds of a point; the finest that gives at most {MAX_HISTORY_POINTS} points if unset."),
            whole(1, MAX_HISTORY_STEP.as_secs().cast_signed()),
        )
        .responds::<HistoryView>("The series of the range, which is widened to whole steps.");
    let ready = route::operator("/monitoring/readiness", "getReadiness", "Check what a sale needs")
        .about("It is checked every five seconds; the worst comes first.")
        .responds::<ReadinessView>("What was found.");
    vec![route::get(history, series), route::get(readiness, ready), route::get(verdict, verdict_route())]
}

fn verdict_route() -> Operation {
    route::operator("/monitoring/verdict", "getVerdict", "Check whether the sale held")
        .about("Goes over all orders, and compares what is in the store with what was promised.")
        .responds::<VerdictView>("The verdict.")
        .scans()
}

async fn history(monitor: State<Arc<Monitor>>, clock: State<Clock>, uri: Uri) -> Result<Json<HistoryView>, Refusal> {
    let mut query = Query::of(&uri, &["from", "to", "step"]);
    let (from, to) = (query.moment("from"), query.moment("to"));
    let step = query.number("step", 1, MAX_HISTORY_STEP.as_secs()).map(Duration::from_secs);
    query.finish()?;
    Ok(Json(monitor.history_of(HistoryRange::of(clock.now(), from, to, step)?).await?))
}

async fn readiness(State(monitor): State<Arc<Monitor>>, State(public): State<PublicUrl>) -> Json<ReadinessView> {
    let mut view = ReadinessView::clone(&monitor.readiness());
    for link in view.checks.iter_mut().filter_map(|check| check.link.as_mut()) {
        *link = public.shown(link).into_owned();
    }
    Json(view)
}

async fn verdict(State(monitor): State<Arc<Monitor>>) -> Result<Json<VerdictView>, Refusal> {
    Ok(Json(monitor.verdict().await?))
}
