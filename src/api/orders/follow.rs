//! Following an order by its job: the buyer's way.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::api::route::{self, Route};
use crate::domain::job_id::JobIds;
use crate::domain::refusal::Refusal;
use crate::http::PathParam;
use crate::operator::jobs;
use crate::queue::Queue;
use crate::store::Store;
use crate::view::FollowedJobView;
use crate::view::schema::of;
use crate::view::text::JobId;

pub(super) fn route() -> Route {
    let description = route::public("/orders/queue/{jobId}", "followOrder", "Follow an order")
        .about("The buyer's way to an order: the `jobId` of the receipt is enough, without a credential.")
        .part("jobId", "The `jobId` of the receipt.", of::<JobId>())
        .responds::<FollowedJobView>("The job.")
        .refuses(|refusal| matches!(refusal, Refusal::JobNotFound))
        .reads();
    route::get(follow, description)
}

async fn follow(
    State(store): State<Arc<Store>>,
    State(queue): State<Arc<Queue>>,
    State(job_ids): State<Arc<JobIds>>,
    PathParam(job_id): PathParam,
) -> Result<Json<FollowedJobView>, Refusal> {
    jobs::follow(&store, &queue, &job_ids, &job_id).await.map(Json)
}
