//! The headers of requests, as far as every route has the same rules for them, and those that responses carry.

use std::net::Ipv6Addr;

use axum::body::Body;
use axum::http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST,
    ORIGIN, REFERRER_POLICY, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use axum::response::Response;

use crate::domain::refusal::{FieldError, Refusal};
use crate::limits::MAX_HEADER_BYTES;

/// Checks the headers of a request in one walk over them.
pub(super) fn check(Parts { headers, version, .. }: &Parts) -> Result<(), Refusal> {
    let mut bytes = 0;
    let (mut hosts, mut origins, mut content_types, mut credentials, mut transfers) = (0, 0, 0, 0, 0);
    let (mut is_host_valid, mut is_transfer_known, mut has_body, mut is_coded) = (true, true, false, false);
    for (name, value) in headers {
        bytes += name.as_str().len() + value.len() + 4;
        match *name {
            HOST => {
                hosts += 1;
                is_host_valid &= is_host(value.as_bytes());
            }
            ORIGIN => origins += 1,
            CONTENT_TYPE => content_types += 1,
            AUTHORIZATION => credentials += 1,
            CONTENT_LENGTH => has_body |= value != "0",
            CONTENT_ENCODING => is_coded |= !is_identity(value),
            TRANSFER_ENCODING => {
                has_body = true;
                transfers += 1;
                is_transfer_known &= value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
            }
            _ => {}
        }
    }
    if bytes > MAX_HEADER_BYTES {
        return Err(Refusal::HeadersTooLarge);
    }
    // hyper takes off the last coding, `chunked`; what is inside of it would be read as the body.
    if !is_transfer_known || transfers > 1 {
        return Err(Refusal::UnsupportedTransferCoding);
    }
    let host = match hosts {
        0 if *version == Version::HTTP_11 => Some("is missing"),
        0 => None,
        1 if is_host_valid => None,
        1 => Some("must be a host, with a port where it needs one"),
        _ => Some("comes twice"),
    };
    let twice = |times| (times > 1).then_some("comes twice");
    let wrong = [
        ("Host", host),
        ("Origin", twice(origins)),
        ("Content-Type", twice(content_types)),
        ("Authorization", twice(credentials)),
    ];
    if wrong.iter().any(|(_, message)| message.is_some()) {
        return Err(invalid(wrong));
    }
    match is_coded && has_body {
        true => Err(Refusal::UnsupportedContentCoding),
        false => Ok(()),
    }
}

#[cold]
fn invalid<const N: usize>(wrong: [(&str, Option<&str>); N]) -> Refusal {
    let errors = wrong.into_iter().filter_map(|(field, message)| {
        message.map(|message| FieldError { field: field.to_owned(), message: message.to_owned() })
    });
    Refusal::InvalidRequest(errors.collect())
}

/// Whether a body comes as it is.
fn is_identity(codings: &HeaderValue) -> bool {
    let mut codings = codings.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
}

/// Whether a text is the host of a URL, with or without a port (RFC 3986, `uri-host [ ":" port ]`). No host at all is
/// none.
fn is_host(text: &[u8]) -> bool {
    let (is_valid, port) = match text.strip_prefix(b"[") {
        Some(literal) => {
            let Some(end) = literal.iter().position(|byte| *byte == b']') else { return false };
            let (address, rest) = literal.split_at(end);
            (std::str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok()), &rest[1..])
        }
        None => {
            let (name, port) = text.split_at(text.iter().position(|byte| *byte == b':').unwrap_or(text.len()));
            (!name.is_empty() && is_name(name), port)
        }
    };
    is_valid && is_port(port)
}

/// `reg-name`: letters, digits, marks, and bytes as `%XX`.
fn is_name(mut name: &[u8]) -> bool {
    loop {
        name = match name {
            [] => return true,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            [byte, rest @ ..] if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte) => rest,
            _ => return false,
        }
    }
}

/// Nothing, or a colon and a port, which may be left out.
fn is_port(text: &[u8]) -> bool {
    match text {
        [] | [b':'] => true,
        [b':', port @ ..] => {
            port.iter().all(u8::is_ascii_digit)
                && std::str::from_utf8(port).is_ok_and(|port| port.parse::<u16>().is_ok())
        }
        _ => false,
    }
}

/// The methods that some route has.
const METHODS: &str = "GET,HEAD,POST,PUT,DELETE,OPTIONS";

/// The response to `OPTIONS *`.
pub(super) fn options_of_server() -> Response {
    no_content(HeaderValue::from_static(METHODS))
}

