//! How fast jobs are completed, over the last seconds.

use crate::domain::clock::Steady;

/// Seconds over which the rate is taken.
const WINDOW: usize = 10;

/// Completions in each of the last [`WINDOW`] seconds.
#[derive(Debug, Default)]
pub(super) struct Rate {
    counts: [u64; WINDOW],
    /// The second of the newest count, on the monotonic clock.
    newest: i64,
    /// The second of the first count ever, so that a young window is not divided by its full width.
    first: Option<i64>,
}

impl Rate {
    /// Counts completions.
    pub(super) fn add(&mut self, completed: u64, now: Steady) {
        self.advance(now);
        self.first.get_or_insert(self.newest);
        let slot = self.slot(self.newest);
        self.counts[slot] += completed;
    }

    /// Completions a second over the window.
    pub(super) fn per_second(&mut self, now: Steady) -> f64 {
        self.advance(now);
        let Some(first) = self.first else { return 0.0 };
        let seconds = (self.newest - first + 1).clamp(1, WINDOW as i64);
        let completed: u64 = self.counts.iter().sum();
        completed as f64 / seconds as f64
    }

    /// Clears the seconds that nothing was counted in.
    fn advance(&mut self, now: Steady) {
        // The thread that has read the clock first need not be here first.
        let second = now.millis().div_euclid(1_000).max(self.newest);
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
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Steady {
        Steady::default().after(Duration::from_secs(seconds))
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
}
