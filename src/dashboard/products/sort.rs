//! In which order products are listed, and where a page of that order begins.

use std::cmp::Ordering;

use crate::domain::product::Product;

/// Letters of a name that its place is decided by. What is alike so far is in the order of the numbers.
const NAME_CHARS: usize = 64;

/// What products are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Key {
    #[default]
    Id,
    Name,
    Price,
    Left,
    Held,
    Sold,
}

impl Key {
    const ALL: [Self; 6] = [Self::Id, Self::Name, Self::Price, Self::Left, Self::Held, Self::Sold];

    const fn word(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Price => "price",
            Self::Left => "left",
            Self::Held => "held",
            Self::Sold => "sold",
        }
    }

    /// Whether its first click puts the most first.
    const fn starts_with_most(self) -> bool {
        matches!(self, Self::Held | Self::Sold)
    }

    /// The value of a product.
    fn of(self, product: &Product) -> Value {
        let stock = &product.stock;
        match self {
            Self::Id => Value::Number(product.id.0.into()),
            Self::Name => Value::Text(product.terms.name.to_lowercase().chars().take(NAME_CHARS).collect()),
            Self::Price => Value::Number(product.terms.price.cents()),
            Self::Left => Value::Number(stock.current.into()),
            Self::Held => Value::Number(stock.held.into()),
            Self::Sold => Value::Number(stock.sold.into()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(u128),
    Text(String),
}

/// An order of products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) key: Key,
    is_descending: bool,
}

/// The place of a product in an order: its value, and then its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    value: Value,
    id: u64,
}

impl Sort {
    /// Such as `left`, or `-left` for the most first.
    pub(super) fn of_word(text: &str) -> Result<Self, String> {
        let (word, is_descending) = text.strip_prefix('-').map_or((text, false), |word| (word, true));
        let key = Key::ALL.into_iter().find(|key| key.word() == word);
        let key = key.ok_or_else(|| "must be id, name, price, left, held or sold, perhaps after a minus".to_owned())?;
        Ok(Self { key, is_descending })
    }

    /// Empty for the order that a URL need not name.
    pub(super) fn word(self) -> String {
        match self == Self::default() {
            true => String::new(),
            false => format!("{}{}", if self.is_descending { "-" } else { "" }, self.key.word()),
        }
    }

    /// The order after a click on the heading of a key.
    pub(super) fn clicked(self, key: Key) -> Self {
        let is_descending = if self.key == key { !self.is_descending } else { key.starts_with_most() };
        Self { key, is_descending }
    }

    /// As the attribute `aria-sort` says it.
    pub(super) const fn direction(self) -> &'static str {
        if self.is_descending { "descending" } else { "ascending" }
    }

    pub(super) fn place(self, product: &Product) -> Place {
        Place { value: self.key.of(product), id: product.id.0 }
    }

    /// Which of two places comes first. Of equal values the smaller number does, whatever the direction.
    pub(super) fn compare(self, one: &Place, other: &Place) -> Ordering {
        let values = one.value.cmp(&other.value);
        let values = if self.is_descending { values.reverse() } else { values };
        values.then(one.id.cmp(&other.id))
    }

    /// A place as a URL has it: the number, and the value where it is another one.
    pub(super) fn cursor(self, place: &Place) -> String {
        match &place.value {
            _ if self.key == Key::Id => place.id.to_string(),
            Value::Number(number) => format!("{}.{number}", place.id),
            Value::Text(text) => format!("{}.{text}", place.id),
        }
    }

    /// Reads what [`Sort::cursor`] wrote.
    pub(super) fn read_cursor(self, text: &str) -> Result<Place, String> {
        let read = || {
            let (id, value) = if self.key == Key::Id { (text, text) } else { text.split_once('.')? };
            let value = match self.key {
                Key::Name => Value::Text(value.chars().take(NAME_CHARS).collect()),
                _ => Value::Number(value.parse().ok()?),
            };
            Some(Place { value, id: id.parse().ok()? })
        };
        read().ok_or_else(|| "is not a place in this list".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(id: u64, name: &str, left: u64) -> Product {
        let mut product = Product::example(id, 10);
        name.clone_into(&mut product.terms.name);
        product.stock.current = left;
        product
    }

    #[test]
    fn products_are_sorted_by_value_and_then_by_number() {
        let products = [product(1, "b", 7), product(2, "A", 9), product(3, "a", 7), product(4, "", 0)];
        let ids = |word: &str| {
            let sort = Sort::of_word(word).unwrap();
            let mut places: Vec<_> = products.iter().map(|product| sort.place(product)).collect();
            places.sort_by(|one, other| sort.compare(one, other));
            for place in &places {
                assert_eq!(sort.read_cursor(&sort.cursor(place)).as_ref(), Ok(place));
            }
            places.iter().map(|place| place.id).collect::<Vec<_>>()
        };
        assert_eq!((ids("id"), ids("-id")), (vec![1, 2, 3, 4], vec![4, 3, 2, 1]));
        assert_eq!((ids("name"), ids("-name")), (vec![4, 2, 3, 1], vec![1, 2, 3, 4]));
        assert_eq!((ids("left"), ids("-left")), (vec![4, 1, 3, 2], vec![2, 1, 3, 4]));
    }

    #[test]
    fn a_click_turns_the_order_round_or_begins_another_one() {
        let by_left = Sort::default().clicked(Key::Left);
        assert_eq!((by_left.word().as_str(), by_left.clicked(Key::Left).word().as_str()), ("left", "-left"));
        assert_eq!(by_left.clicked(Key::Sold).word(), "-sold");
        assert_eq!((Sort::default().word().as_str(), Sort::default().clicked(Key::Id).word().as_str()), ("", "-id"));
        assert!(Sort::of_word("bar").is_err() && Sort::of_word("").is_err());
        for (sort, wrong) in [("id", "x"), ("left", "7"), ("left", "7.x"), ("name", "x.a")] {
            assert!(Sort::of_word(sort).unwrap().read_cursor(wrong).is_err(), "{sort} {wrong}");
        }
    }
}
