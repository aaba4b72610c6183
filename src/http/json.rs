//! Reading a JSON object field by field, so that an error can name every field that is wrong, not only the first.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::domain::refusal::{FieldError, Refusal};
use crate::limits::MAX_FIELDS;

mod field;
mod value;

pub use field::{Delta, Field, Member, Moment, Nullable, Object, OneOf, Price, Rule, Text, Truth, Whole};
pub use value::{As, Complaint, Name, Value, parse};

/// A JSON object with fields of [`Value`], at most [`MAX_FIELDS`].
#[derive(Debug, Default)]
pub struct Form<'a> {
    fields: Vec<(Cow<'a, str>, Value<'a>)>,
    /// Fields that came twice, or too many of them; at most [`MAX_FIELDS`].
    errors: Vec<FieldError>,
}

/// Reads fields of a form and gathers what is wrong with them.
#[derive(Debug)]
pub struct Reader<'a> {
    object: &'static Object,
    form: Form<'a>,
    errors: Vec<FieldError>,
}

impl<'a> Form<'a> {
    /// Reads a body that must be one JSON object.
    pub fn parse(body: &'a [u8]) -> Result<Self, Refusal> {
        parse(body).map_err(|error| not_json(&error))
    }

    /// Reads the fields of an object: see [`As`].
    pub fn of_map<const EXACT: bool, A: MapAccess<'a>>(mut map: A) -> Result<Self, A::Error>
    where
        As<EXACT, Value<'a>>: Deserialize<'a>,
    {
        let mut form = Self { fields: Vec::with_capacity(5), errors: Vec::new() };
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

    /// Starts reading; fields other than those of `object` are errors.
    pub fn reader(mut self, object: &'static Object) -> Reader<'a> {
        let mut errors = std::mem::take(&mut self.errors);
        let unknown = self.fields.iter().filter(|(name, _)| !object.knows(name));
        errors.extend(unknown.map(|(name, _)| FieldError {
            field: shown(name),
            message: format!("is not known; known are {}", object.names()),
        }));
        let mut reader = Reader { object, errors, form: self };
        if object.needs_one && reader.form.fields.is_empty() {
            reader.complain("body", "must set at least one field");
        }
        reader
    }
}

/// As much of a foreign name as an error shows.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

/// The refusal of a body that is not a JSON object.
pub fn not_json(error: &serde_json::Error) -> Refusal {
    use serde_json::error::Category;
    let message = match error.classify() {
        Category::Data => format!("does not fit: {error}"),
        Category::Eof => "is not complete JSON".to_owned(),
        Category::Syntax | Category::Io => format!("is not JSON: {error}"),
    };
    Refusal::invalid("body", message)
}

impl<'a> Reader<'a> {
    /// The value of a field, if it is there and right.
    pub fn read<R: Rule>(&mut self, field: &Field<R>) -> Option<R::Value<'a>> {
        let Some((_, value)) = self.form.fields.iter().find(|(name, _)| name == field.name) else {
            if self.object.requires(field.name) {
                self.complain(field.name, "is missing");
            }
            return None;
        };
        match field.rule.read(value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.complain(field.name, &message);
                None
            }
        }
    }

    /// Adds an error.
    pub fn complain(&mut self, name: &str, message: &str) {
        self.errors.push(FieldError { field: name.to_owned(), message: message.to_owned() });
    }

    /// What was gathered, as a refusal.
    pub fn finish(self) -> Result<(), Refusal> {
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

    static A: Field<Price> = Field { name: "a", about: "", rule: Price };
    static B: Field<Whole> = Field { name: "b", about: "", rule: Whole { least: 1, most: 2, example: None } };
    static C: Field<Truth> = Field { name: "c", about: "", rule: Truth };
    static D: Field<Nullable<Moment>> = Field { name: "d", about: "", rule: Nullable(Moment) };
    static MEMBERS: Object = Object {
        name: "Members",
        about: "",
        members: &[A.required(), B.required(), C.required(), D.optional()],
        needs_one: false,
    };
    static ONE: Object = Object { name: "One", about: "", members: &[A.optional()], needs_one: true };

    #[test]
    fn every_wrong_field_is_named() {
        let mut reader = Form::parse(br#"{"a": true, "b": true, "z": {}}"#).unwrap().reader(&MEMBERS);
        assert_eq!((reader.read(&A), reader.read(&B), reader.read(&C), reader.read(&D)), (None, None, None, None));
        let Err(Refusal::InvalidRequest(errors)) = reader.finish() else { panic!() };
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["z", "a", "b", "c"]);
    }

    #[test]
    fn what_is_read_is_what_the_declaration_says() {
        let mut reader = Form::parse(br#"{"a": 1, "b": "2", "c": false, "d": null}"#).unwrap().reader(&MEMBERS);
        assert_eq!((reader.read(&B), reader.read(&C), reader.read(&D)), (Some(2), Some(false), Some(None)));
        assert_eq!(reader.read(&A).map(|price| price.to_string()).as_deref(), Some("1.00"));
        assert_eq!(reader.finish(), Ok(()));
        assert!(Form::parse(b"{}").unwrap().reader(&ONE).finish().is_err());
        let shape = serde_json::to_value(MEMBERS.shape()).unwrap();
        assert_eq!(shape["required"], serde_json::json!(["a", "b", "c"]));
        assert_eq!(shape["properties"].as_object().unwrap().len(), 4);
        assert_eq!(shape["additionalProperties"], false);
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
    fn fields_that_come_twice_and_fields_without_end_are_named_in_few_words() {
        let errors = |body: &str| match Form::parse(body.as_bytes()).unwrap().reader(&ONE).finish() {
            Err(Refusal::InvalidRequest(errors)) => errors,
            other => panic!("{other:?}"),
        };
        let twice = errors(r#"{"a":1,"a":2,"a":[{}]}"#);
        assert_eq!(twice, [FieldError { field: "a".to_owned(), message: "comes twice".to_owned() }]);
        let fields: Vec<_> = (0..5_000).map(|n| format!("\"f{n}\":1")).collect();
        let many = errors(&format!("{{{}}}", fields.join(",")));
        assert!(many.len() == 1 + MAX_FIELDS && many[0].message == "has more than 32 fields", "{many:?}");
        let pairs: Vec<_> = (0..31).map(|n| format!("\"f{n}\":1,\"f{n}\":2")).collect();
        assert_eq!(errors(&format!("{{{}}}", pairs.join(","))).len(), 2 * 31);
    }

    #[test]
    fn a_value_that_is_nested_however_deeply_is_only_known_to_be_nested() {
        let body = format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500));
        assert_eq!(Form::parse(body.as_bytes()).unwrap().fields, [("a".into(), Value::Nested)]);
    }
}
