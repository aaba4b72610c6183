//! The dead letters: listing and grouping them, and retrying or deleting all that match.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde_json::json;

use crate::api::openapi::Operation;
use crate::api::route::{self, Route};
use crate::committer::{Intake, OperatorMove};
use crate::domain::clock::Clock;
use crate::domain::filter::{DeadLetterFilter, OrderFilter, Picked};
use crate::domain::job_id::JobIds;
use crate::domain::order::OrderId;
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::http::schema::{sent_moment, some_text, truth, with_default, with_example};
use crate::http::{Cursors, Query, page_response};
use crate::inventory::Inventory;
use crate::limits::MAX_ID;
use crate::operator::dead_letters;
use crate::store::Store;
use crate::view::job::DeadLetterView;
use crate::view::queue::{DeadLetterGroupView, MovedView};
use crate::view::schema::of;
use crate::view::text::Id;

pub(super) fn routes() -> Vec<Route> {
    let listing = route::operator("/queue/dead-letter", "listDeadLetters", "List the dead letters, newest first");
    let listing = filtered(listing)
        .responds_page::<DeadLetterView<'_>>("A page of dead letters.")
        .leads_to(&["retryDeadLetter", "deleteDeadLetter"], "jobId", "0/jobId")
        .scans();
    let grouping = route::operator("/queue/dead-letter/groups", "groupDeadLetters", "Group the dead letters by error");
    let grouping = filtered(grouping)
        .about("By the last error, without ids, numbers and addresses; the largest groups first, at most 500.")
        .responds_list::<DeadLetterGroupView>("The groups.")
        .scans();
    let deleting = route::operator("/queue/dead-letter", "deleteDeadLetters", "Delete dead letters");
    let retrying = route::operator("/queue/dead-letter/retry", "retryDeadLetters", "Retry dead letters");
    vec![
        route::get(list, listing),
        route::get(group, grouping),
        route::delete(delete_all, all(deleting)),
        route::post(retry_all, all(retrying)),
    ]
}

/// The parameters that say which dead letters are meant.
const FILTER: [&str; 4] = ["reason", "productId", "group", "failedBefore"];

fn filtered(description: Operation) -> Operation {
    let reason = with_example(some_text(), json!("attempts_exhausted"));
    description
        .query("reason", "Only those whose failure reason contains this, whatever the case.", reason)
        .query("productId", "Only those of this product.", of::<Id>())
        .query("group", "Only those of the group with this error.", some_text())
        .query("failedBefore", "Only those that failed at this moment or earlier.", sent_moment())
}

fn all(description: Operation) -> Operation {
    filtered(description)
        .about("All that match. Those that fail after `failedBefore`, or again after the request came, stay.")
        .query("dryRun", "Count only, and say when and what a retry needs.", with_default(truth(), json!(false)))
        .responds::<MovedView>("How many there were.")
        .scans()
        .writes()
}

/// Which dead letters are meant.
fn read_filter(query: &mut Query) -> DeadLetterFilter {
    let some = |text: &str| match text.is_empty() {
        true => Err("must not be empty".to_owned()),
        false => Ok(text.to_owned()),
    };
    let group = query.read("group", some);
    DeadLetterFilter {
        order: OrderFilter {
            reason: query.read("reason", some).map(|text| text.to_lowercase()),
            product: query.number("productId", 1, MAX_ID).map(ProductId),
            ..OrderFilter::default()
        },
        failed_before: query.moment("failedBefore"),
        picked: group.map(|group| Picked { groups: vec![group], orders: Vec::new() }),
    }
}

fn known(others: &[&'static str]) -> Vec<&'static str> {
    FILTER.iter().chain(others).copied().collect()
}

async fn list(
    State(store): State<Arc<Store>>,
    State(job_ids): State<Arc<JobIds>>,
    State(cursors): State<Arc<Cursors>>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let mut query = Query::of(&uri, &known(&["limit", "cursor"]));
    let filter = read_filter(&mut query);
    let list = format!("dead letters {filter:?}");
    let (limit, position) = query.page(&cursors, &list);
    query.finish()?;
    let page = dead_letters::page(&store, filter, position.map(OrderId), limit).await?;
    let rows: Vec<_> = page.rows.iter().map(|letter| letter.view(&job_ids)).collect();
    Ok(page_response(&rows, page.next, &uri, &cursors, &list))
}

async fn group(
    State(store): State<Arc<Store>>,
    State(clock): State<Clock>,
    uri: Uri,
) -> Result<Json<Vec<DeadLetterGroupView>>, Refusal> {
    let mut query = Query::of(&uri, &FILTER);
    let filter = read_filter(&mut query);
    query.finish()?;
    Ok(Json(dead_letters::groups::groups(&store, &filter, clock.now()).await?.view()))
}

async fn retry_all(
    store: State<Arc<Store>>,
    intake: State<Intake>,
    clock: State<Clock>,
    inventory: State<Arc<Inventory>>,
    uri: Uri,
) -> Result<Json<MovedView>, Refusal> {
    match read_act(&uri)? {
        (filter, true) => {
            let preview = dead_letters::preview(&store, &intake, &clock, &filter).await?;
            Ok(Json(preview.view(Some(preview.needs(&inventory)))))
        }
        (filter, false) => move_all(&store, &intake, &clock, &filter, OperatorMove::Retry).await,
    }
}

async fn delete_all(
    store: State<Arc<Store>>,
    intake: State<Intake>,
    clock: State<Clock>,
    uri: Uri,
) -> Result<Json<MovedView>, Refusal> {
    match read_act(&uri)? {
        (filter, true) => Ok(Json(dead_letters::preview(&store, &intake, &clock, &filter).await?.view(None))),
        (filter, false) => move_all(&store, &intake, &clock, &filter, OperatorMove::Forget).await,
    }
}

/// Which dead letters an act means, and whether it only counts them.
fn read_act(uri: &Uri) -> Result<(DeadLetterFilter, bool), Refusal> {
    let mut query = Query::of(uri, &known(&["dryRun"]));
    let act = (read_filter(&mut query), query.flag("dryRun"));
    query.finish()?;
    Ok(act)
}

async fn move_all(
    store: &Arc<Store>,
    intake: &Intake,
    clock: &Clock,
    filter: &DeadLetterFilter,
    to: OperatorMove,
) -> Result<Json<MovedView>, Refusal> {
    Ok(Json(dead_letters::move_all(store, intake, clock, filter, to).await?.view()))
}
