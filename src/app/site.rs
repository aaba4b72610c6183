//! Everything that the server shows, by path: the dashboard, the live feed, and the API with all the rest.

use axum::BoxError;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::api::Api;
use crate::dashboard::Dashboard;
use crate::domain::refusal::Refusal;
use crate::feed::Feed;
use crate::http::{Handler, RouteTemplate};

/// What all pages together are called among the response times.
const PAGES: &str = "pages";
/// The same for the live feed, whose responses can wait for something to happen.
const FEED: &str = "feed";

/// What responds to requests.
#[derive(Debug)]
pub(super) struct Site {
    /// The routes of the API, and what no other part has.
    pub(super) api: Api,
    /// The pages, unless they are switched off.
    pub(super) dashboard: Option<Dashboard>,
    /// The live feed.
    pub(super) feed: Feed,
}

impl Handler for Site {
    async fn call(&self, request: Request) -> Response {
        if Feed::is_for(request.uri().path()) {
            return called(FEED, self.feed.call(request).await);
        }
        match (Dashboard::has(request.uri().path()), &self.dashboard) {
            (true, Some(dashboard)) => called(PAGES, dashboard.respond(request).await),
            (true, None) => Refusal::NotFound.into_response(),
            (false, _) => self.api.call(request).await,
        }
    }

    fn has(&self, path: &str) -> bool {
        Feed::is_for(path) || Dashboard::has(path) || self.api.has(path)
    }

    fn buyer_methods(&self, path: &str) -> Vec<Method> {
        self.api.buyer_methods(path)
    }

    fn is_unlimited(&self, path: &str) -> bool {
        self.api.is_unlimited(path)
    }

    fn takes_short_cut(&self, head: &Parts) -> bool {
        self.api.takes_short_cut(head)
    }

    fn short_cut<B>(&self, head: &Parts, body: B) -> impl Future<Output = Result<Response, Refusal>> + Send
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send,
    {
        self.api.short_cut(head, body)
    }
}

/// Marks a response with what its route is called among the response times.
fn called(route: &str, mut response: Response) -> Response {
    response.extensions_mut().insert(RouteTemplate { path: route.into(), is_operators: route == PAGES });
    response
}
