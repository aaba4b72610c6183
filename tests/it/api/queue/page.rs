//! The page Queue: dead letters in groups, and acts after a preview.

use serde_json::json;

use super::dead_letters::{dead_job, dead_jobs, server_without_luck};
use crate::harness::{Answer, Endpoint, Reply, Server, eventually, request};

async fn page(server: &Server, path: &str) -> String {
    text(&server.get_root(path).await.expect(200))
}

fn text(answer: &Answer) -> String {
    answer.body.as_str().unwrap_or_else(|| panic!("no page: {answer}")).to_owned()
}

/// Sends a form as a browser without scripts does.
async fn send(server: &Server, path: &str, fields: &[(&str, &str)]) -> Answer {
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let form = Some("application/x-www-form-urlencoded");
    let request = request(hyper::Method::POST, path, form, body.join("&").as_bytes());
    server.try_send(request).await.unwrap()
}

/// The fields of the form that a preview has.
fn fields(page: &str) -> Vec<(&str, &str)> {
    let preview = &page[page.find("data-preview").unwrap()..page.find("</footer>").unwrap()];
    let inputs = preview.split("<input type=\"hidden\" name=\"").skip(1);
    inputs
        .map(|input| {
            let (name, rest) = input.split_once("\" value=\"").unwrap();
            (name, rest.split_once('"').unwrap().0)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_the_groups_and_markup_in_errors_and_names_is_text() {
    let endpoint = Endpoint::start().await;
    let server = server_without_luck(&endpoint).await;
    let empty = page(&server, "/queue").await;
    assert!(empty.contains("No dead letters.") && !empty.contains("id=\"letters\""), "{empty}");
    let product = server.create(10).await;
    let named = json!({"name": "<img src=x onerror=alert(1)>"});
    server.put(&format!("/inventory/{product}"), named).await.expect(200);
    endpoint.script([], Reply::Text(500, "<script>alert(1)</script> order 4711".to_owned()));
    let job = dead_job(&server, product).await;
    let group = "500 Internal Server Error: &#60;script&#62;alert(#)&#60;/script&#62; order #";
    let shown = page(&server, "/queue").await;
    assert!(shown.contains(group), "{shown}");
    let opened = page(
        &server,
        "/queue?group=500%20Internal%20Server%20Error%3A%20%3Cscript%3Ealert(%23)%3C%2Fscript%3E%20order%20%23",
    )
    .await;
    for expected in ["&#60;script&#62;alert(1)&#60;/script&#62; order 4711", "&#60;img src=x", job.as_str()] {
        assert!(opened.contains(expected), "{expected}: {opened}");
    }
    for page in [&shown, &opened] {
        assert!(!page.contains("<script>") && !page.contains("<img") && !page.contains("style="), "{page}");
    }
    assert!(page(&server, "/queue?reason=nowhere&productId=").await.contains("No dead letter matches."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_means_what_it_counted_and_pressed_twice_it_acts_once() {
    let endpoint = Endpoint::start().await;
    let server = server_without_luck(&endpoint).await;
    let product = server.create(100).await;
    for _ in 0..2 {
        dead_job(&server, product).await;
    }
    let preview = send(&server, "/queue/act", &[("ask", "retry-all"), ("back", "/queue?reason=x")]).await.expect(200);
    let preview = text(&preview);
    assert!(preview.contains("Retry 2 dead letters?") && preview.contains("None came since."), "{preview}");
    let late = dead_job(&server, product).await;
    let mut again = fields(&preview);
    again.push(("again", "retry"));
    let again = text(&send(&server, "/queue/act", &again).await.expect(200));
    assert!(again.contains("1 more came since; it is not touched."), "{again}");
    server.act("/queue/pause").await.expect(200);
    let done = send(&server, "/queue/do", &fields(&preview)).await.expect(303);
    assert_eq!(done.header("location"), "/queue?reason=x");
    assert_eq!(dead_jobs(&server, "").await, [late]);
    server.act("/queue/resume").await.expect(200);
    eventually("all to be dead again", async || (dead_jobs(&server, "").await.len() == 3).then_some(())).await;
    send(&server, "/queue/do", &fields(&preview)).await.expect(303);
    assert_eq!(dead_jobs(&server, "").await.len(), 3, "nothing is left of what was counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_are_picked_one_by_one_or_by_group_and_discarded() {
    let endpoint = Endpoint::start().await;
    let server = server_without_luck(&endpoint).await;
    let product = server.create(100).await;
    let (kept, picked) = (dead_job(&server, product).await, dead_job(&server, product).await);
    endpoint.script([], Reply::Status(422));
    dead_job(&server, product).await;
    let nothing = send(&server, "/queue/act", &[("ask", "discard-picked"), ("back", "/queue")]).await.expect(303);
    assert!(nothing.header("set-cookie").starts_with("flashsale_notice="), "{nothing}");
    let picks = [("ask", "discard-picked"), ("group", "rejected: 422 Unprocessable Entity"), ("letter", &picked)];
    let preview = text(&send(&server, "/queue/act", &picks).await.expect(200));
    assert!(preview.contains("Discard 2 dead letters?"), "{preview}");
    send(&server, "/queue/do", &fields(&preview)).await.expect(303);
    assert_eq!(dead_jobs(&server, "").await, std::slice::from_ref(&kept));
    // One letter in one click, as the page showed it.
    endpoint.script([], Reply::Status(200));
    let early = [("retry-letter", kept.as_str()), ("asOf", "2026-01-01T00:00:00Z"), ("back", "/queue")];
    send(&server, "/queue/act", &early).await.expect(303);
    assert_eq!(dead_jobs(&server, "").await.len(), 1, "it failed after that page was shown");
    send(&server, "/queue/act", &[("retry-letter", &kept), ("asOf", "2100-01-01T00:00:00Z")]).await.expect(303);
    assert_eq!(dead_jobs(&server, "").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_discard_more_than_a_hundred_their_count_is_typed() {
    let endpoint = Endpoint::start().await;
    let server = server_without_luck(&endpoint).await;
    endpoint.script([], Reply::Status(422));
    let product = server.create(1_000).await;
    let orders: Vec<_> =
        (0..101).map(|n| json!({"productId": product, "userId": format!("user-{n}"), "quantity": 1})).collect();
    server.post("/orders/batch", json!({"orders": orders})).await.expect(200);
    eventually("all to fail", async || (dead_jobs(&server, "").await.len() == 101).then_some(())).await;
    let preview = text(&send(&server, "/queue/act", &[("ask", "discard-all"), ("back", "/queue")]).await.expect(200));
    assert!(preview.contains("name=\"typed\""), "{preview}");
    for typed in [None, Some("100"), Some("yes")] {
        let mut form = fields(&preview);
        form.extend(typed.map(|typed| ("typed", typed)));
        let asked = text(&send(&server, "/queue/do", &form).await.expect(200));
        assert!(asked.contains("That is not 101."), "{typed:?}: {asked}");
    }
    assert_eq!(dead_jobs(&server, "").await.len(), 101);
    let mut form = fields(&preview);
    form.push(("typed", "101"));
    send(&server, "/queue/do", &form).await.expect(303);
    assert_eq!(dead_jobs(&server, "").await.len(), 0);
}
