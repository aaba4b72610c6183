//! The row of a product.

use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;
use crate::domain::money::Money;
use crate::domain::product::{Product, ProductId, Stock, Terms};

use super::flagged::Flagged;

/// Not in the sale. This and the next are `false` and `true`, which were all there was before a whole sale could be
/// stopped: rows from then read the same.
const OUT: u8 = 0;
/// In the sale.
const IN: u8 = 1;
/// Taken out of it by a stop of the whole sale.
const STOPPED: u8 = 2;

/// What few products have, behind whether it is in the sale.
#[derive(Serialize, Deserialize)]
struct SpecialRow<'a> {
    sku: Option<&'a str>,
    hidden: bool,
}

#[derive(Serialize, Deserialize)]
pub(in crate::store) struct ProductRow<'a> {
    name: &'a str,
    price: u128,
    #[serde(borrow)]
    sale: Flagged<SpecialRow<'a>, STOPPED>,
    per_user_limit: Option<u32>,
    sale_starts_at: Option<i64>,
    sale_ends_at: Option<i64>,
    hold_seconds: Option<u32>,
    initial: u64,
    adjusted: i64,
    current: u64,
    held: u64,
    sold: u64,
    orders: u64,
    created_at: i64,
    updated_at: i64,
}

impl<'a> ProductRow<'a> {
    pub(in crate::store) fn of(product: &'a Product) -> Self {
        let Product { terms, stock, .. } = product;
        Self {
            name: &terms.name,
            price: terms.price.cents(),
            sale: Flagged {
                byte: match (terms.flash_sale_active, product.stopped) {
                    (true, _) => IN,
                    (false, false) => OUT,
                    (false, true) => STOPPED,
                },
                more: (terms.sku.is_some() || terms.hidden)
                    .then_some(SpecialRow { sku: terms.sku.as_deref(), hidden: terms.hidden }),
            },
            per_user_limit: terms.per_user_limit,
            sale_starts_at: terms.sale_starts_at.map(Timestamp::millis),
            sale_ends_at: terms.sale_ends_at.map(Timestamp::millis),
            hold_seconds: terms.hold_seconds,
            initial: stock.initial,
            adjusted: stock.adjusted,
            current: stock.current,
            held: stock.held,
            sold: stock.sold,
            orders: product.orders,
            created_at: product.created_at.millis(),
            updated_at: product.updated_at.millis(),
        }
    }

    pub(in crate::store) fn product(&self, id: ProductId) -> Product {
        Product {
            id,
            terms: Terms {
                name: self.name.to_owned(),
                sku: self.sale.more.as_ref().and_then(|special| special.sku).map(str::to_owned),
                price: Money::from_cents(self.price),
                flash_sale_active: self.sale.byte == IN,
                hidden: self.sale.more.as_ref().is_some_and(|special| special.hidden),
                per_user_limit: self.per_user_limit,
                sale_starts_at: self.sale_starts_at.map(Timestamp::from_millis),
                sale_ends_at: self.sale_ends_at.map(Timestamp::from_millis),
                hold_seconds: self.hold_seconds,
            },
            stopped: self.sale.byte == STOPPED,
            stock: Stock {
                initial: self.initial,
                adjusted: self.adjusted,
                current: self.current,
                held: self.held,
                sold: self.sold,
            },
            orders: self.orders,
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        }
    }
}
