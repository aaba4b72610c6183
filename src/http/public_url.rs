//! The address under which a proxy shows this server. Inside of the server all paths start at its root; here they turn
//! into those that clients see, and back.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::header::{LINK, LOCATION, SET_COOKIE};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::config::ServerUrl;

/// What a cookie of ours has before its path.
const COOKIE_PATH: &str = "; Path=";

/// The attributes of HTML whose values are URLs.
const URL_ATTRIBUTES: [&str; 4] = ["href", "src", "action", "formaction"];

/// The address under which a proxy shows this server; by default none does, and nothing is changed. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct PublicUrl(Option<Arc<ServerUrl>>);

impl PublicUrl {
    /// The address of this setting.
    pub fn new(url: Option<ServerUrl>) -> Self {
        Self(url.map(Arc::new))
    }

    /// The whole address, if a proxy shows the server.
    pub fn url(&self) -> Option<&ServerUrl> {
        self.0.as_deref()
    }

    /// The host that browsers ask for, with its port, if a proxy shows the server.
    pub fn host(&self) -> Option<&str> {
        self.url().map(ServerUrl::host)
    }

    /// Whether browsers use TLS up to the proxy.
    pub(super) fn is_secure(&self) -> bool {
        self.url().is_some_and(ServerUrl::is_secure)
    }

    /// Whether pages of this origin, the value of `Origin`, are this server's as the proxy shows it.
    pub(super) fn is_origin(&self, origin: &HeaderValue) -> bool {
        self.url().is_some_and(|url| origin == url.origin())
    }

    /// Whether this is the host, the value of `Host`, that browsers ask the proxy for. The port of the scheme may be
    /// named, and case does not matter.
    pub(super) fn is_host(&self, host: &str) -> bool {
        self.url().is_some_and(|url| {
            let host = host.to_ascii_lowercase();
            let implied = if url.is_secure() { ":443" } else { ":80" };
            url.host() == host.strip_suffix(implied).unwrap_or(&host)
        })
    }

    /// A path of ours as clients see it.
    pub fn shown<'p>(&self, path: &'p str) -> Cow<'p, str> {
        match self.prefix() {
            "" => Cow::Borrowed(path),
            prefix => Cow::Owned(format!("{prefix}{path}")),
        }
    }

    /// The path that a request's URL has here, if that is another one: proxies may leave the prefix on. `is_ours` says
    /// whether a path is one of this server's as it is.
    pub(super) fn inside(&self, uri: &Uri, is_ours: impl FnOnce(&str) -> bool) -> Option<Uri> {
        let prefix = self.prefix();
        let whole = uri.path_and_query().filter(|_| !prefix.is_empty())?;
        let rest = whole.as_str().strip_prefix(prefix)?;
        let inside = match rest.as_bytes().first() {
            Some(b'/') => rest.parse().ok()?,
            None | Some(b'?') => format!("/{rest}").parse().ok()?,
            Some(_) => return None,
        };
        if is_ours(uri.path()) {
            return None;
        }
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some::<PathAndQuery>(inside);
        Uri::from_parts(parts).ok()
    }

    /// Puts the prefix before the paths in the headers of a response.
    pub(super) fn show_headers(&self, headers: &mut HeaderMap) {
        let prefix = self.prefix();
        if prefix.is_empty() {
            return;
        }
        for (name, value) in headers.iter_mut() {
            if let Some(shown) = value.to_str().ok().and_then(|text| shown_header(prefix, name, text)) {
                *value = shown;
            }
        }
    }

    /// Puts the prefix before the paths in a page. Only templates write a quotation mark as it is, so whatever looks
    /// like an attribute is one.
    pub fn show_page(&self, page: String) -> String {
        let prefix = self.prefix();
        if prefix.is_empty() {
            return page;
        }
        let mut shown = String::with_capacity(page.len() + page.len() / 8);
        let mut pieces = page.split("=\"/");
        shown.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let name = shown.rsplit([' ', '\n']).next().unwrap_or_default();
            let prefix = if URL_ATTRIBUTES.contains(&name) { prefix } else { "" };
            shown.push_str("=\"");
            shown.push_str(prefix);
            shown.push('/');
            shown.push_str(piece);
        }
        shown
    }

    /// What the paths that clients see have before ours: nothing, or such as `/flash`.
    fn prefix(&self) -> &str {
        self.url().map_or("", ServerUrl::path)
    }
}

