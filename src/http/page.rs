//! Lists in pages: cursors that cannot be made up, and the link to the next page.

use std::fmt::Write;

use axum::http::header::{CONTENT_TYPE, LINK};
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::domain::refusal::Refusal;

/// Makes and reads cursors: a position, and a keyed hash of it and of the list that it is a position in.
#[derive(Clone, Debug)]
pub struct Cursors {
    key: [u8; 32],
}

/// Hexadecimal digits of a cursor's hash.
const TAG_DIGITS: usize = 16;

impl Cursors {
    /// Cursors that only this store's secret can make.
    pub fn new(secret: [u8; 32]) -> Self {
        Self { key: blake3::derive_key("flashsale 2026-11 cursors", &secret) }
    }

    /// The cursor of a position in a list.
    pub fn make(&self, list: &str, position: u64) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&position.to_le_bytes()).update(list.as_bytes());
        let tag = hasher.finalize().to_hex();
        format!("{position:x}-{}", &tag[..TAG_DIGITS])
    }

    pub(super) fn read(&self, list: &str, cursor: &str) -> Option<u64> {
        let (position, _) = cursor.split_once('-')?;
        let position = u64::from_str_radix(position, 16).ok()?;
        (self.make(list, position) == cursor).then_some(position)
    }
}

/// A page as JSON, with a `Link` header to the next one.
pub fn page_response<T: Serialize>(
    rows: &[T],
    next: Option<u64>,
    uri: &Uri,
    cursors: &Cursors,
    list: &str,
) -> Response {
    // At once into a vector: a buffer that is written to piece by piece costs a third more.
    let Ok(json) = serde_json::to_vec(rows) else { return Refusal::Internal.into_response() };
    let mut response = ([(CONTENT_TYPE, "application/json")], json).into_response();
    if let Some(next) = next {
        let link = next_link(uri, &cursors.make(list, next));
        if let Ok(value) = HeaderValue::try_from(link) {
            response.headers_mut().insert(LINK, value);
        }
    }
    response
}

/// The same URL with another cursor.
fn next_link(uri: &Uri, cursor: &str) -> String {
    let mut link = format!("<{}?", uri.path());
    let kept = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    for pair in kept.filter(|pair| !pair.starts_with("cursor=")) {
        let _ = write!(link, "{pair}&");
    }
    let _ = write!(link, "cursor={cursor}>; rel=\"next\"");
    link
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_only_in_its_own_list_and_unchanged() {
        let cursors = Cursors::new([1; 32]);
        let cursor = cursors.make("orders", 4_711);
        assert_eq!(cursors.read("orders", &cursor), Some(4_711));
        let moved = cursor.replacen("1267", "1268", 1);
        for (list, cursor) in
            [("jobs", cursor.as_str()), ("orders", &moved), ("orders", ""), ("orders", "7"), ("orders", "-")]
        {
            assert_eq!(cursors.read(list, cursor), None, "{list} {cursor}");
        }
    }

    #[test]
    fn the_next_link_keeps_the_filters_and_replaces_the_cursor() {
        let uri: Uri = "/api/v1/orders?status=pending&cursor=old&limit=2".parse().unwrap();
        assert_eq!(next_link(&uri, "new"), "</api/v1/orders?status=pending&limit=2&cursor=new>; rel=\"next\"");
    }
}
