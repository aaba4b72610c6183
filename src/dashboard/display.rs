//! How pages look to one who looks: theme, keys, zone of times. And the list of the keys.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use crate::domain::refusal::Refusal;
use crate::http::{FormBody, Query, set_cookie};

use super::frame::{Frame, Page};
use super::state::Shared;
use super::theme::{Theme, Zone};
use super::visit::{KEYS_COOKIE, THEME_COOKIE, Visit, ZONE_COOKIE, local};

/// A year, in seconds.
const KEPT: u64 = 365 * 24 * 3_600;

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/display", get(show).post(set)).route("/help", get(help))
}

#[derive(Template)]
#[template(path = "display.html")]
struct DisplayPage {
    frame: Frame,
    back: String,
}

#[derive(Template)]
#[template(path = "help.html")]
struct HelpPage {
    frame: Frame,
}

async fn show(State(shared): State<Shared>, visit: Visit, uri: Uri) -> Result<Response, Refusal> {
    let mut query = Query::of(&uri, &["back"]);
    let back = query.read("back", |text| Ok(local(text).unwrap_or("/").to_owned())).unwrap_or("/".to_owned());
    query.finish()?;
    visit.html(&DisplayPage { frame: Frame::of(&shared, &visit, Page::Other), back })
}

async fn set(visit: Visit, form: FormBody) -> Response {
    let theme = Theme::of_word(form.get("theme").unwrap_or_default());
    let keys = if form.get("keys").is_some() { "on" } else { "off" };
    let zone = Zone::of_word(form.get("zone").unwrap_or_default());
    let mut response = Redirect::to(form.get("back").and_then(local).unwrap_or("/")).into_response();
    for (name, value) in [(THEME_COOKIE, theme.word()), (KEYS_COOKIE, keys), (ZONE_COOKIE, zone.word())] {
        if let Some(cookie) = set_cookie(name, value, KEPT, visit.is_secure()) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    response
}

async fn help(State(shared): State<Shared>, visit: Visit) -> Result<Response, Refusal> {
    visit.html(&HelpPage { frame: Frame::of(&shared, &visit, Page::Other) })
}
