//! The REST API: its groups of routes, and the way of a request to one of them.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::HttpBody;
use axum::extract::{FromRef, Request};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;
use axum::{BoxError, Router, routing};
use bytes::Bytes;
use tower::Service;

use crate::config::DocsAccess;
use crate::domain::refusal::Refusal;
use crate::http::{self, Access, PublicUrl, TokensSet, guard, without_query};

mod backup;
mod docs;
mod health;
mod monitoring;
mod openapi;
mod orders;
mod product_list;
mod products;
mod queue;
mod route;
mod state;

pub use route::BASE;
pub use state::Deps;

use openapi::Operation;
use orders::PlaceOrder;
use route::{Group, Route};
use state::{Description, Shared};

/// All routes.
fn groups() -> Vec<Group> {
    let server = [health::routes(), monitoring::routes(), backup::routes(), docs::routes()];
    let server: Vec<_> = server.into_iter().flatten().collect();
    vec![
        orders::group(),
        products::group(),
        queue::group(),
        Group { tag: "server", about: "The server itself", routes: server },
    ]
}

/// The description of the API as JSON text, for a server with such tokens that a proxy shows there.
pub fn description(set: TokensSet, public: &PublicUrl) -> String {
    openapi::text(groups().into_iter().map(Group::chapter).collect(), set, public)
}

/// A path that has routes.
#[derive(Debug)]
struct Path {
    /// With variable parts as `{name}`.
    template: String,
    /// The methods of its routes that are for buyers.
    buyer_methods: Vec<Method>,
}

impl Path {
    /// All paths of these operations, so that the first that has a request's path is the one that the router takes: at
    /// the first part where two differ, the fixed one goes before the variable one.
    fn all<'o>(operations: impl Iterator<Item = &'o Operation>) -> Vec<Self> {
        let mut paths: BTreeMap<Vec<(bool, &str)>, Vec<Method>> = BTreeMap::new();
        for operation in operations {
            let parts = operation.path().split('/').map(|part| (part.starts_with('{'), part)).collect();
            let methods = paths.entry(parts).or_default();
            methods.extend(operation.is_for_buyers().then(|| operation.method()));
        }
        let template = |parts: Vec<(bool, &str)>| parts.into_iter().map(|(_, part)| part).collect::<Vec<_>>().join("/");
        paths.into_iter().map(|(parts, buyer_methods)| Self { template: template(parts), buyer_methods }).collect()
    }

    fn has(&self, path: &str) -> bool {
        let (mut parts, mut given) = (self.template.split('/'), path.split('/'));
        loop {
            match (parts.next(), given.next()) {
                (None, None) => return true,
                (Some(part), Some(given)) if part == given || (part.starts_with('{') && !given.is_empty()) => {}
                _ => return false,
            }
        }
    }
}

/// All routes, ready to respond.
#[derive(Debug)]
pub struct Api {
    router: Router,
    /// What responds to a `POST` of an order without the router, whose boxes cost more than its handler.
    place_order: PlaceOrder,
    paths: Vec<Path>,
    /// The first parts of the paths that are not below [`BASE`].
    roots: BTreeSet<String>,
    /// The paths whose requests are not counted for their clients.
    unlimited: Vec<String>,
}

impl Api {
    /// The routes over these rooms.
    pub fn new(deps: Deps) -> Self {
        let (tokens, docs) = (deps.tokens.clone(), deps.docs);
        let (set, public) = (tokens.set(), deps.public.clone());
        let shared = Shared::new(deps, Description::new(move || description(set, &public)));
        let place_order = PlaceOrder::from_ref(&shared);
        let routes: Vec<Route> = groups().into_iter().flat_map(|group| group.routes).collect();
        let unlimited = routes.iter().map(Route::description).filter(|description| !description.is_limited());
        let unlimited = unlimited.map(|description| description.path().to_owned()).collect();
        let roots = routes.iter().map(|route| first_part(route.description().path()).to_owned());
        let roots = roots.filter(|root| !BASE.starts_with(&format!("/{root}/"))).collect();
        let described = routes.iter().map(Route::description);
        let is_open = |path: &str| docs == DocsAccess::Public || !docs::is_about(path);
        let paths = Path::all(described.filter(|operation| is_open(operation.path())));
        // Full paths instead of a nested router, which would write every request's URL anew.
        let router = routes.into_iter().fold(Router::new(), |router: Router<Shared>, route| {
            let (path, access) = (route.description().path().to_owned(), route.description().access());
            let handler = route.handler(&tokens);
            match (docs::is_about(&path), docs) {
                (true, DocsAccess::Off) => router,
                (true, DocsAccess::Operator) => {
                    router.route(&path, http::with_template(guard(handler, Access::Operator, &tokens), &path, access))
                }
                _ => router.route(&path, http::with_template(handler, &path, access)),
            }
        });
        let router = match docs {
            DocsAccess::Off => router,
            // Not of the table: it is a way to a route of it.
            _ => router.route("/docs/", without_query(routing::get(docs::way))),
        };
        let router = router
            .fallback(async || Refusal::NotFound)
            .method_not_allowed_fallback(async || Refusal::MethodNotAllowed)
            .with_state(shared);
        Self { router, place_order, paths, roots, unlimited }
    }
}

impl http::Handler for Api {
    async fn call(&self, request: Request) -> Response {
        // The router's error type has no values.
        let Ok(response) = self.router.clone().call(request).await;
        response
    }

    fn has(&self, path: &str) -> bool {
        let below = path.strip_prefix(BASE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        below || self.roots.contains(first_part(path))
    }

    fn buyer_methods(&self, path: &str) -> Vec<Method> {
        self.paths.iter().find(|known| known.has(path)).map(|known| known.buyer_methods.clone()).unwrap_or_default()
    }

    fn is_unlimited(&self, path: &str) -> bool {
        self.unlimited.iter().any(|unlimited| unlimited == path)
    }

    fn takes_short_cut(&self, head: &Parts) -> bool {
        PlaceOrder::is_for(head)
    }

    fn short_cut<B>(&self, head: &Parts, body: B) -> impl Future<Output = Result<Response, Refusal>> + Send
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send,
    {
        self.place_order.respond(head, body)
    }
}

/// The part of a path before its second slash.
fn first_part(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests;
