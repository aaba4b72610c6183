//! A byte of a row that says whether something optional follows it. Where nothing does, the row is byte for byte what
//! it was before there was such a thing.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple, Serializer};

/// The bit that says so. The bytes below it are free.
const FOLLOWED: u8 = 0x80;

/// A byte of `MOST` at most, which is below 128, and what follows it, if anything does.
pub(super) struct Flagged<T, const MOST: u8> {
    pub(super) byte: u8,
    pub(super) more: Option<T>,
}

impl<T: Serialize, const MOST: u8> Serialize for Flagged<T, MOST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(more) = &self.more else { return serializer.serialize_u8(self.byte) };
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(&(self.byte | FOLLOWED))?;
        pair.serialize_element(more)?;
        pair.end()
    }
}

impl<'de, T: Deserialize<'de>, const MOST: u8> Deserialize<'de> for Flagged<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairVisitor<T, const MOST: u8>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MOST: u8> Visitor<'de> for PairVisitor<T, MOST> {
            type Value = Flagged<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a byte, and what its highest bit says follows")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Flagged<T, MOST>, A::Error> {
                let missing = |place| de::Error::invalid_length(place, &"a byte, and what follows it");
                let byte: u8 = seq.next_element()?.ok_or_else(|| missing(0))?;
                let more = match byte & FOLLOWED {
                    0 => None,
                    _ => Some(seq.next_element()?.ok_or_else(|| missing(1))?),
                };
                match byte & !FOLLOWED {
                    byte if byte <= MOST => Ok(Flagged { byte, more }),
                    byte => Err(de::Error::invalid_value(de::Unexpected::Unsigned(byte.into()), &self)),
                }
            }
        }
        // A tuple has no length of its own in the row, so reading one element of it leaves the rest where it is.
        deserializer.deserialize_tuple(2, PairVisitor::<T, MOST>(PhantomData))
    }
}
