//! Places of numbers in a table, and how to wait for many of them at once.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Scatters numbers over a table, each table in its own way, so that nobody can choose numbers that all fall into one
/// place (multiply-shift: Dietzfelbinger et al., "A Reliable Randomized Algorithm for the Closest-Pair Problem", 1997).
#[derive(Debug)]
pub struct Scatter {
    /// Odd.
    multiplier: u64,
}

/// Reads these words of a table, so that the processor fetches what is around them. Where little is done between two of
/// them it has many under way.
pub fn fetch(words: impl Iterator<Item = u64>) {
    std::hint::black_box(words.fold(0, |all, word| all ^ word));
}

impl Default for Scatter {
    fn default() -> Self {
        Self { multiplier: RandomState::new().hash_one(0_u8) | 1 }
    }
}

impl Scatter {
    /// A way that a test chooses.
    #[cfg(test)]
    pub(crate) const fn by(multiplier: u64) -> Self {
        Self { multiplier: multiplier | 1 }
    }

    /// The place of a number in a table of so many, a power of two above 1.
    pub const fn place(&self, number: u64, places: usize) -> usize {
        (number.wrapping_mul(self.multiplier) >> (u64::BITS - places.ilog2())) as usize
    }
}
