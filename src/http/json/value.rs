//! One value of a field, as it came: a number keeps its digits.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::domain::decimal;
use crate::domain::money::{Money, PriceError};

/// Why a value cannot be used; follows the field's name.
pub type Complaint = Cow<'static, str>;

/// One value of a field, as far as fields go: of a list, and of what is nested in an object, it is only known that it
/// is nested.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number without a point or an exponent.
    Integer(i64),
    /// Another number as JSON has it, digit by digit.
    Number(&'a str),
    /// A text.
    Text(Cow<'a, str>),
    /// An object: its fields, as they came.
    Object(Vec<(Cow<'a, str>, Self)>),
    /// A list, or an object in an object.
    Nested,
}

impl<'a> Value<'a> {
    /// The value of a text that is one JSON value.
    fn of(json: &'a str) -> serde_json::Result<Self> {
        match json.as_bytes() {
            [b'{', ..] => serde_json::from_str(json).map(|Exact(fields)| Self::Object(fields)),
            _ => Self::flat(json),
        }
    }

    /// The same where an object is only known to be nested.
    fn flat(json: &'a str) -> serde_json::Result<Self> {
        Ok(match json.as_bytes() {
            [b'"', text @ .., b'"'] if !text.contains(&b'\\') => Self::Text(Cow::Borrowed(&json[1..json.len() - 1])),
            [b'"', ..] => Self::Text(Cow::Owned(serde_json::from_str(json)?)),
            [b'n', ..] => Self::Null,
            [b't', ..] => Self::Bool(true),
            [b'f', ..] => Self::Bool(false),
            [b'{' | b'[', ..] => Self::Nested,
            _ => json.parse().map_or(Self::Number(json), Self::Integer),
        })
    }

    /// A whole number; also as a string of decimal digits, with a minus only where the number may be negative. As a
    /// number, 2.0 and 2e0 are 2.
    pub fn whole(&self, least: i64, most: i64) -> Result<i64, Complaint> {
        let number = match self {
            Self::Integer(number) => Some(*number),
            Self::Number(number) => decimal::in_units(number, 0).ok().and_then(|number| number.try_into().ok()),
            Self::Text(text) => digits(text, least < 0),
            _ => None,
        };
        let number = number.filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| format!("must be a whole number from {least} to {most}").into())
    }

    /// A price.
    pub fn price(&self) -> Result<Money, Complaint> {
        let price = match self {
            Self::Integer(number) => Money::from_json_number(&number.to_string()),
            Self::Number(number) => Money::from_json_number(number),
            Self::Text(text) => text.parse(),
            _ => Err(PriceError::NotANumber),
        };
        price.map_err(|error| error.to_string().into())
    }

    /// A text.
    pub fn text(&self) -> Result<&Cow<'a, str>, Complaint> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err("must be a string".into()),
        }
    }

    /// True or false.
    pub fn truth(&self) -> Result<bool, Complaint> {
        match self {
            Self::Bool(truth) => Ok(*truth),
            _ => Err("must be true or false".into()),
        }
    }

    /// The value, or none for `null`.
    pub fn nullable<T>(&self, read: impl FnOnce(&Self) -> Result<T, Complaint>) -> Result<Option<T>, Complaint> {
        match self {
            Self::Null => Ok(None),
            value => read(value).map(Some),
        }
    }
}

/// Decimal digits, with a minus before them where that may be.
fn digits(text: &str, may_be_negative: bool) -> Option<i64> {
    let unsigned = text.strip_prefix('-').filter(|_| may_be_negative).unwrap_or(text);
    let is_number = !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

impl<'de> Deserialize<'de> for As<true, Value<'de>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?;
        Value::of(json.get()).map(Self).map_err(de::Error::custom)
    }
}

/// The deserializer gives a number with a point or an exponent as a float, which has lost digits: then it is an error.
impl<'de> Deserialize<'de> for As<false, Value<'de>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;
        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = Value<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value without digits to lose")
            }
            fn visit_unit<E>(self) -> Result<Value<'de>, E> {
                Ok(Value::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
                Ok(Value::Bool(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value<'de>, E> {
                value.try_into().map(Value::Integer).map_err(E::custom)
            }
            fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
                Ok(Value::Integer(value))
            }
            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Value<'de>, E> {
                Ok(Value::Text(Cow::Borrowed(value)))
            }
            fn visit_str<E>(self, value: &str) -> Result<Value<'de>, E> {
                Ok(Value::Text(Cow::Owned(value.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value<'de>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Value::Nested)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((Name(name), As::<false, Value<'de>>(value))) = map.next_entry()? {
                    let nested = matches!(value, Value::Object(_));
                    fields.push((name, if nested { Value::Nested } else { value }));
                }
                Ok(Value::Object(fields))
            }
        }
        deserializer.deserialize_any(ValueVisitor).map(Self)
    }
}

