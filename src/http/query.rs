//! The query of a request: `name=value` pairs, each name once and only names that the route knows.

use std::fmt::Write;

use axum::extract::Request;
use axum::http::Uri;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use crate::domain::clock::Timestamp;
use crate::domain::refusal::{FieldError, Refusal};
use crate::limits::{DEFAULT_PAGE, MAX_FIELDS, MAX_PAGE};
use crate::view::text::Words;

use super::page::Cursors;
use super::path::{MALFORMED, has_whole_escapes, plain_number};

/// The query of a request, read once and checked against the names that the route knows.
#[derive(Debug)]
pub struct Query {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl Query {
    /// Reads the query of `uri`; a name that is unknown or comes twice is an error.
    pub fn of(uri: &Uri, known: &[&str]) -> Self {
        let mut query = Self { pairs: Vec::new(), errors: Vec::new() };
        let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        for (at, pair) in pairs.enumerate() {
            if at == MAX_FIELDS {
                query.complain("query", format!("has more than {MAX_FIELDS} parameters"));
                break;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decoded(name), decoded(value)) {
                (Some(name), Some(value)) => query.take(name, value, known),
                (Some(name), None) => query.complain(&name, MALFORMED),
                (None, _) => query.complain("query", MALFORMED),
            }
        }
        query
    }

    fn take(&mut self, name: String, value: String, known: &[&str]) {
        if !known.contains(&name.as_str()) {
            let mut message = "is not known; ".to_owned();
            let _ = match known {
                [] => write!(message, "this route has no parameters"),
                known => write!(message, "known are {}", known.join(", ")),
            };
            self.complain(&name, message);
        } else if self.pairs.iter().any(|(earlier, _)| *earlier == name) {
            self.complain(&name, "comes twice");
        } else {
            self.pairs.push((name, value));
        }
    }

    fn complain(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push(FieldError { field: name.chars().take(64).collect(), message: message.into() });
    }

    /// One parameter, read by `read`; the error is a complaint that follows the name.
    pub fn read<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let (_, value) = self.pairs.iter().find(|(known, _)| known == name)?;
        match read(value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.complain(name, message);
                None
            }
        }
    }

    /// A whole number: decimal digits, no sign, no zeros before it.
    pub fn number(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        self.read(name, |text| {
            let number = plain_number(text).filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| format!("must be a whole number from {least} to {most}"))
        })
    }

    /// A word of a closed list.
    pub fn word<T: Words>(&mut self, name: &str) -> Option<T> {
        self.read(name, |text| T::of_word(text).ok_or_else(|| format!("must be {}", T::listed())))
    }

    /// A moment.
    pub fn moment(&mut self, name: &str) -> Option<Timestamp> {
        self.read(name, |text| Timestamp::parse(text).map_err(|error| error.to_string()))
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str) -> bool {
        let flag = self.read(name, |text| text.parse::<bool>().map_err(|_| "must be true or false".to_owned()));
        flag.unwrap_or(false)
    }

    /// The page asked for: its size, and the position of its cursor in `list`.
    pub fn page(&mut self, cursors: &Cursors, list: &str) -> (usize, Option<u64>) {
        let limit = self.number("limit", 1, MAX_PAGE as u64).map_or(DEFAULT_PAGE, |limit| limit as usize);
        let position = self
            .read("cursor", |text| cursors.read(list, text).ok_or_else(|| "is not a cursor of this list".to_owned()));
        (limit, position)
    }

    /// What was wrong, as a refusal.
    pub fn finish(&self) -> Result<(), Refusal> {
        match self.errors.is_empty() {
            true => Ok(()),
            false => Err(Refusal::InvalidRequest(self.errors.clone())),
        }
    }
}

/// A name or a value as it was before it was put into a query (`application/x-www-form-urlencoded`).
pub(super) fn decoded(text: &str) -> Option<String> {
    if !text.contains(['%', '+']) {
        return Some(text.to_owned());
    }
    if !has_whole_escapes(text) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return String::from_utf8(bytes).ok(),
            [b'%', high, low, rest @ ..] => {
                bytes.push(hex(*high)? << 4 | hex(*low)?);
                rest
            }
            [byte, rest @ ..] => {
                bytes.push(if *byte == b'+' { b' ' } else { *byte });
                rest
            }
        }
    }
}

