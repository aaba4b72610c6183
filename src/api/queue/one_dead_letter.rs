//! Retrying or deleting one dead letter.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::openapi::Operation;
use crate::api::route::{self, Route};
use crate::committer::{Intake, OperatorMove};
use crate::domain::job_id::JobIds;
use crate::domain::refusal::Refusal;
use crate::http::PathParam;
use crate::operator::{dead_letters, jobs};
use crate::queue::Queue;
use crate::view::JobView;
use crate::view::schema::of;
use crate::view::text::JobId;

pub(super) fn routes() -> Vec<Route> {
    let deleting = route::operator("/queue/dead-letter/{jobId}", "deleteDeadLetter", "Delete a dead letter");
    let deleting = of_one(deleting).about("Its order stays as it is.").responds_nothing("The dead letter is deleted.");
    let retrying = route::operator("/queue/dead-letter/{jobId}/retry", "retryDeadLetter", "Retry a dead letter");
    let retrying = of_one(retrying)
        .about("Its units are reserved again, under the rules that hold for a new order.")
        .responds::<JobView>("The job.")
        .sells();
    vec![route::delete(delete, deleting), route::post(retry, retrying)]
}

fn of_one(description: Operation) -> Operation {
    let description = description.part("jobId", "The job.", of::<JobId>());
    description.refuses(|refusal| matches!(refusal, Refusal::JobNotFound)).writes()
}

async fn retry(
    State(intake): State<Intake>,
    State(queue): State<Arc<Queue>>,
    State(job_ids): State<Arc<JobIds>>,
    PathParam(job_id): PathParam,
) -> Result<Json<JobView>, Refusal> {
    let order = dead_letters::move_one(&intake, &job_ids, &job_id, OperatorMove::Retry).await?;
    Ok(Json(jobs::view(&order, &queue, &job_ids)))
}

async fn delete(
    State(intake): State<Intake>,
    State(job_ids): State<Arc<JobIds>>,
    PathParam(job_id): PathParam,
) -> Result<StatusCode, Refusal> {
    dead_letters::move_one(&intake, &job_ids, &job_id, OperatorMove::Forget).await?;
    Ok(StatusCode::NO_CONTENT)
}