/// The response to `OPTIONS` for a route that has these methods.
pub(super) fn options(allow: Option<&HeaderValue>) -> Response {
    no_content(with_options(allow))
}

/// `Allow` with `OPTIONS`, which every route has.
pub(super) fn with_options(allow: Option<&HeaderValue>) -> HeaderValue {
    let methods = allow.and_then(|allow| allow.to_str().ok()).filter(|allow| !allow.is_empty());
    let allow = methods.and_then(|methods| HeaderValue::try_from(format!("{methods},OPTIONS")).ok());
    allow.unwrap_or(HeaderValue::from_static("OPTIONS"))
}

fn no_content(allow: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, allow);
    response
}

/// What every response but that to an order carries: it is what it says it is, and no cache keeps it unless its handler
/// says otherwise.
pub(super) fn secure(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// What a page carries: it runs its own scripts only, talks to its own server only, and is shown in no other page.
/// Swagger UI writes styles into its elements.
pub const PAGE: [(HeaderName, &str); 3] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (REFERRER_POLICY, "no-referrer"),
    // The page changes with the program only, and is small.
    (CACHE_CONTROL, "no-cache"),
];

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn checked(version: Version, headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let mut request = Request::new(());
        *request.version_mut() = version;
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request.headers_mut().append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        }
        check(&request.into_parts().0)
    }

    fn fields(refused: Result<(), Refusal>) -> Vec<String> {
        match refused {
            Err(Refusal::InvalidRequest(errors)) => errors.into_iter().map(|error| error.field).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for host in [
            "a",
            "shop.example",
            "shop.example:443",
            "127.0.0.1:3000",
            "a_b",
            "a%2Db",
            "[::1]",
            "[2001:db8::7]:80",
            "a:",
        ] {
            assert_eq!(checked(Version::HTTP_11, &[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "",
            " ",
            ":80",
            "a b",
            "a/b",
            "me@shop",
            "http://a",
            "a:b",
            "a:-1",
            "a:+1",
            "a:65536",
            "a:1:2",
            "::1",
            "[::1",
            "[::1]x",
            "[fe80::1%25eth0]",
            "[a]",
            "a%2",
            "é",
        ] {
            assert_eq!(fields(checked(Version::HTTP_11, &[("host", host)])), ["Host"], "{host}");
            assert_eq!(fields(checked(Version::HTTP_10, &[("host", host)])), ["Host"], "{host}");
        }
        assert_eq!(fields(checked(Version::HTTP_11, &[])), ["Host"]);
        assert_eq!(checked(Version::HTTP_10, &[]), Ok(()));
    }

    #[test]
    fn what_may_come_once_is_refused_when_it_comes_twice() {
        let host = ("host", "a");
        assert_eq!(fields(checked(Version::HTTP_11, &[host, host])), ["Host"]);
        let json = ("content-type", "application/json");
        let token = ("authorization", "Bearer x");
        assert_eq!(checked(Version::HTTP_11, &[host, json, token]), Ok(()));
        let twice = [host, json, json, token, token];
        assert_eq!(fields(checked(Version::HTTP_11, &twice)), ["Content-Type", "Authorization"]);
    }

    #[test]
    fn codings_that_are_not_understood_are_refused_and_not_read_as_a_body() {
        let host = ("host", "a");
        for codings in [&["chunked"][..], &["Chunked"]] {
            let headers = codings.iter().map(|coding| ("transfer-encoding", *coding));
            let headers: Vec<_> = headers.chain([host]).collect();
            assert_eq!(checked(Version::HTTP_11, &headers), Ok(()), "{codings:?}");
        }
        for codings in [&["gzip, chunked"][..], &["gzip", "chunked"], &["chunked", "chunked"], &["identity, chunked"]] {
            let headers = codings.iter().map(|coding| ("transfer-encoding", *coding));
            let headers: Vec<_> = headers.chain([host]).collect();
            assert_eq!(checked(Version::HTTP_11, &headers), Err(Refusal::UnsupportedTransferCoding), "{codings:?}");
        }
        let length = ("content-length", "2");
        for (coding, is_known) in [
            ("identity", true),
            ("Identity", true),
            ("", true),
            ("gzip", false),
            ("br", false),
            ("identity, gzip", false),
        ] {
            let coding = ("content-encoding", coding);
            let expected = if is_known { Ok(()) } else { Err(Refusal::UnsupportedContentCoding) };
            assert_eq!(checked(Version::HTTP_11, &[host, length, coding]), expected, "{coding:?}");
            // Without a body there is nothing that it could be about.
            assert_eq!(checked(Version::HTTP_11, &[host, ("content-length", "0"), coding]), Ok(()));
        }
    }
}
