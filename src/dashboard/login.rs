//! Logging in with the token, and out again.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use crate::domain::refusal::Refusal;
use crate::http::{FormBody, Query, SESSION_COOKIE, set_cookie};
use crate::limits::{LOGIN_WINDOW, SESSION_LIFETIME};

use super::assets;
use super::page::with_status;
use super::state::Shared;
use super::text::counted;
use super::visit::{Visit, local};

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/login", get(show).post(log_in)).route("/logout", post(log_out))
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    theme: &'static str,
    style: String,
    icon: String,
    host: String,
    next: String,
    error: String,
    /// Whether something was asked for that needs the login, and was not done.
    is_undone: bool,
    hours: u64,
}

impl LoginPage {
    fn of(visit: &Visit, next: &str, error: String) -> Self {
        Self {
            theme: visit.theme.word(),
            style: assets::url("flashsale.css"),
            icon: assets::url("icon.svg"),
            host: visit.host.clone(),
            next: next.to_owned(),
            error,
            is_undone: false,
            hours: SESSION_LIFETIME.as_secs() / 3_600,
        }
    }
}

async fn show(State(shared): State<Shared>, visit: Visit, uri: Uri) -> Result<Response, Refusal> {
    let mut query = Query::of(&uri, &["next", "undone"]);
    let next = query.read("next", |text| Ok(local(text).unwrap_or("/").to_owned())).unwrap_or("/".to_owned());
    let undone = query.read("undone", |_| Ok(()));
    query.finish()?;
    if !shared.token.is_set() {
        return Ok(Redirect::to(&next).into_response());
    }
    visit.html(&LoginPage { is_undone: undone.is_some(), ..LoginPage::of(&visit, &next, String::new()) })
}

async fn log_in(State(shared): State<Shared>, visit: Visit, form: FormBody) -> Result<Response, Refusal> {
    let next = form.get("next").and_then(local).unwrap_or("/");
    let address = visit.client.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |client| client.address);
    let now = shared.clock.steady();
    if let Some(wait) = shared.tries.wait(address, now) {
        return too_many(&visit, next, wait);
    }
    if !shared.token.is(form.get("token").unwrap_or_default()) {
        let left = shared.tries.count(address, now);
        tracing::warn!(%address, "someone tried to log in with a wrong token");
        let error = match left {
            0 => return too_many(&visit, next, shared.tries.wait(address, now).unwrap_or(LOGIN_WINDOW)),
            left => format!("That is not the token. {} left in this minute.", counted(left.into(), "try", "tries")),
        };
        return Ok(with_status(visit.html(&LoginPage::of(&visit, next, error))?, StatusCode::UNAUTHORIZED));
    }
    tracing::info!(%address, "an operator logged in");
    let mut response = Redirect::to(next).into_response();
    let lifetime = SESSION_LIFETIME.as_secs();
    let session = shared.token.new_session();
    let cookie = session.and_then(|value| set_cookie(SESSION_COOKIE, &value, lifetime, visit.is_secure()));
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

fn too_many(visit: &Visit, next: &str, wait: Duration) -> Result<Response, Refusal> {
    let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
    let error = format!("Too many wrong tokens from this address. Try again in {seconds} s.");
    let mut response = with_status(visit.html(&LoginPage::of(visit, next, error))?, StatusCode::TOO_MANY_REQUESTS);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    Ok(response)
}

async fn log_out(visit: Visit) -> Response {
    let mut response = Redirect::to("/login").into_response();
    if let Some(cookie) = set_cookie(SESSION_COOKIE, "", 0, visit.is_secure()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
