//! The last seconds: response times, commits and what became of orders.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::clock::Steady;
use crate::limits::RATE_SPAN;
use crate::metrics::{Commits, Latencies};
use crate::view::metrics::ResponseTimeView;

/// The most parts that are kept: one a second, and some for resets in between.
const MAX_PARTS: usize = 16;

/// What happened from one sample to the next.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Response times of orders.
    pub(super) latencies: Latencies,
    /// Commits.
    pub(super) commits: Commits,
    /// Orders that were confirmed.
    pub(super) confirmed: u64,
    /// Orders that failed.
    pub(super) failed: u64,
}

/// The parts that are not older than [`RATE_SPAN`].
#[derive(Debug, Default)]
pub(super) struct Window {
    parts: VecDeque<(Steady, Part)>,
    /// Response times that were read before the part that they belong to has ended.
    early: Latencies,
}

/// What the window adds up to.
#[derive(Debug, Default)]
pub(super) struct WindowSums {
    latencies: Latencies,
    commits: Commits,
    confirmed: u64,
    failed: u64,
}

impl Window {
    /// Adds response times to the part that is pushed next.
    pub(super) fn add_to_next(&mut self, latencies: &Latencies) {
        self.early.add(latencies);
    }

    /// Adds a part that ends now.
    pub(super) fn push(&mut self, mut part: Part, now: Steady) {
        part.latencies.add(&self.early);
        self.early.clear();
        self.parts.push_back((now, part));
        while let Some((at, _)) = self.parts.front()
            && (now.since(*at) >= RATE_SPAN || self.parts.len() > MAX_PARTS)
        {
            self.parts.pop_front();
        }
    }

    /// Adds all parts up.
    pub(super) fn sums(&self) -> WindowSums {
        let mut sums = WindowSums::default();
        for (_, part) in &self.parts {
            sums.latencies.add(&part.latencies);
            sums.commits.latencies.add(&part.commits.latencies);
            sums.commits.orders += part.commits.orders;
            sums.confirmed += part.confirmed;
            sums.failed += part.failed;
        }
        sums
    }
}

impl WindowSums {
    /// The response times of orders.
    pub(super) fn response_time(&self) -> ResponseTimeView {
        let latencies = &self.latencies;
        let [p50, p95, p99] = [50.0, 95.0, 99.0].map(|percentile| latencies.percentile(percentile));
        ResponseTimeView { p50, p95, p99, max: latencies.max() }
    }

    /// Orders placed or moved in a commit, on the mean.
    pub(super) fn batch_size(&self) -> Option<f64> {
        let commits = self.commits.latencies.count();
        (commits > 0).then(|| self.commits.orders as f64 / commits as f64)
    }

    /// Milliseconds that 99 of 100 commits do not exceed.
    pub(super) fn commit_p99(&self) -> Option<f64> {
        self.commits.latencies.percentile(99.0)
    }

    /// Percent of the orders that were confirmed or failed which failed.
    pub(super) fn failed_percent(&self) -> Option<f64> {
        percent(self.failed, self.confirmed + self.failed)
    }
}

/// Percent; none of nothing.
pub(super) fn percent(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| (part as f64 * 100.0 / all as f64).min(100.0))
}

/// How often something happened a second.
pub(super) fn per_second(count: u64, passed: Duration) -> f64 {
    let seconds = passed.as_secs_f64();
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Steady {
        Steady::default().after(Duration::from_secs(seconds))
    }

    fn part(millis: u64, failed: u64) -> Part {
        let mut part = Part { confirmed: 1, failed, ..Part::default() };
        part.latencies.record(Duration::from_millis(millis));
        part.commits.latencies.record(Duration::from_millis(2));
        part.commits.orders = 6;
        part
    }

    #[test]
    fn the_window_forgets_what_is_older_than_its_span() {
        let mut window = Window::default();
        window.push(part(500, 1), at(100));
        for second in 101..110 {
            window.push(part(10, 0), at(second));
        }
        let sums = window.sums();
        assert!(sums.response_time().max.unwrap() >= 500.0 && sums.failed_percent() == percent(1, 11));
        assert_eq!((sums.batch_size(), sums.commit_p99()), (Some(6.0), Some(2.0)));
        window.add_to_next(&part(20, 0).latencies);
        window.push(part(10, 0), at(110));
        let sums = window.sums();
        assert!((20.0..21.0).contains(&sums.response_time().max.unwrap()) && sums.failed_percent() == Some(0.0));
        window.push(Part::default(), at(200));
        let sums = window.sums();
        assert_eq!((sums.response_time(), sums.failed_percent()), (ResponseTimeView::default(), None));
        assert_eq!((sums.batch_size(), sums.commit_p99()), (None, None));
    }

    #[test]
    fn parts_are_bounded_however_often_they_come() {
        let mut window = Window::default();
        (0..1_000).for_each(|_| window.push(part(1, 0), at(1)));
        assert_eq!(window.parts.len(), MAX_PARTS);
    }
}
