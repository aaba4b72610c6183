//! The operations on the queue and the dead letters.

use axum::routing::MethodFilter;

use crate::domain::job::JobState;
use crate::domain::refusal::Refusal;

use super::super::Access::Operator;
use super::operation::{Described, api};
use super::schema::{id, job_id, named, some_text, truth, with_default, with_example, word};

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const DELETE: MethodFilter = MethodFilter::DELETE;

/// All of them.
pub(super) fn operations() -> Vec<Described> {
    let operations = vec![
        api(Operator, GET, "/queue", "getQueue", "Look at the queue").answers("The queue.", named("Queue")),
        api(Operator, POST, "/queue/pause", "pauseQueue", "Pause the queue")
            .about("Orders are still accepted; workers take none. It lasts over restarts.")
            .answers("The queue.", named("Queue"))
            .writes(),
        api(Operator, POST, "/queue/resume", "resumeQueue", "Resume the queue")
            .answers("The queue.", named("Queue"))
            .writes(),
        api(Operator, GET, "/queue/jobs", "listJobs", "List the jobs in one state")
            .about("Open jobs oldest first, finished ones newest first.")
            .required_query("state", "The state.", word(JobState::ALL.map(JobState::as_str)))
            .answers_page("A page of jobs.", "Job")
            .scans(),
        filtered(api(Operator, GET, "/queue/dead-letter", "listDeadLetters", "List the dead letters, newest first"))
            .answers_page("A page of dead letters.", "DeadLetter")
            .leads_to(&["retryDeadLetter", "deleteDeadLetter"], "jobId", "0/jobId")
            .scans(),
        all(api(Operator, DELETE, "/queue/dead-letter", "deleteDeadLetters", "Delete dead letters")),
        all(api(Operator, POST, "/queue/dead-letter/retry", "retryDeadLetters", "Retry dead letters")),
        of_one(api(Operator, DELETE, "/queue/dead-letter/{jobId}", "deleteDeadLetter", "Delete a dead letter"))
            .about("Its order stays as it is.")
            .answers_nothing("The dead letter is deleted."),
        of_one(api(Operator, POST, "/queue/dead-letter/{jobId}/retry", "retryDeadLetter", "Retry a dead letter"))
            .about("Its units are reserved again, under the rules that hold for a new order.")
            .answers("The job.", named("Job"))
            .sells(),
    ];
    operations.into_iter().map(|operation| operation.tag("queue")).collect()
}

fn filtered(operation: Described) -> Described {
    let reason = with_example(some_text(), serde_json::json!("attempts_exhausted"));
    operation.query("reason", "Only those whose failure reason contains this, whatever the case.", reason).query(
        "productId",
        "Only those of this product.",
        id(),
    )
}

fn all(operation: Described) -> Described {
    filtered(operation)
        .about("All that match.")
        .query("dryRun", "Count only.", with_default(truth(), serde_json::json!(false)))
        .answers("How many there were.", named("Moved"))
        .scans()
        .writes()
}

fn of_one(operation: Described) -> Described {
    operation.part("jobId", "The job.", job_id()).refuses(|refusal| matches!(refusal, Refusal::JobNotFound)).writes()
}