fn hex(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

/// Rejects a request with parameters; at the cost of one look where there are none.
pub fn check_none(uri: &Uri) -> Result<(), Refusal> {
    match uri.query() {
        None => Ok(()),
        Some(_) => Query::of(uri, &[]).finish(),
    }
}

/// Wraps a handler that takes no parameters: a request that has some is rejected.
pub fn without_query<S>(handler: MethodRouter<S>) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    handler.route_layer(middleware::from_fn(async |request: Request, next: Next| -> Response {
        match check_none(request.uri()) {
            Ok(()) => next.run(request).await,
            Err(refusal) => refusal.into_response(),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::job::JobState;
    use crate::domain::order::{OrderStatus, Priority};

    fn errors(query: &Query) -> Vec<FieldError> {
        match query.finish() {
            Ok(()) => Vec::new(),
            Err(Refusal::InvalidRequest(errors)) => errors,
            Err(other) => panic!("{other:?}"),
        }
    }

    fn fields(query: &Query) -> Vec<String> {
        errors(query).into_iter().map(|error| error.field).collect()
    }

    fn of(query: &str, known: &[&str]) -> Query {
        Query::of(&format!("/orders?{query}").parse().unwrap(), known)
    }

    #[test]
    fn unknown_and_doubled_parameters_are_named() {
        assert_eq!(fields(&of("limit=5&limit=6&stauts=pending", &["limit", "status"])), ["limit", "stauts"]);
        assert_eq!(fields(&of("%6Cimit=5&limit=6", &["limit"])), ["limit"]);
        for nothing in ["", "&", "&&&"] {
            assert_eq!(check_none(&format!("/orders?{nothing}").parse().unwrap()), Ok(()), "{nothing}");
        }
        for something in ["a", "=", "=b", "a=b", "&a"] {
            assert!(check_none(&format!("/orders?{something}").parse().unwrap()).is_err(), "{something}");
        }
        assert_eq!(errors(&of(&"a&".repeat(4_000), &[])).len(), MAX_FIELDS + 1);
    }

    #[test]
    fn values_are_decoded_exactly_or_refused() {
        for (sent, meant) in [("a+b", "a b"), ("a%2Bb", "a+b"), ("%e5%b1%b1", "山"), ("%25", "%"), ("a=b", "a=b")] {
            let mut query = of(&format!("userId={sent}"), &["userId"]);
            assert_eq!(query.read("userId", |text| Ok(text.to_owned())).as_deref(), Some(meant), "{sent}");
        }
        for wrong in ["%", "%4", "%zz", "a%2", "%%41", "%FF", "%e5%b1", "%+1"] {
            assert_eq!(fields(&of(&format!("userId={wrong}"), &["userId"])), ["userId"], "{wrong}");
            assert_eq!(fields(&of(&format!("{wrong}=1"), &["userId"])), ["query"], "{wrong}");
        }
    }

    #[test]
    fn a_word_is_read_as_it_is_written_and_an_error_lists_all_there_are() {
        fn read<T: Words>(word: &str) -> (Option<T>, Vec<String>) {
            let mut query = of(&format!("word={word}"), &["word"]);
            (query.word("word"), errors(&query).into_iter().map(|error| error.message).collect())
        }
        assert_eq!(read("cancelled"), (Some(OrderStatus::Cancelled), vec![]));
        for wrong in ["", "Failed", "failed+", "open"] {
            let message = "must be pending, confirmed, failed or cancelled";
            assert_eq!(read::<OrderStatus>(wrong), (None, vec![message.to_owned()]), "{wrong}");
        }
        let message = "must be waiting, prioritized, delayed, active, completed or failed";
        assert_eq!(read::<JobState>("pending"), (None, vec![message.to_owned()]));
        assert_eq!(read::<Priority>("top"), (None, vec!["must be low, normal, high or critical".to_owned()]));
    }

    #[test]
    fn numbers_flags_and_moments_are_read_in_one_form_only() {
        let number = |text: &str| of(&format!("n={text}"), &["n"]).number("n", 0, 500);
        assert_eq!([number("0"), number("7"), number("500")], [Some(0), Some(7), Some(500)]);
        for wrong in ["", "00", "07", "501", "-0", "-1", "%2B1", "+1", "1+", "1.0", "1e2", "0x1", "1_0", "%D9%A1", "١"]
        {
            let mut query = of(&format!("n={}", wrong.replace('١', "%D9%A1")), &["n"]);
            assert_eq!((query.number("n", 0, 500), fields(&query)), (None, vec!["n".to_owned()]), "{wrong}");
        }
        for wrong in ["", "True", "TRUE", "1", "yes", "true+"] {
            let mut query = of(&format!("dryRun={wrong}"), &["dryRun"]);
            assert!(!query.flag("dryRun"));
            assert_eq!(fields(&query), ["dryRun"], "{wrong}");
        }
        let mut query = of("from=2026-01-31T12:00:00%2B01:00&to=2026-01-31T12:00:00+01:00", &["from", "to"]);
        assert!(query.moment("from").is_some() && query.moment("to").is_none());
    }
}
