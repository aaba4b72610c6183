//! A hash table of the keys of requests under way, each with one number.
//!
//! It does what a map of the standard library does, and lets who has many keys fetch their places first: such a map
//! waits for memory key by key. It is open addressing with linear probing, where what is removed leaves no mark (Knuth,
//! "The Art of Computer Programming", volume 3, section 6.4, algorithms L and R).

use crate::domain::scatter::{self, Scatter};

/// No key is 0.
const FREE: u64 = 0;
const LEAST_SLOTS: usize = 64;

/// Keys, each with a number. At most three quarters of the slots are taken. The numbers are beside the keys and not
/// between them: to remove a key, only keys are looked at.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// A power of two of them, or none.
    slots: Vec<u64>,
    /// The numbers of the keys in the slots.
    numbers: Vec<u32>,
    taken: usize,
    scatter: Scatter,
}

impl Keys {
    /// Fetches the places of these keys together.
    pub(super) fn fetch(&self, keys: impl Iterator<Item = u64>) {
        if !self.slots.is_empty() {
            scatter::fetch(keys.map(|key| self.slots[self.home(key)]));
        }
    }

    /// Adds a key with its number, or returns the number that it has.
    pub(super) fn insert(&mut self, key: u64, number: u32) -> Option<u32> {
        if 4 * (self.taken + 1) > 3 * self.slots.len() {
            self.grow();
        }
        let at = self.find(key);
        if self.slots[at] == key {
            return Some(self.numbers[at]);
        }
        (self.slots[at], self.numbers[at]) = (key, number);
        self.taken += 1;
        None
    }

    /// Removes a key, if it is there.
    pub(super) fn remove(&mut self, key: u64) {
        if self.slots.is_empty() {
            return;
        }
        let mut gap = self.find(key);
        if self.slots[gap] == FREE {
            return;
        }
        self.taken -= 1;
        // Those behind it move up, where they do not come before their places.
        let mut at = gap;
        loop {
            at = self.next(at);
            let key = self.slots[at];
            if key == FREE {
                break;
            }
            if self.distance(self.home(key), at) >= self.distance(gap, at) {
                (self.slots[gap], self.numbers[gap]) = (key, self.numbers[at]);
                gap = at;
            }
        }
        self.slots[gap] = FREE;
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.taken == 0
    }

    fn grow(&mut self) {
        let slots = (2 * self.slots.len()).max(LEAST_SLOTS);
        let keys = std::mem::replace(&mut self.slots, vec![FREE; slots]);
        let numbers = std::mem::replace(&mut self.numbers, vec![0; slots]);
        for (key, number) in keys.into_iter().zip(numbers).filter(|(key, _)| *key != FREE) {
            let at = self.find(key);
            (self.slots[at], self.numbers[at]) = (key, number);
        }
    }

    /// Where a key is, or the free slot where it would be.
    fn find(&self, key: u64) -> usize {
        let mut at = self.home(key);
        while self.slots[at] != key && self.slots[at] != FREE {
            at = self.next(at);
        }
        at
    }

    fn home(&self, key: u64) -> usize {
        self.scatter.place(key, self.slots.len())
    }

    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    /// How many slots behind `from` the slot `to` is.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.slots.len() - 1)
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
                prop_assert_eq!(keys.taken, model.len());
                prop_assert_eq!(keys.is_empty(), model.is_empty());
            }
            for (key, number) in model {
                prop_assert_eq!(keys.insert(key, 0), Some(number));
            }
        }
    }
}
