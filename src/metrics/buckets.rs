//! A histogram for Prometheus: counts of durations up to fixed bounds. It only grows.

use std::fmt::Write;
use std::time::Duration;

/// The bounds, in seconds: a duration counts for the first one that it does not exceed.
const BOUNDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The same in nanoseconds.
const BOUNDS_NANOS: [u64; 16] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Counts of durations by their bound; the last is for those above all bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Buckets {
    counts: [u64; BOUNDS.len() + 1],
    nanos: u64,
}

impl Buckets {
    /// Adds a duration so many times.
    pub(super) fn observe(&mut self, took: Duration, times: u64) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let at = BOUNDS_NANOS.iter().position(|bound| nanos <= *bound).unwrap_or(BOUNDS.len());
        self.counts[at] += times;
        self.nanos = self.nanos.wrapping_add(nanos.wrapping_mul(times));
    }

    /// Adds what another one has counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
        self.nanos = self.nanos.wrapping_add(other.nanos);
    }

    /// How many durations there are.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    pub(super) const fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos)
    }

    /// Its samples as text. `labels` are as `a="b",` with the last comma, or empty.
    pub(super) fn push_samples(&self, text: &mut String, name: &str, labels: &str) {
        let mut below = 0;
        // Into memory: this cannot fail.
        for (bound, count) in BOUNDS.iter().zip(self.counts) {
            below += count;
            let _ = writeln!(text, "{name}_bucket{{{labels}le=\"{bound:?}\"}} {below}");
        }
        let (all, seconds) = (self.count(), self.sum().as_secs_f64());
        let _ = writeln!(text, "{name}_bucket{{{labels}le=\"+Inf\"}} {all}");
        let braced = match labels.strip_suffix(',') {
            Some(labels) => format!("{{{labels}}}"),
            None => String::new(),
        };
        let _ = writeln!(text, "{name}_sum{braced} {seconds:?}\n{name}_count{braced} {all}");
    }
}

/// The lines that describe a histogram of durations.
pub(super) fn push_description(text: &mut String, name: &str, about: &str, is_open_metrics: bool) {
    let unit = if is_open_metrics { format!("# UNIT {name} seconds\n") } else { String::new() };
    let _ = write!(text, "# HELP {name} {about}.\n# TYPE {name} histogram\n{unit}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_lists_of_bounds_say_the_same() {
        for (seconds, nanos) in BOUNDS.iter().zip(BOUNDS_NANOS) {
            assert_eq!((seconds * 1e9).round() as u64, nanos);
        }
    }

    #[test]
    fn a_duration_counts_for_the_first_bound_that_it_does_not_exceed() {
        let mut buckets = Buckets::default();
        for micros in [100, 101, 250, 10_000_001] {
            buckets.observe(Duration::from_micros(micros), 1);
        }
        buckets.observe(Duration::from_micros(99), 2);
        let mut text = String::new();
        buckets.push_samples(&mut text, "x_seconds", "a=\"b\",");
        for line in [
            "x_seconds_bucket{a=\"b\",le=\"0.0001\"} 3",
            "x_seconds_bucket{a=\"b\",le=\"0.00025\"} 5",
            "x_seconds_bucket{a=\"b\",le=\"10.0\"} 5",
            "x_seconds_bucket{a=\"b\",le=\"+Inf\"} 6",
            "x_seconds_sum{a=\"b\"} 10.00065",
            "x_seconds_count{a=\"b\"} 6",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
    }
}
