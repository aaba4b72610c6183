//! What a request says of who looks: the theme, the name by which they reached the server, the message that waits.

use std::convert::Infallible;
use std::fmt::Write;

use axum::extract::FromRequestParts;
use axum::http::header::{HOST, SET_COOKIE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};

use crate::http::{Client, FormBody, PublicUrl, cookie, is_read, set_cookie};
use crate::limits::{MAX_BACK_BYTES, NOTICE_LIFETIME};

use super::notice::{self, Notice};
use super::state::Shared;
use super::theme::{Theme, Zone};

/// The names of the cookies with what is set in Display.
pub(super) const THEME_COOKIE: &str = "flashsale_theme";
/// Whether single keys act.
pub(super) const KEYS_COOKIE: &str = "flashsale_keys";
/// The zone of times.
pub(super) const ZONE_COOKIE: &str = "flashsale_zone";

/// Who looks, and how.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    /// The client, if it came over a connection.
    pub(super) client: Option<Client>,
    /// The host that the browser asked for.
    pub(super) host: String,
    /// Where a proxy shows the server.
    pub(super) public: PublicUrl,
    /// The path and query of the page, or that of the dashboard where it was no page.
    pub(super) here: String,
    /// The chosen theme.
    pub(super) theme: Theme,
    /// Whether single keys act.
    pub(super) has_keys: bool,
    /// The zone that times are shown in.
    pub(super) zone: Zone,
    /// The message that waits.
    pub(super) notice: Option<Notice>,
}

impl Visit {
    /// Whether the browser uses TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.client.is_some_and(|client| client.is_secure)
    }

    /// Leads back to where a form was sent from, with a message.
    pub(super) fn back(&self, form: &FormBody, shared: &Shared, notice: &Notice) -> Response {
        self.to(form.get("back").and_then(local).unwrap_or("/"), shared, notice)
    }

    /// Leads to a page, with a message.
    pub(super) fn to(&self, page: &str, shared: &Shared, notice: &Notice) -> Response {
        let mut response = Redirect::to(page).into_response();
        let value = shared.notices.seal(notice, shared.clock.now());
        if let Some(cookie) = set_cookie(notice::COOKIE, &value, NOTICE_LIFETIME.as_secs(), self.is_secure()) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }
}

impl FromRequestParts<Shared> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Infallible> {
        let headers = &parts.headers;
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = shared.public.host().or(host).unwrap_or("this server");
        let here = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let notice = cookie(headers, notice::COOKIE);
        Ok(Self {
            client: parts.extensions.get().copied(),
            host: host.to_owned(),
            public: shared.public.clone(),
            here: local(here).filter(|_| is_read(&parts.method)).unwrap_or("/").to_owned(),
            theme: cookie(headers, THEME_COOKIE).map_or(Theme::Auto, Theme::of_word),
            has_keys: cookie(headers, KEYS_COOKIE) != Some("off"),
            zone: cookie(headers, ZONE_COOKIE).map_or(Zone::Utc, Zone::of_word),
            notice: notice.and_then(|value| shared.notices.open(value, shared.clock.now())),
        })
    }
}

/// A path of this server, with or without a query; anything else could lead elsewhere.
pub(super) fn local(path: &str) -> Option<&str> {
    let is_local = path.starts_with('/') && !path.starts_with("//");
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (is_local && is_plain && path.len() <= MAX_BACK_BYTES).then_some(path)
}

/// A text as a value in a query.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => encoded.push(byte.into()),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_of_this_server_leads_back() {
        for path in ["/", "/orders?user=a%20b&status=", "/queue/x#y"] {
            assert_eq!(local(path), Some(path));
        }
        for path in ["", "orders", "//evil.example", "/\\evil.example", "http://evil.example/", "/a b", "/é", "/a\r\n"]
        {
            assert_eq!(local(path), None, "{path:?}");
        }
        assert_eq!(encoded("/a?b=ü&c"), "/a%3Fb%3D%C3%BC%26c");
    }
}
