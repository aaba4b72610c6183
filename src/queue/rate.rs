//! How fast jobs are completed, over the last seconds.

use crate::clock::Timestamp;

/// Seconds over which the rate is taken.
const WINDOW: usize = 10;

/// Completions in each of the last [`WINDOW`] seconds.
#[derive(Debug, Default)]
pub(super) struct Rate {
    counts: [u64; WINDOW],
    /// The second of the newest count, since the epoch.
    newest: i64,
    /// The second of the first count ever, so that a young window is not divided by its full width.
    first: Option<i64>,
}

impl Rate {
    /// Counts completions.
    pub(super) fn add(&mut self, completed: u64, now: Timestamp) {
        self.advance(now);
        self.first.get_or_insert(self.newest);
        let slot = self.slot(self.newest);
        self.counts[slot] += completed;
    }

    /// Completions a second over the window.
    pub(super) fn per_second(&mut self, now: Timestamp) -> f64 {
        self.advance(now);
        let Some(first) = self.first else { return 0.0 };
        let seconds = (self.newest - first + 1).clamp(1, WINDOW as i64);
        let completed: u64 = self.counts.iter().sum();
        completed as f64 / seconds as f64
    }

    /// Clears the seconds that nothing was counted in.
    fn advance(&mut self, now: Timestamp) {
        let now = now.millis().div_euclid(1_000);
        // Of a clock that was set back by more than the window, nothing that was counted says anything.
        if now < self.newest - WINDOW as i64 {
            *self = Self { newest: now, ..Self::default() };
        }
        let second = now.max(self.newest);
        let passed = (second - self.newest).min(WINDOW as i64);
        for gone in 0..passed {
            let slot = self.slot(second - gone);
            self.counts[slot] = 0;
        }
        self.newest = second;
    }

    fn slot(&self, second: i64) -> usize {
        second.rem_euclid(WINDOW as i64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn the_rate_follows_the_window_and_forgets_what_is_older() {
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(at(100)), 0.0);
        rate.add(50, at(100));
        assert_eq!(rate.per_second(at(100)), 50.0);
        rate.add(50, at(104));
        assert_eq!(rate.per_second(at(104)), 20.0);
        assert_eq!(rate.per_second(at(110)), 5.0);
        assert_eq!(rate.per_second(at(200)), 0.0);
    }

    #[test]
    fn a_clock_that_is_set_back_far_starts_the_rate_over() {
        let mut rate = Rate::default();
        rate.add(50, at(5_000));
        assert_eq!(rate.per_second(at(4_999)), 50.0);
        assert_eq!(rate.per_second(at(1_000)), 0.0);
        rate.add(20, at(1_001));
        assert_eq!(rate.per_second(at(1_001)), 20.0);
        assert_eq!(rate.per_second(at(1_010)), 2.0);
    }
}
