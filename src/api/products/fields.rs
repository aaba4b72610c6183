//! The fields of a product that a client sends.

use crate::committer::ProductPatch;
use crate::domain::names::{check_product_name, check_sku};
use crate::http::{Field, Member, Moment, Nullable, Object, Price, Reader, Text, Truth, Whole};
use crate::limits::{MAX_HOLD_SECONDS, MAX_PER_USER_LIMIT, MAX_STOCK};
use crate::view::schema::of;
use crate::view::text::{ProductName, Sku};

/// The most units of a product.
pub(super) const MOST_UNITS: i64 = MAX_STOCK as i64;

/// A number of units.
const STOCK: Whole = Whole { least: 0, most: MOST_UNITS, example: Some(100) };

pub(super) static NAME: Field<Text> =
    Field { name: "name", about: "", rule: Text { check: check_product_name, shape: of::<ProductName<'_>> } };
pub(super) static PRICE: Field<Price> = Field {
    name: "price",
    about: "At most two digits after the point, at most 9999999999.99; never rounded.",
    rule: Price,
};
pub(super) static INITIAL: Field<Whole> = Field { name: "initialStock", about: "", rule: STOCK };
static CURRENT: Field<Whole> = Field {
    name: "currentStock",
    about: "What can be bought. What differs from now is booked as an adjustment.",
    rule: STOCK,
};
static ACTIVE: Field<Truth> = Field {
    name: "flashSaleActive",
    about: "Whether it can be bought at all; `false` for a new product.",
    rule: Truth,
};
static LIMIT: Field<Nullable<Whole>> = Field {
    name: "perUserLimit",
    about: "Units that one user may have.",
    rule: Nullable(Whole { least: 1, most: MAX_PER_USER_LIMIT as i64, example: None }),
};
static STARTS: Field<Nullable<Moment>> =
    Field { name: "saleStartsAt", about: "From when it can be bought, inclusive.", rule: Nullable(Moment) };
static ENDS: Field<Nullable<Moment>> =
    Field { name: "saleEndsAt", about: "Until when, exclusive; later than the start.", rule: Nullable(Moment) };
static HOLD: Field<Nullable<Whole>> = Field {
    name: "holdSeconds",
    about: "How long an order waits for its confirmation; `null`: a worker fulfils it.",
    rule: Nullable(Whole { least: 1, most: MAX_HOLD_SECONDS as i64, example: None }),
};
static SKU: Field<Nullable<Text>> = Field {
    name: "sku",
    about: "The shop's own number of it; no two products have the same.",
    rule: Nullable(Text { check: check_sku, shape: of::<Sku<'_>> }),
};
static HIDDEN: Field<Truth> =
    Field { name: "hidden", about: "Whether it exists for operators only; `false` for a new product.", rule: Truth };

/// The body of a new product.
pub(super) static NEW_PRODUCT: Object = Object {
    name: "NewProduct",
    about: "A product to create.",
    members: &with_terms([NAME.required(), PRICE.required(), INITIAL.required()]),
    needs_one: false,
};

/// The body of a change.
pub(super) static PRODUCT_CHANGES: Object = Object {
    name: "ProductChanges",
    about: "The fields to change, at least one.",
    members: &with_terms([NAME.optional(), PRICE.optional(), INITIAL.optional()]),
    needs_one: true,
};

/// These, and after them what creating and changing share.
const fn with_terms([name, price, initial]: [Member; 3]) -> [Member; 11] {
    let (current, active, limit) = (CURRENT.optional(), ACTIVE.optional(), LIMIT.optional());
    let (starts, ends, hold) = (STARTS.optional(), ENDS.optional(), HOLD.optional());
    [name, price, initial, current, active, limit, starts, ends, hold, SKU.optional(), HIDDEN.optional()]
}

/// Reads the fields that creating and changing share.
pub(super) fn read_terms(reader: &mut Reader<'_>) -> ProductPatch {
    let small = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    ProductPatch {
        current: reader.read(&CURRENT).map(i64::unsigned_abs),
        flash_sale_active: reader.read(&ACTIVE),
        per_user_limit: reader.read(&LIMIT).map(|limit| limit.map(small)),
        sale_starts_at: reader.read(&STARTS),
        sale_ends_at: reader.read(&ENDS),
        hold_seconds: reader.read(&HOLD).map(|seconds| seconds.map(small)),
        sku: reader.read(&SKU),
        hidden: reader.read(&HIDDEN),
        ..ProductPatch::default()
    }
}
