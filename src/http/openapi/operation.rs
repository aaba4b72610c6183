//! One operation of the document: what it takes, and every answer it can give.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use axum::routing::MethodFilter;
use serde_json::{Value, json};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{AllOfBuilder, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder};

use crate::domain::refusal::Refusal;
use crate::limits::{DEFAULT_PAGE, MAX_PAGE};

use super::super::{Access, BASE, error};
use super::bodies;
use super::headers;
use super::schema::{self, Shape};

/// The name of the operator's credential.
pub(super) const SECURITY: &str = "adminToken";

/// The media type of refusals.
const PROBLEM: &str = "application/problem+json";

/// An operation, and what the route table says of it.
pub(super) struct Described {
    pub(super) path: String,
    pub(super) method: MethodFilter,
    pub(super) access: Access,
    operation: OperationBuilder,
    answers: Vec<(StatusCode, ResponseBuilder)>,
    refusals: Vec<Refusal>,
}

/// An operation of the API. `id` is its name in generated clients.
pub(super) fn api(access: Access, method: MethodFilter, path: &str, id: &str, summary: &str) -> Described {
    Described::new(access, method, format!("{BASE}{path}"), id, summary)
}

/// An operation at the root.
pub(super) fn root(method: MethodFilter, path: &str, id: &str, summary: &str) -> Described {
    Described::new(Access::Public, method, path.to_owned(), id, summary)
}

/// An operation at the root for operators.
pub(super) fn operator_root(method: MethodFilter, path: &str, id: &str, summary: &str) -> Described {
    Described::new(Access::Operator, method, path.to_owned(), id, summary)
}

impl Described {
    fn new(access: Access, method: MethodFilter, path: String, id: &str, summary: &str) -> Self {
        let operation = OperationBuilder::new().operation_id(Some(id)).summary(Some(summary));
        let operator = access == Access::Operator;
        let described = Self { path, method, access, operation, answers: Vec::new(), refusals: Vec::new() };
        described.refuses(|refusal| match refusal {
            // The headers and the query of every request are checked.
            Refusal::InvalidRequest(_)
            | Refusal::UriTooLong
            | Refusal::HeadersTooLarge
            | Refusal::RateLimited(_)
            | Refusal::UnsupportedTransferCoding => true,
            Refusal::Unauthorized => operator,
            _ => false,
        })
    }

    /// Says more than the summary.
    pub(super) fn about(self, text: &str) -> Self {
        Self { operation: self.operation.description(Some(text)), ..self }
    }

    /// The group that it is shown in.
    pub(super) fn tag(self, tag: &str) -> Self {
        Self { operation: self.operation.tag(tag), ..self }
    }

    /// A variable part of the path.
    pub(super) fn part(self, name: &str, about: &str, shape: Shape) -> Self {
        self.parameter(ParameterIn::Path, Required::True, name, about, shape)
    }

    /// A parameter of the query.
    pub(super) fn query(self, name: &str, about: &str, shape: Shape) -> Self {
        self.parameter(ParameterIn::Query, Required::False, name, about, shape)
    }

    /// A parameter of the query that must be there.
    pub(super) fn required_query(self, name: &str, about: &str, shape: Shape) -> Self {
        self.parameter(ParameterIn::Query, Required::True, name, about, shape)
    }

    /// A header of the request.
    pub(super) fn header(self, name: &str, about: &str, shape: Shape) -> Self {
        self.parameter(ParameterIn::Header, Required::False, name, about, shape)
    }

    fn parameter(self, place: ParameterIn, required: Required, name: &str, about: &str, shape: Shape) -> Self {
        let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(required);
        let parameter = parameter.description(Some(about)).schema(Some(shape));
        Self { operation: self.operation.parameter(parameter), ..self }
    }

    /// A body of a named shape, in JSON.
    pub(super) fn body(self, name: &str, limit: usize) -> Self {
        let examples = bodies::examples(name);
        let examples = examples.into_iter().map(|(name, value)| (name, ExampleBuilder::new().value(Some(value))));
        let content = ContentBuilder::new().schema(Some(schema::named(name))).examples_from_iter(examples).build();
        let about = format!("At most {limit} bytes.");
        let body = RequestBodyBuilder::new().required(Some(Required::True)).description(Some(about));
        let body = body.content("application/json", content).build();
        let described = Self { operation: self.operation.request_body(Some(body)), ..self };
        described.refuses(|refusal| {
            matches!(
                refusal,
                Refusal::RequestTimeout
                    | Refusal::PayloadTooLarge { .. }
                    | Refusal::UnsupportedMediaType
                    | Refusal::UnsupportedContentCoding
            )
        })
    }

