//! The variable part of a path, and the one form of numbers in paths and queries.

use axum::extract::{FromRequestParts, Path};
use axum::http::Uri;
use axum::http::request::Parts;

use crate::domain::refusal::Refusal;

/// What is wrong with a path or a query that cannot be decoded.
pub(super) const MALFORMED: &str = "must be UTF-8, with every % before two hexadecimal digits";

/// The one variable part of a path, decoded.
#[derive(Debug)]
pub struct PathParam(pub String);

impl PathParam {
    /// The id that it is.
    pub fn id(&self) -> Result<u64, Refusal> {
        plain_number(&self.0).ok_or_else(|| Refusal::invalid("id", "must be a whole number"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathParam {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let decoded = Path::<String>::from_request_parts(parts, state).await;
        match decoded {
            Ok(Path(text)) if has_whole_escapes(parts.uri.path()) => Ok(Self(text)),
            _ => Err(Refusal::invalid("path", MALFORMED)),
        }
    }
}

/// A whole number in its one plain form: decimal digits, no sign, no zeros before it.
pub(super) fn plain_number(text: &str) -> Option<u64> {
    let is_plain = text == "0" || !text.starts_with('0');
    (is_plain && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Whether every `%` of a text is followed by two hexadecimal digits.
pub(super) fn has_whole_escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().iter().take(2);
        digits.len() == 2 && digits.into_iter().all(u8::is_ascii_hexdigit)
    })
}

/// The path, cut to a length that a response and a line of the log can carry.
pub(super) fn shown_path(uri: &Uri) -> String {
    uri.path().chars().take(256).collect()
}