/// A header with the prefix before its path, if it has one.
fn shown_header(prefix: &str, name: &HeaderName, text: &str) -> Option<HeaderValue> {
    let (before, path) = match *name {
        LOCATION => ("", text),
        LINK => text.split_at_checked(1)?,
        // The cookie is for the prefix itself, too.
        SET_COOKIE => {
            let (before, path) = text.split_at(text.find(COOKIE_PATH)? + COOKIE_PATH.len());
            return HeaderValue::try_from(format!("{before}{prefix}{}", path.strip_prefix('/')?)).ok();
        }
        _ => return None,
    };
    path.starts_with('/').then(|| HeaderValue::try_from(format!("{before}{prefix}{path}")).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flash() -> PublicUrl {
        PublicUrl::new(Some(ServerUrl::parse("https://shop.example/flash").unwrap()))
    }

    #[test]
    fn a_prefix_is_taken_off_once_and_only_as_whole_parts_of_a_path_that_is_not_ours() {
        let inside = |uri: &str| flash().inside(&uri.parse().unwrap(), |path| path.starts_with("/flash/ours"));
        for (given, expected) in [
            ("/flash/orders?a=/flash", "/orders?a=/flash"),
            ("/flash", "/"),
            ("/flash?x", "/?x"),
            ("/flash/", "/"),
            ("/flash/flash/a", "/flash/a"),
            ("http://shop.example/flash/a", "http://shop.example/a"),
        ] {
            assert_eq!(inside(given), Some(expected.parse().unwrap()), "{given}");
        }
        for kept in ["/", "/orders", "/flashy", "/a/flash", "/Flash/a", "/%66lash/a", "/flash/ours", "*"] {
            assert_eq!(inside(kept), None, "{kept}");
        }
        assert_eq!(PublicUrl::default().inside(&"/flash/a".parse().unwrap(), |_| false), None);
    }

    #[test]
    fn paths_in_headers_and_pages_get_the_prefix_and_nothing_else_does() {
        let headers = |pairs: [(HeaderName, &'static str); 4]| {
            pairs.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect::<HeaderMap>()
        };
        let plain = headers([
            (LOCATION, "/login?next=/orders"),
            (LINK, "</api/v1/orders?cursor=a>; rel=\"next\""),
            (SET_COOKIE, "a=b; Path=/; HttpOnly"),
            (HeaderName::from_static("x-other"), "/"),
        ]);
        let mut shown = plain.clone();
        flash().show_headers(&mut shown);
        let expected = headers([
            (LOCATION, "/flash/login?next=/orders"),
            (LINK, "</flash/api/v1/orders?cursor=a>; rel=\"next\""),
            (SET_COOKIE, "a=b; Path=/flash; HttpOnly"),
            (HeaderName::from_static("x-other"), "/"),
        ]);
        assert_eq!(shown, expected);
        let mut unchanged = plain.clone();
        PublicUrl::default().show_headers(&mut unchanged);
        assert_eq!(unchanged, plain);
        let page = "<a\nhref=\"/a?b=/c\" title=\"/t\"><form action=\"/\"><input value=\"/v\"><use href=\"#i\"/>/";
        let expected = page.replace("\"/a?", "\"/flash/a?").replace("action=\"/", "action=\"/flash/");
        assert_eq!(flash().show_page(page.to_owned()), expected);
        assert_eq!(PublicUrl::default().show_page(page.to_owned()), page);
    }

    #[test]
    fn the_host_and_the_origin_are_the_whole_ones() {
        for host in ["shop.example", "Shop.Example", "shop.example:443"] {
            assert!(flash().is_host(host), "{host}");
        }
        for host in ["shop.example:80", "shop.example:8443", "a.shop.example", "shop.example.evil.example", ""] {
            assert!(!flash().is_host(host), "{host}");
        }
        for (origin, is_own) in [
            ("https://shop.example", true),
            ("http://shop.example", false),
            ("https://shop.example:8443", false),
            ("https://shop.example.evil.example", false),
            ("null", false),
        ] {
            assert_eq!(flash().is_origin(&HeaderValue::from_static(origin)), is_own, "{origin}");
        }
        assert!(!PublicUrl::default().is_host("") && !PublicUrl::default().is_origin(&HeaderValue::from_static("")));
    }
}
