//! A product and its stock: the arithmetic of conservation, without I/O.

use std::fmt;

use crate::domain::clock::Timestamp;
use crate::domain::money::Money;
use crate::limits::MAX_STOCK;

/// The number of a product, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductId(pub u64);

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an operator sets of a product, its stock aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// 1 to 255 characters.
    pub name: String,
    /// The shop's stock-keeping unit, unique among products: what [`crate::domain::names::check_sku`] lets pass.
    pub sku: Option<String>,
    /// The price of one unit.
    pub price: Money,
    /// Whether it can be bought at all.
    pub flash_sale_active: bool,
    /// Whether it does not exist for those without the admin token, where one is set.
    pub hidden: bool,
    /// Units that one user may have in pending and confirmed orders together.
    pub per_user_limit: Option<u32>,
    /// From when it can be bought, inclusive.
    pub sale_starts_at: Option<Timestamp>,
    /// Until when it can be bought, exclusive.
    pub sale_ends_at: Option<Timestamp>,
    /// How long an order waits for its confirmation, in seconds; without it a worker fulfils the order.
    pub hold_seconds: Option<u32>,
}

impl Terms {
    /// Whether the product can be bought at `now`.
    pub fn check_open(&self, now: Timestamp) -> Result<(), NotOnSale> {
        if !self.flash_sale_active {
            return Err(NotOnSale::Inactive);
        }
        if let Some(starts_at) = self.sale_starts_at.filter(|starts_at| now < *starts_at) {
            return Err(NotOnSale::NotStarted { starts_at });
        }
        if let Some(ended_at) = self.sale_ends_at.filter(|ends_at| now >= *ends_at) {
            return Err(NotOnSale::Ended { ended_at });
        }
        Ok(())
    }

    /// Whether the sale ends after it starts, if both are given.
    pub fn has_valid_window(&self) -> bool {
        match (self.sale_starts_at, self.sale_ends_at) {
            (Some(starts_at), Some(ends_at)) => starts_at < ends_at,
            _ => true,
        }
    }

    /// Where `now` lies in the sale's window; none for a product that has no window or is not in the sale.
    pub fn sale_phase(&self, now: Timestamp) -> Option<SalePhase> {
        if self.sale_starts_at.is_none() && self.sale_ends_at.is_none() {
            return None;
        }
        match self.check_open(now) {
            Ok(()) => Some(self.sale_starts_at.map_or(SalePhase::Open, SalePhase::Running)),
            Err(NotOnSale::NotStarted { .. }) => Some(SalePhase::Before),
            Err(NotOnSale::Ended { ended_at }) => Some(SalePhase::Ended(ended_at)),
            Err(NotOnSale::Inactive) => None,
        }
    }

    /// When the phase changes next.
    pub fn next_phase_at(&self, now: Timestamp) -> Option<Timestamp> {
        let bounds = [self.sale_starts_at, self.sale_ends_at];
        bounds.into_iter().flatten().filter(|bound| *bound > now && self.flash_sale_active).min()
    }
}

/// Why a product cannot be bought at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOnSale {
    /// It is not in the sale.
    Inactive,
    /// The sale starts later.
    NotStarted {
        /// When it starts.
        starts_at: Timestamp,
    },
    /// The sale is over.
    Ended {
        /// When it ended.
        ended_at: Timestamp,
    },
}

/// Where a moment lies in a sale's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SalePhase {
    /// The sale starts later.
    Before,
    /// It runs, and never had a start.
    Open,
    /// It runs since.
    Running(Timestamp),
    /// It is over since.
    Ended(Timestamp),
}

/// A product as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its number.
    pub id: ProductId,
    /// What the operator set.
    pub terms: Terms,
    /// Whether a stop of the whole sale has taken it out: then it is not in the sale, and comes back with the start.
    pub stopped: bool,
    /// Where its units are.
    pub stock: Stock,
    /// Orders ever accepted for it, whatever became of them.
    pub orders: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its terms or its stock were last changed by an operator.
    pub updated_at: Timestamp,
}

impl Product {
    /// Takes it out of the sale with all others; false, and nothing happens, where it is not in the sale.
    pub const fn stop(&mut self, at: Timestamp) -> bool {
        let stops = self.terms.flash_sale_active;
        if stops {
            (self.terms.flash_sale_active, self.stopped, self.updated_at) = (false, true, at);
        }
        stops
    }

    /// Brings it back into the sale; false, and nothing happens, where no stop of the whole sale has taken it out.
    pub const fn start(&mut self, at: Timestamp) -> bool {
        let starts = self.stopped;
        if starts {
            (self.terms.flash_sale_active, self.stopped, self.updated_at) = (true, false, at);
        }
        starts
    }
}

/// Where the units of a product are. Always `initial + adjusted = current + held + sold`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Units at creation.
    pub initial: u64,
    /// Sum of all later additions and removals by an operator.
    pub adjusted: i64,
    /// Units that can be bought.
    pub current: u64,
    /// Units in pending orders.
    pub held: u64,
    /// Units in confirmed orders.
    pub sold: u64,
}

/// What happens to the units of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StockMove {
    /// Placed, or reserved again: current to held.
    Hold,
    /// Confirmed while held.
    Sell,
    /// Failed, cancelled or expired while held.
    Release,
    /// Cancelled after it was confirmed: sold to current.
    TakeBack,
    /// Confirmed after its hold had expired: current to sold.
    Resell,
}

