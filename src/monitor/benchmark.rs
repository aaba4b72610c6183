//! What was measured since the last reset.

use std::time::Duration;

use crate::domain::clock::{Moment, Timestamp};
use crate::metrics::{Latencies, OUTCOME_COUNT, OUTCOMES};
use crate::view::benchmark::{BenchmarkView, PercentileView};
use crate::view::metrics::ByStatusAndCode;
use crate::view::text::{AsText, hundredths};

use super::window::{per_second, percent};

/// The points of the distribution.
const PERCENTILES: [f64; 10] = [0.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 99.999, 100.0];

/// A measurement that runs.
#[derive(Debug)]
pub(super) struct Run {
    /// When it began.
    pub(super) began: Moment,
    /// Response times of orders.
    pub(super) latencies: Latencies,
    /// The longest of them, and when it ended.
    pub(super) slowest: Option<(Duration, Timestamp)>,
    /// Responses when it began, in the order of the outcomes.
    pub(super) outcomes_before: [u64; OUTCOME_COUNT],
    /// The most responses in one second.
    pub(super) peak_responses: f64,
    /// The most orders that were accepted in one second.
    pub(super) peak_accepted: f64,
}

/// What the report says of the moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Present {
    /// Now.
    pub(super) now: Moment,
    /// Responses since the start, in the order of the outcomes.
    pub(super) outcomes: [u64; OUTCOME_COUNT],
    /// Responses in the last second.
    pub(super) responses_per_second: f64,
    /// The most requests under way, and connections, at one moment since the measurement began.
    pub(super) peaks: [u64; 2],
}

impl Run {
    /// One that begins now, when there were so many responses.
    pub(super) fn new(began: Moment, outcomes_before: [u64; OUTCOME_COUNT]) -> Self {
        let latencies = Latencies::default();
        Self { began, latencies, slowest: None, outcomes_before, peak_responses: 0.0, peak_accepted: 0.0 }
    }

    /// Takes in the response times of a part.
    pub(super) fn add(&mut self, latencies: &Latencies, slowest: Option<(Duration, Timestamp)>) {
        self.latencies.add(latencies);
        self.slowest = [self.slowest, slowest].into_iter().flatten().max_by_key(|(took, _)| *took);
    }

    /// The report.
    pub(super) fn report(&self, present: &Present) -> BenchmarkView {
        let mut counts = present.outcomes;
        counts.iter_mut().zip(self.outcomes_before).for_each(|(count, before)| *count -= before.min(*count));
        let total: u64 = counts.iter().sum();
        let failed =
            OUTCOMES.iter().zip(counts).filter(|((status, _), _)| *status >= 500).map(|(_, count)| count).sum();
        let passed = present.now.steady.since(self.began.steady);
        let mean = hundredths(per_second(total, passed));
        let latencies = &self.latencies;
        let codes = OUTCOMES.iter().zip(counts).map(|((status, code), count)| match *status {
            201 => ("201".to_owned(), count),
            status => (format!("{status} {code}"), count),
        });
        BenchmarkView {
            started_at: AsText(self.began.wall),
            test_duration: passed.as_secs_f64(),
            total_requests: total,
            successful_requests: total - failed,
            failed_requests: failed,
            error_rate: percent(failed, total),
            average_latency: latencies.mean(),
            p50_latency: latencies.percentile(50.0),
            p95_latency: latencies.percentile(95.0),
            p99_latency: latencies.percentile(99.0),
            max_latency: latencies.max(),
            slowest_at: self.slowest.map(|(_, at)| AsText(at)),
            throughput: mean,
            peak_throughput: hundredths(self.peak_responses).max(mean),
            answers_per_second: hundredths(present.responses_per_second),
            peak_concurrency: present.peaks[0],
            peak_connections: present.peaks[1],
            latency: points(latencies),
            codes: ByStatusAndCode(codes.collect()),
        }
    }
}

/// The points that at least one response lies above; the longest in any case.
fn points(latencies: &Latencies) -> Vec<PercentileView> {
    let has_one_above =
        |percentile: f64| percentile >= 100.0 || latencies.count() as f64 * (100.0 - percentile) / 100.0 >= 1.0;
    let known = PERCENTILES.into_iter().filter(|percentile| has_one_above(*percentile));
    known.filter_map(|percentile| Some(PercentileView { percentile, ms: latencies.percentile(percentile)? })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: i64) -> Moment {
        let steady = Moment::default().steady.after(Duration::from_secs(seconds.unsigned_abs()));
        Moment { wall: Timestamp::from_millis(seconds * 1_000), steady }
    }

    #[test]
    fn a_report_is_about_what_came_since_it_began() {
        let mut outcomes = [0; OUTCOME_COUNT];
        outcomes[0] = 7;
        let mut run = Run::new(moment(10), outcomes);
        let mut latencies = Latencies::default();
        (1..=200).for_each(|millis| latencies.record(Duration::from_millis(millis)));
        run.add(&latencies, Some((Duration::from_millis(200), Timestamp::from_millis(12_345))));
        run.add(&Latencies::default(), None);
        run.peak_responses = 150.0;
        outcomes[0] += 150;
        outcomes[1] += 40;
        outcomes[OUTCOME_COUNT - 1] += 10;
        let present = Present { now: moment(14), outcomes, responses_per_second: 3.0, peaks: [9, 12] };
        let report = run.report(&present);
        assert_eq!((report.total_requests, report.successful_requests, report.failed_requests), (200, 190, 10));
        assert_eq!((report.test_duration, report.throughput, report.peak_throughput), (4.0, 50.0, 150.0));
        assert_eq!((report.error_rate, report.peak_concurrency, report.peak_connections), (Some(5.0), 9, 12));
        assert_eq!(report.slowest_at, Some(AsText(Timestamp::from_millis(12_345))));
        assert_eq!(report.codes.0["201"] + report.codes.0["409 sold_out"] + report.codes.0["500 internal"], 200);
        assert_eq!(report.codes.0.len(), OUTCOME_COUNT);
        let percentiles: Vec<_> = report.latency.iter().map(|point| point.percentile).collect();
        assert_eq!(percentiles, [0.0, 50.0, 75.0, 90.0, 95.0, 99.0, 100.0], "one of 200 lies above p99.5 at most");
        let empty = Run::new(moment(10), outcomes).report(&present);
        assert_eq!(
            (empty.total_requests, empty.error_rate, empty.p50_latency, empty.latency.len()),
            (0, None, None, 0)
        );
    }
}
