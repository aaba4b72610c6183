//! The queue at a glance, pausing and resuming it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::api::route::{self, Route};
use crate::committer::Intake;
use crate::domain::refusal::Refusal;
use crate::operator::totals;
use crate::queue::Queue;
use crate::store::Store;
use crate::view::queue::QueueView;

pub(super) fn routes() -> Vec<Route> {
    let look = route::operator("/queue", "getQueue", "Look at the queue").responds::<QueueView>("The queue.");
    let pausing = route::operator("/queue/pause", "pauseQueue", "Pause the queue")
        .about("Orders are still accepted; workers take none. It lasts over restarts.")
        .responds::<QueueView>("The queue.")
        .writes();
    let resuming = route::operator("/queue/resume", "resumeQueue", "Resume the queue")
        .responds::<QueueView>("The queue.")
        .writes();
    vec![route::get(counts, look), route::post(pause, pausing), route::post(resume, resuming)]
}

async fn counts(store: State<Arc<Store>>, queue: State<Arc<Queue>>) -> Json<QueueView> {
    Json(totals::queue(&store, &queue))
}

async fn pause(
    intake: State<Intake>,
    store: State<Arc<Store>>,
    queue: State<Arc<Queue>>,
) -> Result<Json<QueueView>, Refusal> {
    intake.set_paused(true).await?;
    Ok(counts(store, queue).await)
}

async fn resume(
    intake: State<Intake>,
    store: State<Arc<Store>>,
    queue: State<Arc<Queue>>,
) -> Result<Json<QueueView>, Refusal> {
    intake.set_paused(false).await?;
    Ok(counts(store, queue).await)
}