/// The fields of an object, every digit of their numbers kept.
struct Exact<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'de> Deserialize<'de> for Exact<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Exact<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Exact<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((Name(name), json)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    fields.push((name, Value::flat(json.get()).map_err(de::Error::custom)?));
                }
                Ok(Exact(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// Something that is read from JSON: `EXACT` with every digit of every number, else at half the cost, and not at all
/// where that would lose digits.
#[derive(Debug)]
pub struct As<const EXACT: bool, T>(pub T);

/// Reads JSON with every digit that counts. Nearly all of it is read at the first go.
pub fn parse<'a, T>(json: &'a [u8]) -> serde_json::Result<T>
where
    As<false, T>: Deserialize<'a>,
    As<true, T>: Deserialize<'a>,
{
    // Looked at as a whole, which takes less than text by text.
    let read = std::str::from_utf8(json).ok().and_then(|json| serde_json::from_str(json).ok());
    match read {
        Some(As::<false, T>(read)) => Ok(read),
        None => serde_json::from_slice(json).map(|As::<true, T>(read)| read),
    }
}

/// A field's name, borrowed from the body where it has no escapes.
pub struct Name<'a>(pub Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field's name")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value, which must be the same whichever way it is read.
    fn value(json: &str) -> Value<'_> {
        let exact = serde_json::from_str(json).map(|As::<true, Value<'_>>(value)| value);
        let value = parse(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(exact.unwrap(), value, "{json}");
        value
    }

    #[test]
    fn values_are_what_json_says() {
        for (json, expected) in [
            ("null", Value::Null),
            (" true ", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("\t-1.50e+7\n", Value::Number("-1.50e+7")),
            ("\"\"", Value::Text("".into())),
            ("\"山\"", Value::Text("山".into())),
            (r#""a\"\\\u5c71\ud83d\ude00""#, Value::Text("a\"\\山😀".into())),
            ("[{}, 1]", Value::Nested),
            ("{}", Value::Object(Vec::new())),
            (
                r#"{"a": [], "\u0062": "c", "a": {"d": 1.50}, "e": 1.50}"#,
                Value::Object(vec![
                    ("a".into(), Value::Nested),
                    ("b".into(), Value::Text("c".into())),
                    ("a".into(), Value::Nested),
                    ("e".into(), Value::Number("1.50")),
                ]),
            ),
        ] {
            assert_eq!(value(json), expected, "{json}");
        }
        for wrong in
            ["", "01", "1.", ".5", "+1", "1e", "-", "NaN", "nul", "\"", "\"\n\"", r#""\x""#, r#""\ud800""#, "[1", "1 2"]
        {
            assert!(parse::<Value<'_>>(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(parse::<Value<'_>>(b"\"\xff\"").is_err());
    }

    #[test]
    fn whole_numbers_come_as_numbers_and_as_digits() {
        for json in ["7", "7.0", "\"7\"", "\"007\"", "0.7e1", "70e-1"] {
            assert_eq!(value(json).whole(1, 100), Ok(7), "{json}");
        }
        assert_eq!([value("-7").whole(-9, 9), value("\"-7\"").whole(-9, 9)], [Ok(-7), Ok(-7)]);
        assert_eq!([value("-0").whole(0, 9), value("9223372036854775807").whole(1, i64::MAX)], [Ok(0), Ok(i64::MAX)]);
        for json in [
            "0",
            "-1",
            "101",
            "1.5",
            "1e300",
            "99999999999999999999",
            "9223372036854775808",
            "\"\"",
            "\"7 \"",
            "\" 7\"",
            "\"+7\"",
            "\"7.0\"",
            "\"0x7\"",
            "\"1_0\"",
            "\"٧\"",
            "\"７\"",
            "\"-7\"",
            "\"-\"",
            "null",
            "[]",
            "true",
            "7.00000000000000000000000001",
            "6.99999999999999999999999999",
            "1e-99999999999999999999",
        ] {
            assert!(value(json).whole(1, 100).is_err(), "{json}");
        }
        assert!(value("\"-0\"").whole(0, 100).is_err());
        assert!(value("\"--7\"").whole(-9, 9).is_err());
    }

    #[test]
    fn a_price_keeps_every_digit_that_was_sent() {
        for (json, printed) in [("25.5", "25.50"), ("\"25.5\"", "25.50"), ("9999999999.99", "9999999999.99")] {
            assert_eq!(value(json).price().map(|price| price.to_string()).as_deref(), Ok(printed), "{json}");
        }
        for json in ["9999999999.990000001", "0.10000000000000000001", "\"1e2\"", "\"-0\"", "null", "true", "{}"] {
            assert!(value(json).price().is_err(), "{json}");
        }
    }
}
