//! Where a request of a browser comes from: which page sent it, and by which name it reached this server.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a request comes from a page of this server, or from no page at all. Browsers send `Sec-Fetch-Site`, and
/// older ones `Origin` with whatever changes something; pages can make up neither.
pub fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE)
        && site != "same-origin"
        && site != "none"
    {
        return false;
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    // The scheme is not compared: a proxy may have taken off TLS.
    origin.zip(host).is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host))
}

/// Whether the name by which a request reached this server is one that nobody else can give to this machine: an IP
/// address or `localhost`.
pub(super) fn has_own_host(headers: &HeaderMap) -> bool {
    is_own(headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default())
}

fn is_own(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[') {
        return literal.contains(']');
    }
    let name = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    name.is_empty() || name.parse::<IpAddr>().is_ok() || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

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
            assert!(is_same_origin(&headers(own)), "{own:?}");
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
            assert!(!is_same_origin(&headers(foreign)), "{foreign:?}");
        }
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
