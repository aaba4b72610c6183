//! The description of the API (OpenAPI 3.1), made from the routes' own descriptions.

use std::collections::BTreeMap;

use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::PathsBuilder;
use utoipa::openapi::schema::ComponentsBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Server};

use crate::http::{PublicUrl, TokensSet};
use crate::view;
use crate::view::problem::ProblemView;

mod headers;
mod operation;
mod webhooks;

pub(super) use operation::Operation;
#[cfg(test)]
pub(super) use operation::example_name;

/// Its identifier in the list of SPDX.
const LICENSE: &str = env!("CARGO_PKG_LICENSE");

const ABOUT: &str = "\
Sells every unit exactly once, and never one too many.

JSON is camelCase, times are RFC 3339 in UTC with milliseconds, money is a decimal string with two digits.

**Access.** If the server has an admin token, operator routes need `Authorization: Bearer …`. Without one it \
listens to its own machine only, and everything is open to requests whose `Host`, and `Origin` where it is sent, are \
its own or names of this machine; others get 403. If it has a storefront token, placing orders needs that one or the \
admin token. `CORS_ORIGINS` lets pages of other origins use the routes of buyers.

**Refusals** are `application/problem+json` (RFC 9457); programs decide by their `code`. `overloaded`, `shutting_down` \
and `storage_unavailable` say nothing about the stock: try again after `Retry-After`, with the same `Idempotency-Key`. \
An unknown path gives 404 `not_found`, a method that a path does not have 405 `method_not_allowed` with `Allow`. \
`HEAD` works wherever `GET` does; `OPTIONS` gives 204 with `Allow` and needs no token.

**Requests** have one `Host`, one `Content-Type` and one `Authorization` at most, no query parameters but those that \
are described, and no compressed body.

**Every response** carries `x-request-id`. A request may bring its own: 1 to 128 visible ASCII characters.";

/// Operations that belong together.
pub(super) struct Chapter {
    /// Its name.
    pub(super) tag: &'static str,
    /// What it is about.
    pub(super) about: &'static str,
    /// Its operations, in the order of the page.
    pub(super) operations: Vec<Operation>,
}

/// The document as JSON text, for a server with such tokens that a proxy shows there.
pub(super) fn text(chapters: Vec<Chapter>, set: TokensSet, public: &PublicUrl) -> String {
    // Texts and numbers only: this cannot fail.
    let mut text = document(chapters, set, public).to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn document(chapters: Vec<Chapter>, set: TokensSet, public: &PublicUrl) -> OpenApi {
    let mut components = ComponentsBuilder::new();
    let (mut paths, mut tags) = (PathsBuilder::new(), Vec::new());
    let mut refusals = BTreeMap::new();
    let mut shapes: BTreeMap<_, _> = view::schema::named::<ProblemView<'_>>().into_iter().collect();
    for Chapter { tag, about, operations } in chapters {
        tags.push(TagBuilder::new().name(tag).description(Some(about)).build());
        for operation in operations {
            let finished = operation.tag(tag).finish(set);
            components = components.responses_from_iter(finished.responses);
            shapes.extend(finished.shapes);
            refusals.extend(finished.refusals.into_iter().map(|refusal| (operation::example_name(&refusal), refusal)));
            paths = paths.path(finished.path, finished.item);
        }
    }
    shapes.extend(webhooks::shapes());
    components = components.schemas_from_iter(shapes);
    for (name, header) in headers::all() {
        components = components.header(name, header);
    }
    for (name, refusal) in refusals {
        components = components.example(name, ExampleBuilder::new().value(Some(operation::problem_example(&refusal))));
    }
    for (is_set, name, about) in [
        (set.admin, operation::SECURITY, "The server's admin token."),
        (set.storefront, operation::STOREFRONT_SECURITY, "The token with which the shop's own server places orders."),
    ] {
        if is_set {
            let mut bearer = Http::new(HttpAuthScheme::Bearer);
            bearer.description = Some(about.to_owned());
            components = components.security_scheme(name, SecurityScheme::Http(bearer));
        }
    }
    let info = InfoBuilder::new()
        .title("flashsale")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(LicenseBuilder::new().name(LICENSE).identifier(Some(LICENSE)).build()));
    let document = OpenApiBuilder::new().info(info).servers(Some(servers(public)));
    let document = document.paths(paths).webhooks(Some(webhooks::all()));
    document.components(Some(components.build())).tags(Some(tags)).build()
}

/// Where the server is found: by its public URL, and from where the document is.
fn servers(public: &PublicUrl) -> Vec<Server> {
    let Some(url) = public.url() else { return vec![Server::new("/")] };
    let here = if url.path().is_empty() { "/" } else { url.path() };
    vec![Server::new(url.to_string()), Server::new(here)]
}
