//! One operation of the document: what it takes, and every response it can give.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{HttpMethod, PathItem, Ref, RefOr, Required, Response, ResponseBuilder};

use crate::domain::refusal::Refusal;
use crate::http::schema::{self, Shape};
use crate::http::{self, Access, Object, TokensSet};
use crate::limits::{DEFAULT_PAGE, MAX_PAGE};
use crate::view;

use super::headers;

/// The name of the operator's credential.
pub(super) const SECURITY: &str = "adminToken";

/// The name of the storefront's credential.
pub(super) const STOREFRONT_SECURITY: &str = "storefrontToken";

const JSON: &str = "application/json";

/// The media type of refusals.
const PROBLEM: &str = "application/problem+json";

/// An operation: its path, who may use it, and what else the document says of it.
pub(crate) struct Operation {
    path: String,
    method: HttpMethod,
    access: Access,
    is_limited: bool,
    reads_query: bool,
    has_idempotency_key: bool,
    operation: OperationBuilder,
    responses: Vec<(StatusCode, ResponseBuilder)>,
    refusals: Vec<Refusal>,
    /// The shapes that it refers to, by name.
    shapes: Vec<(String, Shape)>,
}

/// An operation as the document has it, and the parts that it refers to.
pub(super) struct Finished {
    pub(super) path: String,
    pub(super) item: PathItem,
    pub(super) responses: Vec<(String, Response)>,
    /// Those that its responses have as examples.
    pub(super) refusals: Vec<Refusal>,
    pub(super) shapes: Vec<(String, Shape)>,
}

impl Operation {
    /// An operation on this path. `id` is its name in generated clients.
    pub(crate) fn new(access: Access, path: String, id: &str, summary: &str) -> Self {
        let operation = OperationBuilder::new().operation_id(Some(id)).summary(Some(summary));
        let described = Self {
            path,
            method: HttpMethod::Get,
            access,
            is_limited: true,
            reads_query: false,
            has_idempotency_key: false,
            operation,
            responses: Vec::new(),
            refusals: Vec::new(),
            shapes: Vec::new(),
        };
        described.refuses(|refusal| match refusal {
            // The headers and the query of every request are checked.
            Refusal::InvalidRequest(_)
            | Refusal::UriTooLong
            | Refusal::HeadersTooLarge
            | Refusal::RateLimited(_)
            | Refusal::Forbidden(_)
            | Refusal::UnsupportedTransferCoding => true,
            Refusal::Unauthorized => access != Access::Public,
            _ => false,
        })
    }

    /// Its path.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Who may use it.
    pub(crate) const fn access(&self) -> Access {
        self.access
    }

    /// Its method.
    pub(crate) const fn method(&self) -> Method {
        match self.method {
            HttpMethod::Post => Method::POST,
            HttpMethod::Put => Method::PUT,
            HttpMethod::Delete => Method::DELETE,
            _ => Method::GET,
        }
    }

    /// Whether pages of a shop have a use for it.
    pub(crate) fn is_for_buyers(&self) -> bool {
        matches!(self.access, Access::Public | Access::Buyer)
    }

    /// Whether it gives a repetition of a request the same response.
    pub(crate) const fn has_idempotency_key(&self) -> bool {
        self.has_idempotency_key
    }

    /// Whether it has parameters in the query.
    pub(crate) const fn reads_query(&self) -> bool {
        self.reads_query
    }

    /// Whether the limits of each client count its requests.
    pub(crate) const fn is_limited(&self) -> bool {
        self.is_limited
    }

    /// The same with this method.
    pub(crate) fn with_method(self, method: HttpMethod) -> Self {
        Self { method, ..self }
    }

    /// Says more than the summary.
    pub(crate) fn about(self, text: &str) -> Self {
        Self { operation: self.operation.description(Some(text)), ..self }
    }

    /// The group that it is shown in.
    pub(crate) fn tag(self, tag: &str) -> Self {
        Self { operation: self.operation.tag(tag), ..self }
    }

    /// A variable part of the path.
    pub(crate) fn part(self, name: &str, about: &str, shape: Shape) -> Self {
        self.parameter(ParameterIn::Path, Required::True, name, about, shape)
    }