    /// An answer without a body.
    pub(super) fn answers_nothing(self, about: &str) -> Self {
        self.answer(StatusCode::NO_CONTENT, ResponseBuilder::new().description(about))
    }

    /// An answer of 200 in JSON.
    pub(super) fn answers(self, about: &str, shape: Shape) -> Self {
        self.answers_with(StatusCode::OK, about, "application/json", shape, &[])
    }

    /// An answer of 200 of one of several kinds.
    pub(super) fn answers_any<const N: usize>(self, about: &str, kinds: [(&str, Shape); N]) -> Self {
        let response = kinds.into_iter().fold(ResponseBuilder::new().description(about), |response, (media, shape)| {
            response.content(media, ContentBuilder::new().schema(Some(shape)).build())
        });
        self.answer(StatusCode::OK, response)
    }

    /// An answer of 201 that says where to find what was made.
    pub(super) fn creates(self, about: &str, shape: Shape, more: &[&str]) -> Self {
        let headers = [&["Location"], more].concat();
        self.answers_with(StatusCode::CREATED, about, "application/json", shape, &headers)
    }

    /// An answer of 200 with a page of a list, and the parameters that choose it.
    pub(super) fn answers_page(self, about: &str, row: &str) -> Self {
        let most = i64::try_from(MAX_PAGE).unwrap_or(i64::MAX);
        let limit = schema::with_default(schema::whole(1, most), json!(DEFAULT_PAGE));
        let cursor = schema::pattern("^[0-9a-f]+-[0-9a-f]{16}$", 18, 33);
        let rows = schema::list_of(0, MAX_PAGE, schema::named(row));
        self.query("limit", "Rows on the page, at most.", limit)
            .query("cursor", "From the `Link` header of the page before; good for this list only.", cursor)
            .answers_with(StatusCode::OK, about, "application/json", rows, &["Link"])
    }

    /// An answer of any status and kind.
    pub(super) fn answers_with(
        self,
        status: StatusCode,
        about: &str,
        media: &str,
        shape: Shape,
        headers: &[&str],
    ) -> Self {
        let content = ContentBuilder::new().schema(Some(shape)).build();
        let response = ResponseBuilder::new().description(about).content(media, content);
        let response = headers.iter().fold(response, |response, name| response.header_ref(*name, headers::named(name)));
        self.answer(status, response)
    }

    fn answer(mut self, status: StatusCode, response: ResponseBuilder) -> Self {
        self.answers.push((status, response.header_ref(headers::REQUEST_ID, headers::named(headers::REQUEST_ID))));
        self
    }

    /// What can be done next with a value of the answer before: the operation, its parameter, where the value is.
    pub(super) fn leads_to(mut self, operations: &[&str], parameter: &str, pointer: &str) -> Self {
        let value = format!("$response.body#/{pointer}");
        let Some((status, mut response)) = self.answers.pop() else { return self };
        for operation in operations {
            let link = LinkBuilder::new().operation_id(*operation).parameter(parameter, value.clone());
            response = response.link(*operation, link.build());
        }
        self.answers.push((status, response));
        self
    }

    /// The refusals that `chosen` picks from all there are.
    pub(super) fn refuses(mut self, chosen: impl Fn(&Refusal) -> bool) -> Self {
        let more =
            Refusal::examples().into_iter().filter(|refusal| !self.refusals.contains(refusal) && chosen(refusal));
        self.refusals.extend(more.collect::<Vec<_>>());
        self
    }

    /// Takes back that requests of one client are limited.
    pub(super) fn unlimited(mut self) -> Self {
        self.refusals.retain(|refusal| !matches!(refusal, Refusal::RateLimited(_)));
        self
    }

    /// What can go wrong with looking something up in the store.
    pub(super) fn reads(self) -> Self {
        self.refuses(|refusal| matches!(refusal, Refusal::StorageUnavailable))
    }

