//! Pages as responses, and two pages that others use: a question, and one with nothing but text.

use askama::Template;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use crate::domain::clock::Timestamp;
use crate::domain::refusal::Refusal;

use super::frame::Frame;
use super::visit::Visit;

impl Visit {
    /// A template as a response, with the paths in it as the visitor sees them.
    pub(super) fn html(&self, template: &impl Template) -> Result<Response, Refusal> {
        match template.render() {
            Ok(text) => Ok(Html(self.public.show_page(text)).into_response()),
            Err(error) => {
                tracing::error!(%error, "a page could not be written");
                Err(Refusal::Internal)
            }
        }
    }
}

/// A response with another status.
pub(super) fn with_status(mut response: Response, status: StatusCode) -> Response {
    *response.status_mut() = status;
    response
}

/// The header of a response that is kept as a file of this name.
pub(super) fn attachment(name: &str) -> HeaderValue {
    let value = format!("attachment; filename=\"{name}\"");
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("attachment"))
}

/// A moment in the name of a file: `20260131T120000`.
pub(super) fn stamp(at: Timestamp) -> String {
    at.to_string().chars().filter(char::is_ascii_alphanumeric).take(15).collect()
}

/// A question before an act that cannot be undone. With scripts it is shown as a dialog on the page that asked.
#[derive(Debug, Template)]
#[template(path = "ask.html")]
pub(super) struct AskPage {
    pub(super) frame: Frame,
    /// The question, such as `Cancel order 7?`.
    pub(super) title: String,
    /// What happens, a paragraph each.
    pub(super) lines: Vec<String>,
    /// Where the act is posted.
    pub(super) action: String,
    /// The fields that are posted with it.
    pub(super) fields: Vec<(String, String)>,
    /// The safe button, such as `Keep the order`.
    pub(super) keep: String,
    /// The acting button, such as `Cancel order 7`.
    pub(super) act: String,
    /// Whether the acting button destroys something.
    pub(super) is_danger: bool,
    /// A number to type before the act, if there is one.
    pub(super) typed: Option<u64>,
    /// Where the safe button leads.
    pub(super) back: String,
}
