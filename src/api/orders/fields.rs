//! The fields of an order that a client sends, and how they become an order.

use crate::admission::OrderRequest;
use crate::domain::idempotency_key::KeyText;
use crate::domain::names::check_reference;
use crate::domain::order::{Attached, Metadata, Priority, Quantity, UserId};
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::http::schema::{Shape, pattern, sent_whole, texts_by_name, with_example};
use crate::http::{Complaint, Field, Member, Nullable, Object, OneOf, Reader, Rule, Text, Value, Whole};
use crate::limits::{
    MAX_IDEMPOTENCY_KEY_CHARS, MAX_METADATA_KEY_CHARS, MAX_METADATA_PAIRS, MAX_METADATA_VALUE_CHARS, MAX_QUANTITY,
};
use crate::view::schema::of;
use crate::view::text::UserName;

static PRODUCT: Field<Whole> =
    Field { name: "productId", about: "", rule: Whole { least: 1, most: i64::MAX, example: Some(1) } };

static USER: Field<User> = Field {
    name: "userId",
    about: "Who buys, in the shop's words: in Unicode normalization form C, without characters that are not shown. \
            Case counts.",
    rule: User,
};

static QUANTITY: Field<Units> = Field { name: "quantity", about: "Units.", rule: Units };

static PRIORITY: Field<OneOf<Priority>> = Field {
    name: "priority",
    about: "Above `normal` it needs the admin token, if one is set.",
    rule: OneOf { default: Priority::Normal },
};

static REFERENCE: Field<Nullable<Text>> = Field {
    name: "reference",
    about: "The shop's own id for the order.",
    rule: Nullable(Text { check: check_reference, shape: || with_example(of::<UserName<'_>>(), "cart-7f3a".into()) }),
};

static METADATA: Field<Nullable<Pairs>> = Field {
    name: "metadata",
    about: "Pairs of the shop's own: keys of 1 to 40 characters, 4096 bytes of keys and values in all. No pairs are \
            the same as `null`.",
    rule: Nullable(Pairs),
};

/// The key of an order in a batch.
pub(super) static KEY: Field<Nullable<Key>> =
    Field { name: "idempotencyKey", about: "As the header Idempotency-Key of a single order.", rule: Nullable(Key) };

/// What all orders have.
const MEMBERS: [Member; 6] = [
    PRODUCT.required(),
    USER.required(),
    QUANTITY.required(),
    PRIORITY.optional(),
    REFERENCE.optional(),
    METADATA.optional(),
];

/// The body of one order.
pub(super) static NEW_ORDER: Object =
    Object { name: "NewOrder", about: "An order to place.", members: &MEMBERS, needs_one: false };

/// An order of a batch.
pub(super) static BATCH_ORDER: Object = Object {
    name: "BatchOrder",
    about: "An order to place, in a batch.",
    members: &{
        let [product, user, quantity, priority, reference, metadata] = MEMBERS;
        [product, user, quantity, priority, reference, metadata, KEY.optional()]
    },
    needs_one: false,
};

/// The name of a user.
struct User;

impl Rule for User {
    type Value<'v> = UserId;

    fn read(&self, value: &Value<'_>) -> Result<UserId, Complaint> {
        UserId::new(value.text()?).map_err(Into::into)
    }

    fn shape(&self) -> Shape {
        of::<UserName<'_>>()
    }
}

/// The units of one order.
struct Units;

impl Rule for Units {
    type Value<'v> = Quantity;

    fn read(&self, value: &Value<'_>) -> Result<Quantity, Complaint> {
        let units = value.whole(1, MAX_QUANTITY.into())?;
        u32::try_from(units).ok().and_then(Quantity::new).ok_or(Complaint::Borrowed("is not a quantity"))
    }

    fn shape(&self) -> Shape {
        with_example(sent_whole(1, MAX_QUANTITY.into()), 1.into())
    }
}

/// The metadata of an order.
struct Pairs;

impl Rule for Pairs {
    type Value<'v> = Option<Metadata>;

    fn read(&self, value: &Value<'_>) -> Result<Option<Metadata>, Complaint> {
        let Value::Object(fields) = value else { return Err("must be an object of strings".into()) };
        let pairs = fields.iter().map(|(key, value)| match value {
            Value::Text(text) => Ok((key.as_ref(), text.as_ref())),
            _ => Err(Complaint::Borrowed("must be an object of strings")),
        });
        Metadata::new(pairs.collect::<Result<Vec<_>, _>>()?).map_err(Into::into)
    }

    fn shape(&self) -> Shape {
        texts_by_name(MAX_METADATA_PAIRS, MAX_METADATA_KEY_CHARS, MAX_METADATA_VALUE_CHARS)
    }
}

/// An idempotency key.
pub(super) struct Key;

impl Rule for Key {
    type Value<'v> = KeyText<'v>;

    fn read<'v>(&self, value: &Value<'v>) -> Result<KeyText<'v>, Complaint> {
        KeyText::new(value.text()?.clone()).map_err(Into::into)
    }

    fn shape(&self) -> Shape {
        with_example(pattern("^[!-~]+$", 1, MAX_IDEMPOTENCY_KEY_CHARS), "checkout-7f3a".into())
    }
}

/// Reads the fields that all orders have; those beyond them are the caller's.
pub(super) fn read_order(mut reader: Reader<'_>) -> Result<OrderRequest, Refusal> {
    let (product, user) = (reader.read(&PRODUCT), reader.read(&USER));
    let (quantity, priority) = (reader.read(&QUANTITY), reader.read(&PRIORITY));
    let (reference, metadata) = (reader.read(&REFERENCE), reader.read(&METADATA));
    reader.finish()?;
    match (product, user, quantity) {
        (Some(product), Some(user), Some(quantity)) => Ok(OrderRequest {
            product: ProductId(product.unsigned_abs()),
            user,
            attached: Attached::new(reference.flatten(), metadata.flatten().flatten()),
            quantity,
            priority: priority.unwrap_or(PRIORITY.rule.default),
            key: None,
            is_operators: false,
        }),
        // A field without a value has left an error behind.
        _ => Err(Refusal::Internal),
    }
}
