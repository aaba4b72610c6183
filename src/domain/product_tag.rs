//! The tag of a product's state, which HTTP calls an `ETag`.

use std::fmt;

use crate::domain::product::{Product, Stock};

/// Distinguishes the states of one product. Its first half changes with what operators set: terms, units at creation
/// and adjustments. Its second half changes with the units that orders move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductTag {
    terms: u64,
    units: u64,
}

/// Which half of a tag a change depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagPart {
    /// What operators set: units that are sold meanwhile do not matter.
    Terms,
    /// All of it: for a change that says how many units can be bought.
    Whole,
}

/// The states of a product in which a change may be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Any.
    #[default]
    Any,
    /// One of these.
    OneOf(Vec<ProductTag>),
}

impl ProductTag {
    /// A tag for examples.
    pub const EXAMPLE: Self = Self { terms: 0x5f1c_0e7b_9d3a_486f, units: 0x8c2e_1b0d_7a9f_6354 };

    /// The tag of a product as it is.
    pub fn of(product: &Product) -> Self {
        let Product { id, terms, stopped, stock, orders: _, created_at, updated_at } = product;
        let Stock { initial, adjusted, current, held, sold } = stock;
        let set = format!("{id} {terms:?} {stopped} {initial} {adjusted} {created_at} {updated_at}");
        Self { terms: hash(&set), units: hash(&format!("{current} {held} {sold}")) }
    }

    /// The tag that a text is, quotes included, if it is one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let (terms, units) = text.strip_prefix('"')?.strip_suffix('"')?.split_once('-')?;
        let half = |half: &str| u64::from_str_radix(half, 16).ok();
        let tag = Self { terms: half(terms)?, units: half(units)? };
        (tag.to_string() == text).then_some(tag)
    }

    /// Whether two tags are of the same state, as far as this part goes.
    pub fn matches(self, other: Self, part: TagPart) -> bool {
        self.terms == other.terms && (part == TagPart::Terms || self.units == other.units)
    }
}

/// In quotes, as it is in a header.
impl fmt::Display for ProductTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{:016x}-{:016x}\"", self.terms, self.units)
    }
}

impl Expected {
    /// The tag that the product has instead, where it is in none of these states.
    pub fn check(&self, product: &Product, part: TagPart) -> Result<(), ProductTag> {
        match self {
            Self::Any => Ok(()),
            Self::OneOf(tags) => {
                let tag = ProductTag::of(product);
                if tags.iter().any(|expected| expected.matches(tag, part)) { Ok(()) } else { Err(tag) }
            }
        }
    }
}

fn hash(text: &str) -> u64 {
    let hash = blake3::hash(text.as_bytes());
    hash.as_bytes().first_chunk().copied().map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;

    #[test]
    fn a_tag_is_read_back_as_it_was_written_and_nothing_else_is_one() {
        let tag = ProductTag::of(&Product::example(1, 5));
        let text = tag.to_string();
        assert_eq!(ProductTag::parse(&text), Some(tag));
        for other in ["", "*", "\"\"", "\"a-b\"", &text[1..], &text.to_uppercase(), &format!("W/{text}")] {
            assert_eq!(ProductTag::parse(other), None, "{other}");
        }
    }

    #[test]
    fn units_that_orders_move_change_one_half_and_what_operators_set_the_other() {
        let product = Product::example(1, 5);
        let (mut sold, mut priced, mut restocked, mut touched) =
            (product.clone(), product.clone(), product.clone(), product.clone());
        (sold.stock.current, sold.stock.sold) = (4, 1);
        priced.terms.per_user_limit = Some(2);
        restocked.stock.adjust(1).unwrap();
        touched.updated_at = Timestamp::from_millis(1);
        let expected = Expected::OneOf(vec![ProductTag::of(&product)]);
        assert_eq!(expected.check(&sold, TagPart::Terms), Ok(()));
        assert_eq!(expected.check(&sold, TagPart::Whole), Err(ProductTag::of(&sold)));
        for other in [priced, restocked, touched] {
            assert!(expected.check(&other, TagPart::Terms).is_err() && expected.check(&other, TagPart::Whole).is_err());
            assert_eq!(Expected::Any.check(&other, TagPart::Whole), Ok(()));
        }
    }
}
