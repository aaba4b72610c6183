//! The description of the API, and its page: Swagger UI, from the binary.

use std::borrow::Cow;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;

use crate::domain::refusal::Refusal;

use super::Access;
use super::access::AdminToken;
use super::form::Segment;
use super::{headers, openapi};

/// What the page loads, other than Swagger UI's own files.
const PARTS: [(&str, &str, &str); 2] = [
    ("docs.css", "text/css", include_str!("../../assets/docs.css")),
    ("docs.js", "text/javascript", include_str!("../../assets/docs.js")),
];

/// The files of Swagger UI that the page loads.
const SWAGGER_UI: [&str; 3] = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];

/// `GET /openapi.json`
pub(super) async fn description(State(token): State<AdminToken>) -> Response {
    let operators = if token.is_set() { Access::Operator } else { Access::Public };
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")], openapi::text(operators)).into_response()
}

/// `GET /docs`
pub(super) async fn page() -> Response {
    let kind = [(CONTENT_TYPE, "text/html; charset=utf-8")];
    (kind, headers::PAGE, include_str!("../../assets/docs.html")).into_response()
}

/// `GET /` and `GET /docs/`, where people look for the page as well.
pub(super) async fn way() -> Redirect {
    Redirect::temporary("/docs")
}

/// `GET /docs/{file}`
pub(super) async fn part(Segment(file): Segment) -> Result<Response, Refusal> {
    // The files change with the program only.
    let cached = (CACHE_CONTROL, "public, max-age=3600");
    if let Some((_, kind, text)) = PARTS.iter().find(|(name, ..)| *name == file) {
        return Ok(([(CONTENT_TYPE, *kind), cached], *text).into_response());
    }
    if !SWAGGER_UI.contains(&file.as_str()) {
        return Err(Refusal::NotFound);
    }
    let config = utoipa_swagger_ui::Config::from("/openapi.json");
    let found = utoipa_swagger_ui::serve(&file, config.into()).ok().flatten().ok_or(Refusal::NotFound)?;
    // They are in the binary, which a response need not copy.
    let bytes = match found.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Ok(([(CONTENT_TYPE, found.content_type.as_str()), cached], bytes).into_response())
}
