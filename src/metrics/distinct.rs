//! How many distinct people there are, estimated in fixed memory: HyperLogLog with 2^14 registers of one byte.
//!
//! The algorithm is that of Flajolet, Fusy, Gandouet and Meunier, "HyperLogLog: the analysis of a near-optimal
//! cardinality estimation algorithm" (2007). The estimate is the improved raw estimator of Ertl, "New cardinality
//! estimation algorithms for HyperLogLog sketches" (arXiv:1702.01284, 2017, algorithm 6), which needs no table of
//! corrections and is good for few as for many. Its standard error is 1.04 / sqrt(2^14) = 0.81 %: two estimates of
//! three are nearer than that, 19 of 20 are nearer than 1.6 %, and up to some hundreds it is mostly exact.

use std::sync::atomic::{AtomicU8, Ordering};

/// Bits of a hash that choose the register.
const INDEX_BITS: u32 = 14;
const REGISTERS: usize = 1 << INDEX_BITS;
/// Bits of a hash whose leading zeros are counted.
const VALUE_BITS: u32 = 64 - INDEX_BITS;

/// Registers that any thread may raise. What is already counted costs a hash and a read.
#[derive(Debug)]
pub(super) struct Registers(Box<[AtomicU8]>);

/// What registers had at a moment, or the union of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch(Box<[u8]>);

/// The register of a hash and its value there.
const fn place(hash: u64) -> (usize, u8) {
    let value = (hash << INDEX_BITS | 1 << (INDEX_BITS - 1)).leading_zeros() + 1;
    ((hash >> VALUE_BITS) as usize, value as u8)
}

impl Default for Registers {
    fn default() -> Self {
        Self((0..REGISTERS).map(|_| AtomicU8::new(0)).collect())
    }
}

impl Registers {
    /// Counts what has this hash.
    pub(super) fn add(&self, hash: u64) {
        let (at, value) = place(hash);
        let register = &self.0[at];
        // Mostly read only, so that threads do not take the cache line from each other.
        if register.load(Ordering::Relaxed) < value {
            register.fetch_max(value, Ordering::Relaxed);
        }
    }

    /// Moves everything that was counted to a sketch.
    pub(super) fn drain_into(&self, sketch: &mut Sketch) {
        for (register, value) in self.0.iter().zip(&mut sketch.0) {
            if register.load(Ordering::Relaxed) > 0 {
                *value = (*value).max(register.swap(0, Ordering::Relaxed));
            }
        }
    }
}

impl Default for Sketch {
    fn default() -> Self {
        Self(vec![0; REGISTERS].into())
    }
}

impl Sketch {
    /// Counts what has this hash.
    pub fn add(&mut self, hash: u64) {
        let (at, value) = place(hash);
        self.0[at] = self.0[at].max(value);
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(value, more)| *value = (*value).max(*more));
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    /// How many distinct hashes were counted.
    pub fn estimate(&self) -> u64 {
        let mut counts = [0_u32; VALUE_BITS as usize + 2];
        self.0.iter().for_each(|value| counts[usize::from(*value)] += 1);
        let share = |count: u32| f64::from(count) / REGISTERS as f64;
        let mut z = REGISTERS as f64 * tau(1.0 - share(counts[VALUE_BITS as usize + 1]));
        for count in counts[1..=VALUE_BITS as usize].iter().rev() {
            z = 0.5 * (z + f64::from(*count));
        }
        z += REGISTERS as f64 * sigma(share(counts[0]));
        let registers = REGISTERS as f64;
        (registers * registers / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
    }
}

/// What registers without a value contribute.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

/// What registers with the highest value contribute.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    /// A sketch of so many distinct names, each counted twice.
    fn sketch_of(names: std::ops::Range<u64>, seed: u64) -> Sketch {
        let hasher = foldhash::quality::FixedState::with_seed(seed);
        let mut sketch = Sketch::default();
        for name in names.clone().chain(names) {
            sketch.add(hasher.hash_one(format!("user-{name}")));
        }
        sketch
    }

    #[test]
    fn the_error_is_within_the_bound_for_few_and_for_many() {
        for (count, runs) in [(0, 1), (1, 20), (10, 20), (1_000, 20), (20_000, 20), (100_000, 5)] {
            let mut squares = 0.0;
            for seed in 0..runs {
                let estimate = sketch_of(0..count, seed).estimate() as f64;
                let error = (estimate - count as f64) / (count.max(1) as f64);
                // Four standard errors.
                assert!(error.abs() < 0.0325, "{count} were estimated as {estimate}");
                squares += error * error;
            }
            let standard_error = (squares / runs as f64).sqrt();
            assert!(standard_error < 0.0125, "{count}: {standard_error}");
        }
    }

    #[test]
    fn up_to_a_hundred_it_is_exact_mostly_and_a_union_counts_nobody_twice() {
        let exact = (0..50).filter(|seed| sketch_of(0..100, *seed).estimate() == 100).count();
        assert!(exact >= 25, "{exact} of 50");
        let mut union = sketch_of(0..5_000, 7);
        union.merge(&sketch_of(2_500..7_500, 7));
        assert_eq!(union, sketch_of(0..7_500, 7));
        union.clear();
        assert_eq!(union.estimate(), 0);
    }

    #[test]
    fn registers_are_drained_once() {
        let (registers, mut sketch) = (Registers::default(), Sketch::default());
        [3, 3, u64::MAX, 0].into_iter().for_each(|hash| registers.add(hash));
        registers.drain_into(&mut sketch);
        assert_eq!(sketch.estimate(), 2, "3 and 0 share a register");
        let mut again = Sketch::default();
        registers.drain_into(&mut again);
        assert_eq!(again.estimate(), 0);
    }
}
