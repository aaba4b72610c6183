//! The lock-free counter. Its own file, so that a model checker can run it over checked integers.

use super::atomic::{AtomicU64, Ordering};

/// Units available. Never below zero; every unit taken was there.
///
/// Relaxed ordering is enough: the counter guards no other memory, and each operation is one read-modify-write, which
/// always acts on the latest value.
#[derive(Debug)]
pub struct StockCounter(AtomicU64);

impl StockCounter {
    /// A counter that starts with `units`.
    pub fn new(units: u64) -> Self {
        Self(AtomicU64::new(units))
    }

    /// Units available at this instant.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes all of `units`, or none where fewer are available. Fails only on a value that was really there: a lost
    /// race is tried again.
    pub fn try_take(&self, units: u64) -> bool {
        let mut available = self.get();
        while let Some(rest) = available.checked_sub(units) {
            match self.0.compare_exchange_weak(available, rest, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => available = now,
            }
        }
        false
    }

    /// Adds units.
    pub fn put(&self, units: u64) {
        self.0.fetch_add(units, Ordering::Relaxed);
    }

    /// Sets the units and returns what was there.
    pub fn set(&self, units: u64) -> u64 {
        self.0.swap(units, Ordering::Relaxed)
    }
}
