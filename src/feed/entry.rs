//! Who may come in: what is checked of a request before a connection becomes a client's.

use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::request::Parts;

use crate::domain::refusal::Refusal;
use crate::http::{AdminToken, PublicUrl, is_same_origin};

const FOREIGN_PAGE: &str = "A page of another server may not open the feed";
const IN_ADDRESS: &str = "must not be in the address, which ends up in logs: send the token as Authorization: Bearer …";

/// Names under which a token would come in an address.
const SECRETS: [&str; 7] = ["token", "access_token", "auth", "authorization", "api_key", "apikey", "admin_token"];

/// Whether a request comes from an operator. One from a foreign page, or with a token in its URL
/// is rejected, also from an operator.
pub(super) fn is_operator(head: &Parts, token: &AdminToken, public: &PublicUrl) -> Result<bool, Refusal> {
    let names = parameters(head).map(|(name, _)| name);
    if let Some(secret) = names.into_iter().find_map(|name| SECRETS.iter().find(|it| it.eq_ignore_ascii_case(name))) {
        return Err(Refusal::invalid(secret, IN_ADDRESS));
    }
    // Without a token, pages of this machine were let in before.
    if token.is_set() && !is_same_origin(&head.headers, public) {
        return Err(Refusal::Forbidden(FOREIGN_PAGE));
    }
    Ok(token.allows(&head.method, &head.headers))
}

/// The parameters of an address, as they are there.
pub(super) fn parameters(head: &Parts) -> impl Iterator<Item = (&str, &str)> {
    let pairs = head.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Whether a request has a body, which one for another protocol must not.
pub(super) fn has_body(head: &Parts) -> bool {
    head.headers.contains_key(TRANSFER_ENCODING) || head.headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0")
}
