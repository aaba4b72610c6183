//! A hash table of the keys of requests under way, each with one number.
//!
//! It does what a map of the standard library does, and costs less where keys come and go by the thousand. Who has many
//! fetches their places first; such a map waits for memory key by key. A key is in its bucket, which is one line of the
//! processor's cache, and all places of a bucket are compared without a branch. A key that goes moves no other. The few
//! that find their bucket full are kept outside (buckets with an overflow area: Knuth, "The Art of Computer
//! Programming", volume 3, section 6.4).

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::domain::scatter::{self, Scatter};

/// No key is 0.
const FREE: u64 = 0;
/// Places of a bucket: with their numbers and the count they are a line of the cache.
const PLACES: usize = 5;
const LEAST_BUCKETS: usize = 8;

/// A bucket.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Bucket {
    keys: [u64; PLACES],
    /// The numbers of the keys, at their places.
    numbers: [u32; PLACES],
    /// How many keys found it full.
    outside: u32,
}

/// Keys, each with a number, for half of the places at most.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// A power of two of them, or none.
    buckets: Vec<Bucket>,
    /// The keys that found their buckets full: where half of the places are taken, about one in a hundred.
    outside: HashMap<u64, u32, RandomState>,
    count: usize,
    scatter: Scatter,
}

impl Bucket {
    /// The first place with this key.
    fn find(&self, key: u64) -> Option<usize> {
        let found = self.keys.iter().rev().fold(0_u8, |found, other| found << 1 | u8::from(*other == key));
        (found != 0).then(|| found.trailing_zeros() as usize)
    }
}

impl Keys {
    /// Fetches the places of these keys together.
    pub(super) fn fetch(&self, keys: impl Iterator<Item = u64>) {
        if !self.buckets.is_empty() {
            scatter::fetch(keys.map(|key| self.buckets[self.home(key)].keys[0]));
        }
    }

    /// Adds a key with its number, or returns the number that it has.
    pub(super) fn insert(&mut self, key: u64, number: u32) -> Option<u32> {
        if 2 * (self.count + 1) > PLACES * self.buckets.len() {
            self.grow();
        }
        let home = self.home(key);
        let bucket = &mut self.buckets[home];
        if let Some(at) = bucket.find(key) {
            return Some(bucket.numbers[at]);
        }
        if bucket.outside > 0
            && let Some(number) = self.outside.get(&key)
        {
            return Some(*number);
        }
        self.count += 1;
        match bucket.find(FREE) {
            Some(at) => (bucket.keys[at], bucket.numbers[at]) = (key, number),
            None => {
                bucket.outside += 1;
                self.outside.insert(key, number);
            }
        }
        None
    }

    /// Removes a key, if it is there.
    pub(super) fn remove(&mut self, key: u64) {
        if self.buckets.is_empty() {
            return;
        }
        let home = self.home(key);
        let bucket = &mut self.buckets[home];
        match bucket.find(key) {
            Some(at) => bucket.keys[at] = FREE,
            None if bucket.outside > 0 && self.outside.remove(&key).is_some() => bucket.outside -= 1,
            None => return,
        }
        self.count -= 1;
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn grow(&mut self) {
        let buckets = (2 * self.buckets.len()).max(LEAST_BUCKETS);
        let before = std::mem::replace(&mut self.buckets, vec![Bucket::default(); buckets]);
        let outside = std::mem::take(&mut self.outside);
        self.count = 0;
        let inside = before.iter().flat_map(|bucket| bucket.keys.into_iter().zip(bucket.numbers));
        let inside = inside.filter(|(key, _)| *key != FREE);
        for (key, number) in inside.chain(outside) {
            self.insert(key, number);
        }
    }

    /// The bucket of a key.
    fn home(&self, key: u64) -> usize {
        self.scatter.place(key, self.buckets.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::collections::hash_map::Entry;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few keys, so that many are there already, in a table with a multiplier that lets many fall together.
        #[test]
        fn keys_come_and_go_as_in_a_map(
            steps in prop::collection::vec((1..90_u64, any::<bool>()), 1..600),
            multiplier in prop_oneof![Just(1), Just(1 << 60 | 1), Just(1 << 58 | 1), any::<u64>()],
        ) {
            let mut keys = Keys { scatter: Scatter::by(multiplier), ..Keys::default() };
            let mut model = HashMap::new();
            for ((key, comes), number) in steps.into_iter().zip(1..) {
                if comes {
                    let before = match model.entry(key) {
                        Entry::Occupied(there) => Some(*there.get()),
                        Entry::Vacant(free) => { free.insert(number); None }
                    };
                    prop_assert_eq!(keys.insert(key, number), before);
                } else {
                    keys.remove(key);
                    model.remove(&key);
                }
                prop_assert_eq!(keys.count, model.len());
                prop_assert_eq!(keys.is_empty(), model.is_empty());
            }
            for (key, number) in model {
                prop_assert_eq!(keys.insert(key, 0), Some(number));
            }
        }
    }
}