impl StockMove {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Hold, Self::Sell, Self::Release, Self::TakeBack, Self::Resell];

    /// What a move of `quantity` units adds to current, held and sold.
    pub const fn deltas(self, quantity: u32) -> [i64; 3] {
        let units = quantity as i64;
        match self {
            Self::Hold => [-units, units, 0],
            Self::Sell => [0, -units, units],
            Self::Release => [units, -units, 0],
            Self::TakeBack => [units, 0, -units],
            Self::Resell => [-units, 0, units],
        }
    }

    /// Whether the units can be bought again afterwards.
    pub const fn returns_stock(self) -> bool {
        matches!(self, Self::Release | Self::TakeBack)
    }

    /// Whether the units are taken from what can be bought.
    pub const fn takes_stock(self) -> bool {
        matches!(self, Self::Hold | Self::Resell)
    }
}

/// A stock count would fall below zero; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stock count would fall below zero")]
pub struct BelowZero;

impl Stock {
    /// The stock of a new product. Where `current` is not `initial`, the difference is booked as an adjustment.
    pub const fn new(initial: u64, current: u64) -> Self {
        Self { initial, adjusted: current as i64 - initial as i64, current, held: 0, sold: 0 }
    }

    /// Moves the units of one order.
    pub fn apply(&mut self, change: StockMove, quantity: u64) -> Result<(), BelowZero> {
        let (from, to) = match change {
            StockMove::Hold => (&mut self.current, &mut self.held),
            StockMove::Sell => (&mut self.held, &mut self.sold),
            StockMove::Release => (&mut self.held, &mut self.current),
            StockMove::TakeBack => (&mut self.sold, &mut self.current),
            StockMove::Resell => (&mut self.current, &mut self.sold),
        };
        *from = from.checked_sub(quantity).ok_or(BelowZero)?;
        *to += quantity;
        Ok(())
    }

    /// Adds `delta` units to what can be bought, or takes them away. A caller that adds asks [`Stock::has_room_for`]
    /// first.
    pub fn adjust(&mut self, delta: i64) -> Result<(), BelowZero> {
        self.current = self.current.checked_add_signed(delta).ok_or(BelowZero)?;
        self.adjusted += delta;
        Ok(())
    }

    /// All units: those that can be bought, are held and are sold.
    pub const fn total(&self) -> u64 {
        self.current + self.held + self.sold
    }

    /// Whether `current` units can be on sale beside those held and sold without exceeding [`MAX_STOCK`].
    pub const fn has_room_for(&self, current: u64) -> bool {
        current <= MAX_STOCK.saturating_sub(self.held).saturating_sub(self.sold)
    }

    /// Whether `initial + adjusted = current + held + sold`.
    pub fn is_conserved(&self) -> bool {
        i128::from(self.initial) + i128::from(self.adjusted)
            == i128::from(self.current) + i128::from(self.held) + i128::from(self.sold)
    }
}

#[cfg(test)]
impl Product {
    /// A product in the sale with all its units to sell, for tests.
    pub(crate) fn example(id: u64, units: u64) -> Self {
        let terms = Terms {
            name: format!("product {id}"),
            price: Money::from_cents(999),
            sku: None,
            flash_sale_active: true,
            hidden: false,
            per_user_limit: None,
            sale_starts_at: None,
            sale_ends_at: None,
            hold_seconds: None,
        };
        let at = Timestamp::default();
        let (id, stock) = (ProductId(id), Stock::new(units, units));
        Self { id, terms, stopped: false, stock, orders: 0, created_at: at, updated_at: at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_move() -> impl Strategy<Value = (StockMove, u64)> {
        let kind = prop_oneof![
            Just(StockMove::Hold),
            Just(StockMove::Sell),
            Just(StockMove::Release),
            Just(StockMove::TakeBack),
            Just(StockMove::Resell),
        ];
        (kind, 0..20u64)
    }

    proptest! {
        #[test]
        fn no_sequence_of_moves_and_adjustments_breaks_conservation(
            initial in 0..50u64,
            current in 0..50u64,
            steps in prop::collection::vec((any_move(), -30..30i64), 0..200),
        ) {
            let mut stock = Stock::new(initial, current);
            for ((kind, quantity), delta) in steps {
                let before = stock;
                if stock.apply(kind, quantity).is_err() {
                    prop_assert_eq!(before, stock, "a refused move changes nothing");
                }
                let before = stock;
                if stock.adjust(delta).is_err() {
                    prop_assert_eq!(before, stock, "a refused adjustment changes nothing");
                }
                prop_assert!(stock.is_conserved());
            }
        }
    }

    #[test]
    fn units_above_the_cap_have_no_room() {
        let stock = Stock { initial: 10, adjusted: 0, current: 4, held: 5, sold: 1 };
        assert!(stock.has_room_for(MAX_STOCK - 6));
        assert!(!stock.has_room_for(MAX_STOCK - 5));
        assert!(!stock.has_room_for(u64::MAX));
    }

    #[test]
    fn a_sale_is_open_from_its_start_to_just_before_its_end() {
        let at = Timestamp::from_millis;
        let (sale_starts_at, sale_ends_at) = (Some(at(1_000)), Some(at(2_000)));
        let terms = Terms { sale_starts_at, sale_ends_at, ..Product::example(1, 1).terms };
        assert_eq!(terms.check_open(at(999)), Err(NotOnSale::NotStarted { starts_at: at(1_000) }));
        assert_eq!(terms.check_open(at(1_000)), Ok(()));
        assert_eq!(terms.check_open(at(1_999)), Ok(()));
        assert_eq!(terms.check_open(at(2_000)), Err(NotOnSale::Ended { ended_at: at(2_000) }));
        let inactive = Terms { flash_sale_active: false, ..terms };
        assert_eq!(inactive.check_open(at(1_500)), Err(NotOnSale::Inactive));
    }
}