    /// A parameter of the query.
    pub(crate) fn query(self, name: &str, about: &str, shape: Shape) -> Self {
        self.parameter(ParameterIn::Query, Required::False, name, about, shape)
    }

    /// A parameter of the query that must be there.
    pub(crate) fn required_query(self, name: &str, about: &str, shape: Shape) -> Self {
        self.parameter(ParameterIn::Query, Required::True, name, about, shape)
    }

    /// A header of the request.
    pub(crate) fn header(self, name: &str, about: &str, shape: Shape) -> Self {
        self.parameter(ParameterIn::Header, Required::False, name, about, shape)
    }

    /// The header `Idempotency-Key`.
    pub(crate) fn takes_idempotency_key(self, about: &str, shape: Shape) -> Self {
        Self { has_idempotency_key: true, ..self.header("Idempotency-Key", about, shape) }
    }

    fn parameter(self, place: ParameterIn, required: Required, name: &str, about: &str, shape: Shape) -> Self {
        let reads_query = self.reads_query || place == ParameterIn::Query;
        let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(required);
        let parameter = parameter.description(Some(about)).schema(Some(shape));
        Self { operation: self.operation.parameter(parameter), reads_query, ..self }
    }

    /// A body in JSON: such an object, of at most `limit` bytes, as the examples have it.
    pub(crate) fn body<const N: usize>(self, object: &Object, limit: usize, examples: [(&str, Value); N]) -> Self {
        self.shape(object.name, object.shape()).body_of(object.name, limit, examples)
    }

