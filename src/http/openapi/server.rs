//! The operations that are about the server itself.

use axum::http::StatusCode;
use axum::routing::MethodFilter;
use serde_json::json;

use crate::domain::refusal::Refusal;

use super::super::Access::{Operator, Public};
use super::operation::{Described, api, operator_root, root};
use super::schema::{Shape, any_object, list, moment, named, object, some_text, text, with_example, word};

const GET: MethodFilter = MethodFilter::GET;

/// All of them.
pub(super) fn operations() -> Vec<Described> {
    let operations = vec![
        root(GET, "/livez", "live", "Ask whether the process runs").unlimited().answers("It does.", status()),
        ready().answers_with(StatusCode::SERVICE_UNAVAILABLE, "They are not.", "application/json", not_ready(), &[]),
        api(Public, GET, "/monitoring/health", "health", "Ask whether the process runs, as older clients do")
            .unlimited()
            .answers("It does.", health()),
        api(Operator, GET, "/monitoring/alerts", "listAlerts", "List the conditions that hold")
            .answers("The alerts that are raised.", named("Alerts")),
        metrics(operator_root(GET, "/metrics", "scrape", "Read the metrics")),
        metrics(api(Operator, GET, "/metrics", "scrapeApi", "Read the metrics, below the base path")),
        backup(),
        root(GET, "/openapi.json", "describe", "Read this document")
            .answers("An OpenAPI 3.1 document.", any_object("The document.")),
        root(GET, "/docs", "readDocs", "Read this document as a page").answers_with(
            StatusCode::OK,
            "The page.",
            "text/html",
            text(),
            &[],
        ),
        parts_of_the_page(),
    ];
    operations.into_iter().map(|operation| operation.tag("server")).collect()
}

fn ready() -> Described {
    root(GET, "/readyz", "ready", "Ask whether orders are taken").unlimited().answers("They are.", status())
}

fn backup() -> Described {
    api(Operator, GET, "/admin/backup", "readBackup", "Read everything in the store as one stream")
        .about("Consistent, while orders go on. An answer that breaks off is not whole; there is one backup at a time.")
        .answers_with(StatusCode::OK, "The backup.", "application/octet-stream", text(), &["Content-Disposition"])
        .refuses(|refusal| matches!(refusal, Refusal::BackupInFlight))
        .scans()
}

fn metrics(operation: Described) -> Described {
    operation
        .about("In the text format of Prometheus, or in OpenMetrics where the request accepts it.")
        .answers_any("The metrics.", ["text/plain", "application/openmetrics-text"].map(|kind| (kind, text())))
}

fn parts_of_the_page() -> Described {
    let file = with_example(some_text(), json!("docs.css"));
    let kinds = ["text/css", "text/javascript", "image/png"];
    let page = root(GET, "/docs/{file}", "readDocsFile", "Read a part of the page")
        .part("file", "Its name.", file)
        .refuses(|refusal| matches!(refusal, Refusal::NotFound));
    page.answers_any("The part.", kinds.map(|kind| (kind, text())))
}

fn status() -> Shape {
    object("The process runs.", [("status", "", word(["ok"]))])
}

fn health() -> Shape {
    object("The process runs.", [("status", "", word(["ok"])), ("timestamp", "The server's time.", moment())])
}

fn not_ready() -> Shape {
    let reasons = list(word(["shutting_down", "storage_unavailable", "storage_slow", "storage_missing"]));
    object("No orders are taken.", [("status", "", word(["unavailable"])), ("notReady", "What is missing.", reasons)])
}
