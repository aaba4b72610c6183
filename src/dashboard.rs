//! The dashboard: pages for operators, rendered here, made live by scripts from `assets/`.
//!
//! A page is one file. It has `pub(super) fn routes() -> Router<Shared>`, and a line in [`Dashboard::new`]:
//!
//! ```text
//! #[derive(Template)]
//! #[template(path = "queue.html")]
//! struct QueuePage { frame: Frame, view: QueueView }
//!
//! async fn show(State(shared): State<Shared>, visit: Visit) -> Result<Response, Refusal> {
//!     let view = totals::queue(&shared.store, &shared.queue);
//!     visit.html(&QueuePage { frame: Frame::of(&shared, &visit, Page::Queue), view })
//! }
//! ```
//!
//! The template starts with `{% extends "frame.html" %}` and has the blocks `title`, `head` (more style sheets and
//! scripts, by `{{ frame.asset("queue.js") }}`) and `page`. [`text`] writes numbers and times. What a handler refuses
//! becomes an error page. Paths start at the server's root, everywhere: [`Visit::html`] and the edge of `http` put the
//! prefix of a proxy before them.
//!
//! An act is a `<form method="post" action="/…">` with the field `back` (`{{ frame.back }}`). Its handler takes a
//! [`FormBody`](crate::http::FormBody), acts, and ends with `visit.back(&form, &shared, Notice::done("…"))`: the
//! browser goes back and shows the sentence in the strip. What has to be asked first ends with
//! `visit.html(&AskPage { … })`. With `data-act` on the form, `frame.js` sends it in place, and shows the question as a
//! dialog.
//!
//! [`Dashboard::respond`] checks who asks, and puts the headers that protect browsers on whatever a page returns.

use axum::Router;
use axum::extract::{FromRequestParts, Request};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Redirect, Response};
use tower::Service;

use crate::domain::refusal::Refusal;
use crate::drawing::text;
use crate::http::{FOREIGN_PAGE, is_read, is_same_origin, set_cookie};

mod acts;
mod assets;
mod benchmark;
mod display;
mod error;
mod figures;
mod frame;
mod live;
mod login;
mod notice;
mod orders;
mod page;
mod phase;
mod products;
mod queue;
mod search;
mod state;
mod theme;
mod tries;
mod visit;

pub use state::Deps;

use state::Shared;
use visit::{Visit, encoded};

/// The first parts of the paths that lead here.
const PATHS: [&str; 12] = [
    "",
    "products",
    "orders",
    "queue",
    "benchmark",
    "login",
    "logout",
    "display",
    "help",
    "acts",
    "assets",
    "favicon.ico",
];

/// What every page carries: it runs and shows only what comes from its own server, and no other page shows it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// All pages, ready to respond.
#[derive(Debug)]
pub struct Dashboard {
    router: Router,
    shared: Shared,
}

impl Dashboard {
    /// The pages over these rooms.
    pub fn new(deps: Deps) -> Self {
        let shared = Shared::new(deps);
        let pages = [
            live::routes(),
            products::routes(),
            orders::routes(),
            queue::routes(),
            benchmark::routes(),
            login::routes(),
            display::routes(),
            acts::routes(),
            assets::routes(),
        ];
        let router = pages
            .into_iter()
            .fold(Router::new(), Router::merge)
            .fallback(async || Refusal::NotFound)
            .method_not_allowed_fallback(async || Refusal::MethodNotAllowed)
            .with_state(shared.clone());
        Self { router, shared }
    }

    /// Whether a path leads here.
    pub fn has(path: &str) -> bool {
        let first = path.strip_prefix('/').and_then(|path| path.split('/').next());
        first.is_some_and(|first| PATHS.contains(&first))
    }

    /// Responds to a request for a path that leads here.
    pub async fn respond(&self, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        // Only a visit can fail to be taken from a request, and it does not.
        let Ok(visit) = Visit::from_request_parts(&mut parts, &self.shared).await;
        let is_asset = parts.uri.path().starts_with("/assets/");
        let mut response = match self.check(&parts, &visit) {
            Ok(()) => {
                let mut router = self.router.clone();
                // The router's error type has no values.
                let Ok(response) = router.call(Request::from_parts(parts, body)).await;
                response
            }
            Err(response) => *response,
        };
        if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
            response = error::page(&self.shared, &visit, &refusal, response.headers().get(ALLOW));
        }
        let shown = response.status().is_success() && visit.notice.is_some() && !is_asset;
        protect(response.headers_mut());
        if shown && let Some(removed) = set_cookie(notice::COOKIE, "", 0, false) {
            response.headers_mut().append(SET_COOKIE, removed);
        }
        response
    }

    /// Checks who asks, and from where.
    fn check(&self, parts: &Parts, visit: &Visit) -> Result<(), Box<Response>> {
        let token = &self.shared.token;
        let refuse = |refusal: Refusal| Box::new(refusal.into_response());
        let first = parts.uri.path().split('/').nth(1).unwrap_or_default();
        if !is_read(&parts.method) && !is_same_origin(&parts.headers, &self.shared.public) {
            return Err(refuse(Refusal::Forbidden(FOREIGN_PAGE)));
        }
        if matches!(first, "login" | "assets" | "favicon.ico") || token.allows(&parts.method, &parts.headers) {
            return Ok(());
        }
        let login = match is_read(&parts.method) {
            true => format!("/login?next={}", encoded(&visit.here)),
            false if first == "logout" => "/login".to_owned(),
            false => "/login?undone=yes".to_owned(),
        };
        Err(Box::new(Redirect::to(&login).into_response()))
    }
}

/// Puts the headers on a response that protect browsers.
fn protect(headers: &mut HeaderMap) {
    const SAME: HeaderValue = HeaderValue::from_static("same-origin");
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // Without a referrer a browser would say that its forms come from nowhere.
    headers.insert(REFERRER_POLICY, SAME);
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), SAME);
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), SAME);
    headers.insert(HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
