//! The sale as a whole: what its products add up to at a moment.

use std::collections::BTreeMap;

use crate::domain::clock::Timestamp;
use crate::domain::product::{NotOnSale, Product};

/// Where the sale as a whole is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// No product is in the sale, nor was one taken out of it by a stop.
    #[default]
    None,
    /// Products are in the sale, and all of them start later.
    Before,
    /// Units of a product can be bought.
    Running,
    /// An operator has stopped the sale.
    Stopped,
    /// Products are open, and none of them has a unit that can be bought.
    SoldOut,
    /// Products are in the sale, and all of them have ended.
    Ended,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::None, Self::Before, Self::Running, Self::Stopped, Self::SoldOut, Self::Ended];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Before => "before",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::SoldOut => "sold_out",
            Self::Ended => "ended",
        }
    }
}

/// The sale at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sale {
    /// Where it is.
    pub phase: Phase,
    /// The next start of a product that starts later, else the first start of those that are in the sale.
    pub starts_at: Option<Timestamp>,
    /// The last end of the products in the sale; none where one of them has no end.
    pub ends_at: Option<Timestamp>,
    /// Products in the sale.
    pub products: u64,
    /// Their units: those that can be bought, are held and are sold.
    pub units: u64,
}

/// Where the units of all products are, and which can be bought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Units that can be bought, by product.
    pub by_product: BTreeMap<u64, u64>,
    /// Units that can be bought.
    pub left: u64,
    /// Units of pending orders.
    pub held: u64,
    /// Units of confirmed orders.
    pub sold: u64,
}

impl Sale {
    /// The sale that these products are in at `now`.
    pub fn of<'p>(products: impl IntoIterator<Item = &'p Product>, now: Timestamp) -> Self {
        let (mut sale, mut open, mut buyable, mut before) = (Self::default(), false, false, false);
        let (mut next_start, mut first_start, mut is_endless) = (None::<Timestamp>, None::<Timestamp>, false);
        let mut is_stopped = false;
        for product in products {
            is_stopped |= product.stopped;
            if !product.terms.flash_sale_active {
                continue;
            }
            let (terms, stock) = (&product.terms, &product.stock);
            sale.products += 1;
            sale.units += stock.total();
            match terms.check_open(now) {
                Ok(()) => {
                    open = true;
                    buyable |= stock.current > 0;
                }
                Err(NotOnSale::NotStarted { starts_at }) => {
                    before = true;
                    next_start = Some(next_start.map_or(starts_at, |next| next.min(starts_at)));
                }
                Err(NotOnSale::Ended { .. } | NotOnSale::Inactive) => {}
            }
            if let Some(starts_at) = terms.sale_starts_at {
                first_start = Some(first_start.map_or(starts_at, |first| first.min(starts_at)));
            }
            match terms.sale_ends_at {
                Some(ends_at) => sale.ends_at = Some(sale.ends_at.map_or(ends_at, |last| last.max(ends_at))),
                None => is_endless = true,
            }
        }
        sale.starts_at = next_start.or(first_start);
        sale.ends_at = sale.ends_at.filter(|_| !is_endless);
        sale.phase = match sale.products {
            0 if is_stopped => Phase::Stopped,
            0 => Phase::None,
            _ if buyable => Phase::Running,
            _ if open => Phase::SoldOut,
            _ if before => Phase::Before,
            _ => Phase::Ended,
        };
        sale
    }
}

impl Levels {
    /// What these products add up to, in the sale or not.
    pub fn of<'p>(products: impl IntoIterator<Item = &'p Product>) -> Self {
        let mut levels = Self::default();
        for product in products {
            levels.by_product.insert(product.id.0, product.stock.current);
            levels.left += product.stock.current;
            levels.held += product.stock.held;
            levels.sold += product.stock.sold;
        }
        levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(id: u64, units: u64, window: [Option<i64>; 2]) -> Product {
        let mut product = Product::example(id, units);
        let [starts_at, ends_at] = window.map(|at| at.map(Timestamp::from_millis));
        (product.terms.sale_starts_at, product.terms.sale_ends_at) = (starts_at, ends_at);
        product
    }

    fn phase_of(products: &[Product], now: i64) -> Phase {
        Sale::of(products, Timestamp::from_millis(now)).phase
    }

    #[test]
    fn a_sale_goes_from_before_to_running_to_sold_out_and_ended() {
        let mut products = [product(1, 5, [Some(100), Some(200)]), product(2, 5, [Some(150), Some(300)])];
        let sale = Sale::of(&products, Timestamp::from_millis(50));
        let at = |millis| Some(Timestamp::from_millis(millis));
        assert_eq!((sale.phase, sale.starts_at, sale.ends_at), (Phase::Before, at(100), at(300)));
        assert_eq!((sale.products, sale.units), (2, 10));
        assert_eq!(phase_of(&products, 100), Phase::Running);
        assert_eq!(Sale::of(&products, Timestamp::from_millis(120)).starts_at, at(150));
        products[0].stock = crate::domain::product::Stock { initial: 5, sold: 5, ..Default::default() };
        assert_eq!(phase_of(&products, 120), Phase::SoldOut, "what is open is gone");
        assert_eq!(phase_of(&products, 160), Phase::Running, "another one has begun");
        assert_eq!(phase_of(&products, 300), Phase::Ended);
    }

    #[test]
    fn without_products_in_the_sale_there_is_none_unless_it_was_stopped() {
        let mut idle = product(1, 5, [None, None]);
        idle.terms.flash_sale_active = false;
        assert_eq!(phase_of(std::slice::from_ref(&idle), 1), Phase::None);
        idle.stopped = true;
        assert_eq!(phase_of(&[idle], 1), Phase::Stopped);
        let endless = [product(1, 5, [None, None]), product(2, 5, [None, Some(10)])];
        assert_eq!(Sale::of(&endless, Timestamp::from_millis(1)).ends_at, None);
    }

    #[test]
    fn units_are_counted_whether_their_product_is_in_the_sale_or_not() {
        let mut idle = product(2, 7, [None, None]);
        idle.terms.flash_sale_active = false;
        let levels = Levels::of([&product(1, 5, [None, None]), &idle]);
        assert_eq!((levels.left, levels.by_product), (12, BTreeMap::from([(1, 5), (2, 7)])));
    }
}
