//! A histogram of durations: HDR (high dynamic range), from a microsecond to a minute, exact to three digits.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest duration that is recorded as it is, in microseconds; longer ones count as this one.
const LONGEST: u64 = 60_000_000;

/// Durations, as their distribution. Takes about 140 KB, however many there are.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        match Histogram::new_with_bounds(1, LONGEST, 3) {
            Ok(histogram) => Self(histogram),
            // The bounds are constants, and a test makes one.
            Err(error) => unreachable!("{error}"),
        }
    }
}

impl Latencies {
    /// Adds a duration. Shorter ones than a microsecond count as one, longer ones than a minute as a minute.
    pub fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    /// Adds all durations of another histogram.
    pub fn add(&mut self, other: &Self) {
        if !other.0.is_empty() {
            // Fails only for bounds that differ.
            let _ = self.0.add(&other.0);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        if !self.0.is_empty() {
            self.0.reset();
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Milliseconds that so many percent of them do not exceed; none where there are none.
    pub fn percentile(&self, percentile: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| millis(self.0.value_at_percentile(percentile).min(self.0.max())))
    }

    /// The longest, in milliseconds.
    pub fn max(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| millis(self.0.max()))
    }

    /// Their mean, in milliseconds.
    pub fn mean(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| (self.0.mean()).round() / 1_000.0)
    }
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact_to_a_thousandth_and_nothing_is_said_of_nothing() {
        let mut latencies = Latencies::default();
        assert_eq!((latencies.percentile(99.0), latencies.max(), latencies.mean()), (None, None, None));
        (1..=1_000).for_each(|millis| latencies.record(Duration::from_millis(millis)));
        for (percentile, millis) in [(50.0, 500.0), (95.0, 950.0), (99.0, 990.0), (100.0, 1_000.0)] {
            let measured = latencies.percentile(percentile).unwrap();
            assert!((measured - millis).abs() <= millis / 1_000.0, "p{percentile} is {measured}");
        }
        latencies.record(Duration::from_secs(3_600));
        assert!((latencies.max().unwrap() - 60_000.0).abs() < 60.0, "{:?}", latencies.max());
        let mut sum = Latencies::default();
        sum.add(&latencies);
        sum.add(&latencies);
        assert_eq!(sum.count(), 2_002);
        sum.clear();
        assert!(sum.is_empty());
    }
}
