//! One second of all series.

use crate::domain::clock::Timestamp;

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
}
