//! One second of all series.

use crate::domain::clock::Timestamp;
use crate::view::metrics::MetricsView;

pub use crate::domain::series::Series;

/// What was measured in one second, in the order of [`Series::ALL`]; `None` is what was not measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The end of the second.
    pub at: Timestamp,
    /// The figures.
    pub values: [Option<f32>; Series::COUNT],
}

impl Sample {
    /// A second in which nothing was measured.
    pub const fn empty(at: Timestamp) -> Self {
        Self { at, values: [None; Series::COUNT] }
    }

    /// Notes a figure; one that is not finite counts as not measured.
    pub fn set(&mut self, series: Series, value: Option<f64>) {
        self.values[series as usize] = value.map(|value| value as f32).filter(|value| value.is_finite());
    }

    /// The figures of a second as the metrics show them.
    pub fn of(view: &MetricsView) -> Self {
        let mut sample = Self::empty(Timestamp::from_millis(view.timestamp));
        let rate = |code: &str| view.rejected_rates.0.get(code).copied();
        let count = |count: u64| Some(count as f64);
        for (series, value) in [
            (Series::AcceptedPerSecond, Some(view.orders_per_second)),
            (Series::RejectedPerSecond, Some(view.rejected_per_second)),
            (Series::EarlyPerSecond, Some(rate("sale_not_started").unwrap_or_default())),
            (Series::FailedPercent, view.failed_percent),
            (Series::CompletedPerSecond, Some(view.throughput)),
            (Series::ResponseP50, view.response_time.p50),
            (Series::ResponseP95, view.response_time.p95),
            (Series::ResponseP99, view.response_time.p99),
            (Series::QueueLength, count(view.queue_length)),
            (Series::OldestJobAge, Some(view.oldest_job_age_ms as f64 / 1_000.0)),
            (Series::CommitsPerSecond, Some(view.commit.per_second)),
            (Series::CommitP99, view.commit.p99),
            (Series::CpuPercent, view.cpu_percent),
            (Series::MemoryBytes, view.memory_bytes.map(|bytes| bytes as f64)),
            (Series::Connections, count(view.active_connections)),
            (Series::FeedConnections, count(view.feed_connections)),
            (Series::ActiveUsers, count(view.active_users)),
            (Series::Visitors, count(view.visitors)),
            (Series::UnitsLeft, count(view.units_left)),
            (Series::DeadLetters, count(view.dead_letters)),
        ] {
            sample.set(series, value);
        }
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_taken_from_the_metrics() {
        let view = MetricsView {
            timestamp: 5_000,
            failed_percent: Some(1.0),
            cpu_percent: Some(1.0),
            memory_bytes: Some(1),
            response_time: crate::view::metrics::ResponseTimeView {
                p50: Some(1.0),
                p95: Some(2.0),
                p99: Some(3.0),
                max: None,
            },
            commit: crate::view::metrics::CommitView { p99: Some(4.0), ..Default::default() },
            ..MetricsView::default()
        };
        let sample = Sample::of(&view);
        assert!(sample.values.iter().all(Option::is_some), "{sample:?}");
        assert_eq!(sample.values[Series::ResponseP99 as usize], Some(3.0));
        assert_eq!(Sample::of(&MetricsView::default()).values[Series::ResponseP99 as usize], None);
    }
}
