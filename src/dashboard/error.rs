//! What a page shows that cannot be shown, and what an act says that was refused.

use askama::Template;
use axum::http::HeaderValue;
use axum::http::header::{ALLOW, RETRY_AFTER};
use axum::response::{IntoResponse, Response};

use crate::domain::refusal::Refusal;
use crate::http::{message, retry_after, status};

use super::frame::{Frame, Page};
use super::page::with_status;
use super::state::Shared;
use super::visit::Visit;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    title: &'static str,
    text: String,
    code: &'static str,
}

/// Without the frame: for those who may not see what is in it.
#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage {
    theme: &'static str,
    style: String,
    icon: String,
    text: String,
}

/// The page for a refusal. `allow` is what the route allows, where a method was refused.
pub(super) fn page(shared: &Shared, visit: &Visit, refusal: &Refusal, allow: Option<&HeaderValue>) -> Response {
    let text = sentence(refusal);
    let page = match refusal {
        Refusal::Forbidden(_) | Refusal::Unauthorized => visit.html(&RefusedPage {
            theme: visit.theme.word(),
            style: super::assets::url("flashsale.css"),
            icon: super::assets::url("icon.svg"),
            text,
        }),
        _ => visit.html(&ErrorPage {
            frame: Frame::of(shared, visit, Page::Other),
            title: title(refusal),
            text,
            code: refusal.code(),
        }),
    };
    // A page that cannot be written either leaves the status alone.
    let mut response = with_status(page.unwrap_or_else(IntoResponse::into_response), status(refusal));
    if let Some(allow) = allow {
        response.headers_mut().insert(ALLOW, allow.clone());
    }
    if let Some(seconds) = retry_after(refusal) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A refusal as a sentence with its full stop.
pub(super) fn sentence(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotFound => "This dashboard has no such page.".to_owned(),
        _ => {
            let text = message(refusal);
            let end = if text.ends_with(['.', '…', '!']) { "" } else { "." };
            format!("{text}{end}")
        }
    }
}

fn title(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotFound | Refusal::OrderNotFound | Refusal::ProductNotFound | Refusal::JobNotFound => "Not found",
        Refusal::StorageUnavailable => "The order store is away",
        Refusal::Overloaded { .. } => "Too busy to show this",
        Refusal::ShuttingDown => "The server is restarting",
        Refusal::Internal => "This page could not be made",
        _ => "This did not work",
    }
}
