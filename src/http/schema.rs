//! Shapes of JSON values in requests, and the parts that descriptions are made of. Those of responses come from the
//! views.

use serde_json::{Value, json};
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ArrayBuilder, KnownFormat, OneOfBuilder, SchemaFormat, SchemaType,
};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema, Type};

use crate::view::schema::{described, or_null};

/// The shape of a value.
pub type Shape = RefOr<Schema>;

fn of(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind)
}

/// A whole number.
pub fn whole(least: i64, most: i64) -> Shape {
    let format = SchemaFormat::KnownFormat(KnownFormat::Int64);
    of(Type::Integer).format(Some(format)).minimum(Some(least as isize)).maximum(Some(most as isize)).into()
}

/// A text.
pub fn text() -> Shape {
    of(Type::String).into()
}

/// A text of one character or more.
pub fn some_text() -> Shape {
    of(Type::String).min_length(Some(1)).into()
}

/// A text of a pattern (ECMA 262) and of a number of characters.
pub fn pattern(pattern: &str, least: usize, most: usize) -> Shape {
    of(Type::String).pattern(Some(pattern)).min_length(Some(least)).max_length(Some(most)).into()
}

/// One of a few words.
pub fn word<'a>(words: impl IntoIterator<Item = &'a str>) -> Shape {
    of(Type::String).enum_values(Some(words)).into()
}

/// True or false.
pub fn truth() -> Shape {
    of(Type::Boolean).into()
}

/// A moment as it is sent: any offset, at most nine digits of a fraction, from 1970 on.
pub fn sent_moment() -> Shape {
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    let shape = of(Type::String)
        .format(Some(format))
        .pattern(Some("^(19[7-9]|[2-9][0-9])[^.]{16,17}(\\.[0-9]{1,9})?([Zz]|[+-][0-9:]{5})$"));
    with_example(shape.into(), json!("2026-01-31T12:00:00Z"))
}

/// A price as it is sent.
pub fn sent_price() -> Shape {
    let text = of(Type::String).pattern(Some(r"^[0-9]{1,10}(\.[0-9]{1,2})?$"));
    let number = of(Type::Number).minimum(Some(0)).maximum(Some(9_999_999_999.99));
    with_example(AnyOfBuilder::new().item(text).item(number).into(), json!("999.99"))
}

/// A whole number as it is sent: also as a string of decimal digits.
pub fn sent_whole(least: i64, most: i64) -> Shape {
    let text = of(Type::String).pattern(Some(digits(least, most)));
    AnyOfBuilder::new().item(whole(least, most)).item(text).into()
}

/// A whole number of either sign but not 0, as it is sent.
pub fn sent_delta(most: i64) -> Shape {
    let text = of(Type::String).pattern(Some(digits(1, most).replacen('^', "^-?", 1)));
    any_of([whole(1, most), whole(-most, -1), text.into()])
}

/// The pattern of numbers up to `most`. Of a bound that is not a power of ten it leaves out the numbers with as many
/// digits as the bound has: they are sent as numbers.
fn digits(least: i64, most: i64) -> String {
    let free = most.checked_ilog10().unwrap_or(0);
    let below = match least {
        ..=0 => format!("0*[0-9]{{1,{free}}}"),
        _ => format!("0*[1-9][0-9]{{0,{}}}", free.saturating_sub(1)),
    };
    match 10_i64.checked_pow(free) == Some(most) {
        true => format!("^({below}|0*10{{{free}}})$"),
        false => format!("^({below})$"),
    }
}

/// A list.
pub fn list(items: Shape) -> Shape {
    ArrayBuilder::new().items(items).into()
}

/// A list of a bounded length.
pub fn list_of(least: usize, most: usize, items: Shape) -> Shape {
    ArrayBuilder::new().items(items).min_items(Some(least)).max_items(Some(most)).into()
}

/// One of several shapes.
pub fn any_of(shapes: impl IntoIterator<Item = Shape>) -> Shape {
    shapes.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item).into()
}

/// A shape by its name.
pub fn named(name: &str) -> Shape {
    Ref::from_schema_name(name).into()
}

/// The same or `null`.
pub fn nullable(shape: Shape) -> Shape {
    match shape {
        RefOr::T(Schema::Object(object)) => RefOr::T(or_null(object).into()),
        other => OneOfBuilder::new().item(other).item(of(Type::Null)).into(),
    }
}

/// An object that has no fields but these: name, what it says, whether it must be there, shape. With `needs_one` it has
/// one of them at least.
pub fn closed<'a>(
    about: &str,
    needs_one: bool,
    fields: impl IntoIterator<Item = (&'a str, &'a str, bool, Shape)>,
) -> Shape {
    let no_others = Some(AdditionalProperties::FreeForm(false));
    let mut object = of(Type::Object).description(Some(about)).additional_properties(no_others);
    for (name, about, is_required, shape) in fields {
        object = object.property(name, described(shape, Some(about.to_owned())));
        if is_required {
            object = object.required(name);
        }
    }
    if needs_one {
        object = object.min_properties(Some(1));
    }
    object.into()
}

/// An object with at most `most` texts of a bounded length under names of a bounded length.
pub fn texts_by_name(most: usize, name_chars: usize, chars: usize) -> Shape {
    let text = AdditionalProperties::RefOr(of(Type::String).max_length(Some(chars)).into());
    let name: Schema = of(Type::String).min_length(Some(1)).max_length(Some(name_chars)).into();
    let object = of(Type::Object).property_names(Some(name)).additional_properties(Some(text));
    object.max_properties(Some(most)).into()
}

/// Any object at all.
pub fn any_object(about: &str) -> Shape {
    of(Type::Object).description(Some(about)).into()
}

/// Any value at all.
pub fn anything(about: &str) -> Shape {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some(about)).into()
}

/// The same with an example.
pub fn with_example(shape: Shape, example: Value) -> Shape {
    match shape {
        RefOr::T(Schema::Object(mut object)) => {
            object.examples = vec![example];
            RefOr::T(object.into())
        }
        RefOr::T(Schema::AnyOf(mut any)) => {
            any.examples = vec![example];
            RefOr::T(any.into())
        }
        other => other,
    }
}

/// The same with the value that is taken where none is sent.
pub fn with_default(shape: Shape, value: Value) -> Shape {
    match shape {
        RefOr::T(Schema::Object(mut object)) => {
            object.default = Some(value);
            RefOr::T(object.into())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stay_below_the_bound() {
        assert_eq!(digits(1, 1_000), "^(0*[1-9][0-9]{0,2}|0*10{3})$");
        assert_eq!(digits(1, 2_592_000), "^(0*[1-9][0-9]{0,5})$");
        assert_eq!(digits(0, 1_000), "^(0*[0-9]{1,3}|0*10{3})$");
    }
}
