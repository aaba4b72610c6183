//! The URL that is posted to: what can never be called is rejected at the start, with a sentence.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::Uri;

use super::address::{AddressPolicy, RefusedAddress};
use super::receiver::Receiver;

/// From this length in bytes on, the URL's query is kept out of error texts.
const MIN_QUERY_SECRET_LEN: usize = 6;

/// The same for each part of its path, where words of a name are more likely than a key.
const MIN_PATH_SECRET_LEN: usize = 20;

/// Characters of a host name, and of each of its parts (RFC 1035).
const MAX_HOST_LEN: usize = 253;
const MAX_LABEL_LEN: usize = 63;

/// Why a URL cannot be posted to. Never repeats the URL, of which a part may be secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// Not an absolute URL.
    NotAUrl,
    /// Another scheme, or none.
    NotHttp,
    /// A space, a line end or another control character.
    Space,
    /// A letter that no URL can have.
    NotAscii,
    /// A user name or password before the host.
    Credentials,
    /// Something after `#`.
    Fragment,
    /// A host that is neither a name nor an IP address.
    Host,
    /// Something in brackets, or with colons, that is not an IPv6 address.
    Ipv6,
    /// A port that does not exist.
    Port,
    /// A name of this machine itself.
    Localhost,
    /// A name that leads to no public address wherever it is looked up.
    PrivateName,
    /// The URL names an address that is not called.
    Refused(RefusedAddress),
}

impl From<RefusedAddress> for UrlError {
    fn from(refused: RefusedAddress) -> Self {
        Self::Refused(refused)
    }
}

impl UrlError {
    /// A sentence about the URL of this receiver.
    pub(super) fn text(self, to: &Receiver) -> String {
        let Receiver { setting, posts, allow_private, .. } = to;
        match self {
            Self::NotAUrl => format!("the {setting} URL must be one such as https://shop.example/{posts}"),
            Self::NotHttp => format!("the {setting} URL must begin with http:// or https://"),
            Self::Space => {
                format!("the {setting} URL must not contain spaces or control characters; write a space as %20")
            }
            Self::NotAscii => format!(
                "the {setting} URL must be ASCII; write a host with other letters in punycode (xn--...), and \
                 percent-encode the rest"
            ),
            Self::Credentials => format!(
                "the {setting} URL must not contain a user name or password; sign the {posts} with a secret instead"
            ),
            Self::Fragment => format!("the {setting} URL must not contain a fragment (#), which is never sent"),
            Self::Host => format!(
                "the host of the {setting} URL must be a name of letters, digits, hyphens and dots, at most 253 \
                 characters and 63 between two dots, or an IPv4 address of four numbers"
            ),
            Self::Ipv6 => format!(
                "an IPv6 address in the {setting} URL must be in brackets, as in [2001:db8::1], without a zone (%)"
            ),
            Self::Port => format!(
                "the port in the {setting} URL must be a number from 1 to 65535; leave out the colon for the usual one"
            ),
            Self::Localhost => {
                format!("the {setting} URL names this machine (localhost); set {allow_private} to call it")
            }
            Self::PrivateName => format!(
                "the {setting} URL names a host of a private network, which is not called; set {allow_private} to call \
                 it"
            ),
            Self::Refused(refused) => format!("the {setting} URL cannot be called: {}", refused.text(to)),
        }
    }
}

/// Where posts go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) url: Uri,
    pub(super) host: Host,
    pub(super) port: u16,
}

/// The host of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// One that needs no look-up.
    Address(IpAddr),
    Name(String),
}

impl Target {
    /// Reads a URL that may be called as far as `reach` goes. Where a name leads is only known when it is called.
    pub(super) fn parse(text: &str, reach: AddressPolicy) -> Result<Self, UrlError> {
        check_characters(text)?;
        let (scheme, rest) =
            text.split_once("://").ok_or(if text.is_empty() { UrlError::NotAUrl } else { UrlError::NotHttp })?;
        let usual_port = match scheme.to_ascii_lowercase().as_str() {
            "http" => 80,
            "https" => 443,
            _ => return Err(UrlError::NotHttp),
        };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(UrlError::Credentials);
        }
        let (host, port) = split_port(authority)?;
        let host = parse_host(host)?;
        let port = port.map_or(Ok(usual_port), parse_port)?;
        match &host {
            Host::Address(address) => reach.check(*address)?,
            Host::Name(name) if reach == AddressPolicy::Public && is_localhost(name) => {
                return Err(UrlError::Localhost);
            }
            Host::Name(name) if reach == AddressPolicy::Public && is_private_name(name) => {
                return Err(UrlError::PrivateName);
            }
            Host::Name(_) => {}
        }
        let url = text.parse().map_err(|_| UrlError::NotAUrl)?;
        Ok(Self { url, host, port })
    }

    /// What in the URL may be a secret: the query, its longer values, and long parts of the path.
    pub(super) fn secrets(&self) -> Vec<String> {
        let query = self.url.query().unwrap_or_default();
        let values = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
        let in_query = std::iter::once(query).chain(values).filter(|text| text.len() >= MIN_QUERY_SECRET_LEN);
        let in_path = self.url.path().split('/').filter(|part| part.len() >= MIN_PATH_SECRET_LEN);
        in_query.chain(in_path).map(str::to_owned).collect()
    }
}

