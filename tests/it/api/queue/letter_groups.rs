//! Dead letters in groups, and acts on all that match: what came after the count is not touched.

use serde_json::{Value, json};

use super::dead_letters::{dead_job, dead_jobs, server_without_luck};
use crate::harness::{Endpoint, Reply, Server, assert_problem, assert_time, eventually};

const EXHAUSTED: &str = "500 Internal Server Error";
const REJECTED: &str = "rejected: 422 Unprocessable Entity";

async fn groups(server: &Server, filter: &str) -> Vec<Value> {
    server.get(&format!("/queue/dead-letter/groups{filter}")).await.expect(200).array().clone()
}

/// A value as it is in a query.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_grouped_by_their_last_error_the_largest_first() {
    let endpoint = Endpoint::start().await;
    let server = server_without_luck(&endpoint).await;
    let (lamp, chair) = (server.create(10).await, server.create(10).await);
    assert_eq!(groups(&server, "").await, [json!(null); 0]);
    let first = dead_job(&server, lamp).await;
    dead_job(&server, lamp).await;
    let last = dead_job(&server, chair).await;
    endpoint.script([], Reply::Status(422));
    dead_job(&server, chair).await;
    let found = groups(&server, "").await;
    let [exhausted, rejected] = found.as_slice() else { panic!("two groups: {found:?}") };
    assert_eq!((&exhausted["error"], &exhausted["count"]), (&json!(EXHAUSTED), &json!(3)));
    assert_eq!((&rejected["error"], &rejected["count"]), (&json!(REJECTED), &json!(1)));
    assert_eq!((&exhausted["products"], &exhausted["productCount"]), (&json!([lamp, chair]), &json!(2)));
    assert!(exhausted["growthPerSecond"].as_f64().is_some_and(|growth| growth <= 0.3), "{exhausted}");
    for (moment, job) in [("first", first), ("last", last)] {
        assert_time(&exhausted[moment]);
        let letters = server.all("/queue/dead-letter").await;
        let letter = letters.iter().find(|letter| letter["jobId"] == job.as_str()).unwrap();
        assert_eq!(exhausted[moment], letter["failedAt"], "{moment}");
    }
    for (filter, counts) in [
        (format!("?productId={chair}"), vec![1, 1]),
        ("?reason=REJECTED".to_owned(), vec![1]),
        (format!("?group={}", encoded(EXHAUSTED)), vec![3]),
        ("?failedBefore=2026-01-01T00:00:00Z".to_owned(), vec![]),
    ] {
        let found: Vec<_> =
            groups(&server, &filter).await.iter().map(|group| group["count"].as_u64().unwrap()).collect();
        assert_eq!(found, counts, "{filter}");
    }
    assert_eq!(dead_jobs(&server, &format!("?group={}", encoded(REJECTED))).await.len(), 1);
    for wrong in ["?group=", "?failedBefore=yesterday", "?grp=1"] {
        assert_problem(&server.get(&format!("/queue/dead-letter/groups{wrong}")).await, 400, "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_says_when_it_counted_and_which_units_a_retry_needs() {
    let endpoint = Endpoint::start().await;
    let server = server_without_luck(&endpoint).await;
    let (lamp, chair) = (server.create(10).await, server.create(3).await);
    for product in [lamp, lamp, chair] {
        dead_job(&server, product).await;
    }
    let counted = server.act("/queue/dead-letter/retry?dryRun=true").await.expect(200).body;
    assert_eq!((&counted["matched"], &counted["done"]), (&json!(3), &json!(0)));
    assert_time(&counted["countedAt"]);
    let needs = counted["needs"].as_array().unwrap();
    let needs: Vec<_> = needs
        .iter()
        .map(|need| json!([need["productId"], need["letters"], need["unitsNeeded"], need["unitsLeft"]]))
        .collect();
    assert_eq!(needs, [json!([lamp, 2, 4, 10]), json!([chair, 1, 2, 3])]);
    let discarded = server.delete("/queue/dead-letter?dryRun=true").await.expect(200).body;
    assert_time(&discarded["countedAt"]);
    assert_eq!((&discarded["matched"], discarded.get("needs")), (&json!(3), None));
    assert_eq!(dead_jobs(&server, "").await.len(), 3, "nothing was moved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_that_fail_after_the_count_stay_whatever_is_pressed_how_often() {
    let endpoint = Endpoint::start().await;
    let server = server_without_luck(&endpoint).await;
    let product = server.create(100).await;
    for _ in 0..3 {
        dead_job(&server, product).await;
    }
    let counted = server.act("/queue/dead-letter/retry?dryRun=true").await.expect(200).body;
    let bound = counted["countedAt"].as_str().unwrap().to_owned();
    let late = dead_job(&server, product).await;
    let path = format!("/queue/dead-letter/retry?failedBefore={bound}");
    let (one, two) = tokio::join!(server.act(&path), server.act(&path));
    let done: Vec<_> = [one, two].iter().map(|answer| answer.body["done"].as_u64().unwrap()).collect();
    assert_eq!(done.iter().sum::<u64>(), 3, "each letter once: {done:?}");
    // They fail again, and are other letters then.
    eventually("all to be dead again", async || (dead_jobs(&server, "").await.len() == 4).then_some(())).await;
    let again = server.act(&path).await.expect(200).body;
    assert_eq!(again, json!({"matched": 0, "done": 0}));
    let discarded = server.delete(&format!("/queue/dead-letter?failedBefore={bound}")).await.expect(200).body;
    assert_eq!(discarded, json!({"matched": 0, "done": 0}));
    assert!(dead_jobs(&server, "").await.contains(&late));
    let rest = server.delete("/queue/dead-letter").await.expect(200).body;
    assert_eq!(rest, json!({"matched": 4, "done": 4}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_on_a_group_leaves_the_other_groups() {
    let endpoint = Endpoint::start().await;
    let server = server_without_luck(&endpoint).await;
    let product = server.create(100).await;
    let kept = dead_job(&server, product).await;
    endpoint.script([], Reply::Status(422));
    dead_job(&server, product).await;
    dead_job(&server, product).await;
    let path = format!("/queue/dead-letter?group={}", encoded(REJECTED));
    assert_eq!(server.delete(&path).await.expect(200).body, json!({"matched": 2, "done": 2}));
    assert_eq!(dead_jobs(&server, "").await, [kept]);
}
