//! The description of the API, and its page: Swagger UI, from the binary.

use std::borrow::Cow;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use serde_json::json;

use crate::domain::refusal::Refusal;

use crate::http::schema::{any_object, some_text, text, with_example};
use crate::http::{Access, PAGE_HEADERS, PathParam};

use super::route::{self, Route};
use super::state::Description;

/// What the page loads, other than Swagger UI's own files.
const PARTS: [(&str, &str, &str); 2] = [
    ("docs.css", "text/css", include_str!("../../assets/docs.css")),
    ("docs.js", "text/javascript", include_str!("../../assets/docs.js")),
];

/// The files of Swagger UI that the page loads.
const SWAGGER_UI: [&str; 3] = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];

pub(super) fn routes() -> Vec<Route> {
    let document = route::root(Access::Public, "/openapi.json", "describe", "Read this document").responds_with(
        StatusCode::OK,
        "An OpenAPI 3.1 document.",
        "application/json",
        any_object("The document."),
        &[],
    );
    let shown = route::root(Access::Public, "/docs", "readDocs", "Read this document as a page").responds_with(
        StatusCode::OK,
        "The page.",
        "text/html",
        text(),
        &[],
    );
    let kinds = ["text/css", "text/javascript", "image/png"];
    let parts = route::root(Access::Public, "/docs/{file}", "readDocsFile", "Read a part of the page")
        .part("file", "Its name.", with_example(some_text(), json!("docs.css")))
        .refuses(|refusal| matches!(refusal, Refusal::NotFound))
        .responds_any("The part.", kinds.map(|kind| (kind, text())));
    vec![route::get(description, document), route::get(page, shown), route::get(part, parts)]
}

async fn description(State(description): State<Description>) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")];
    (headers, description.text()).into_response()
}

async fn page() -> Response {
    let kind = [(CONTENT_TYPE, "text/html; charset=utf-8")];
    (kind, PAGE_HEADERS, include_str!("../../assets/docs.html")).into_response()
}

/// Whether a path is one of the description's.
pub(super) fn is_about(path: &str) -> bool {
    path == "/openapi.json" || path.starts_with("/docs")
}

/// `GET /docs/`, where people look for the page as well.
pub(super) async fn way() -> Redirect {
    Redirect::temporary("/docs")
}

async fn part(PathParam(file): PathParam) -> Result<Response, Refusal> {
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
