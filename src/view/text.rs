//! What single values look like: money and moments as text, ids, names, words of a closed list.

use std::borrow::Cow;
use std::fmt::Display;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::alert::{AlertCode, Severity};
use crate::domain::change::{Actor, HistoryId};
use crate::domain::clock::Timestamp;
use crate::domain::event::{OrderEventType, ProductEventType};
use crate::domain::job::JobState;
use crate::domain::job_id::JobIds;
use crate::domain::money::Money;
use crate::domain::order::{OrderId, OrderStatus, Priority};
use crate::domain::sale::Phase;
use crate::domain::series::EventKind;
use crate::limits::{MAX_ID, MAX_NAME_CHARS, MAX_QUANTITY, MAX_SKU_CHARS};

/// A value that JSON shows as its text: money and moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ToSchema)]
pub struct AsText<T>(pub T);

impl<T: Display> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A value that JSON shows as its word, one of a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
pub struct Word<T>(pub T);

/// A closed list of words.
pub trait Words: Copy + 'static {
    /// All values.
    const ALL: &'static [Self];

    /// The word of a value.
    fn word(self) -> &'static str;

    /// The value of a word; the first of those that share it.
    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.word() == word)
    }

    /// The words, as a sentence lists them: `a, b or c`.
    fn listed() -> String {
        let words: Vec<_> = Self::ALL.iter().map(|value| value.word()).collect();
        match words.split_last() {
            Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
            _ => words.concat(),
        }
    }
}

impl<T: Words> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.word())
    }
}

/// The id of an order or a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Id(pub u64);

/// The number of a job.
#[derive(Clone, Debug, Serialize)]
pub struct JobId(String);

impl JobId {
    /// The number of an order's job.
    pub fn of(order: OrderId, job_ids: &JobIds) -> Self {
        Self(job_ids.job_id(order))
    }
}

/// The units of an order.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Units(pub u32);

/// The name of a user.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct UserName<'a>(pub &'a str);

/// The name of a product.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ProductName<'a>(pub &'a str);

/// The stock-keeping unit of a product.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sku<'a>(pub &'a str);

/// A figure with two digits after the point.
pub fn hundredths(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

/// Says what each of these values looks like.
macro_rules! shapes {
    ($($type:ty, $name:expr => $schema:expr;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                RefOr::from($schema)
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    )*};
}

shapes! {
    Money, "Money" => text().pattern(Some(r"^[0-9]+\.[0-9]{2}$")).examples(["999.99"]);
    Timestamp, "Timestamp" => text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .pattern(Some(r"^[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z$"))
        .examples(["2026-01-31T12:00:00.000Z"]);
    HistoryId, "HistoryId" => text().pattern(Some("^[0-9a-f]{32}$"));
    Id, "Id" => whole(1, MAX_ID).examples([1]);
    JobId, "JobId" => text()
        .pattern(Some("^[0-9a-f]{1,16}-[0-9a-f]{32}$"))
        .examples(["2a-5f1c0e7b9d3a486f8c2e1b0d7a9f6354"]);
    Units, "Units" => whole(1, MAX_QUANTITY.into());
    UserName<'_>, "UserName" => name("ada");
    ProductName<'_>, "ProductName" => name("iPhone 15 Pro");
    Sku<'_>, "Sku" => name("PHONE-15-PRO").max_length(Some(MAX_SKU_CHARS));
}

/// Names the types whose values have words of a closed list.
macro_rules! words {
    ($($type:ident),*) => {$(
        impl Words for $type {
            const ALL: &'static [Self] = &Self::ALL;

            fn word(self) -> &'static str {
                self.as_str()
            }
        }

        shapes! { $type, stringify!($type) => one_of(<$type as Words>::ALL.iter().map(|value| value.word())); }
    )*};
}

words!(OrderStatus, Priority, JobState, Actor, Severity, AlertCode, Phase, EventKind, OrderEventType, ProductEventType);

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// A whole number between two bounds.
fn whole(least: u64, most: u64) -> ObjectBuilder {
    let format = SchemaFormat::KnownFormat(KnownFormat::Int64);
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(format))
        .minimum(Some(least as isize))
        .maximum(Some(most as isize))
}

/// A user's or a product's name: on one line, without white space at its ends. Which characters of Unicode are not
/// shown, and what its normalization form is, no pattern says.
fn name(example: &str) -> ObjectBuilder {
    const CONTROLS: &str = r"\u0000-\u001f\u007f-\u009f";
    let end = format!(r"[^\s{CONTROLS}]");
    text()
        .pattern(Some(format!(r"^{end}([^{CONTROLS}\u2028\u2029]*{end})?$")))
        .min_length(Some(1))
        .max_length(Some(MAX_NAME_CHARS))
        .examples([json!(example)])
}

/// One of these words; a word that comes again is left out.
pub(super) fn one_of(words: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    let mut values: Vec<Value> = Vec::new();
    for word in words {
        if values.iter().all(|known| known != word) {
            values.push(json!(word));
        }
    }
    text().enum_values(Some(values))
}
