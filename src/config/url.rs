//! URLs of settings and of commands: origins, and where a server is found.

use std::fmt;

use hyper::Uri;

/// Where a server is found: an origin, and the path below which all its own paths are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    origin: String,
    path: String,
}

impl ServerUrl {
    /// Reads an absolute URL such as `https://shop.example/flash`; an error says what it must have or be. A slash at
    /// its end does not count. The path is plain, so that proxies pass it on as it is.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const ABSOLUTE: &str = "must begin with http:// or https:// and a host, in ASCII";
        let (scheme, rest) = text.split_once("://").ok_or(ABSOLUTE)?;
        if rest.contains(['?', '#']) {
            return Err("must have no query and no fragment");
        }
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if host.contains('@') {
            return Err("must have no user and no password");
        }
        let origin = origin(&format!("{scheme}://{host}")).ok_or(ABSOLUTE)?;
        if !origin.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/.-_[]".contains(&byte)) {
            return Err(ABSOLUTE);
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        if !path.split('/').skip(1).all(is_plain) {
            return Err("must have a path of letters, digits, and - . _ ~ between single slashes");
        }
        Ok(Self { origin, path: path.to_owned() })
    }

    /// The origin as browsers write it: `https://shop.example`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The host, with its port unless the scheme implies that: `shop.example`.
    pub fn host(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, host)| host)
    }

    /// Empty, or as `/flash`: begins with a slash, and does not end with one.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is reached by TLS.
    pub fn is_secure(&self) -> bool {
        self.origin.starts_with("https:")
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

/// Whether a part of a path means the same to everyone who reads it.
fn is_plain(part: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !matches!(part, "" | "." | "..") && part.bytes().all(fits)
}

/// An origin as browsers write it (RFC 6454, section 6.2): in lower case, without a port that the scheme implies.
pub(super) fn origin(text: &str) -> Option<String> {
    let given = text.to_ascii_lowercase();
    let url: Uri = given.parse().ok()?;
    let (scheme, host) = (url.scheme_str()?, url.host()?);
    let implied = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let port = url.port_u16().filter(|port| *port != implied);
    let origin = format!("{scheme}://{host}{}", port.map_or_else(String::new, |port| format!(":{port}")));
    let is_whole = has_usable_port(&url) && [origin.clone(), format!("{origin}:{implied}")].contains(&given);
    is_whole.then_some(origin)
}

/// Whether a URL has no port, or one that can be connected to. `Uri` reads any other port as none.
fn has_usable_port(url: &Uri) -> bool {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let port = authority.rsplit('@').next().and_then(|rest| rest.strip_prefix(url.host().unwrap_or_default()));
    match port {
        Some("") => true,
        Some(port) => port.strip_prefix(':').is_some_and(|port| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0)
        }),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_an_origin_and_a_plain_path() {
        for (given, origin, host, path) in [
            ("https://Shop.example/flash", "https://shop.example", "shop.example", "/flash"),
            ("https://shop.example:443/flash/", "https://shop.example", "shop.example", "/flash"),
            (
                "http://shop.example:8080/Flash/sale-1.0_~",
                "http://shop.example:8080",
                "shop.example:8080",
                "/Flash/sale-1.0_~",
            ),
            ("http://127.0.0.1:3000/", "http://127.0.0.1:3000", "127.0.0.1:3000", ""),
            ("https://[2001:db8::7]:444", "https://[2001:db8::7]:444", "[2001:db8::7]:444", ""),
            ("http://flash_sale/a", "http://flash_sale", "flash_sale", "/a"),
        ] {
            let url = ServerUrl::parse(given).unwrap();
            assert_eq!((url.origin(), url.host(), url.path()), (origin, host, path), "{given}");
            assert_eq!(url.is_secure(), given.starts_with("https"), "{given}");
            assert_eq!(url.to_string(), format!("{origin}{path}"));
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_server() {
        for (wrong, why) in [
            ("", "begin with http"),
            ("/flash", "begin with http"),
            ("shop.example/flash", "begin with http"),
            ("ftp://shop.example/flash", "begin with http"),
            (" https://shop.example", "begin with http"),
            ("https:///flash", "begin with http"),
            ("https://shop.example:0/flash", "begin with http"),
            ("https://shop.example:99999", "begin with http"),
            ("https://shop.example:", "begin with http"),
            ("https://*.example", "begin with http"),
            ("https://münchen.example", "ASCII"),
            ("https://shop%2eexample", "begin with http"),
            ("https://me@shop.example", "no user"),
            ("https://me:pw@shop.example/flash", "no user"),
            ("https://shop.example/flash?x", "no query"),
            ("https://shop.example#x", "no query"),
            ("https://shop.example//", "single slashes"),
            ("https://shop.example//flash", "single slashes"),
            ("https://shop.example/flash//", "single slashes"),
            ("https://shop.example/a/../b", "single slashes"),
            ("https://shop.example/.", "single slashes"),
            ("https://shop.example/%66lash", "single slashes"),
            ("https://shop.example/flash sale", "single slashes"),
            ("https://shop.example/flash\\x", "single slashes"),
            ("https://shop.example/flash;v=1", "single slashes"),
            ("https://shop.example/fläsh", "single slashes"),
        ] {
            let fault = ServerUrl::parse(wrong).unwrap_err();
            assert!(fault.starts_with("must ") && fault.contains(why), "{wrong}: {fault}");
        }
    }

    #[test]
    fn a_port_that_cannot_be_connected_to_is_not_taken_for_none() {
        for (url, usable) in [
            ("http://a", true),
            ("http://a/b:c", true),
            ("http://a:1", true),
            ("https://[::1]:65535/", true),
            ("http://[::1]", true),
            ("http://a:0", false),
            ("http://a:", false),
            ("http://a:65536", false),
            ("http://a:99999/x", false),
        ] {
            assert_eq!(has_usable_port(&url.parse().unwrap()), usable, "{url}");
        }
        for wrong in ["http://a:b", "http://a:+1", "http://a:-1"] {
            assert!(wrong.parse::<Uri>().map_or(true, |url| !has_usable_port(&url)), "{wrong}");
        }
    }
}
