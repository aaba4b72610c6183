//! The description of the API (OpenAPI 3.1). The route table stays in [`super`]; a test holds the two together.

use std::sync::LazyLock;

use axum::routing::MethodFilter;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::PathsBuilder;
use utoipa::openapi::schema::ComponentsBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{HttpMethod, InfoBuilder, License, OpenApi, OpenApiBuilder, PathItem};

use crate::domain::refusal::Refusal;

use super::Access;

mod bodies;
mod headers;
mod inventory;
mod operation;
mod orders;
mod queue;
mod schema;
mod server;
mod views;

use operation::Described;

const ABOUT: &str = "\
Sells every unit exactly once, and never one too many.

JSON is camelCase, times are RFC 3339 in UTC with milliseconds, money is a decimal string with two digits.

**Access.** Where the server has an admin token, operator routes need `Authorization: Bearer …`. Without one it \
listens to its own machine only, and everything is open.

**Refusals** are `application/problem+json` (RFC 9457); programs decide by their `code`. `overloaded`, `shutting_down` \
and `storage_unavailable` say nothing about the stock: try again after `Retry-After`, with the same `Idempotency-Key`. \
A path that is not here is answered 404 `not_found`, a method that a path does not have 405 `method_not_allowed` with \
`Allow`. `HEAD` works wherever `GET` does; `OPTIONS` is answered 204 with `Allow` and needs no token.

**Requests** have one `Host`, one `Content-Type` and one `Authorization` at most, no query parameters but those that \
are described, and no compressed body.

**Every answer** carries `x-request-id`. A request may bring its own: 1 to 128 visible ASCII characters.";

/// Tags and what they stand for.
const TAGS: [(&str, &str); 4] = [
    ("orders", "Placing orders, following them, settling them"),
    ("inventory", "Products, their stock, and its history"),
    ("queue", "The jobs of orders, and the dead letters"),
    ("server", "The server itself"),
];

/// Every operation, in the order of the page.
fn operations() -> Vec<Described> {
    let groups = [orders::operations(), inventory::operations(), queue::operations(), server::operations()];
    groups.into_iter().flatten().collect()
}

/// The description as JSON text, for a server whose operator routes are open to `operators`.
pub fn text(operators: Access) -> &'static str {
    static OPEN: LazyLock<String> = LazyLock::new(|| written(Access::Public));
    static GUARDED: LazyLock<String> = LazyLock::new(|| written(Access::Operator));
    match operators {
        Access::Public => &OPEN,
        Access::Operator => &GUARDED,
    }
}

fn written(operators: Access) -> String {
    // Texts and numbers only: this cannot fail.
    let mut text = document(operators).to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn document(operators: Access) -> OpenApi {
    let mut components =
        ComponentsBuilder::new().schemas_from_iter(views::schemas()).schemas_from_iter(bodies::schemas());
    let mut paths = PathsBuilder::new();
    for operation in operations() {
        let (path, method, operation, shared) = operation.finish(operators);
        components = components.responses_from_iter(shared);
        paths = paths.path(path, PathItem::new(http_method(method), operation));
    }
    for (name, header) in headers::all() {
        components = components.header(name, header);
    }
    for refusal in Refusal::examples() {
        let example = ExampleBuilder::new().value(Some(operation::problem_example(&refusal)));
        components = components.example(operation::example_name(&refusal), example);
    }
    if operators == Access::Operator {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some("The server's admin token.".to_owned());
        components = components.security_scheme(operation::SECURITY, SecurityScheme::Http(bearer));
    }
    let tags = TAGS.map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build());
    let info = InfoBuilder::new()
        .title("flashsale")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(License::new(env!("CARGO_PKG_LICENSE"))));
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).tags(Some(tags)).build()
}

/// The document's word for a method of the route table.
fn http_method(method: MethodFilter) -> HttpMethod {
    match method {
        MethodFilter::POST => HttpMethod::Post,
        MethodFilter::PUT => HttpMethod::Put,
        MethodFilter::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::{BASE, api_routes, root_routes};
    use super::*;

    fn json() -> Value {
        serde_json::from_str(text(Access::Operator)).unwrap()
    }

    /// Every string of a document that stands under `key`.
    fn under<'a>(key: &str, value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get(key).and_then(Value::as_str));
                fields.values().for_each(|value| under(key, value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| under(key, value, found)),
            _ => {}
        }
    }

    fn all<'a>(key: &str, document: &'a Value) -> Vec<&'a str> {
        let mut found = Vec::new();
        under(key, document, &mut found);
        found
    }

    #[test]
    fn the_document_has_the_routes_of_the_table_and_no_others() {
        let line = |path: String, method: MethodFilter, access: Access| format!("{method:?} {path} {access:?}");
        let api = api_routes().into_iter().map(|route| (format!("{BASE}{}", route.path), route));
        let root = root_routes().into_iter().map(|route| (route.path.to_owned(), route));
        let table: BTreeSet<_> = api.chain(root).map(|(path, route)| line(path, route.method, route.access)).collect();
        let described: BTreeSet<_> = operations()
            .into_iter()
            .map(|described| line(described.path, described.method, described.access))
            .collect();
        assert_eq!(described, table);
        let document = json();
        let shown: usize =
            document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
        assert_eq!(shown, table.len());
    }

    #[test]
    fn operator_routes_need_the_token_where_there_is_one() {
        let needing = |operators| -> usize {
            let document: Value = serde_json::from_str(text(operators)).unwrap();
            let paths = document["paths"].as_object().unwrap();
            let operations = paths.values().flat_map(|path| path.as_object().unwrap().values());
            // Where an empty requirement stands beside it, the token is asked for by some requests only.
            let needs = |operation: &&Value| {
                operation["security"].as_array().is_some_and(|any| !any.contains(&serde_json::json!({})))
            };
            operations.filter(needs).count()
        };
        let routes = api_routes().into_iter().chain(root_routes());
        let guarded = routes.filter(|route| route.access == Access::Operator).count();
        assert_eq!((needing(Access::Operator), needing(Access::Public)), (guarded, 0));
    }

    #[test]
    fn every_reference_leads_somewhere_and_nothing_is_there_in_vain() {
        let document = json();
        let used: BTreeSet<_> = all("$ref", &document).into_iter().collect();
        for reference in &used {
            assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
        }
        for group in ["schemas", "responses", "headers"] {
            for name in document["components"][group].as_object().unwrap().keys() {
                assert!(used.contains(format!("#/components/{group}/{name}").as_str()), "{group} {name}");
            }
        }
    }

    #[test]
    fn every_code_that_a_route_can_answer_is_an_answer_of_some_operation() {
        let document = json();
        let used: BTreeSet<_> = all("$ref", &document).into_iter().collect();
        for refusal in Refusal::examples() {
            let shown = used.contains(format!("#/components/examples/{}", operation::example_name(&refusal)).as_str());
            // No operation of a path answers what stands for the methods that the path does not have.
            assert_eq!(shown, refusal != Refusal::MethodNotAllowed, "{}", refusal.code());
        }
    }

    #[test]
    fn names_of_operations_are_unique_and_links_lead_to_them() {
        let document = json();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.values().flat_map(|path| path.as_object().unwrap().values());
        let names: Vec<_> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
        let unique: BTreeSet<_> = names.iter().copied().collect();
        assert_eq!(unique.len(), names.len());
        for linked in all("operationId", &document) {
            assert!(unique.contains(linked), "{linked}");
        }
    }
}