fn check_characters(text: &str) -> Result<(), UrlError> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(UrlError::Space);
    }
    // `Uri` drops a fragment without a word.
    if text.contains('#') {
        return Err(UrlError::Fragment);
    }
    if text.is_ascii() { Ok(()) } else { Err(UrlError::NotAscii) }
}

/// The host, an IPv6 address with its brackets, and what comes after its colon. `Uri` takes a port that is no number
/// for none at all.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), UrlError> {
    let (host, rest) = match authority.find(']') {
        Some(end) if authority.starts_with('[') => authority.split_at(end + 1),
        _ if authority.starts_with('[') || authority.matches(':').count() > 1 => return Err(UrlError::Ipv6),
        _ => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    match (host, rest) {
        ("", _) => Err(UrlError::NotAUrl),
        (host, "") => Ok((host, None)),
        (host, rest) => rest.strip_prefix(':').map(|port| (host, Some(port))).ok_or(UrlError::Ipv6),
    }
}

fn parse_port(text: &str) -> Result<u16, UrlError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0).ok_or(UrlError::Port)
}

fn parse_host(text: &str) -> Result<Host, UrlError> {
    if let Some(rest) = text.strip_prefix('[') {
        let address = rest.trim_end_matches(']').parse::<Ipv6Addr>();
        return address.map(|address| Host::Address(address.into())).map_err(|_| UrlError::Ipv6);
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    // A dot at the end says that no search domain is to be added.
    let name = text.strip_suffix('.').unwrap_or(text);
    // The system reads 127.1, 2130706433 and 0x7f.1 as addresses, and so must the reader of this URL.
    let is_number = |label: &str| {
        let hex = label.strip_prefix("0x").or(label.strip_prefix("0X"));
        hex.map_or_else(
            || label.bytes().all(|byte| byte.is_ascii_digit()),
            |hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        )
    };
    let is_label = |label: &str| {
        let allowed = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        allowed && (1..=MAX_LABEL_LEN).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let whole = name.len() <= MAX_HOST_LEN && name.split('.').all(is_label);
    match whole && !name.rsplit('.').next().is_some_and(is_number) {
        true => Ok(Host::Name(text.to_owned())),
        false => Err(UrlError::Host),
    }
}

/// Whether a name is this machine's own wherever it is looked up (RFC 6761).
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.rsplit('.').next().is_some_and(|label| label.eq_ignore_ascii_case("localhost"))
}

/// Domains that no public name is in: RFC 6762 (local), RFC 8375 (home.arpa), ICANN's reservation of `internal`, and
/// what routers and systems use for their own.
const PRIVATE_DOMAINS: [&str; 7] = ["local", "internal", "home.arpa", "lan", "intranet", "localdomain", "private"];

/// Whether a name leads to no public address: it is in such a domain, or has one part only, as the name of a container
/// has; no public name is without a dot.
fn is_private_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let is_in = |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !name.contains('.') || PRIVATE_DOMAINS.into_iter().any(is_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_can_never_be_called_is_rejected_with_its_own_reason() {
        let long_name = format!("http://{}/", ["a23456789"; 26].join("."));
        let long_label = format!("http://{}.example/", "a".repeat(MAX_LABEL_LEN + 1));
        for (url, expected) in [
            ("", UrlError::NotAUrl),
            ("/orders", UrlError::NotHttp),
            ("shop.example", UrlError::NotHttp),
            ("shop.example:8080/orders", UrlError::NotHttp),
            ("ftp://shop.example/", UrlError::NotHttp),
            ("http:/shop.example/", UrlError::NotHttp),
            ("http:///orders", UrlError::NotAUrl),
            ("http://?x", UrlError::NotAUrl),
            ("http://:8080/", UrlError::NotAUrl),
            ("http://shop.example/<>", UrlError::NotAUrl),
            ("http://shop example/", UrlError::Space),
            ("http://shop.example/a b", UrlError::Space),
            (" http://shop.example/", UrlError::Space),
            ("http://shop.example/\n", UrlError::Space),
            ("http://shop.example/\u{7f}", UrlError::Space),
            ("http://bücher.example/", UrlError::NotAscii),
            ("http://shop.example/bücher", UrlError::NotAscii),
            ("https://ada:secret@shop.example/", UrlError::Credentials),
            ("https://ada@shop.example/", UrlError::Credentials),
            ("https://@shop.example/", UrlError::Credentials),
            ("https://shop.example/#there", UrlError::Fragment),
            ("http://shop..example/", UrlError::Host),
            ("http://.example/", UrlError::Host),
            ("http://./", UrlError::Host),
            ("http://shop.example../", UrlError::Host),
            ("http://-shop.example/", UrlError::Host),
            ("http://shop-.example/", UrlError::Host),
            ("http://shop%2eexample/", UrlError::Host),
            ("http://shop!.example/", UrlError::Host),
            ("http://1.2.3/", UrlError::Host),
            ("http://1.2.3.4.5/", UrlError::Host),
            ("http://1.2.3.256/", UrlError::Host),
            ("http://127.0.0.1./", UrlError::Host),
            ("http://2130706433/", UrlError::Host),
            ("http://0x7f.1/", UrlError::Host),
            ("http://0x7f000001/", UrlError::Host),
            (&long_name, UrlError::Host),
            (&long_label, UrlError::Host),
            ("http://2001:db8::1/", UrlError::Ipv6),
            ("http://[2001:db8::1/", UrlError::Ipv6),
            ("http://[fe80::1%25eth0]/", UrlError::Ipv6),
            ("http://[fe80::1%eth0]/", UrlError::Ipv6),
            ("http://[192.0.2.1]/", UrlError::Ipv6),
            ("http://[]/", UrlError::Ipv6),
            ("http://[2001:db8::1]8080/", UrlError::Ipv6),
            ("http://shop.example:0/", UrlError::Port),
            ("http://shop.example:/", UrlError::Port),
            ("http://shop.example:65536/", UrlError::Port),
            ("http://shop.example:99999", UrlError::Port),
            ("http://shop.example:+80/", UrlError::Port),
            ("http://shop.example:http/", UrlError::Port),
            ("http://[2001:4860::1]:0/", UrlError::Port),
            ("http://localhost/", UrlError::Localhost),
            ("http://LocalHost:8080/", UrlError::Localhost),
            ("http://localhost./", UrlError::Localhost),
            ("http://shop.localhost/", UrlError::Localhost),
            ("http://fulfilment:8080/", UrlError::PrivateName),
            ("http://shop.LOCAL./", UrlError::PrivateName),
            ("http://fulfilment.shop.svc.cluster.local/", UrlError::PrivateName),
            ("http://metadata.google.internal/", UrlError::PrivateName),
            ("http://nas.home.arpa/", UrlError::PrivateName),
        ] {
            assert_eq!(Target::parse(url, AddressPolicy::Public), Err(expected), "{url}");
        }
        for url in ["http://127.0.0.1/", "http://10.1.2.3:80/", "http://[::1]/", "http://[::ffff:10.0.0.1]:81/"] {
            assert!(matches!(Target::parse(url, AddressPolicy::Public), Err(UrlError::Refused(_))), "{url}");
            assert!(Target::parse(url, AddressPolicy::Everywhere).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_url_that_may_be_called_has_its_host_and_its_port() {
        let name = |name: &str| Host::Name(name.to_owned());
        let longest = ["a"; MAX_HOST_LEN.div_ceil(2)].join(".");
        let longest_url = format!("http://{longest}");
        for (url, host, port) in [
            ("http://shop.example", name("shop.example"), 80),
            ("https://shop.example?key=a/b:c@d", name("shop.example"), 443),
            ("HTTPS://Shop.Example:8443/orders", name("Shop.Example"), 8443),
            ("http://shop.example.:065/", name("shop.example."), 65),
            ("http://xn--bcher-kva.example:65535/", name("xn--bcher-kva.example"), 65535),
            ("http://fulfil_me.example:1/", name("fulfil_me.example"), 1),
            ("http://shoplocal.example/", name("shoplocal.example"), 80),
            ("http://local.example/", name("local.example"), 80),
            ("http://4.example/", name("4.example"), 80),
            ("http://0xshop.example/", name("0xshop.example"), 80),
            ("http://192.0.2.1.example/", name("192.0.2.1.example"), 80),
            ("http://8.8.8.8:53/", Host::Address([8, 8, 8, 8].into()), 53),
            ("https://[2606:4700::1111]/", Host::Address("2606:4700::1111".parse().unwrap()), 443),
            (&longest_url, name(&longest), 80),
        ] {
            let target = Target::parse(url, AddressPolicy::Public).unwrap_or_else(|error| panic!("{url}: {error:?}"));
            assert_eq!((target.host, target.port), (host, port), "{url}");
        }
        assert!(Target::parse("http://localhost:8080/", AddressPolicy::Everywhere).is_ok());
    }
}
