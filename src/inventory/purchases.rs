//! How many units each user has of a product that limits it. Decided before the stock is touched.
//!
//! The units are a base, which is what the orders of some moment in the history add up to, and all changes since. The
//! changes are counted from the first moment on; the base of many orders takes a while to read. Until all of it is
//! here, a user whose share of it is not is [`LimitError::Uncounted`]: the caller reads that share and asks again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::domain::order::UserId;
use crate::limits::MAX_COUNTED_USERS;

/// Locks, so that users do not wait for each other.
const SHARDS: usize = 16;

/// Units of each user in pending and confirmed orders of one product. Bounded by its buyers; once the base is complete,
/// an entry of no units is removed.
#[derive(Debug)]
pub struct Purchases {
    shards: [Mutex<Shard>; SHARDS],
    /// Whether changes are noted: no moment was chosen yet that the base is of.
    awaited: AtomicBool,
    /// The changes so far; empty once the moment is chosen. Bounded by what the tables do not have.
    notes: Mutex<Vec<Note>>,
    /// Users whose share of the base was added before all of it was.
    counted: AtomicUsize,
    /// Until everything is counted.
    incomplete: Mutex<Option<Incomplete>>,
}

/// Purchases that are counted as incomplete until this is dropped.
#[derive(Debug)]
struct Incomplete(Arc<AtomicUsize>);

impl Drop for Incomplete {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

#[derive(Debug, Default)]
struct Shard {
    users: HashMap<u128, Units>,
    /// Whether the base of all its users is added.
    complete: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Units {
    /// Below zero where an order of a base that is not added was given back.
    units: i64,
    /// Whether the user's share of the base is among them.
    counted: bool,
}

/// A change that is in the record of this sequence.
#[derive(Clone, Copy, Debug)]
struct Note {
    sequence: u64,
    user: u128,
    units: i64,
}

/// Why a user may not have units, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitError {
    /// The user may not have that many.
    Exceeded {
        /// Units that the user may still order.
        left: u32,
    },
    /// What the user has is not counted yet.
    Uncounted,
}

/// Units counted for an order that is not stored yet. Dropping it counts them no longer.
#[derive(Debug)]
#[must_use = "dropping a claim gives its units back"]
pub struct PurchaseClaim {
    purchases: Arc<Purchases>,
    user: u128,
    quantity: u32,
}

/// A base that is being added up, apart from what orders look at.
#[derive(Debug, Default)]
pub struct Base {
    shards: [HashMap<u128, Units>; SHARDS],
}

impl Purchases {
    /// Of a product with so many orders, none of which is counted. While they are not, `incomplete` counts these
    /// purchases.
    pub(super) fn of(orders: u64, incomplete: &Arc<AtomicUsize>) -> Arc<Self> {
        let complete = orders == 0;
        let incomplete = (!complete).then(|| {
            incomplete.fetch_add(1, Ordering::Release);
            Incomplete(Arc::clone(incomplete))
        });
        Arc::new(Self {
            shards: std::array::from_fn(|_| Mutex::new(Shard { users: HashMap::new(), complete })),
            awaited: AtomicBool::new(!complete),
            notes: Mutex::default(),
            counted: AtomicUsize::new(0),
            incomplete: Mutex::new(incomplete),
        })
    }

    /// Whether everything is counted.
    pub fn is_complete(&self) -> bool {
        self.incomplete.lock().is_none()
    }

    /// Whether what a user has is counted.
    pub fn knows(&self, user: &UserId) -> bool {
        let user = hash(user.as_str());
        self.shard(user).lock().units_of(user).is_some()
    }

    /// How many users have more than `limit` units, and how many have any; nothing until everything is counted. Orders
    /// wait for a sixteenth of the users at a time.
    pub fn above(&self, limit: u32) -> Option<(u64, u64)> {
        if !self.is_complete() {
            return None;
        }
        let (mut above, mut all) = (0, 0);
        for shard in &self.shards {
            let shard = shard.lock();
            all += shard.users.len() as u64;
            above += shard.users.values().filter(|user| user.units > i64::from(limit)).count() as u64;
        }
        Some((above, all))
    }

    /// Whether units of a user would stay within `limit`; counts nothing.
    pub fn check(&self, user: &UserId, quantity: u32, limit: u32) -> Result<(), LimitError> {
        let user = hash(user.as_str());
        self.shard(user).lock().check(user, quantity, limit)
    }

    /// Counts units for a user if they stay within `limit`.
    pub fn claim(self: &Arc<Self>, user: &UserId, quantity: u32, limit: u32) -> Result<PurchaseClaim, LimitError> {
        let user = hash(user.as_str());
        let mut shard = self.shard(user).lock();
        shard.check(user, quantity, limit)?;
        shard.change(user, i64::from(quantity));
        Ok(PurchaseClaim { purchases: Arc::clone(self), user, quantity })
    }

    /// Counts the units of an order that is stored with the record `sequence`, whatever the limit.
    pub fn add(&self, user: &UserId, quantity: u32, sequence: u64) {
        let user = hash(user.as_str());
        self.shard(user).lock().change(user, i64::from(quantity));
        self.note(user, i64::from(quantity), sequence);
    }

