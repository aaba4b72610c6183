//! The dead letters: listing them, and retrying or deleting all that match.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde_json::json;

use crate::api::openapi::Operation;
use crate::api::route::{self, Route};
use crate::committer::{Intake, OperatorMove};
use crate::domain::filter::OrderFilter;
use crate::domain::job_id::JobIds;
use crate::domain::order::OrderId;
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::http::schema::{some_text, truth, with_default, with_example};
use crate::http::{Cursors, Query, page_response};
use crate::limits::MAX_ID;
use crate::operator::dead_letters;
use crate::store::Store;
use crate::view::job::DeadLetterView;
use crate::view::queue::MovedView;
use crate::view::schema::of;
use crate::view::text::Id;

pub(super) fn routes() -> Vec<Route> {
    let listing = route::operator("/queue/dead-letter", "listDeadLetters", "List the dead letters, newest first");
    let listing = filtered(listing)
        .responds_page::<DeadLetterView<'_>>("A page of dead letters.")
        .leads_to(&["retryDeadLetter", "deleteDeadLetter"], "jobId", "0/jobId")
        .scans();
    let deleting = route::operator("/queue/dead-letter", "deleteDeadLetters", "Delete dead letters");
    let retrying = route::operator("/queue/dead-letter/retry", "retryDeadLetters", "Retry dead letters");
    vec![route::get(list, listing), route::delete(delete_all, all(deleting)), route::post(retry_all, all(retrying))]
}

fn filtered(description: Operation) -> Operation {
    let reason = with_example(some_text(), json!("attempts_exhausted"));
    description.query("reason", "Only those whose failure reason contains this, whatever the case.", reason).query(
        "productId",
        "Only those of this product.",
        of::<Id>(),
    )
}

fn all(description: Operation) -> Operation {
    filtered(description)
        .about("All that match.")
        .query("dryRun", "Count only.", with_default(truth(), json!(false)))
        .responds::<MovedView>("How many there were.")
        .scans()
        .writes()
}

/// Which dead letters are meant.
fn read_filter(query: &mut Query) -> OrderFilter {
    OrderFilter {
        reason: query.read("reason", |text| match text.is_empty() {
            true => Err("must not be empty".to_owned()),
            false => Ok(text.to_lowercase()),
        }),
        product: query.number("productId", 1, MAX_ID).map(ProductId),
        ..OrderFilter::default()
    }
}

async fn list(
    State(store): State<Arc<Store>>,
    State(job_ids): State<Arc<JobIds>>,
    State(cursors): State<Arc<Cursors>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let mut query = Query::of(&uri, &["reason", "productId", "limit", "cursor"]);
    let filter = read_filter(&mut query);
    let list = format!("dead letters {filter:?}");
    let (limit, position) = query.page(&cursors, &list);
    query.finish()?;
    let page = dead_letters::page(&store, filter, position.map(OrderId), limit).await?;
    let rows: Vec<_> = page.rows.iter().map(|letter| letter.view(&job_ids)).collect();
    Ok(page_response(&rows, page.next, &uri, &cursors, &list))
}

async fn retry_all(store: State<Arc<Store>>, intake: State<Intake>, uri: Uri) -> Result<Json<MovedView>, Refusal> {
    move_all(&store, &intake, &uri, OperatorMove::Retry).await
}

async fn delete_all(store: State<Arc<Store>>, intake: State<Intake>, uri: Uri) -> Result<Json<MovedView>, Refusal> {
    move_all(&store, &intake, &uri, OperatorMove::Forget).await
}

async fn move_all(
    store: &Arc<Store>,
    intake: &Intake,
    uri: &Uri,
    to: OperatorMove,
) -> Result<Json<MovedView>, Refusal> {
    let mut query = Query::of(uri, &["reason", "productId", "dryRun"]);
    let filter = read_filter(&mut query);
    let dry_run = query.flag("dryRun");
    query.finish()?;
    dead_letters::move_all(store, intake, &filter, to, dry_run).await.map(Json)
}
