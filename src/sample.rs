//! The five sample products.

use crate::committer::Edit;
use crate::money::Money;
use crate::product::Terms;

/// Name, price in cents, units, whether it is in the sale.
const PRODUCTS: [(&str, u128, u64, bool); 5] = [
    ("iPhone 15 Pro", 99_999, 100, true),
    ("Samsung Galaxy S24", 79_999, 150, true),
    ("MacBook Air M3", 129_999, 50, true),
    ("Sony WH-1000XM5", 34_999, 200, false),
    ("Apple Watch Series 9", 39_999, 75, true),
];

/// What creates them, in the order of their numbers.
pub fn products() -> impl Iterator<Item = Edit> {
    PRODUCTS.into_iter().map(|(name, cents, units, flash_sale_active)| Edit::Create {
        terms: Terms {
            name: name.to_owned(),
            price: Money::from_cents(cents),
            flash_sale_active,
            per_user_limit: None,
            sale_starts_at: None,
            sale_ends_at: None,
            hold_seconds: None,
        },
        initial: units,
        current: units,
    })
}
