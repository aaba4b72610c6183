//! The list of jobs in one state.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use crate::api::route::{self, Route};
use crate::domain::job::JobState;
use crate::domain::job_id::JobIds;
use crate::domain::refusal::Refusal;
use crate::http::{Cursors, Query, page_response};
use crate::operator::jobs;
use crate::queue::Queue;
use crate::store::Store;
use crate::view::JobView;
use crate::view::schema::of;

pub(super) fn routes() -> Vec<Route> {
    let description = route::operator("/queue/jobs", "listJobs", "List the jobs in one state")
        .about("Open jobs oldest first, finished ones newest first.")
        .required_query("state", "The state.", of::<JobState>())
        .responds_page::<JobView>("A page of jobs.")
        .scans();
    vec![route::get(list, description)]
}

async fn list(
    State(store): State<Arc<Store>>,
    State(queue): State<Arc<Queue>>,
    State(job_ids): State<Arc<JobIds>>,
    State(cursors): State<Arc<Cursors>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let mut query = Query::of(&uri, &["state", "limit", "cursor"]);
    let state = query.word::<JobState>("state");
    let list = format!("jobs {state:?}");
    let (limit, position) = query.page(&cursors, &list);
    query.finish()?;
    let Some(state) = state else { return Err(Refusal::invalid("state", "is missing")) };
    let page = jobs::page(&store, &queue, state, position, limit).await?;
    let rows: Vec<_> = page.rows.iter().map(|order| jobs::view(order, &queue, &job_ids)).collect();
    Ok(page_response(&rows, page.next, &uri, &cursors, &list))
}
