//! Lists in pages: limits, cursors that cannot be made up, and the link to the next page.

use std::fmt::Write;

use axum::Json;
use axum::http::header::LINK;
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::clock::Timestamp;
use crate::limits::{DEFAULT_PAGE, MAX_PAGE};
use crate::refusal::{FieldError, Refusal};

/// Makes and reads cursors: a position, and a keyed hash of it and of the list that it is a position in.
#[derive(Clone, Debug)]
pub(super) struct Cursors {
    key: [u8; 32],
}

/// Hexadecimal digits of a cursor's hash.
const TAG_DIGITS: usize = 16;

impl Cursors {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self { key: blake3::derive_key("flashsale 2026-11 cursors", &secret) }
    }

    fn make(&self, list: &str, position: u64) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&position.to_le_bytes()).update(list.as_bytes());
        let tag = hasher.finalize().to_hex();
        format!("{position:x}-{}", &tag[..TAG_DIGITS])
    }

    fn read(&self, list: &str, cursor: &str) -> Option<u64> {
        let (position, _) = cursor.split_once('-')?;
        let position = u64::from_str_radix(position, 16).ok()?;
        (self.make(list, position) == cursor).then_some(position)
    }
}

/// The query of a request, read once and checked against the names that the route knows.
#[derive(Debug)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl Query {
    /// Reads the query of `uri`; a name that is unknown or comes twice is an error.
    pub(super) fn of(uri: &Uri, known: &[&str]) -> Self {
        let parsed: Result<Vec<(String, String)>, _> = serde_urlencoded(uri);
        let mut query = match parsed {
            Ok(pairs) => Self { pairs, errors: Vec::new() },
            Err(refused) => return Self { pairs: Vec::new(), errors: vec![refused] },
        };
        for (at, (name, _)) in query.pairs.iter().enumerate() {
            let message = match () {
                () if !known.contains(&name.as_str()) => format!("is not known; known are {}", known.join(", ")),
                () if query.pairs[..at].iter().any(|(earlier, _)| earlier == name) => "comes twice".to_owned(),
                () => continue,
            };
            query.errors.push(FieldError { field: name.chars().take(64).collect(), message });
        }
        query
    }

    /// One parameter, read by `read`; the error is a complaint that follows the name.
    pub(super) fn read<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let (_, value) = self.pairs.iter().find(|(known, _)| known == name)?;
        match read(value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.errors.push(FieldError { field: name.to_owned(), message });
                None
            }
        }
    }

    /// A whole number.
    pub(super) fn number(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        self.read(name, |text| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = digits.then(|| text.parse().ok()).flatten().filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| format!("must be a whole number from {least} to {most}"))
        })
    }

    /// A moment.
    pub(super) fn moment(&mut self, name: &str) -> Option<Timestamp> {
        self.read(name, |text| {
            Timestamp::parse(text).ok_or_else(|| "must be an RFC 3339 time such as 2026-01-31T12:00:00Z".to_owned())
        })
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        let flag = self.read(name, |text| text.parse::<bool>().map_err(|_| "must be true or false".to_owned()));
        flag.unwrap_or(false)
    }

    /// The page asked for: its size, and the position of its cursor in `list`.
    pub(super) fn page(&mut self, cursors: &Cursors, list: &str) -> (usize, Option<u64>) {
        let limit = self.number("limit", 1, MAX_PAGE as u64).map_or(DEFAULT_PAGE, |limit| limit as usize);
        let position = self
            .read("cursor", |text| cursors.read(list, text).ok_or_else(|| "is not a cursor of this list".to_owned()));
        (limit, position)
    }

    /// What was wrong, as a refusal.
    pub(super) fn finish(&self) -> Result<(), Refusal> {
        match self.errors.is_empty() {
            true => Ok(()),
            false => Err(Refusal::InvalidRequest(self.errors.clone())),
        }
    }
}

fn serde_urlencoded(uri: &Uri) -> Result<Vec<(String, String)>, FieldError> {
    let parsed = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
    let parsed = parsed.map_err(|error| FieldError { field: "query".to_owned(), message: error.body_text() })?;
    Ok(parsed.0)
}

/// A page as JSON, with a `Link` header to the next one.
pub(super) fn answer<T: Serialize>(
    rows: &[T],
    next: Option<u64>,
    uri: &Uri,
    cursors: &Cursors,
    list: &str,
) -> Response {
    let mut response = Json(rows).into_response();
    if let Some(next) = next {
        let link = next_link(uri, &cursors.make(list, next));
        if let Ok(value) = HeaderValue::try_from(link) {
            response.headers_mut().insert(LINK, value);
        }
    }
    response
}

/// The same address with another cursor.
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

    #[test]
    fn unknown_and_doubled_parameters_are_named() {
        let uri: Uri = "/orders?limit=5&limit=6&stauts=pending".parse().unwrap();
        let query = Query::of(&uri, &["limit", "status"]);
        let Err(Refusal::InvalidRequest(errors)) = query.finish() else { panic!() };
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["limit", "stauts"]);
    }
}
