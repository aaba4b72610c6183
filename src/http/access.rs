//! Who may use a route: the credentials of operators and of the storefront.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use crate::domain::clock::Clock;
use crate::domain::refusal::Refusal;

use super::origin::is_same_origin;
use super::public_url::PublicUrl;
use super::session::SessionKey;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Public,
    /// Those who buy: anyone, or, where a storefront token is set, those who have it, and operators.
    Buyer,
    /// Operators, and those who have the storefront token where one is set.
    Storefront,
    /// Operators: those who have the admin token, if one is set.
    Operator,
}

/// The admin token, if one is set. Only its hash is kept, so that it can be in no log and no core dump by name.
#[derive(Clone)]
pub struct AdminToken(Option<Arc<Credential>>);

struct Credential {
    token: blake3::Hash,
    sessions: SessionKey,
    public: PublicUrl,
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "AdminToken(set)" } else { "AdminToken(none)" })
    }
}

impl AdminToken {
    /// With a token, operator routes need it; without one, everything is open. `secret` is the store's: with the token
    /// it makes the key of the sessions, which so survive a restart and end with the token. A session is for pages of
    /// this server, by its public URL as well.
    pub fn new(token: Option<&str>, secret: &[u8; 32], clock: Clock, public: PublicUrl) -> Self {
        Self(token.map(|token| {
            let token = blake3::hash(token.as_bytes());
            Arc::new(Credential { token, sessions: SessionKey::new(secret, &token, clock), public })
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
        credential.sessions.accepts(headers) && (is_read(method) || is_same_origin(headers, &credential.public))
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
        bearer(headers) == Some(self.token)
    }
}

/// The hash of the token that a request carries. Hashes compare in constant time.
fn bearer(headers: &HeaderMap) -> Option<blake3::Hash> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| blake3::hash(token.trim().as_bytes()))
}

/// Which tokens a server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokensSet {
    /// The operators'.
    pub admin: bool,
    /// The storefront's.
    pub storefront: bool,
}

/// The tokens of a server.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The operators'.
    pub admin: AdminToken,
    /// The storefront's.
    pub storefront: StorefrontToken,
}

/// The storefront's token, if one is set; its hash.
#[derive(Clone)]
pub struct StorefrontToken(Option<blake3::Hash>);

impl std::fmt::Debug for StorefrontToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "StorefrontToken(set)" } else { "StorefrontToken(none)" })
    }
}

impl StorefrontToken {
    /// With a token, orders need it; without one, anyone who reaches the server can order.
    pub fn new(token: Option<&str>) -> Self {
        Self(token.map(|token| blake3::hash(token.as_bytes())))
    }
}

impl Tokens {
    /// Which there are.
    pub const fn set(&self) -> TokensSet {
        TokensSet { admin: self.admin.is_set(), storefront: self.storefront.0.is_some() }
    }

    /// Whether a request with this method and these headers may use such a route.
    pub fn allow(&self, access: Access, method: &Method, headers: &HeaderMap) -> bool {
        match (access, self.storefront.0) {
            (Access::Public, _) | (Access::Buyer, None) => true,
            (Access::Operator, _) | (Access::Storefront, None) => self.admin.allows(method, headers),
            // Without an admin token everyone is an operator, who would then need no storefront token.
            (Access::Buyer | Access::Storefront, Some(token)) => {
                bearer(headers) == Some(token) || (self.admin.is_set() && self.admin.allows(method, headers))
            }
        }
    }
}

/// Whether a method only reads.
pub fn is_read(method: &Method) -> bool {
    method.is_safe()
}

/// Lets only those through who may use such a route. A method that the route does not have stays "not allowed".
pub fn guard<S>(handler: MethodRouter<S>, access: Access, tokens: &Tokens) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    match access {
        Access::Public => handler,
        _ => handler.route_layer(middleware::from_fn_with_state((access, tokens.clone()), check)),
    }
}

async fn check(State((access, tokens)): State<(Access, Tokens)>, request: Request, next: Next) -> Response {
    // A pre-flight request never carries a credential.
    match tokens.allow(access, request.method(), request.headers()) || request.method() == Method::OPTIONS {
        true => next.run(request).await,
        false => Refusal::Unauthorized.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn each_token_opens_what_it_is_for() {
        let admin = |token| AdminToken::new(token, &[7; 32], Clock::system(), PublicUrl::default());
        let headers = |token: Option<&str>| {
            let value = token.map(|token| HeaderValue::try_from(format!("Bearer {token}")).unwrap());
            value.into_iter().map(|value| (AUTHORIZATION, value)).collect::<HeaderMap>()
        };
        use Access::{Buyer, Operator, Storefront};
        for (admin_token, storefront, given, open) in [
            (None, None, None, &[Buyer, Storefront, Operator][..]),
            (None, Some("shop"), None, &[Operator]),
            (None, Some("shop"), Some("shop"), &[Buyer, Storefront, Operator]),
            (Some("admin"), None, None, &[Buyer]),
            (Some("admin"), None, Some("admin"), &[Buyer, Storefront, Operator]),
            (Some("admin"), Some("shop"), None, &[]),
            (Some("admin"), Some("shop"), Some("shop"), &[Buyer, Storefront]),
            (Some("admin"), Some("shop"), Some("admin"), &[Buyer, Storefront, Operator]),
            (Some("admin"), Some("shop"), Some("other"), &[]),
        ] {
            let tokens = Tokens { admin: admin(admin_token), storefront: StorefrontToken::new(storefront) };
            for access in [Access::Public, Buyer, Storefront, Operator] {
                let allowed = tokens.allow(access, &Method::POST, &headers(given));
                let expected = access == Access::Public || open.contains(&access);
                assert_eq!(allowed, expected, "{admin_token:?} {storefront:?} {given:?} {access:?}");
            }
        }
    }
}