    /// What can go wrong with reading many rows of the store, which is done in turn.
    pub(super) fn scans(self) -> Self {
        self.reads().refuses(|refusal| matches!(refusal, Refusal::Overloaded { .. }))
    }

    /// What can go wrong with changing the store.
    pub(super) fn writes(self) -> Self {
        self.refuses(|refusal| {
            matches!(refusal, Refusal::StorageUnavailable | Refusal::ShuttingDown | Refusal::Internal)
        })
    }

    /// What the rules of a sale refuse.
    pub(super) fn sells(self) -> Self {
        self.refuses(|refusal| {
            matches!(
                refusal,
                Refusal::SoldOut
                    | Refusal::SaleNotActive
                    | Refusal::SaleNotStarted { .. }
                    | Refusal::SaleEnded { .. }
                    | Refusal::PurchaseLimitExceeded { .. }
            )
        })
    }

    /// The finished operation, with the answers that it refers to. `operators` are those who may use operator routes.
    pub(super) fn finish(self, operators: Access) -> (String, MethodFilter, Operation, Vec<(String, Response)>) {
        let (mut operation, mut refusals) = (self.operation, self.refusals);
        for (status, response) in self.answers {
            operation = operation.response(status.as_str(), response);
        }
        match (operators, self.access) {
            (Access::Public, _) => refusals.retain(|refusal| *refusal != Refusal::Unauthorized),
            (Access::Operator, Access::Public) if refusals.contains(&Refusal::Unauthorized) => {
                // Some of what can be asked for needs the token.
                operation = operation.security(SecurityRequirement::default()).security(token());
            }
            (Access::Operator, Access::Public) => {}
            (Access::Operator, Access::Operator) => operation = operation.security(token()),
        }
        refusals.sort_by_key(example_name);
        let mut by_status = BTreeMap::<StatusCode, Vec<&Refusal>>::new();
        for refusal in &refusals {
            by_status.entry(error::status(refusal)).or_default().push(refusal);
        }
        let mut shared = Vec::new();
        for (status, refusals) in by_status {
            let name = refusals.iter().map(|refusal| example_name(refusal)).collect::<Vec<_>>().join(".");
            operation = operation.response(status.as_str(), Ref::from_response_name(&name));
            shared.push((name, problem(status, &refusals)));
        }
        (self.path, self.method, operation.build(), shared)
    }
}

fn token() -> SecurityRequirement {
    SecurityRequirement::new(SECURITY, Vec::<String>::new())
}

/// The answer for refusals of one status.
fn problem(status: StatusCode, refusals: &[&Refusal]) -> Response {
    let codes: BTreeSet<_> = refusals.iter().map(|refusal| refusal.code()).collect();
    let narrowed = ObjectBuilder::new()
        .property("status", schema::status(status.as_u16()))
        .property("code", schema::word(codes.iter().copied()));
    let shape = AllOfBuilder::new().item(schema::named("Problem")).item(narrowed);
    let names = refusals.iter().map(|refusal| example_name(refusal));
    let examples = names.map(|name| (name.clone(), RefOr::Ref(Ref::new(format!("#/components/examples/{name}")))));
    let content = ContentBuilder::new().schema(Some(shape)).examples_from_iter(examples).build();
    let about: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
    let mut response = ResponseBuilder::new().description(about.join(", ")).content(PROBLEM, content);
    // The very headers that such a refusal is answered with.
    let answers: Vec<_> = refusals.iter().map(|refusal| error::problem(refusal, "")).collect();
    let sent = |name: &&&str| answers.iter().any(|answer| answer.headers().contains_key(**name));
    for name in headers::SHOWN.iter().filter(sent).chain([&headers::REQUEST_ID]) {
        response = response.header_ref(*name, headers::named(name));
    }
    response.build()
}

/// The name of a refusal's example: its code, numbered where kinds share one.
pub(super) fn example_name(refusal: &Refusal) -> String {
    let code = refusal.code();
    let namesakes = Refusal::examples().into_iter().filter(|example| example.code() == code);
    match namesakes.take_while(|example| example != refusal).count() {
        0 => code.to_owned(),
        earlier => format!("{code}.{}", earlier + 1),
    }
}

/// A refusal as it is answered.
pub(super) fn problem_example(refusal: &Refusal) -> Value {
    let document = error::document(refusal, "/api/v1/orders");
    serde_json::from_slice(&document).unwrap_or_default()
}
