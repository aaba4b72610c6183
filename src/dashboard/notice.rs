//! The sentence that a page shows after an act. It travels in a cookie that only this server can make.

use std::fmt::Write;

use crate::domain::clock::Timestamp;
use crate::limits::{MAX_NOTICE_CHARS, NOTICE_LIFETIME};

/// The name of the cookie.
pub(super) const COOKIE: &str = "flashsale_notice";

/// What became of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Whether it was done.
    pub(super) is_done: bool,
    /// What happened, in a sentence or two.
    pub(super) text: String,
}

impl Notice {
    /// The act was done.
    pub(super) fn done(text: impl Into<String>) -> Self {
        Self { is_done: true, text: text.into() }
    }

    /// The act was not done.
    pub(super) fn failed(text: impl Into<String>) -> Self {
        Self { is_done: false, text: text.into() }
    }
}

/// Whether an act was done so lately that its way back takes one click.
pub(super) fn is_fresh(acted: Timestamp, now: Timestamp) -> bool {
    now >= acted && now.since(acted) < NOTICE_LIFETIME
}

/// Seals notices into the values of cookies, and opens them.
#[derive(Clone, Debug)]
pub(super) struct NoticeKey([u8; 32]);

impl NoticeKey {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        Self(blake3::derive_key("flashsale 2026-11 notices", secret))
    }

    /// The value of a cookie: when it ends, whether the act was done, the text in hexadecimal, and a hash of all that.
    pub(super) fn seal(&self, notice: &Notice, now: Timestamp) -> String {
        let text: String = notice.text.chars().take(MAX_NOTICE_CHARS).collect();
        let end = now.after(NOTICE_LIFETIME).millis();
        let mut value = format!("{end:x}.{}.", u8::from(notice.is_done));
        for byte in text.bytes() {
            let _ = write!(value, "{byte:02x}");
        }
        let mac = self.mac(&value);
        value + "." + &mac.to_hex()
    }

    /// The notice in such a value, if it is whole and has not ended.
    pub(super) fn open(&self, value: &str, now: Timestamp) -> Option<Notice> {
        let (sealed, mac) = value.rsplit_once('.')?;
        if self.mac(sealed) != blake3::Hash::from_hex(mac).ok()? {
            return None;
        }
        let mut parts = sealed.split('.');
        let (end, is_done, text) = (parts.next()?, parts.next()?, parts.next()?);
        if now.millis() >= i64::from_str_radix(end, 16).ok()? {
            return None;
        }
        let (pairs, _) = text.as_bytes().as_chunks::<2>();
        let bytes = pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        let text = String::from_utf8(bytes.collect::<Option<Vec<_>>>()?).ok()?;
        Some(Notice { is_done: is_done == "1", text })
    }

    fn mac(&self, sealed: &str) -> blake3::Hash {
        blake3::keyed_hash(&self.0, sealed.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_comes_back_for_a_while_and_only_as_it_was_sealed() {
        let (key, now) = (NoticeKey::new(&[1; 32]), Timestamp::from_millis(5_000));
        let notice = Notice::done("Paused “<b>” at 12:00:39.120.");
        let value = key.seal(&notice, now);
        assert_eq!(key.open(&value, now), Some(notice));
        assert_eq!(key.open(&value, now.after(NOTICE_LIFETIME)), None);
        assert_eq!(NoticeKey::new(&[2; 32]).open(&value, now), None);
        let other = value.replacen(".1.", ".0.", 1);
        for wrong in [other.as_str(), &value[1..], "", ".", "a.b.c.d"] {
            assert_eq!(key.open(wrong, now), None, "{wrong}");
        }
    }

    #[test]
    fn a_long_notice_fits_a_cookie() {
        let key = NoticeKey::new(&[1; 32]);
        let value = key.seal(&Notice::failed("山".repeat(5_000)), Timestamp::from_millis(0));
        assert!(value.len() < 4_000 && key.open(&value, Timestamp::from_millis(0)).is_some(), "{}", value.len());
    }
}
