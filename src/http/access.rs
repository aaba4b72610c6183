//! The operator's credential.

use axum::extract::Request;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use crate::domain::refusal::Refusal;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Public,
    /// Operators: those who have the admin token, if one is set.
    Operator,
}

/// The admin token, if one is set. Only its hash is kept, so that it can be in no log and no core dump by name.
#[derive(Clone, Copy)]
pub struct AdminToken(Option<blake3::Hash>);

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "AdminToken(set)" } else { "AdminToken(none)" })
    }
}

impl AdminToken {
    /// With a token, operator routes need it; without one, everything is open.
    pub fn new(token: Option<&str>) -> Self {
        Self(token.map(|token| blake3::hash(token.as_bytes())))
    }

    /// Whether there is one.
    pub const fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a request with these headers comes from an operator.
    pub fn allows(&self, headers: &HeaderMap) -> bool {
        let Some(expected) = self.0 else { return true };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, token)) = given.and_then(|value| value.split_once(' ')) else { return false };
        // Hashes compare in constant time.
        scheme.eq_ignore_ascii_case("bearer") && blake3::hash(token.trim().as_bytes()) == expected
    }
}

/// Lets only operators through, if a token is set. A method that the route does not have stays "not allowed".
pub fn guard<S>(handler: MethodRouter<S>, token: &AdminToken) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    if token.0.is_none() {
        return handler;
    }
    handler.route_layer(middleware::from_fn_with_state(*token, check))
}

async fn check(token: axum::extract::State<AdminToken>, request: Request, next: Next) -> Response {
    // A pre-flight request never carries a credential.
    match token.allows(request.headers()) || request.method() == Method::OPTIONS {
        true => next.run(request).await,
        false => Refusal::Unauthorized.into_response(),
    }
}
