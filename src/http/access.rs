//! The operator's credential.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use crate::domain::clock::Clock;
use crate::domain::refusal::Refusal;

use super::origin::{has_own_host, is_same_origin};
use super::session::SessionKey;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Public,
    /// Operators: those who have the admin token, if one is set.
    Operator,
}

const FOREIGN_HOST: &str = "Host must be localhost or an IP address; to use a name, set ADMIN_TOKEN";
const FOREIGN_PAGE: &str = "A page of another server may not do this";

/// The admin token, if one is set. Only its hash is kept, so that it can be in no log and no core dump by name.
#[derive(Clone)]
pub struct AdminToken(Option<Arc<Credential>>);

struct Credential {
    token: blake3::Hash,
    sessions: SessionKey,
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "AdminToken(set)" } else { "AdminToken(none)" })
    }
}

impl AdminToken {
    /// With a token, operator routes need it; without one, everything is open. `secret` is the store's: with the token
    /// it makes the key of the sessions, which so survive a restart and end with the token.
    pub fn new(token: Option<&str>, secret: &[u8; 32], clock: Clock) -> Self {
        Self(token.map(|token| {
            let token = blake3::hash(token.as_bytes());
            Arc::new(Credential { token, sessions: SessionKey::new(secret, &token, clock) })
        }))
    }

    /// Whether there is one.
    pub const fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a request with this method and these headers comes from an operator: it has the token, or the cookie of
    /// a login. A browser adds a cookie to whatever a page asks for, so a request that may change something needs to
    /// come from a page of this server as well.
    pub fn allows(&self, method: &Method, headers: &HeaderMap) -> bool {
        let Some(credential) = &self.0 else { return true };
        if headers.contains_key(AUTHORIZATION) {
            return credential.has_token(headers);
        }
        credential.sessions.accepts(headers) && (is_read(method) || is_same_origin(headers))
    }

    /// Checks where a request comes from. Without a token, operator routes, dashboard and feed are open, and only to
    /// this machine: a page that its browser shows from elsewhere must not reach them by a name of its own that leads
    /// here, nor make the browser change something.
    pub fn check_place(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        match self.is_set() {
            true => Ok(()),
            false if !has_own_host(headers) => Err(Refusal::Forbidden(FOREIGN_HOST)),
            false if !is_read(method) && !is_same_origin(headers) => Err(Refusal::Forbidden(FOREIGN_PAGE)),
            false => Ok(()),
        }
    }

    /// Whether a text is the token.
    pub fn is(&self, token: &str) -> bool {
        // Hashes compare in constant time.
        self.0.as_ref().is_none_or(|credential| blake3::hash(token.trim().as_bytes()) == credential.token)
    }

    /// The value of a cookie that logs an operator in; none where no token is set.
    pub fn new_session(&self) -> Option<String> {
        self.0.as_ref().map(|credential| credential.sessions.issue())
    }
}

impl Credential {
    fn has_token(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, token)) = given.and_then(|value| value.split_once(' ')) else { return false };
        scheme.eq_ignore_ascii_case("bearer") && blake3::hash(token.trim().as_bytes()) == self.token
    }
}

/// Whether a method only reads.
pub fn is_read(method: &Method) -> bool {
    method.is_safe()
}

/// Lets only operators through: those with the token, or, where none is set, those at this machine. A method that the
/// route does not have stays "not allowed".
pub fn guard<S>(handler: MethodRouter<S>, token: &AdminToken) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    handler.route_layer(middleware::from_fn_with_state(token.clone(), check))
}

async fn check(token: axum::extract::State<AdminToken>, request: Request, next: Next) -> Response {
    if let Err(refusal) = token.check_place(request.method(), request.headers()) {
        return refusal.into_response();
    }
    // A pre-flight request never carries a credential.
    match token.allows(request.method(), request.headers()) || request.method() == Method::OPTIONS {
        true => next.run(request).await,
        false => Refusal::Unauthorized.into_response(),
    }
}