    /// The same with a shape by its name.
    pub(crate) fn body_of<const N: usize>(self, name: &str, limit: usize, examples: [(&str, Value); N]) -> Self {
        let examples = examples.into_iter().map(|(name, value)| (name, ExampleBuilder::new().value(Some(value))));
        let content = ContentBuilder::new().schema(Some(schema::named(name))).examples_from_iter(examples).build();
        let about = format!("At most {limit} bytes.");
        let body = RequestBodyBuilder::new().required(Some(Required::True)).description(Some(about));
        let body = body.content(JSON, content).build();
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

    /// The header that makes a change depend on the state of the product, and the refusal where that is another.
    pub(crate) fn takes_if_match(self, about: &str) -> Self {
        self.header("If-Match", about, schema::text())
            .refuses(|refusal| matches!(refusal, Refusal::PreconditionFailed { .. }))
    }

    /// The header with the state that the client has, and the response where it is the same.
    pub(crate) fn takes_if_none_match(self) -> Self {
        let about = "The `ETag` of the product as the client has it: 304 where nothing has changed since.";
        let unchanged = ResponseBuilder::new().description("Nothing has changed.");
        let unchanged = unchanged.header_ref("ETag", headers::named("ETag"));
        self.header("If-None-Match", about, schema::text()).respond(StatusCode::NOT_MODIFIED, unchanged)
    }

    /// The shapes of a view.
    fn shapes_of<T: ToSchema>(mut self) -> Self {
        self.shapes.extend(view::schema::named::<T>());
        self
    }

    /// A shape that it refers to.
    pub(crate) fn shape(mut self, name: &str, shape: Shape) -> Self {
        self.shapes.push((name.to_owned(), shape));
        self
    }

    /// A response without a body.
    pub(crate) fn responds_nothing(self, about: &str) -> Self {
        self.respond(StatusCode::NO_CONTENT, ResponseBuilder::new().description(about))
    }

    /// A response of 200 with a view.
    pub(crate) fn responds<T: ToSchema>(self, about: &str) -> Self {
        self.shapes_of::<T>().responds_with(StatusCode::OK, about, JSON, view::schema::reference::<T>(), &[])
    }

    /// A response of 200 with a view and the tag of its state.
    pub(crate) fn responds_tagged<T: ToSchema>(self, about: &str) -> Self {
        self.shapes_of::<T>().responds_with(StatusCode::OK, about, JSON, view::schema::reference::<T>(), &["ETag"])
    }

    /// A response with a view that is described where it is used and under no name.
    pub(crate) fn responds_inline<T: ToSchema>(self, status: StatusCode, about: &str) -> Self {
        self.responds_with(status, about, JSON, view::schema::of::<T>(), &[])
    }

    /// A response of 200 with a list of views.
    pub(crate) fn responds_list<T: ToSchema>(self, about: &str) -> Self {
        let rows = schema::list(view::schema::reference::<T>());
        self.shapes_of::<T>().responds_with(StatusCode::OK, about, JSON, rows, &[])
    }

    /// A response of 200 of one of several kinds.
    pub(crate) fn responds_any<const N: usize>(self, about: &str, kinds: [(&str, Shape); N]) -> Self {
        let response = kinds.into_iter().fold(ResponseBuilder::new().description(about), |response, (media, shape)| {
            response.content(media, ContentBuilder::new().schema(Some(shape)).build())
        });
        self.respond(StatusCode::OK, response)
    }

    /// A response of 201 that says where to find what was made.
    pub(crate) fn creates<T: ToSchema>(self, about: &str, more: &[&str]) -> Self {
        let headers = [&["Location"], more].concat();
        let made = view::schema::reference::<T>();
        self.shapes_of::<T>().responds_with(StatusCode::CREATED, about, JSON, made, &headers)
    }

    /// A response of 200 with a page of a list, and the parameters that choose it.
    pub(crate) fn responds_page<T: ToSchema>(self, about: &str) -> Self {
        let most = i64::try_from(MAX_PAGE).unwrap_or(i64::MAX);
        let limit = schema::with_default(schema::whole(1, most), json!(DEFAULT_PAGE));
        let cursor = schema::pattern("^[0-9a-f]+-[0-9a-f]{16}$", 18, 33);
        let rows = schema::list_of(0, MAX_PAGE, view::schema::reference::<T>());
        self.shapes_of::<T>()
            .query("limit", "Rows on the page, at most.", limit)
            .query("cursor", "From the `Link` header of the page before; good for this list only.", cursor)
            .responds_with(StatusCode::OK, about, JSON, rows, &["Link"])
    }

    /// A response of any status and kind.
    pub(crate) fn responds_with(
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
        self.respond(status, response)
    }

    fn respond(mut self, status: StatusCode, response: ResponseBuilder) -> Self {
        self.responses.push((status, response.header_ref(headers::REQUEST_ID, headers::named(headers::REQUEST_ID))));
        self
    }

    /// What can be done next with a value of the response before: the operation, its parameter, where the value is.
    pub(crate) fn leads_to(mut self, operations: &[&str], parameter: &str, pointer: &str) -> Self {
        let value = format!("$response.body#/{pointer}");
        let Some((status, mut response)) = self.responses.pop() else { return self };
        for operation in operations {
            let link = LinkBuilder::new().operation_id(*operation).parameter(parameter, value.clone());
            response = response.link(*operation, link.build());
        }
        self.responses.push((status, response));
        self
    }

    /// The refusals that `chosen` picks from all there are.
    pub(crate) fn refuses(mut self, chosen: impl Fn(&Refusal) -> bool) -> Self {
        let more =
            Refusal::examples().into_iter().filter(|refusal| !self.refusals.contains(refusal) && chosen(refusal));
        self.refusals.extend(more.collect::<Vec<_>>());
        self
    }

    /// Takes back that requests of one client are limited.
    pub(crate) fn unlimited(mut self) -> Self {
        self.refusals.retain(|refusal| !matches!(refusal, Refusal::RateLimited(_)));
        Self { is_limited: false, ..self }
    }

    /// What can go wrong with looking something up in the store.
    pub(crate) fn reads(self) -> Self {
        self.refuses(|refusal| matches!(refusal, Refusal::StorageUnavailable))
    }

    /// What can go wrong with reading many rows of the store, which is done in turn.
    pub(crate) fn scans(self) -> Self {
        self.reads().refuses(|refusal| matches!(refusal, Refusal::Overloaded { .. }))
    }

    /// What can go wrong with changing the store.
    pub(crate) fn writes(self) -> Self {
        self.refuses(|refusal| {
            matches!(refusal, Refusal::StorageUnavailable | Refusal::ShuttingDown | Refusal::Internal)
        })
    }

    /// What the rules of a sale refuse.
    pub(crate) fn sells(self) -> Self {
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

    /// The credentials of which a request needs one; none if it needs none.
    fn security(&self, set: TokensSet) -> Vec<SecurityRequirement> {
        let admin = set.admin.then(|| token(SECURITY));
        let storefront = set.storefront.then(|| token(STOREFRONT_SECURITY));
        match self.access {
            Access::Public => Vec::new(),
            // Some of what can be ordered needs the admin token.
            Access::Buyer if !set.storefront && set.admin => {
                vec![SecurityRequirement::default(), token(SECURITY)]
            }
            Access::Buyer if !set.storefront => Vec::new(),
            Access::Buyer | Access::Storefront => storefront.into_iter().chain(admin).collect(),
            Access::Operator => admin.into_iter().collect(),
        }
    }

    /// The finished operation, of a server with such tokens.
    pub(super) fn finish(self, set: TokensSet) -> Finished {
        let security = self.security(set);
        let (mut operation, mut refusals) = (self.operation, self.refusals);
        for (status, response) in self.responses {
            operation = operation.response(status.as_str(), response);
        }
        refusals.retain(|refusal| match refusal {
            Refusal::Unauthorized => !security.is_empty(),
            // Where a request comes from matters where no token does.
            Refusal::Forbidden(_) => !set.admin,
            _ => true,
        });
        operation = operation.securities(Some(security));
        refusals.sort_by_key(example_name);
        let mut by_status = BTreeMap::<StatusCode, Vec<&Refusal>>::new();
        for refusal in &refusals {
            by_status.entry(http::status(refusal)).or_default().push(refusal);
        }
        let mut shared = Vec::new();
        for (status, refusals) in by_status {
            let name = refusals.iter().map(|refusal| example_name(refusal)).collect::<Vec<_>>().join(".");
            operation = operation.response(status.as_str(), Ref::from_response_name(&name));
            shared.push((name, problem(&refusals)));
        }
        let item = PathItem::new(self.method, operation);
        Finished { path: self.path, item, responses: shared, refusals, shapes: self.shapes }
    }
}

fn token(name: &str) -> SecurityRequirement {
    SecurityRequirement::new(name, Vec::<String>::new())
}

/// The response for refusals of one status.
fn problem(refusals: &[&Refusal]) -> Response {
    let codes: BTreeSet<_> = refusals.iter().map(|refusal| refusal.code()).collect();
    let names = refusals.iter().map(|refusal| example_name(refusal));
    let examples = names.map(|name| (name.clone(), RefOr::Ref(Ref::new(format!("#/components/examples/{name}")))));
    let content = ContentBuilder::new().schema(Some(schema::named("Problem"))).examples_from_iter(examples).build();
    let about: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
    let mut response = ResponseBuilder::new().description(about.join(", ")).content(PROBLEM, content);
    // The very headers that such a refusal is sent with.
    let sent: Vec<_> = refusals.iter().map(|refusal| http::problem_response(refusal, "")).collect();
    let sent = |name: &&&str| sent.iter().any(|response| response.headers().contains_key(**name));
    for name in headers::SHOWN.iter().filter(sent).chain([&headers::REQUEST_ID]) {
        response = response.header_ref(*name, headers::named(name));
    }
    response.build()
}

/// The name of a refusal's example: its code, numbered where kinds share one.
pub(crate) fn example_name(refusal: &Refusal) -> String {
    let code = refusal.code();
    let namesakes = Refusal::examples().into_iter().filter(|example| example.code() == code);
    match namesakes.take_while(|example| example != refusal).count() {
        0 => code.to_owned(),
        earlier => format!("{code}.{}", earlier + 1),
    }
}

/// A refusal as it is sent.
pub(super) fn problem_example(refusal: &Refusal) -> Value {
    let document = http::problem_document(refusal, "/api/v1/orders");
    serde_json::from_slice(&document).unwrap_or_default()
}
