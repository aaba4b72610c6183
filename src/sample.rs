//! The five sample products.

use crate::committer::{Edit, Intake};
use crate::domain::clock::Timestamp;
use crate::domain::money::Money;
use crate::domain::product::{Product, ProductId, Stock, Terms};
use crate::domain::refusal::Refusal;
use crate::store::Recovered;

/// Name, price in cents, units, whether it is in the sale.
const PRODUCTS: [(&str, u128, u64, bool); 5] = [
    ("iPhone 15 Pro", 99_999, 100, true),
    ("Samsung Galaxy S24", 79_999, 150, true),
    ("MacBook Air M3", 129_999, 50, true),
    ("Sony WH-1000XM5", 34_999, 200, false),
    ("Apple Watch Series 9", 39_999, 75, true),
];

/// The edits that create the products that a store lacks: all if it is empty, and the rest if a start was killed while
/// it created them and nothing has happened since.
pub fn missing(recovered: &Recovered) -> Vec<Edit> {
    let Recovered { head, products, .. } = recovered;
    let begun =
        head.last_product == products.len() as u64 && products.iter().zip(all()).all(|(is, made)| made.made(is));
    if head.totals.all_orders() > 0 || !(products.is_empty() || begun) {
        return Vec::new();
    }
    all().skip(products.len()).map(Sample::create).collect()
}

/// Creates what is missing, and returns how many that were.
pub async fn create(intake: &Intake, missing: Vec<Edit>) -> Result<u64, Refusal> {
    let mut created = 0;
    for product in missing {
        intake.edit(product).await?;
        created += 1;
    }
    Ok(created)
}

/// The edits that create all of them, in the order of their numbers.
pub fn products() -> impl Iterator<Item = Edit> {
    all().map(Sample::create)
}

/// All of them as a store has them that was given them at this moment.
pub fn rows(at: Timestamp) -> Vec<Product> {
    let row = |(id, sample): (u64, Sample)| Product {
        id: ProductId(id),
        terms: sample.terms,
        stopped: false,
        stock: Stock::new(sample.units, sample.units),
        orders: 0,
        created_at: at,
        updated_at: at,
    };
    (1..).zip(all()).map(row).collect()
}

/// Whether a product with these is one of them, as far as what it was created with says.
pub fn is_one(name: &str, price: &str, initial: u64) -> bool {
    all().any(|it| it.terms.name == name && it.terms.price.to_string() == price && it.units == initial)
}

struct Sample {
    terms: Terms,
    units: u64,
}

fn all() -> impl Iterator<Item = Sample> {
    PRODUCTS.into_iter().map(|(name, cents, units, flash_sale_active)| Sample {
        terms: Terms { name: name.to_owned(), price: Money::from_cents(cents), flash_sale_active, ..Terms::default() },
        units,
    })
}

impl Sample {
    fn create(self) -> Edit {
        Edit::Create { terms: self.terms, initial: self.units, current: self.units }
    }

    /// Whether a product is this one, as it was created.
    fn made(&self, product: &Product) -> bool {
        product.terms == self.terms && product.stock == Stock::new(self.units, self.units)
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::clock::Timestamp;
    use crate::domain::product::ProductId;
    use crate::store::Head;

    use super::*;

    /// A store in which the first `count` of them were created.
    fn with_first(count: usize) -> Recovered {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let product = |(id, sample): (u64, Sample)| Product {
            id: ProductId(id),
            stock: Stock::new(sample.units, sample.units),
            terms: sample.terms,
            stopped: false,
            orders: 0,
            created_at: at,
            updated_at: at,
        };
        let products: Vec<_> = (1..).zip(all()).take(count).map(product).collect();
        let mut head = Head::default();
        head.last_product = count as u64;
        Recovered { head, products, open: Vec::new(), unclosed: false }
    }

    #[test]
    fn a_start_that_was_killed_half_way_is_finished() {
        for count in 0..=5 {
            assert_eq!(missing(&with_first(count)).len(), 5 - count);
        }
    }

    #[test]
    fn products_that_are_not_the_first_samples_untouched_are_left_alone() {
        let mut sold = with_first(3);
        sold.products[1].stock.current -= 1;
        let mut renamed = with_first(3);
        renamed.products[2].terms.name.push('!');
        let mut deleted = with_first(4);
        deleted.products.pop();
        for recovered in [sold, renamed, deleted] {
            assert_eq!(missing(&recovered).len(), 0);
        }
    }
}