    /// Counts the units of an order no longer that gives them back with the record `sequence`.
    pub fn subtract(&self, user: &UserId, quantity: u32, sequence: u64) {
        let user = hash(user.as_str());
        self.shard(user).lock().change(user, -i64::from(quantity));
        self.note(user, -i64::from(quantity), sequence);
    }

    /// Chooses the moment that the base is of: after the record `sequence`, where tables are that have all records from
    /// before this was made, and show nothing of later ones. What is in the base is not counted as a change as well.
    /// Only the first choice counts: false where there was one.
    pub fn choose_base(&self, sequence: u64) -> bool {
        let mut notes = self.notes.lock();
        if !self.awaited.load(Ordering::Acquire) {
            return false;
        }
        for note in std::mem::take(&mut *notes).into_iter().filter(|note| note.sequence <= sequence) {
            self.shard(note.user).lock().change(note.user, -note.units);
        }
        self.awaited.store(false, Ordering::Release);
        true
    }

    /// Adds a user's share of the base, unless it is there. False where too many users have been counted one by one.
    pub fn count(&self, user: &UserId, units: u64) -> bool {
        let user = hash(user.as_str());
        let mut shard = self.shard(user).lock();
        if shard.units_of(user).is_some() {
            return true;
        }
        if self.counted.fetch_add(1, Ordering::Relaxed) >= MAX_COUNTED_USERS {
            return false;
        }
        let known = shard.users.entry(user).or_default();
        known.units += i64::try_from(units).unwrap_or(i64::MAX);
        known.counted = true;
        true
    }

    /// Adds the whole base, shard by shard; what was counted of it already stays.
    pub fn complete(&self, base: Base) {
        for (shard, mut users) in self.shards.iter().zip(base.shards) {
            let mut shard = shard.lock();
            if shard.complete {
                continue;
            }
            // The changes are few beside the base.
            for (user, Units { units, counted }) in shard.users.drain() {
                let total = if counted { units } else { units + users.get(&user).map_or(0, |base| base.units) };
                match total {
                    0 => drop(users.remove(&user)),
                    units => drop(users.insert(user, Units { units, counted: true })),
                }
            }
            (shard.users, shard.complete) = (users, true);
        }
        drop(self.incomplete.lock().take());
    }

    fn note(&self, user: u128, units: i64, sequence: u64) {
        if self.awaited.load(Ordering::Acquire) {
            let mut notes = self.notes.lock();
            // Chosen meanwhile, the base is of a moment before this record.
            if self.awaited.load(Ordering::Acquire) {
                notes.push(Note { sequence, user, units });
            }
        }
    }

    fn shard(&self, user: u128) -> &Mutex<Shard> {
        &self.shards[shard_of(user)]
    }
}

impl Shard {
    /// The units of a user, if they are counted.
    fn units_of(&self, user: u128) -> Option<i64> {
        match self.users.get(&user) {
            Some(known) if self.complete || known.counted => Some(known.units),
            None if self.complete => Some(0),
            Some(_) | None => None,
        }
    }

    /// Whether a user may have so many more units.
    fn check(&self, user: u128, quantity: u32, limit: u32) -> Result<(), LimitError> {
        let units = self.units_of(user).ok_or(LimitError::Uncounted)?;
        let left = limit.saturating_sub(u32::try_from(units.max(0)).unwrap_or(u32::MAX));
        if quantity > left { Err(LimitError::Exceeded { left }) } else { Ok(()) }
    }

    fn change(&mut self, user: u128, by: i64) {
        match self.users.entry(user) {
            Entry::Occupied(mut known) => {
                known.get_mut().units += by;
                // A user without units is one without an entry, where everybody is counted.
                if self.complete && known.get().units <= 0 {
                    known.remove();
                }
            }
            Entry::Vacant(new) if by > 0 || !self.complete => {
                new.insert(Units { units: by, counted: false });
            }
            Entry::Vacant(_) => {}
        }
    }
}

impl Base {
    /// Adds the units of an order.
    pub fn add(&mut self, user: &str, quantity: u32) {
        let user = hash(user);
        let known = self.shards[shard_of(user)].entry(user).or_insert(Units { units: 0, counted: true });
        known.units += i64::from(quantity);
    }
}

impl PurchaseClaim {
    /// Whether it counts for this product as it is limited at present.
    pub fn is_of(&self, purchases: &Arc<Purchases>) -> bool {
        Arc::ptr_eq(&self.purchases, purchases)
    }

    /// Ends the claim: the units belong to an order that is stored with the record `sequence`.
    pub fn keep(mut self, sequence: u64) {
        self.purchases.note(self.user, i64::from(self.quantity), sequence);
        self.quantity = 0;
    }
}

impl Drop for PurchaseClaim {
    fn drop(&mut self) {
        if self.quantity > 0 {
            self.purchases.shard(self.user).lock().change(self.user, -i64::from(self.quantity));
        }
    }
}

const fn shard_of(user: u128) -> usize {
    (user % SHARDS as u128) as usize
}

/// At 128 bits no two users are ever expected to share a hash.
fn hash(user: &str) -> u128 {
    let mut first = [0; 16];
    first.copy_from_slice(&blake3::hash(user.as_bytes()).as_bytes()[..16]);
    u128::from_le_bytes(first)
}

#[cfg(test)]
mod tests;
