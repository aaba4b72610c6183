//! Metrics of one name with the values of a closed list as label: all from the start, always in the same order.

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};

/// One metric for each value of a label.
#[derive(Debug)]
pub(super) struct Labelled<M> {
    label: &'static str,
    metrics: Vec<(&'static str, M)>,
}

impl<M> Labelled<M> {
    /// The metrics of these values.
    pub(super) fn new(label: &'static str, metrics: impl IntoIterator<Item = (&'static str, M)>) -> Self {
        Self { label, metrics: metrics.into_iter().collect() }
    }
}

impl<M: EncodeMetric + TypedMetric> EncodeMetric for Labelled<M> {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), std::fmt::Error> {
        for (value, metric) in &self.metrics {
            metric.encode(encoder.encode_family(&[(self.label, *value)])?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }
}

/// A count that is read when it is asked for.
pub(super) fn gauge(value: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}

/// Counts by the values of a label.
pub(super) fn by(
    label: &'static str,
    values: impl IntoIterator<Item = (&'static str, u64)>,
) -> Labelled<ConstGauge<i64>> {
    Labelled::new(label, values.into_iter().map(|(value, count)| (value, gauge(count))))
}
