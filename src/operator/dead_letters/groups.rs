//! The dead letters by their last error. They are counted anew for each request: a letter takes about a microsecond.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::domain::clock::Timestamp;
use crate::domain::error_group;
use crate::domain::filter::DeadLetterFilter;
use crate::domain::order::{Failure, Order};
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::limits::{GROWTH_WINDOW, MAX_ERROR_GROUPS, MAX_GROUP_PRODUCTS, MAX_LISTED_GROUPS};
use crate::store::Store;
use crate::view::queue::DeadLetterGroupView;
use crate::view::text::{AsText, Id, hundredths};

use super::fold;

/// Errors whose group is remembered while letters are counted.
const MAX_KNOWN_ERRORS: usize = 256;

/// Dead letters with the same error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Letters.
    pub count: u64,
    /// Of them, those that came within [`GROWTH_WINDOW`].
    pub recent: u64,
    /// When the first of them failed.
    pub first: Timestamp,
    /// When the last of them failed.
    pub last: Timestamp,
    /// Their products.
    pub products: BTreeSet<ProductId>,
}

/// The groups of the dead letters that match, by their error, and how many there are in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// Letters that match, also those in no group.
    pub letters: u64,
    groups: HashMap<String, Group>,
    /// The groups of errors as they came, by the code of the failure: most letters repeat the error of another.
    known: HashMap<&'static str, HashMap<String, String>>,
}

/// Groups the dead letters that a filter keeps, as of `now`.
pub async fn groups(store: &Arc<Store>, filter: &DeadLetterFilter, now: Timestamp) -> Result<Groups, Refusal> {
    let filter = filter.clone();
    let add = move |groups: &mut Groups, order: &Order| {
        if filter.keeps(order) {
            groups.add(order, now);
        }
    };
    fold(store, Groups::default(), add).await
}

impl Groups {
    fn add(&mut self, order: &Order, now: Timestamp) {
        self.letters += 1;
        let Some(failure) = &order.failure else { return };
        let error = self.group_of(failure);
        let at = order.finished_at.unwrap_or(order.updated_at);
        if self.groups.len() == MAX_ERROR_GROUPS && !self.groups.contains_key(&error) {
            return;
        }
        let group = self.groups.entry(error).or_insert_with(|| Group {
            count: 0,
            recent: 0,
            first: at,
            last: at,
            products: BTreeSet::new(),
        });
        group.count += 1;
        group.recent += u64::from(now.since(at) < GROWTH_WINDOW);
        group.first = group.first.min(at);
        group.last = group.last.max(at);
        group.products.insert(order.product);
    }

    fn group_of(&mut self, failure: &Failure) -> String {
        let (Failure::Rejected(error) | Failure::AttemptsExhausted(error)) = failure else {
            return error_group::of(failure);
        };
        let known = self.known.entry(failure.code()).or_default();
        if let Some(group) = known.get(error) {
            return group.clone();
        }
        let group = error_group::of(failure);
        if known.len() < MAX_KNOWN_ERRORS {
            known.insert(error.clone(), group.clone());
        }
        group
    }

    /// The groups, largest first, at most [`MAX_LISTED_GROUPS`].
    pub fn largest(&self) -> Vec<(&str, &Group)> {
        let mut largest: Vec<_> = self.groups.iter().map(|(error, group)| (error.as_str(), group)).collect();
        largest.sort_unstable_by_key(|(error, group)| (std::cmp::Reverse(group.count), *error));
        largest.truncate(MAX_LISTED_GROUPS);
        largest
    }

    /// The group with this error.
    pub fn get(&self, error: &str) -> Option<&Group> {
        self.groups.get(error)
    }

    /// Letters that came within [`GROWTH_WINDOW`], over all groups, a second.
    pub fn growth(&self) -> f64 {
        self.groups.values().map(Group::growth).sum()
    }

    /// The view of them.
    pub fn view(&self) -> Vec<DeadLetterGroupView> {
        self.largest().into_iter().map(|(error, group)| group.view(error)).collect()
    }
}

impl Group {
    /// Letters that came within [`GROWTH_WINDOW`], a second.
    pub fn growth(&self) -> f64 {
        self.recent as f64 / GROWTH_WINDOW.as_secs_f64()
    }

    fn view(&self, error: &str) -> DeadLetterGroupView {
        DeadLetterGroupView {
            error: error.to_owned(),
            count: self.count,
            growth_per_second: hundredths(self.growth()),
            first: AsText(self.first),
            last: AsText(self.last),
            product_count: self.products.len() as u64,
            products: self.products.iter().take(MAX_GROUP_PRODUCTS).map(|product| Id(product.0)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::order::OrderId;

    fn letter(id: u64, product: u64, error: &str, at: i64) -> Order {
        let at = Timestamp::from_millis(at);
        let failure = Some(Failure::AttemptsExhausted(error.to_owned()));
        Order { product: ProductId(product), failure, finished_at: Some(at), ..Order::example(OrderId(id), "ada", at) }
    }

    #[test]
    fn groups_count_their_letters_products_and_growth_and_the_largest_comes_first() {
        let mut groups = Groups::default();
        let now = Timestamp::from_millis(60_000);
        groups.add(&letter(1, 1, "refused", 59_000), now);
        for id in 2..=41 {
            groups.add(&letter(id, id % 3, &format!("order {id} is unknown"), 30_000 + 1_000 * id as i64), now);
        }
        let [(error, unknown), (other, refused)] = groups.largest()[..] else { panic!("{groups:?}") };
        assert_eq!((error, other, groups.letters), ("order # is unknown", "refused", 41));
        assert_eq!((unknown.count, unknown.products.len(), refused.count), (40, 3, 1));
        assert_eq!((unknown.first.millis(), unknown.last.millis()), (32_000, 71_000));
        // From 51 s on, those ahead of the clock too.
        assert_eq!((unknown.recent, refused.growth()), (21, 0.1));
        let later = now.after(Duration::from_secs(60));
        groups.add(&letter(99, 1, "refused", 59_000), later);
        assert_eq!(groups.get("refused").map(|group| group.recent), Some(1));
    }

    #[test]
    fn errors_without_end_make_a_bounded_number_of_groups_and_every_letter_counts() {
        let mut groups = Groups::default();
        let word = |mut n: usize| {
            let mut word = String::new();
            while word.len() < 5 {
                word.push(char::from(b"ghijklmnop"[n % 10]));
                n /= 10;
            }
            word
        };
        for id in 0..MAX_ERROR_GROUPS + 5 {
            groups.add(&letter(1, 1, &word(id), 1), Timestamp::from_millis(1));
        }
        assert_eq!((groups.groups.len(), groups.letters as usize), (MAX_ERROR_GROUPS, MAX_ERROR_GROUPS + 5));
        assert_eq!(groups.view().len(), MAX_LISTED_GROUPS);
    }
}
