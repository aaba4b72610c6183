//! The five sample products.

use crate::committer::Edit;
use crate::money::Money;
use crate::product::Terms;

/// Name, price in cents, units, whether it is in the sale.
const PRODUCTS: [(&str, u128, u64, bool); 5] = [
    ("iPhone 15 Pro", 999_99, 100, true),
    ("Samsung Galaxy S24", 799_99, 150, true),
    ("MacBook Air M3", 1_299_99, 50, true),
    ("Sony WH-1000XM5", 349_99, 200, false),
    ("Apple Watch Series 9", 399_99, 75, true),
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
