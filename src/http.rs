//! The protocol, without a route: connections, bounds, bodies, queries, pages, credentials and the form of refusals.
//! What responds to requests is a [`Handler`].

mod accept;
mod access;
mod activity;
mod arriving;
mod body;
mod conditions;
mod connection;
mod connections;
mod cors;
mod edge;
mod form_body;
mod handler;
mod headers;
mod in_flight;
mod json;
mod leash;
mod origin;
mod page;
mod path;
mod problem;
mod public_url;
mod query;
mod request_log;
mod route_template;
pub mod schema;
mod serve;
mod serve_config;
mod session;
mod socket;

pub use accept::quality;
pub use access::{Access, AdminToken, StorefrontToken, Tokens, TokensSet, guard, is_read};
pub use body::{BatchBody, JsonBody, read_body};
pub use conditions::{IDEMPOTENCY_KEY, if_match, is_known, without_idempotency_key};
pub use edge::Client;
pub use form_body::FormBody;
pub use handler::Handler;
pub use headers::PAGE as PAGE_HEADERS;
pub use json::{
    As, Complaint, Delta, Field, Form, Member, Moment, Name, Nullable, Object, OneOf, Price, Reader, Rule, Text, Truth,
    Value, Whole, not_json, parse,
};
pub use origin::{FOREIGN_PAGE, is_same_origin};
pub use page::{Cursors, page_response};
pub use path::PathParam;
pub use problem::{document_response, message, problem_document, problem_response, retry_after, status};
pub use public_url::PublicUrl;
pub use query::{Query, check_none, without_query};
pub use route_template::{RouteTemplate, with_template};
pub use serve::serve;
pub use serve_config::ServeConfig;
pub use session::{SESSION_COOKIE, cookie, set_cookie};
