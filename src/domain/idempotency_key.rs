//! The keys that name requests, and the numbers that they are kept as.
//!
//! Two keys with one number would be one key, and a buyer could get the response to another's order. So nobody may be
//! able to look for such keys: a number is the SipHash-2-4 of 128 bits (Aumasson, Bernstein, "SipHash: a fast
//! short-input PRF", 2012) of the key under a secret of the store. Stores that were made before format 5 have no such
//! secret, and keep half of the BLAKE3 hash, which takes three times as long.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZero;

use siphasher::sip128::SipHasher24;

use crate::limits::MAX_IDEMPOTENCY_KEY_CHARS;

/// A key as a client sends it: 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyText<'t>(Cow<'t, str>);

/// A key as it is kept: its number, in halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    low: NonZero<u64>,
    high: u64,
}

/// Makes the numbers of keys, as one store has them.
#[derive(Clone, Copy)]
pub enum KeyHasher {
    /// With a secret of the store.
    Secret(SipHasher24),
    /// Without one.
    Digest,
}

impl<'t> KeyText<'t> {
    /// Checks a key; the error says what is wrong with it.
    pub fn new(text: impl Into<Cow<'t, str>>) -> Result<Self, &'static str> {
        let text = text.into();
        // All bytes are looked at, so that the processor looks at many at once.
        let visible = text.bytes().fold(true, |visible, byte| visible & byte.is_ascii_graphic());
        match visible && (1..=MAX_IDEMPOTENCY_KEY_CHARS).contains(&text.len()) {
            true => Ok(Self(text)),
            false => Err("must be 1 to 255 visible ASCII characters without spaces"),
        }
    }
}

impl IdempotencyKey {
    /// The key of a number, little end first.
    pub const fn from_bytes(number: [u8; 16]) -> Self {
        let number = u128::from_le_bytes(number);
        let low = match NonZero::new(number as u64) {
            Some(low) => low,
            None => NonZero::<u64>::MIN,
        };
        Self { low, high: (number >> 64) as u64 }
    }

    /// Its number, little end first.
    pub const fn to_bytes(self) -> [u8; 16] {
        ((self.high as u128) << 64 | self.low.get() as u128).to_le_bytes()
    }

    /// Half of its number, by which tables and indexes find it. Never 0, which lets them mark free places.
    pub const fn hash(self) -> NonZero<u64> {
        self.low
    }
}

impl KeyHasher {
    /// The one of a store that has this secret.
    pub fn with_secret(secret: &[u8; 16]) -> Self {
        Self::Secret(SipHasher24::new_with_key(secret))
    }

    /// The key of a text.
    pub fn key(&self, KeyText(text): &KeyText<'_>) -> IdempotencyKey {
        IdempotencyKey::from_bytes(match self {
            Self::Secret(hasher) => hasher.hash(text.as_bytes()).as_bytes(),
            Self::Digest => blake3::hash(text.as_bytes()).as_bytes().as_chunks().0[0],
        })
    }
}

/// Without the secret.
impl fmt::Debug for KeyHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret",
            Self::Digest => "Digest",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_1_to_255_visible_ascii_characters() {
        let longest = "k".repeat(255);
        for key in ["!", "~", "5f3a-Cart_7/x", &longest] {
            assert!(KeyText::new(key).is_ok(), "{key}");
        }
        let too_long = "k".repeat(256);
        for key in ["", " ", "a b", "tab\t", "é", "\u{7f}", "\0", &too_long] {
            assert!(KeyText::new(key).is_err(), "{key:?}");
        }
    }

    /// What is kept must be found by every later version.
    #[test]
    fn a_key_has_the_number_that_the_definitions_of_the_hashes_give() {
        let secret = std::array::from_fn(|at| at as u8);
        let number =
            |hasher: KeyHasher, key: &str| u128::from_le_bytes(hasher.key(&KeyText::new(key).unwrap()).to_bytes());
        assert_eq!(number(KeyHasher::with_secret(&secret), "cart-7"), 0x87dc_a09b_c25f_99cb_d82c_d758_b0d7_e968);
        assert_eq!(number(KeyHasher::Digest, "cart-7"), 0x16a5_5006_4a52_8a4a_ed1d_be28_55eb_0570);
    }
}
