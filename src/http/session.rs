//! The login of the dashboard: a cookie that only this server can make, so that nothing is kept here.
//!
//! Its value is when it ends, and a keyed hash of that. The key comes from the store's secret and the admin token: a
//! login survives a restart, and ends when the token is changed.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use crate::domain::clock::{Clock, Timestamp};
use crate::limits::SESSION_LIFETIME;

/// The name of the cookie.
pub const SESSION_COOKIE: &str = "flashsale_session";

/// Makes and checks the values of this cookie.
#[derive(Clone)]
pub(super) struct SessionKey {
    key: [u8; 32],
    clock: Clock,
}

impl SessionKey {
    pub(super) fn new(secret: &[u8; 32], token: &blake3::Hash, clock: Clock) -> Self {
        let key = blake3::derive_key("flashsale 2026-11 sessions", secret);
        Self { key: *blake3::keyed_hash(&key, token.as_bytes()).as_bytes(), clock }
    }

    /// A value for [`SESSION_LIFETIME`] from now on.
    pub(super) fn issue(&self) -> String {
        let end = self.clock.now().after(SESSION_LIFETIME);
        format!("{:x}.{}", end.millis(), self.mac(end).to_hex())
    }

    /// Whether the headers have a cookie with a value of ours that has not ended.
    pub(super) fn accepts(&self, headers: &HeaderMap) -> bool {
        let parts = cookie(headers, SESSION_COOKIE).and_then(|value| value.split_once('.'));
        let Some((end, mac)) = parts else { return false };
        let (Ok(end), Ok(mac)) = (i64::from_str_radix(end, 16), blake3::Hash::from_hex(mac)) else { return false };
        let end = Timestamp::from_millis(end);
        // Hashes compare in constant time.
        self.mac(end) == mac && self.clock.now() < end
    }

    fn mac(&self, end: Timestamp) -> blake3::Hash {
        blake3::keyed_hash(&self.key, &end.millis().to_le_bytes())
    }
}

/// The value of a cookie of a request; the first one if there are several.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The value of `Set-Cookie` for a cookie that scripts cannot read and that other servers' pages do not make a browser
/// send. It lasts for `seconds`; 0 removes it. None if the value cannot be in a cookie.
pub fn set_cookie(name: &str, value: &str, seconds: u64, is_secure: bool) -> Option<HeaderValue> {
    let secure = if is_secure { "; Secure" } else { "" };
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    value.bytes().all(fits).then(|| HeaderValue::try_from(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn with_cookie(value: &str) -> HeaderMap {
        let line = HeaderValue::try_from(format!("a=b; {SESSION_COOKIE}={value};c=d")).unwrap();
        HeaderMap::from_iter([(COOKIE, line)])
    }

    #[test]
    fn a_login_ends_with_its_time_its_token_and_its_store() {
        let clock = Clock::manual(Timestamp::from_millis(1_000));
        let key =
            |secret: u8, token: &str| SessionKey::new(&[secret; 32], &blake3::hash(token.as_bytes()), clock.clone());
        let value = key(1, "token").issue();
        let headers = with_cookie(&value);
        assert!(key(1, "token").accepts(&headers));
        assert!(!key(1, "other").accepts(&headers) && !key(2, "token").accepts(&headers));
        clock.advance(SESSION_LIFETIME - Duration::from_millis(1));
        assert!(key(1, "token").accepts(&headers));
        clock.advance(Duration::from_millis(1));
        assert!(!key(1, "token").accepts(&headers));
    }

    #[test]
    fn a_cookie_that_was_changed_logs_nobody_in() {
        let clock = Clock::manual(Timestamp::from_millis(1_000));
        let key = SessionKey::new(&[1; 32], &blake3::hash(b"token"), clock);
        let value = key.issue();
        let (end, mac) = value.split_once('.').unwrap();
        for wrong in [format!("f{end}.{mac}"), format!("{end}."), end.to_owned(), format!("{end}.{}", &mac[1..])] {
            assert!(!key.accepts(&with_cookie(&wrong)), "{wrong}");
        }
        assert!(!key.accepts(&HeaderMap::new()));
    }

    #[test]
    fn a_cookie_is_found_among_others_and_set_without_a_way_to_add_attributes() {
        let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("xy=1; y=2 ;y=3"))]);
        assert_eq!((cookie(&headers, "y"), cookie(&headers, "x")), (Some("2"), None));
        let set = set_cookie("y", "2", 60, true).unwrap();
        assert_eq!(set, "y=2; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure");
        assert_eq!(set_cookie("y", "2; Domain=a", 60, false), None);
    }
}
