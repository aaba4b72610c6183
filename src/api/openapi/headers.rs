//! The headers of responses.

use serde_json::json;
use utoipa::openapi::Ref;
use utoipa::openapi::header::{Header, HeaderBuilder};

use crate::http::schema::{Shape, some_text, whole, word};

/// The header that every response carries.
pub(super) const REQUEST_ID: &str = "x-request-id";

/// The headers of refusals that are shown where they are sent.
pub(super) const SHOWN: [&str; 6] =
    ["ETag", "Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate", "Accept-Encoding"];

/// All of them, by name.
pub(super) fn all() -> Vec<(&'static str, Header)> {
    let header = |name, about: &str, shape: Shape, example| {
        (name, HeaderBuilder::new().description(Some(about)).schema(Some(shape)).example(Some(example)).build())
    };
    vec![
        header(
            REQUEST_ID,
            "The id of the request, for the log: the caller's where it sent one of 1 to 128 visible ASCII characters, \
             else the server's.",
            some_text(),
            json!("5f1c0e7b9d3a486f8c2e1b0d7a9f6354"),
        ),
        header("Location", "Where to find what was made.", some_text(), json!("/api/v1/orders/42")),
        header(
            "Idempotency-Replayed",
            "Only if this is the response to an earlier request with the same key.",
            word(["true"]),
            json!("true"),
        ),
        header(
            "Link",
            "The next page, where there is one. A page may be short, even empty, and yet have a next one.",
            some_text(),
            json!("</api/v1/orders?cursor=2a-5f1c0e7b9d3a486f>; rel=\"next\""),
        ),
        header(
            "ETag",
            "The state of the product. Its first half changes with what operators set, its second half with the units \
             that orders move.",
            some_text(),
            json!("\"5f1c0e7b9d3a486f-8c2e1b0d7a9f6354\""),
        ),
        header(
            "Content-Disposition",
            "A name for the file.",
            some_text(),
            json!("attachment; filename=\"flashsale.backup\""),
        ),
        header("Retry-After", "Seconds to wait.", whole(1, 3_600), json!(1)),
        header("RateLimit", "What remains of the limit, and for how long.", some_text(), json!("\"user\";r=0;t=1")),
        header("RateLimit-Policy", "The limit: requests, and seconds.", some_text(), json!("\"user\";q=100;w=10")),
        header("WWW-Authenticate", "How to send the token.", some_text(), json!("Bearer realm=\"flashsale\"")),
        header("Accept-Encoding", "How a body must be coded: not at all.", word(["identity"]), json!("identity")),
    ]
}

/// A header by its name.
pub(super) fn named(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}
