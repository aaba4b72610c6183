//! The description as a whole.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

const OPEN: TokensSet = TokensSet { admin: false, storefront: false };
const LOCKED: TokensSet = TokensSet { admin: true, storefront: true };

fn document(set: TokensSet) -> Value {
    serde_json::from_str(&description(set, &PublicUrl::default())).unwrap()
}

fn json() -> Value {
    document(LOCKED)
}

/// Every string under `key` in a document.
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

fn operations(document: &Value) -> impl Iterator<Item = &Value> {
    let paths = document["paths"].as_object().unwrap();
    paths.values().flat_map(|path| path.as_object().unwrap().values())
}

#[test]
fn every_route_is_described_under_a_name_of_its_own_and_links_lead_to_them() {
    let document = json();
    let names: Vec<_> = operations(&document).map(|operation| operation["operationId"].as_str().unwrap()).collect();
    let unique: BTreeSet<_> = names.iter().copied().collect();
    let routes: usize = groups().iter().map(|group| group.routes.len()).sum();
    assert_eq!((unique.len(), names.len()), (routes, routes));
    // What the server posts to others is no route.
    let routes = json!({"paths": document["paths"], "components": document["components"]});
    for linked in all("operationId", &routes) {
        assert!(unique.contains(linked), "{linked}");
    }
    for operation in operations(&document) {
        assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{operation}");
    }
}

#[test]
fn every_operation_says_which_token_it_needs() {
    let security = |set, id: &str| {
        let document = document(set);
        operations(&document).find(|operation| operation["operationId"] == id).unwrap()["security"].clone()
    };
    let (admin, storefront) = (json!({ "adminToken": [] }), json!({ "storefrontToken": [] }));
    let only = |admin, storefront| TokensSet { admin, storefront };
    for (id, set, expected) in [
        ("listProducts", LOCKED, json!([])),
        ("followOrder", LOCKED, json!([])),
        ("placeOrder", OPEN, json!([])),
        // A high priority needs the token.
        ("placeOrder", only(true, false), json!([{}, admin])),
        ("placeOrder", only(false, true), json!([storefront])),
        ("placeOrder", LOCKED, json!([storefront, admin])),
        ("placeOrders", OPEN, json!([])),
        ("placeOrders", only(true, false), json!([admin])),
        ("placeOrders", LOCKED, json!([storefront, admin])),
        ("confirmOrder", OPEN, json!([])),
        ("confirmOrder", LOCKED, json!([admin])),
    ] {
        assert_eq!(security(set, id), expected, "{id} {set:?}");
    }
    let routes: Vec<_> = groups().into_iter().flat_map(|group| group.routes).collect();
    let public = routes.iter().filter(|route| route.description().access() == Access::Public).count();
    let document = json();
    assert_eq!(operations(&document).filter(|operation| operation["security"] == json!([])).count(), public);
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

/// Fields of responses that are not always there.
const NOT_ALWAYS: &[(&str, &str)] = &[
    ("BatchPlaced", "idempotencyReplayed"),
    ("BatchRefused", "errors"),
    ("BatchRefused", "retryAfter"),
    ("Moved", "countedAt"),
    ("Moved", "needs"),
    ("Order", "product"),
    ("Problem", "errors"),
    ("Problem", "orderStatus"),
    ("Ready", "mirrors"),
];

#[test]
fn every_object_is_closed_and_every_response_has_all_of_its_fields() {
    let document = json();
    let requests: BTreeSet<_> = operations(&document)
        .filter_map(|operation| operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str())
        .map(|reference| reference.rsplit('/').next().unwrap())
        .chain(["BatchOrder"])
        .collect();
    let mut missing = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let mut objects = Vec::new();
        objects_of(schema, &mut objects);
        for object in objects {
            assert_eq!(object["additionalProperties"], serde_json::json!(false), "{name} is not closed: {object}");
            if requests.contains(name.as_str()) {
                continue;
            }
            let required = object["required"].as_array();
            let fields = object["properties"].as_object().unwrap().keys();
            let optional =
                fields.filter(|field| required.is_none_or(|required| !required.iter().any(|it| it == *field)));
            missing.extend(optional.map(|field| (name.as_str(), field.as_str())));
        }
    }
    assert_eq!(missing, NOT_ALWAYS, "a field that can be null needs #[schema(required)]");
}

/// All objects in a schema, itself included.
fn objects_of<'a>(schema: &'a Value, found: &mut Vec<&'a Value>) {
    match schema {
        Value::Object(parts) => {
            if schema["type"] == "object" && parts.contains_key("properties") {
                found.push(schema);
            }
            parts.iter().filter(|(key, _)| *key != "examples").for_each(|(_, part)| objects_of(part, found));
        }
        Value::Array(parts) => parts.iter().for_each(|part| objects_of(part, found)),
        _ => {}
    }
}

#[test]
fn every_code_that_a_route_can_respond_with_is_described_by_some_operation() {
    let documents = [document(LOCKED), document(OPEN)];
    let used: BTreeSet<_> = documents.iter().flat_map(|document| all("$ref", document)).collect();
    for refusal in Refusal::examples() {
        let shown = used.contains(format!("#/components/examples/{}", openapi::example_name(&refusal)).as_str());
        // No operation of a path responds with what is for the methods that the path does not have.
        assert_eq!(shown, refusal != Refusal::MethodNotAllowed, "{}", refusal.code());
    }
}

#[test]
fn requests_are_counted_for_their_clients_but_for_those_that_ask_whether_the_server_lives() {
    let routes = groups().into_iter().flat_map(|group| group.routes);
    let unlimited = routes.filter(|route| !route.description().is_limited());
    let paths: Vec<_> = unlimited.map(|route| route.description().path().to_owned()).collect();
    assert_eq!(paths, ["/livez", "/readyz", "/api/v1/monitoring/health"]);
}
