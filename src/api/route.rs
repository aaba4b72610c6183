//! One row of the route table: what responds, and everything that is said of it.

use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use utoipa::openapi::HttpMethod;

use crate::http::{Access, Tokens, guard, without_idempotency_key, without_query};

use super::openapi::{Chapter, Operation};
use super::state::Shared;

/// Where the API starts.
pub const BASE: &str = "/api/v1";

/// A method of a path: what responds, and its description, which has the path and who may use it.
pub(super) struct Route {
    description: Operation,
    handler: MethodRouter<Shared>,
}

/// Routes that belong together.
pub(super) struct Group {
    /// Its name.
    pub(super) tag: &'static str,
    /// What it is about.
    pub(super) about: &'static str,
    /// Its routes, in the order of the page.
    pub(super) routes: Vec<Route>,
}

/// Describes a route below [`BASE`] that is open to anyone. `id` is its name in generated clients.
pub(super) fn public(path: &str, id: &str, summary: &str) -> Operation {
    Operation::new(Access::Public, format!("{BASE}{path}"), id, summary)
}

/// The same for those who buy.
pub(super) fn buyer(path: &str, id: &str, summary: &str) -> Operation {
    Operation::new(Access::Buyer, format!("{BASE}{path}"), id, summary)
}

/// The same for operators and the storefront.
pub(super) fn storefront(path: &str, id: &str, summary: &str) -> Operation {
    Operation::new(Access::Storefront, format!("{BASE}{path}"), id, summary)
}

/// The same for operators.
pub(super) fn operator(path: &str, id: &str, summary: &str) -> Operation {
    Operation::new(Access::Operator, format!("{BASE}{path}"), id, summary)
}

/// Describes a route at the root.
pub(super) fn root(access: Access, path: &str, id: &str, summary: &str) -> Operation {
    Operation::new(access, path.to_owned(), id, summary)
}

/// A route that responds to `GET` and `HEAD`.
pub(super) fn get<H: Handler<T, Shared>, T: 'static>(handler: H, description: Operation) -> Route {
    Route { description, handler: routing::get(handler) }
}

/// A route that responds to `POST`.
pub(super) fn post<H: Handler<T, Shared>, T: 'static>(handler: H, description: Operation) -> Route {
    Route { description: description.with_method(HttpMethod::Post), handler: routing::post(handler) }
}

/// A route that responds to `PUT`.
pub(super) fn put<H: Handler<T, Shared>, T: 'static>(handler: H, description: Operation) -> Route {
    Route { description: description.with_method(HttpMethod::Put), handler: routing::put(handler) }
}

/// A route that responds to `DELETE`.
pub(super) fn delete<H: Handler<T, Shared>, T: 'static>(handler: H, description: Operation) -> Route {
    Route { description: description.with_method(HttpMethod::Delete), handler: routing::delete(handler) }
}

impl Route {
    /// What the document says of it.
    pub(super) const fn description(&self) -> &Operation {
        &self.description
    }

    /// What responds, behind the checks that its description asks for: a route without parameters in the query takes
    /// none, one that keeps no responses takes no `Idempotency-Key`, and one that is not for anyone needs a token.
    pub(super) fn handler(self, tokens: &Tokens) -> MethodRouter<Shared> {
        let Self { description, handler } = self;
        let handler = if description.reads_query() { handler } else { without_query(handler) };
        let handler = if description.has_idempotency_key() { handler } else { without_idempotency_key(handler) };
        guard(handler, description.access(), tokens)
    }
}

impl Group {
    /// The group as a chapter of the document.
    pub(super) fn chapter(self) -> Chapter {
        let operations = self.routes.into_iter().map(|route| route.description).collect();
        Chapter { tag: self.tag, about: self.about, operations }
    }
}
