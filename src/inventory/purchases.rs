//! How many units each user has of the products that limit it. Decided before the stock is touched.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::order::UserId;
use crate::product::ProductId;

/// Locks, so that users do not wait for each other.
const SHARDS: usize = 64;

/// A product and the hash of a user's name. At 128 bits no two users are ever expected to share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    product: ProductId,
    user: u128,
}

/// Units of each user in pending and confirmed orders, for products with a limit. Bounded by the buyers of such
/// products; an entry of no units is removed.
#[derive(Debug)]
pub struct Purchases {
    shards: Vec<Mutex<HashMap<Key, u32>>>,
}

/// The user may not have that many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitExceeded {
    /// Units that the user may still order.
    pub left: u32,
}

/// Units counted for an order that is not stored yet. Dropping it counts them no longer.
#[derive(Debug)]
#[must_use = "dropping a claim gives its units back"]
pub struct PurchaseClaim {
    purchases: Arc<Purchases>,
    key: Key,
    quantity: u32,
}

impl Default for Purchases {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Purchases {
    /// Whether units of a user would stay within `limit`; counts nothing.
    pub fn check(&self, product: ProductId, user: &UserId, quantity: u32, limit: u32) -> Result<(), LimitExceeded> {
        let key = key(product, user);
        stays_within(limit, units_of(&self.shard(key).lock(), key), quantity)
    }

    /// Counts units for a user if they stay within `limit`.
    pub fn claim(
        self: &Arc<Self>,
        product: ProductId,
        user: &UserId,
        quantity: u32,
        limit: u32,
    ) -> Result<PurchaseClaim, LimitExceeded> {
        let key = key(product, user);
        let mut shard = self.shard(key).lock();
        let units = units_of(&shard, key);
        stays_within(limit, units, quantity)?;
        shard.insert(key, units + quantity);
        Ok(PurchaseClaim { purchases: Arc::clone(self), key, quantity })
    }

    /// Counts the units of a stored order, whatever the limit.
    pub fn add(&self, product: ProductId, user: &UserId, quantity: u32) {
        let key = key(product, user);
        *self.shard(key).lock().entry(key).or_default() += quantity;
    }

    /// Counts the units of a stored order no longer.
    pub fn subtract(&self, product: ProductId, user: &UserId, quantity: u32) {
        self.subtract_key(key(product, user), quantity);
    }

    /// Forgets all users of one product.
    pub fn forget(&self, product: ProductId) {
        for shard in &self.shards {
            shard.lock().retain(|key, _| key.product != product);
        }
    }

    fn subtract_key(&self, key: Key, quantity: u32) {
        let mut shard = self.shard(key).lock();
        if let Some(units) = shard.get_mut(&key) {
            *units = units.saturating_sub(quantity);
            if *units == 0 {
                shard.remove(&key);
            }
        }
    }

    fn shard(&self, key: Key) -> &Mutex<HashMap<Key, u32>> {
        &self.shards[(key.user % SHARDS as u128) as usize]
    }
}

impl PurchaseClaim {
    /// Ends the claim: the units belong to a stored order from here on.
    pub fn keep(mut self) {
        self.quantity = 0;
    }
}

impl Drop for PurchaseClaim {
    fn drop(&mut self) {
        if self.quantity > 0 {
            self.purchases.subtract_key(self.key, self.quantity);
        }
    }
}

fn units_of(shard: &HashMap<Key, u32>, key: Key) -> u32 {
    shard.get(&key).copied().unwrap_or(0)
}

/// Whether a user who has `units` may have so many more.
const fn stays_within(limit: u32, units: u32, quantity: u32) -> Result<(), LimitExceeded> {
    let left = limit.saturating_sub(units);
    if quantity > left { Err(LimitExceeded { left }) } else { Ok(()) }
}

fn key(product: ProductId, user: &UserId) -> Key {
    let mut first = [0; 16];
    first.copy_from_slice(&blake3::hash(user.as_str().as_bytes()).as_bytes()[..16]);
    Key { product, user: u128::from_le_bytes(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_gets_up_to_the_limit_and_what_was_given_back_again() {
        let purchases = Arc::new(Purchases::default());
        let (cap, ada, eve) = (ProductId(1), UserId::new("ada").unwrap(), UserId::new("eve").unwrap());
        purchases.claim(cap, &ada, 2, 3).unwrap().keep();
        assert_eq!(purchases.claim(cap, &ada, 2, 3).unwrap_err(), LimitExceeded { left: 1 });
        drop(purchases.claim(cap, &ada, 1, 3).unwrap());
        assert!(purchases.claim(cap, &eve, 3, 3).is_ok());
        assert!(purchases.claim(ProductId(2), &ada, 3, 3).is_ok());
        purchases.subtract(cap, &ada, 2);
        assert!(purchases.claim(cap, &ada, 3, 3).is_ok());
    }

    #[test]
    fn a_limit_lowered_below_what_a_user_has_leaves_nothing() {
        let purchases = Arc::new(Purchases::default());
        let (cap, ada) = (ProductId(1), UserId::new("ada").unwrap());
        purchases.add(cap, &ada, 5);
        assert_eq!(purchases.claim(cap, &ada, 1, 3).unwrap_err(), LimitExceeded { left: 0 });
    }
}
