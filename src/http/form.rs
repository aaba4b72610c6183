//! Reading a JSON object field by field, so that an error can name every field that is wrong, not only the first.

use std::borrow::Cow;
use std::fmt;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::domain::refusal::{FieldError, Refusal};
use crate::limits::MAX_FIELDS;

use super::query::has_whole_escapes;

mod value;

use value::Complaint;
pub(super) use value::{As, Name, Value, parse, plain_number};

/// The one variable part of a path, decoded.
#[derive(Debug)]
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let decoded = Path::<String>::from_request_parts(parts, state).await;
        match decoded {
            Ok(Path(text)) if has_whole_escapes(parts.uri.path()) => Ok(Self(text)),
            _ => Err(Refusal::invalid("path", "must be UTF-8, with every % before two hexadecimal digits")),
        }
    }
}

/// A JSON object with fields of [`Value`], at most [`MAX_FIELDS`].
#[derive(Debug, Default)]
pub(super) struct Form<'a> {
    fields: Vec<(Cow<'a, str>, Value<'a>)>,
    /// Fields that came twice, or too many of them; at most [`MAX_FIELDS`].
    errors: Vec<FieldError>,
}

/// Reads fields of a form and gathers what is wrong with them.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    form: Form<'a>,
    errors: Vec<FieldError>,
}

impl<'a> Form<'a> {
    /// Reads a body that must be one JSON object.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Refusal> {
        parse(body).map_err(|error| not_json(&error))
    }

    /// Reads the fields of an object: see [`As`].
    pub(super) fn of_map<const EXACT: bool, A: MapAccess<'a>>(mut map: A) -> Result<Self, A::Error>
    where
        As<EXACT, Value<'a>>: Deserialize<'a>,
    {
        let mut form = Self { fields: Vec::with_capacity(4), errors: Vec::new() };
        while let Some(Name(name)) = map.next_key()? {
            let error = if form.fields.iter().any(|(field, _)| *field == name) {
                FieldError { field: shown(&name), message: "comes twice".to_owned() }
            } else if form.fields.len() == MAX_FIELDS {
                FieldError { field: "body".to_owned(), message: format!("has more than {MAX_FIELDS} fields") }
            } else {
                let As::<EXACT, Value<'a>>(value) = map.next_value()?;
                form.fields.push((name, value));
                continue;
            };
            map.next_value::<IgnoredAny>()?;
            if form.errors.len() < MAX_FIELDS && !form.errors.contains(&error) {
                form.errors.push(error);
            }
        }
        Ok(form)
    }

    /// Starts reading; fields other than `known` are errors.
    pub(super) fn reader(mut self, known: &[&str]) -> Reader<'a> {
        let mut errors = std::mem::take(&mut self.errors);
        let unknown = self.fields.iter().filter(|(name, _)| !known.contains(&name.as_ref()));
        errors.extend(unknown.map(|(name, _)| FieldError {
            field: shown(name),
            message: format!("is not known; known are {}", known.join(", ")),
        }));
        Reader { errors, form: self }
    }
}

/// As much of a foreign name as an error shows.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

/// The refusal of a body that is no JSON object.
pub(super) fn not_json(error: &serde_json::Error) -> Refusal {
    use serde_json::error::Category;
    let message = match error.classify() {
        Category::Data => format!("does not fit: {error}"),
        Category::Eof => "is not complete JSON".to_owned(),
        Category::Syntax | Category::Io => format!("is not JSON: {error}"),
    };
    Refusal::invalid("body", message)
}

impl<'a> Reader<'a> {
    /// A field that may be missing. `null` is a value only for `read`.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&Value<'a>) -> Result<T, Complaint>,
    ) -> Option<T> {
        self.read(name, read).flatten()
    }

    /// The outer option is whether the field is there, the inner one whether its value is right.
    fn read<T>(&mut self, name: &str, read: impl FnOnce(&Value<'a>) -> Result<T, Complaint>) -> Option<Option<T>> {
        let (_, value) = self.form.fields.iter().find(|(field, _)| field == name)?;
        Some(match read(value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.complain(name, &message);
                None
            }
        })
    }

    /// A field that must be there.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&Value<'a>) -> Result<T, Complaint>,
    ) -> Option<T> {
        let read = self.read(name, read);
        if read.is_none() {
            self.complain(name, "is missing");
        }
        read.flatten()
    }

    /// Whether the body has any field at all.
    pub(super) fn is_empty(&self) -> bool {
        self.form.fields.is_empty()
    }

    /// Adds an error about how fields stand to each other.
    pub(super) fn complain(&mut self, name: &str, message: &str) {
        self.errors.push(FieldError { field: name.to_owned(), message: message.to_owned() });
    }

    /// What was gathered, as a refusal.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        match self.errors.is_empty() {
            true => Ok(()),
            false => Err(Refusal::InvalidRequest(self.errors)),
        }
    }
}

impl<'de, const EXACT: bool> Deserialize<'de> for As<EXACT, Form<'de>>
where
    As<EXACT, Value<'de>>: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FormVisitor<const EXACT: bool>;
        impl<'de, const EXACT: bool> Visitor<'de> for FormVisitor<EXACT>
        where
            As<EXACT, Value<'de>>: Deserialize<'de>,
        {
            type Value = Form<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Form<'de>, A::Error> {
                Form::of_map::<EXACT, A>(map)
            }
        }
        deserializer.deserialize_map(FormVisitor::<EXACT>).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_field_is_named() {
        let mut reader = Form::parse(br#"{"a": 1, "b": true, "z": {}}"#).unwrap().reader(&["a", "b", "c"]);
        reader.required("a", |value| value.text().map(str::to_owned));
        reader.required("b", |value| value.whole(1, 2));
        reader.required("c", |value| value.truth());
        let Err(Refusal::InvalidRequest(errors)) = reader.finish() else { panic!() };
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["z", "a", "b", "c"]);
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        let deep = "[".repeat(100_000);
        for body in ["", "null", "[]", "7", "{", "{}{}", "{\"a\":}", "{'a':1}", "\u{feff}{}", &deep] {
            assert!(Form::parse(body.as_bytes()).is_err(), "{body:.20}");
        }
        assert!(Form::parse(&[b'{', 0xff, b'}']).is_err());
    }

    #[test]
    fn fields_that_come_twice_and_fields_without_end_are_told_in_few_words() {
        let told = |body: &str| match Form::parse(body.as_bytes()).unwrap().reader(&["a"]).finish() {
            Err(Refusal::InvalidRequest(errors)) => errors,
            other => panic!("{other:?}"),
        };
        let twice = told(r#"{"a":1,"a":2,"a":[{}]}"#);
        assert_eq!(twice, [FieldError { field: "a".to_owned(), message: "comes twice".to_owned() }]);
        let fields: Vec<_> = (0..5_000).map(|n| format!("\"f{n}\":1")).collect();
        let many = told(&format!("{{{}}}", fields.join(",")));
        assert!(many.len() == 1 + MAX_FIELDS && many[0].message == "has more than 32 fields", "{many:?}");
        let pairs: Vec<_> = (0..31).map(|n| format!("\"f{n}\":1,\"f{n}\":2")).collect();
        assert_eq!(told(&format!("{{{}}}", pairs.join(","))).len(), 2 * 31);
    }

    #[test]
    fn a_value_that_is_nested_however_deeply_is_only_known_to_be_nested() {
        let body = format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500));
        assert_eq!(Form::parse(body.as_bytes()).unwrap().fields, [("a".into(), Value::Nested)]);
    }
}
