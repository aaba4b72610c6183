//! Where a request of a browser comes from: which page sent it, and by which name it reached this server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::domain::refusal::Refusal;

use super::public_url::PublicUrl;

const FOREIGN_HOST: &str = "Host must be localhost or an IP address; to use a name, set ADMIN_TOKEN";
/// Why a request of a foreign page is rejected.
pub const FOREIGN_PAGE: &str = "A page of another server may not do this";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a request comes from a page of this server, or from no page at all. Browsers send `Sec-Fetch-Site`, and
/// older ones `Origin` with whatever changes something; pages can make up neither. Behind a proxy, pages of the public
/// URL's origin are its own.
pub fn is_same_origin(headers: &HeaderMap, public: &PublicUrl) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE)
        && site != "same-origin"
        && site != "none"
    {
        return false;
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    if public.is_origin(origin) {
        return true;
    }
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    // The scheme is not compared: a proxy may have taken off TLS.
    origin.zip(host).is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host))
}

/// Checks where a request comes from, at a server that has no token: it is open, and only to this machine. A page that
/// a browser shows from elsewhere must not reach it by a name of its own that leads here, nor use it from there.
/// `is_allowed` says whether the operator lets pages of the request's origin do what it asks for.
pub(super) fn check_place(
    method: &Method,
    headers: &HeaderMap,
    public: &PublicUrl,
    is_allowed: impl FnOnce() -> bool,
) -> Result<(), Refusal> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !is_own(host) && !public.is_host(host) {
        return Err(Refusal::Forbidden(FOREIGN_HOST));
    }
    let is_trusted = match headers.get(ORIGIN) {
        Some(origin) => is_same_origin(headers, public) || is_loopback(origin) || is_allowed(),
        None => method.is_safe() || is_same_origin(headers, public),
    };
    is_trusted.then_some(()).ok_or(Refusal::Forbidden(FOREIGN_PAGE))
}

/// Whether an origin is a page of this machine: of a front end under development, on a port of its own.
fn is_loopback(origin: &HeaderValue) -> bool {
    let Some((_, host)) = origin.to_str().ok().and_then(|origin| origin.split_once("://")) else { return false };
    let Some(name) = name_of(host) else { return false };
    match name.strip_prefix('[').and_then(|literal| literal.strip_suffix(']')) {
        Some(literal) => literal.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()),
        None => name.parse::<Ipv4Addr>().map_or_else(|_| is_localhost(&name), |address| address.is_loopback()),
    }
}

/// Whether the name by which a request reached this server is one that nobody else can give to this machine: an IP
/// address or `localhost`.
fn is_own(host: &str) -> bool {
    let is_own = |name: String| name.starts_with('[') || name.parse::<IpAddr>().is_ok() || is_localhost(&name);
    host.is_empty() || name_of(host).is_some_and(is_own)
}

fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// The host of `host:port` in lower case, without the dot of a full name. None if what follows it is no port: such as
/// `localhost:80@shop.example`, where the host is the other one.
fn name_of(host: &str) -> Option<String> {
    let end = host.find(']').map_or_else(|| host.find(':').unwrap_or(host.len()), |end| end + 1);
    let (name, port) = host.split_at(end);
    if !port.is_empty() && !port.strip_prefix(':')?.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::config::ServerUrl;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_page_of_another_server_is_known_by_either_header() {
        let host = ("host", "Shop.example:3000");
        for own in [
            &[host][..],
            &[host, ("origin", "http://shop.example:3000")],
            &[host, ("origin", "https://shop.example:3000"), ("sec-fetch-site", "same-origin")],
            &[host, ("sec-fetch-site", "none")],
        ] {
            assert!(is_same_origin(&headers(own), &PublicUrl::default()), "{own:?}");
        }
        for foreign in [
            &[host, ("origin", "http://shop.example")][..],
            &[host, ("origin", "http://shop.example:3001")],
            &[host, ("origin", "null")],
            &[host, ("origin", "")],
            &[("origin", "http://shop.example:3000")],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("origin", "http://shop.example:3000"), ("sec-fetch-site", "cross-site")],
        ] {
            assert!(!is_same_origin(&headers(foreign), &PublicUrl::default()), "{foreign:?}");
        }
    }

    #[test]
    fn without_a_token_only_pages_of_this_machine_and_allowed_ones_are_trusted() {
        let host = ("host", "127.0.0.1:3000");
        let check = |method: Method, pairs: &[(&'static str, &'static str)], allowed: bool| {
            check_place(&method, &headers(pairs), &PublicUrl::default(), || allowed).is_ok()
        };
        for own in ["http://127.0.0.1:3000", "http://localhost:5173", "http://[::1]:80", "https://app.localhost"] {
            for method in [Method::GET, Method::POST] {
                let site = ("sec-fetch-site", "cross-site");
                assert!(check(method, &[host, ("origin", own), site], false), "{own}");
            }
        }
        for foreign in [
            "http://shop.example",
            "null",
            "",
            "http://localhost.shop.example",
            "http://localhost:80@shop.example",
            "http://[::1].shop.example",
            "http://[localhost]",
            "http://192.0.2.7:3000",
        ] {
            for method in [Method::GET, Method::POST] {
                assert!(!check(method.clone(), &[host, ("origin", foreign)], false), "{foreign}");
                assert!(check(method, &[host, ("origin", foreign)], true), "{foreign}");
            }
        }
        assert!(check(Method::GET, &[host, ("sec-fetch-site", "cross-site")], false), "a link leads here");
        assert!(!check(Method::POST, &[host, ("sec-fetch-site", "cross-site")], false));
        assert!(!check(Method::GET, &[("host", "shop.example")], true), "a name that leads here");
    }

    #[test]
    fn behind_a_proxy_its_name_and_its_pages_are_trusted_too_and_no_others() {
        let public = PublicUrl::new(Some(ServerUrl::parse("https://shop.example/flash").unwrap()));
        let check = |host, origin, site| {
            let headers = headers(&[("host", host), ("origin", origin), ("sec-fetch-site", site)]);
            [check_place(&Method::POST, &headers, &public, || false).is_ok(), is_same_origin(&headers, &public)]
        };
        let (shop, here) = ("https://shop.example", "127.0.0.1:3000");
        // A proxy passes on the host, or puts its own in its place.
        assert_eq!(check("shop.example", shop, "same-origin"), [true; 2]);
        assert_eq!(check(here, shop, "same-origin"), [true; 2]);
        for (host, origin, site) in [
            (here, shop, "cross-site"),
            (here, "https://evil.example", "same-origin"),
            (here, "http://shop.example", "same-origin"),
            (here, "https://shop.example:8443", "same-origin"),
            ("shop.example", "https://evil.example", "cross-site"),
            ("shop.example", "null", "same-origin"),
        ] {
            assert_eq!(check(host, origin, site), [false; 2], "{host} {origin} {site}");
        }
        assert!(!check("evil.example", shop, "same-origin")[0]);
    }

    #[test]
    fn a_name_that_anyone_can_give_to_this_machine_is_not_its_own() {
        for own in ["localhost", "LOCALHOST:3000", "a.localhost", "127.0.0.1:3000", "[::1]:3000", "192.0.2.7", ""] {
            assert!(is_own(own), "{own}");
        }
        for foreign in ["shop.example", "localhost.example:3000", "127.0.0.1.example", "notlocalhost", "127.1"] {
            assert!(!is_own(foreign), "{foreign}");
        }
    }
}
