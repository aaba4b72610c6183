//! The schemas of views: what the derive macro makes of them, in short form and closed.
//!
//! Short form: single values are written where they are used, and not under a name of their own; `null` is one more
//! type; a description is beside what it describes. Closed: an object has no fields but those that are described, so
//! that a test which compares a response with its schema finds what the description lacks.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, SchemaType};
use utoipa::openapi::{KnownFormat, Object, Ref, RefOr, Schema, SchemaFormat, Type};

/// Where a document has its named schemas.
const NAMED: &str = "#/components/schemas/";

/// A view by its name.
pub fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

/// The schema of a view.
pub fn of<T: ToSchema>() -> RefOr<Schema> {
    Names::below::<T>().short(T::schema())
}

/// The schema of a view and those of the views in it that it refers to, by name. The same name can come twice.
pub fn named<T: ToSchema>() -> Vec<(String, RefOr<Schema>)> {
    let names = Names::below::<T>();
    let mut named = vec![(T::name().into_owned(), names.short(T::schema()))];
    let below = names.0.iter().filter(|(_, schema)| !is_value(schema));
    named.extend(below.map(|(name, schema)| (name.clone(), names.short(schema.clone()))));
    named
}

/// The fields that every value of a view has, in the order in which they are serialized: the columns of its table.
pub fn columns<T: ToSchema>() -> Vec<String> {
    match of::<T>() {
        RefOr::T(Schema::Object(object)) => object.required,
        _ => Vec::new(),
    }
}

/// What the schema of a view refers to, by name.
struct Names(BTreeMap<String, RefOr<Schema>>);

impl Names {
    fn below<T: ToSchema>() -> Self {
        let mut schemas = Vec::new();
        T::schemas(&mut schemas);
        Self(schemas.into_iter().collect())
    }

    fn short(&self, schema: RefOr<Schema>) -> RefOr<Schema> {
        let schema = match schema {
            RefOr::Ref(reference) => return self.resolved(reference),
            RefOr::T(schema) => schema,
        };
        let short = match schema {
            Schema::Object(object) => Schema::Object(self.object(object)),
            Schema::Array(mut array) => {
                if let ArrayItems::RefOrSchema(items) = array.items {
                    array.items = ArrayItems::RefOrSchema(Box::new(self.short(*items)));
                }
                Schema::Array(array)
            }
            Schema::OneOf(mut one) => {
                one.items = one.items.into_iter().map(|item| self.short(item)).collect();
                if let Some(object) = nullable(&one.items) {
                    return described(Schema::Object(object).into(), one.description);
                }
                one.description = one.description.map(on_one_line);
                Schema::OneOf(one)
            }
            // What is described where it is used.
            Schema::AllOf(mut all) if all.items.len() == 2 && is_description(&all.items[1]) => {
                let description = all.items.pop();
                let (Some(schema), Some(RefOr::T(Schema::Object(Object { description, .. })))) =
                    (all.items.pop(), description)
                else {
                    return Schema::AllOf(all).into();
                };
                return described(self.short(schema), description);
            }
            other => other,
        };
        short.into()
    }

    /// A single value in place of its name; other references as they are.
    fn resolved(&self, mut reference: Ref) -> RefOr<Schema> {
        let name = reference.ref_location.strip_prefix(NAMED);
        match name.and_then(|name| self.0.get(name)).filter(|schema| is_value(schema)) {
            None => {
                reference.description = on_one_line(reference.description);
                RefOr::Ref(reference)
            }
            Some(value) => {
                let mut value = self.short(value.clone());
                if let RefOr::T(Schema::Object(object)) = &mut value {
                    // Says what the value's type is for in the code.
                    object.description = None;
                }
                described(value, Some(reference.description))
            }
        }
    }

    fn object(&self, mut object: Object) -> Object {
        object.description = object.description.map(on_one_line);
        if !is_value_type(&object.schema_type) {
            object.additional_properties.get_or_insert_with(|| Box::new(AdditionalProperties::FreeForm(false)));
        }
        if is_integer(&object.schema_type) && object.enum_values.is_none() {
            // Not every unsigned number of 32 bits is an `int32`.
            object.format = Some(SchemaFormat::KnownFormat(KnownFormat::Int64));
        }
        for schema in object.properties.values_mut() {
            *schema = self.short(schema.clone());
        }
        object
    }
}

/// Whether a schema is that of a single value, such as a number or a text.
fn is_value(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if is_value_type(&object.schema_type))
}

fn is_value_type(kind: &SchemaType) -> bool {
    match kind {
        SchemaType::Type(kind) => *kind != Type::Object,
        SchemaType::Array(kinds) => !kinds.contains(&Type::Object),
        SchemaType::AnyValue => true,
    }
}

fn is_integer(kind: &SchemaType) -> bool {
    match kind {
        SchemaType::Type(kind) => *kind == Type::Integer,
        SchemaType::Array(kinds) => kinds.contains(&Type::Integer),
        SchemaType::AnyValue => false,
    }
}

fn is_description(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if object.properties.is_empty() && object.description.is_some())
}

/// Of a single value and `null`: the value that may be null.
fn nullable(items: &[RefOr<Schema>]) -> Option<Object> {
    let [RefOr::T(Schema::Object(value)), RefOr::T(Schema::Object(null))] = items else { return None };
    let SchemaType::Type(kind) = &value.schema_type else { return None };
    if *kind == Type::Object || null.schema_type != SchemaType::Type(Type::Null) {
        return None;
    }
    Some(or_null(value.clone()))
}

/// The same or `null`.
pub fn or_null(mut value: Object) -> Object {
    if let SchemaType::Type(kind) = &value.schema_type {
        value.schema_type = SchemaType::Array(vec![kind.clone(), Type::Null]);
    }
    if let Some(words) = &mut value.enum_values {
        words.push(Value::Null);
    }
    value
}

/// The same with a description, where there is one.
pub fn described(mut schema: RefOr<Schema>, description: Option<String>) -> RefOr<Schema> {
    let Some(description) = description.filter(|text| !text.is_empty()).map(on_one_line) else { return schema };
    match &mut schema {
        RefOr::Ref(reference) => reference.description = description,
        RefOr::T(Schema::Object(object)) => object.description = Some(description),
        RefOr::T(Schema::Array(array)) => array.description = Some(description),
        RefOr::T(Schema::AnyOf(any)) => any.description = Some(description),
        RefOr::T(Schema::OneOf(one)) => one.description = Some(description),
        RefOr::T(_) => {}
    }
    schema
}

/// Doc comments are broken into lines; a description is not.
fn on_one_line(text: String) -> String {
    if text.contains('\n') { text.replace('\n', " ") } else { text }
}
